"""Batches or one clip at a time? SSL-MOS through one backbone, three ways, in one process.

    python benchmarks/ssl_batches.py
    python benchmarks/ssl_batches.py --backbone wavlm-large --clips 32 --threads 1
    python benchmarks/ssl_batches.py --device cuda --clips 256 --precision bfloat16

Random weights, seeded clips of 2 to 12 s at 16 kHz in memory. ``single``: a loop of one clip at a time through the
network, with all torch threads. ``batch N``: the same clips, sorted by length, in padded and masked batches of N.
``predict``: what the harness does (on the CPU one clip per thread; on a GPU padded batches). The ways take turns,
round by round. Prints medians in clips per second, their ratio to ``single``, and the largest difference of the scores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.predictors.sslmos import SslMos
from mosharness.predictors.trainable import Trainable, autocast, exact, to_device

SAMPLE_RATE = 16_000
TOLERANCE = 1e-5


def clips(count: int, seed: int = 0) -> list[np.ndarray]:
    """Harmonic tones with a syllable-like envelope in noise, 2 to 12 s."""
    waves = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        time_s = np.arange(int(random.uniform(2.0, 12.0) * SAMPLE_RATE)) / SAMPLE_RATE
        tone = sum(np.sin(2 * np.pi * order * random.uniform(90.0, 250.0) * time_s) / order for order in range(1, 12))
        envelope = np.clip(np.sin(2 * np.pi * random.uniform(2.0, 5.0) * time_s) + 0.3, 0.0, None)
        waves.append((0.1 * envelope * tone + 0.01 * random.standard_normal(time_s.size)).astype(np.float32))
    return waves


def in_batches(predictor: SslMos, waves: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Scores by padded batches of ``size`` clips, longest first."""
    scores = np.empty((len(waves), 1))
    order = sorted(range(len(waves)), key=lambda at: -len(waves[at]))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        items = [predictor.prepare(clip_from_array(waves[at], SAMPLE_RATE, limits=predictor.limits())) for at in chosen]
        batch = to_device(predictor.collate(items), predictor.device)
        with torch.inference_mode(), exact(predictor.device), autocast(predictor.device, predictor.precision):
            scores[chosen] = predictor.forward(batch).float().cpu().numpy()
    return scores


def seconds(function: Callable[[], object], device: str) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="wav2vec2-base")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="*", default=[4, 8])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    predictor: Trainable = SslMos({"backbone": options.backbone}, device=options.device, precision=options.precision)
    assert isinstance(predictor, SslMos)
    waves = clips(options.clips)
    ways: dict[str, Callable[[], np.ndarray]] = {"single": lambda: in_batches(predictor, waves, 1)}
    for size in options.batches:
        ways[f"batch {size}"] = lambda size=size: in_batches(predictor, waves, size)  # type: ignore[misc]
    ways["predict"] = lambda: predictor.predict(waves, SAMPLE_RATE, workers=options.threads)
    found = {name: way() for name, way in ways.items()}  # also warms up
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            times[name].append(seconds(way, predictor.device))
    length = sum(wave.size for wave in waves) / SAMPLE_RATE
    print(
        f"{options.backbone}, {predictor.device}, {options.precision}, {options.threads} threads: {len(waves)} clips, "
        f"{length:.0f} s of audio, {options.rounds} rounds"
    )
    worst = 0.0
    for name, taken in times.items():
        ratio = statistics.median(one / other for one, other in zip(times["single"], taken, strict=True))
        difference = float(np.abs(found[name] - found["single"]).max())
        worst = max(worst, difference)
        print(
            f"{name:10} {len(waves) / statistics.median(taken):7.2f} clips/s, {ratio:5.2f} times single, "
            f"scores differ by up to {difference:.1e}"
        )
    return 0 if worst <= TOLERANCE or options.precision != "float32" else 1


if __name__ == "__main__":
    sys.exit(main())
