"""APG-MOS: clips per second of every training stage with and without kept features, and of scoring, in one process.

    python benchmarks/apgmos.py
    python benchmarks/apgmos.py --size base --clips 4 --rounds 2 --threads 1
    python benchmarks/apgmos.py --size base --device cuda --clips 256

Random weights, seeded clips of ``--seconds`` at 16 kHz in memory. A training step is what the engine does with a batch:
prepare, collate, forward, backward, SGD. ``kept`` reads the frozen parts' features from disk, ``computed`` makes them
anew for every batch; the two take turns, round by round. ``pruned`` scores with the auditory queries, ``all`` with the
semantic ones too. Prints medians and ratios, and the largest difference of pruned scores from those of the pass that
gives all three. For the base size also how long the recipe of the paper would take on BVCC, extrapolated.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.recipes.recipe import Stage
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.training import ApgmosTraining
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.trainable import exact, to_device
from mosharness.predictors.training_clip import TrainingClip, training_clip

SAMPLE_RATE = 16_000
TOLERANCE = 1e-5
TRAIN_CLIPS, DEV_CLIPS, BATCH = 4974, 1066, 16  # of BVCC, and of the recipe
W2V_STEPS = 14_000  # SHEET's runs on BVCC stopped at 13,100 to 14,900 steps
EPOCHS = 60  # assumed for the stages apm and joint: 40 epochs to the best and 20 of patience


class Bench:
    """One set of clips, batches and stages."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device = options.device
        self.batch = min(options.batch, options.clips)
        waves = [speech_like(options.seconds, SAMPLE_RATE, at) for at in range(options.clips)]
        self.waves = waves
        self.clips: list[TrainingClip] = [
            training_clip(clip_from_array(wave, SAMPLE_RATE), utterance_id=str(at)) for at, wave in enumerate(waves)
        ]
        self.options = options

    def model(self, part: str) -> tuple[Apgmos, ApgmosTraining]:
        """A model at the beginning of a stage."""
        settings = {"vq_source": "random", "wav2vec2": "random", "hubert": "random"}
        torch.manual_seed(0)
        model = Apgmos({"size": self.options.size}, device=self.device)
        model.network.fresh = part != "joint"
        stage = Stage(part, epochs=1, settings=settings)
        training = ApgmosTraining(model)
        training.begin_stage(stage)
        model.network.to(model.device)
        training.train_mode()
        return model, training

    def epoch(self, training: ApgmosTraining, kept: bool = True) -> Callable[[], None]:
        """One pass over all clips in training, with features from disk or not."""
        model = training.predictor
        training.prepare(self.clips[0], np.random.default_rng(0))  # opens the features
        optimizer = torch.optim.SGD(training.parameter_groups(), lr=1e-3, momentum=0.9)
        targets = torch.linspace(1.0, 5.0, self.batch, device=model.device)[:, None]

        def run() -> None:
            training.frozen.cached = kept
            for start in range(0, len(self.clips) - self.batch + 1, self.batch):
                chosen = self.clips[start : start + self.batch]
                items = [training.prepare(clip, np.random.default_rng(0)) for clip in chosen]
                batch = to_device(training.collate(items), model.device)
                losses = training.losses(training.forward(batch), targets)
                optimizer.zero_grad(set_to_none=True)
                torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()

        return run

    def scoring(self, model: Apgmos) -> Callable[[], np.ndarray]:
        """Scores of all clips as ``predict`` gives them."""
        return lambda: model.predict(self.waves, SAMPLE_RATE, workers=self.options.threads)


def seconds(function: Callable[[], Any], device: str) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    with exact(device):
        function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def rates(ways: Sequence[Callable[[], Any]], clips: int, rounds: int, device: str) -> list[float]:
    """Clips per second of each, medians of rounds in which they take turns; one round before that does not count."""
    taken: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for times, way in zip(taken, ways, strict=True):
            value = seconds(way, device)
            if number:
                times.append(value)
    return [clips / statistics.median(times) for times in taken]


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="tiny", choices=("tiny", "base"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    if options.clips < 2:
        parser.error("--clips: at least 2, for the batch norms")
    torch.set_num_threads(options.threads)
    bench = Bench(options)
    used = len(bench.clips) // bench.batch * bench.batch
    print(
        f"size {options.size}, {options.device}, {options.threads} threads: {len(bench.clips)} clips of "
        f"{options.seconds:g} s, batches of {bench.batch}, {options.rounds} rounds"
    )
    found: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MOSHARNESS_CACHE"] = cache
        for part in ("apm", "joint"):
            _, training = bench.model(part)
            ways = [bench.epoch(training, kept) for kept in (True, False)]
            kept, computed = rates(ways, used, options.rounds, options.device)
            del ways, training
            found[part] = computed, kept
            print(
                f"train {part:6} kept {kept:8.2f} clips/s, computed {computed:8.2f} clips/s: "
                f"{kept / computed:.1f} times as fast"
            )
    (tuned,) = rates([bench.epoch(bench.model("w2v")[1])], used, options.rounds, options.device)
    found["w2v"] = tuned, tuned
    print(f"train w2v         {tuned:8.2f} clips/s (nothing is frozen)")
    model, _ = bench.model("joint")
    model.network.eval()
    queries: list[Callable[[], Any]] = [
        bench.scoring(model),
        lambda: model.predict_queries(bench.waves, SAMPLE_RATE, workers=options.threads),
    ]
    pruned, together = rates(queries, len(bench.clips), options.rounds, options.device)
    print(
        f"score pruned {pruned:6.2f} clips/s ({pruned * options.seconds:.1f} times real time), all {together:6.2f} "
        f"clips/s: pruned is {pruned / together:.2f} times as fast"
    )
    gap = float(np.abs(queries[0]()[:, 0] - queries[1]().pruned).max())
    print(f"pruned scores of the two differ by up to {gap:.1e}")
    if options.size == "base":
        print(extrapolate(found, pruned))
    return 0 if gap <= TOLERANCE else 1


def extrapolate(training: Mapping[str, tuple[float, float]], scoring: float) -> str:
    """What BVCC would take, in words: steps at the measured rates, dev sets scored as often as the recipe does.

    Args:
        training: Stage to clips per second in the first pass, which computes the frozen parts' features, and in all
            that follow, which read them.
        scoring: Clips per second.
    """
    evaluations = {"apm": EPOCHS, "w2v": W2V_STEPS / 100, "joint": EPOCHS}
    clips = {"apm": EPOCHS * TRAIN_CLIPS, "w2v": W2V_STEPS * BATCH, "joint": EPOCHS * TRAIN_CLIPS}
    hours = {}
    for part, (first, later) in training.items():
        trained = TRAIN_CLIPS / first + (clips[part] - TRAIN_CLIPS) / later
        hours[part] = (trained + evaluations[part] * DEV_CLIPS / scoring) / 3600
    listed = ", ".join(f"{part} {value:.1f} h" for part, value in hours.items())
    return (
        f"extrapolated, not run: BVCC ({TRAIN_CLIPS} clips, dev {DEV_CLIPS}) with {W2V_STEPS} steps of w2v and "
        f"{EPOCHS} epochs of the other stages, the first of which computes the features: {listed}; together "
        f"{sum(hours.values()):.1f} h"
    )


if __name__ == "__main__":
    sys.exit(main())
