"""AudioBox-Aesthetics: exact trimmed chunks against padded 10 s chunks, one file at a time, in one process.

    python benchmarks/audiobox.py
    python benchmarks/audiobox.py --size tiny --rounds 2 --threads 1
    python benchmarks/audiobox.py --device cuda --clips 64

Random weights of the released model's size behind the released label statistics, so that differences are on the scale
of real scores; seeded clips in memory at fixed lengths (2 to 6 s, and 2 to 30 s), eight a list unless told otherwise.
``padded``: the same network as it is usually run: every file alone, each chunk filled with zeros to 10 s, the frames
of the zeros computed and masked. ``transformers``: the same again with the WavLM of transformers and its attention
mask, as a plain program would. ``trimmed``: one file at a time, chunks as long as their valid frames. ``predict``: what
the harness does (on the CPU a clip per thread, on a GPU chunks of many clips together). The ways take turns, round by
round. Prints medians, ratios to ``padded``, the largest difference of any score, and how far the scores of the clips
spread: where they do not, agreement would say nothing, so that too little spread is a failure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.predictors.audiobox import Audiobox, collate_chunks
from mosharness.predictors.audiobox.chunks import CHUNK, SAMPLE_RATE
from mosharness.predictors.trainable import exact

TOLERANCE = 1e-5
SPREAD = 1000 * TOLERANCE
"""Least standard deviation of each axis over the clips of a list."""
RELEASED = {"pq": (6.57505, 1.51466), "pc": (3.18591, 1.86637), "ce": (5.06865, 1.93029), "cu": (5.73633, 1.75669)}
"""Mean and deviation of the labels, by axis, as in the published model."""
LISTS = {"2 to 6 s": (2.0, 6.0, 2.4), "2 to 30 s": (2.0, 30.0, 1.4)}
"""Bounds of the lengths, which are the middles of equal steps between them, and the ratio that is wanted."""


def clips(count: int, shortest: float, longest: float) -> list[np.ndarray]:
    """Harmonic tones with a syllable-like envelope in noise, at fixed lengths in a fixed disorder."""
    waves = []
    middles = shortest + (longest - shortest) * (np.arange(count) + 0.5) / count
    lengths = np.random.default_rng(0).permutation(middles)
    for number, length in enumerate(lengths):
        random = np.random.default_rng([1, number])
        time_s = np.arange(int(length * SAMPLE_RATE)) / SAMPLE_RATE
        tone = sum(np.sin(2 * np.pi * order * random.uniform(90.0, 250.0) * time_s) / order for order in range(1, 12))
        envelope = np.clip(np.sin(2 * np.pi * random.uniform(2.0, 5.0) * time_s) + 0.3, 0.0, None)
        waves.append((0.1 * envelope * tone + 0.01 * random.standard_normal(time_s.size)).astype(np.float32))
    return waves


class Ways:
    """The ways to score, each a function of waves."""

    def __init__(self, predictor: Audiobox, threads: int) -> None:
        self.predictor, self.threads = predictor, threads
        self.states_of: Callable[..., Any] = predictor.network.backbone.states

    def _one_file(self, wave: np.ndarray, *, fill: bool) -> torch.Tensor:
        batch = collate_chunks([self.predictor.prepare(clip_from_array(wave, SAMPLE_RATE))])
        waves = batch["waves"]
        if fill:
            waves = torch.nn.functional.pad(waves, (0, CHUNK - waves.shape[1]))
        parts = []
        for at, length in enumerate(batch["lengths"].tolist()):
            chunk = (waves[at : at + 1] if fill else waves[at : at + 1, :length]).to(self.predictor.device)
            states, counts = self.states_of(chunk, [length])
            parts.append(self.predictor.network.heads_of(states, counts).raw)
        weights = batch["weights"].to(self.predictor.device)
        mean = (torch.cat(parts) * weights[:, None]).sum(0) / weights.sum()
        return self.predictor.network.on_scale(mean).cpu()

    def _all(self, waves: list[np.ndarray], *, fill: bool) -> np.ndarray:
        with torch.inference_mode(), exact(self.predictor.device):
            return torch.stack([self._one_file(wave, fill=fill) for wave in waves]).numpy()

    def padded(self, waves: list[np.ndarray]) -> np.ndarray:
        """Every frame of the padding is computed, and masked where attention and pooling look."""
        return self._all(waves, fill=True)

    def transformers(self, waves: list[np.ndarray]) -> np.ndarray:
        """The same through ``WavLMModel.forward``."""
        own, model = self.states_of, self.predictor.network.backbone.model

        def states(chunk: torch.Tensor, lengths: list[int]) -> tuple[Any, torch.Tensor]:
            mask = (torch.arange(CHUNK) < lengths[0])[None].to(chunk.device)
            found = model(chunk, attention_mask=mask, output_hidden_states=True).hidden_states
            counts = model._get_feat_extract_output_lengths(torch.tensor(lengths)).to(chunk.device)
            return found, counts

        self.states_of = states
        try:
            return self._all(waves, fill=True)
        finally:
            self.states_of = own

    def trimmed(self, waves: list[np.ndarray]) -> np.ndarray:
        """One file at a time, chunk by chunk."""
        return self._all(waves, fill=False)

    def predict(self, waves: list[np.ndarray]) -> np.ndarray:
        """The harness."""
        return self.predictor.predict(waves, SAMPLE_RATE, workers=self.threads)


def seconds(function: Callable[[list[np.ndarray]], object], waves: list[np.ndarray], device: str, clock: str) -> float:
    """Time of one call: by the wall, or of the processor, which on a busy machine is the fairer one."""
    read = time.process_time if clock == "cpu" else time.perf_counter
    start = read()
    function(waves)
    if device != "cpu":
        torch.cuda.synchronize()
    return read() - start


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="base", choices=("base", "tiny"))
    parser.add_argument("--layers", type=int, help="transformer layers; all by default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"), help="cpu: processor time, all threads")
    parser.add_argument("--ways", nargs="*", default=["padded", "transformers", "trimmed", "predict"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    predictor = Audiobox({"size": options.size, "layers": options.layers}, device=options.device)
    with torch.no_grad():
        for at, name in enumerate(predictor.dimensions):
            predictor.network.target_mean[at], predictor.network.target_std[at] = RELEASED[name]
            predictor.network.heads[name][-1].weight.mul_(4.0)  # fresh heads hardly tell clips apart
    ways = Ways(predictor, options.threads)
    names = ["padded", *(name for name in options.ways if name != "padded")]
    print(
        f"audiobox {options.size}, {predictor.network.backbone.n_layers} layers, {predictor.device}, "
        f"{options.threads} threads, {options.rounds} rounds, {options.clock} clock"
    )
    good = True
    for title, (shortest, longest, wanted) in LISTS.items():
        waves = clips(options.clips, shortest, longest)
        found = {name: getattr(ways, name)(waves) for name in names}  # also warms up
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                times[name].append(seconds(getattr(ways, name), waves, predictor.device, options.clock))
        audio = sum(wave.size for wave in waves) / SAMPLE_RATE
        spread = float(found["padded"].std(0).min())
        good &= spread >= SPREAD
        print(
            f"{len(waves)} clips of {title}, {audio:.0f} s of audio; scores spread by {spread:.3f} or more "
            f"(wanted {SPREAD:g})"
        )
        for name, taken in times.items():
            ratio = statistics.median(one / other for one, other in zip(times["padded"], taken, strict=True))
            difference = float(np.abs(found[name] - found["padded"]).max())
            good &= difference <= TOLERANCE and (name != "predict" or ratio >= wanted)
            print(
                f"  {name:12} {statistics.median(taken) / len(waves):7.3f} s per clip, {ratio:5.2f} times padded"
                f"{f' (wanted {wanted})' if name == 'predict' else ''}, scores differ by up to {difference:.1e}"
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
