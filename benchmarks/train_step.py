"""Training steps: the engine against the plain loop that a script would have, on the CPU or a GPU.

The same clips, network, loss, optimiser and batch size on both sides. The plain loop takes clips in random order, pads
each batch to its longest clip, and decodes when a batch is due; the engine plans batches by length and decodes ahead in
threads. Run it from the repository's root::

    python benchmarks/train_step.py [--recipe sslmos-demo] [--set backbone=wav2vec2-base] [--clips 64] [--steps 16]

It prints steps per second of both and their ratio, the share of padding, and the engine's peak memory. The clips are
noise of 1 to 10 s, so nothing is learnt; epochs of the recipe's first stage are cut to ``--steps``.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mosharness.harness.core.config import parse_assignments
from mosharness.harness.recipes.recipe import Stage, Stop, read_recipe
from mosharness.harness.training.accelerator import make_accelerator
from mosharness.harness.training.data import Tasks, stage_data
from mosharness.harness.training.log import TrainingLog
from mosharness.harness.training.losses import named_loss
from mosharness.harness.training.optimisers import make_optimizer
from mosharness.harness.training.plan import generator, plan_epoch
from mosharness.harness.training.stage import StageRun
from mosharness.predictors import PREDICTORS
from mosharness.predictors.trainable import Trainable, autocast, to_device
from mosharness.predictors.training import training_of
from mosharness.tasks import load_task


def make_clips(root: Path, count: int) -> None:
    """Noise of 1 to 10 s at 16 kHz with scores by level."""
    import soundfile

    random = np.random.default_rng(0)
    lines = ["path,system_id,mos,split"]
    for at in range(count):
        level = 0.01 * 2 ** (at % 5)
        soundfile.write(root / f"{at}.wav", level * random.standard_normal(int(16_000 * random.uniform(1, 10))), 16_000)
        lines.append(f"{at}.wav,s{at % 5},{1 + at % 5},train")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")


def seconds_of_plain(predictor: Trainable, stage: Stage, data: Any, device: torch.device) -> tuple[float, float]:
    """Seconds per step of the plain loop, and its share of padding."""
    training = training_of(predictor)
    training.begin_stage(stage)
    training.train_mode()
    optimizer = make_optimizer(training)
    examples, size = data.train, stage.batch.size
    order = [at for epoch in range(stage.steps) for at in generator(0, epoch).permutation(len(examples)).tolist()]
    batches = [order[at : at + size] for at in range(0, size * (stage.steps + 1), size)]
    padding, clock = [], 0.0
    for number, batch in enumerate(batches):
        if number == 1:
            clock = time.perf_counter()
        items = [training.prepare(examples[at].read(training.limits()), generator(0, at)) for at in batch]
        targets = torch.tensor([examples[at].targets for at in batch], device=device)
        ready = to_device(training.collate(items), device)
        optimizer.zero_grad()
        with autocast(device, stage.precision):
            outputs = training.forward(ready)
        outputs = outputs if isinstance(outputs, dict) else {"scores": outputs}
        own = training.losses(outputs, targets) or {}
        loss = sum(
            term.weight * own.get(term.name, 0.0)
            if term.name in own
            else term.weight * named_loss(term, outputs["scores"].float(), targets, predictor.dimensions)
            for term in stage.losses
        )
        torch.as_tensor(loss).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        padding.append(waste([examples[at].duration_s for at in batch]))
    return (time.perf_counter() - clock) / (len(batches) - 1), float(np.mean(padding))


def waste(durations: list[float]) -> float:
    """Padded seconds that hold no audio, as a share."""
    return 1 - sum(durations) / (len(durations) * max(durations))


def seconds_of_engine(predictor: Trainable, stage: Stage, data: Any, folder: Path, accelerator: Any) -> float:
    """Seconds per step of the engine, without its first step."""
    run = StageRun(
        training_of(predictor),
        stage,
        data,
        seed=0,
        folder=folder,
        identity={},
        accelerator=accelerator,
        log=TrainingLog(None),
    )
    marks: list[float] = []
    step = run._step

    def timed(shares: Any) -> None:
        step(shares)
        marks.append(time.perf_counter())

    run._step = timed  # type: ignore[method-assign]
    run.run()
    return (marks[-1] - marks[0]) / (len(marks) - 1)


def main() -> None:
    """Parse the options, measure both sides, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--recipe", default="sslmos-demo")
    options.add_argument("--stage", default=None, help="stage of the recipe; its first by default")
    options.add_argument("--set", action="append", default=[], help="predictor setting key=value")
    options.add_argument("--clips", type=int, default=64)
    options.add_argument("--steps", type=int, default=16)
    options.add_argument("--batch", type=int, default=None)
    options.add_argument("--precision", default="float32")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = options.parse_args()
    name = chosen.recipe.partition("-")[0]
    recipe = read_recipe(chosen.recipe, name, config=parse_assignments(chosen.set))
    first = recipe.stages[0] if chosen.stage is None else recipe.stage(chosen.stage)
    size = chosen.batch or first.batch.size
    batch = replace(first.batch, size=size, pool=max(2, first.batch.pool))
    shortened = {"steps": chosen.steps, "epochs": 0, "evaluate_steps": chosen.steps, "accumulate": 1, "mixup": 0.0}
    stage = replace(first, **shortened, batch=batch, stop=Stop("train_loss"), dev=(), precision=chosen.precision)
    accelerator = make_accelerator(chosen.device)
    with tempfile.TemporaryDirectory() as place:
        make_clips(Path(place), chosen.clips)
        data = stage_data(stage, None, ("mos",), Tasks(load_task("folder", place)))
        plain_s, plain_waste = seconds_of_plain(
            PREDICTORS[name](recipe.config, device=chosen.device),  # type: ignore[arg-type]
            stage,
            data,
            accelerator.device,
        )
        engine: Any = PREDICTORS[name](recipe.config, device=chosen.device)
        engine_s = seconds_of_engine(engine, stage, data, Path(place) / "state", accelerator)
        planned = plan_epoch(
            [one.duration_s for one in data.train], [0] * len(data.train), batch, seed=0, stage="", epoch=0
        )
        engine_waste = float(np.mean([waste([data.train[at].duration_s for at in one]) for one in planned]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    memory = f", {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB on the GPU" if chosen.device != "cpu" else ""
    print(f"{chosen.recipe}, {stage.name}, {chosen.precision}, batch {size}, {chosen.device}")
    print(f"plain loop: {1 / plain_s:.2f} steps/s, padding {100 * plain_waste:.0f} %")
    print(f"engine:     {1 / engine_s:.2f} steps/s, padding {100 * engine_waste:.0f} %")
    print(f"ratio:      {plain_s / engine_s:.2f}; peak memory {peak:.2f} GiB{memory}")


if __name__ == "__main__":
    main()
