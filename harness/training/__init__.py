"""Train a predictor on a task and keep the checkpoint where ``run`` finds it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from ..core.files import write_json
from ..provenance import provenance
from ..run import checkpoint_folder

if TYPE_CHECKING:
    from ...predictors.base import Predictor
    from ...tasks.base import MosTask


def train_predictor(
    name: str,
    task: MosTask,
    *,
    output: str | Path,
    device: str = "auto",
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    show: bool = False,
) -> Predictor:
    """Fit a predictor on a task's ``train`` split and store it under ``<output>/<task>/<predictor>/checkpoint``.

    Args:
        name: Registry name of a predictor.
        task: The task; its ``train`` split is fitted, its dev splits are shown to the predictor for its choices.
        output: Folder of results.
        device: Where to train.
        config: Settings of the predictor.
        seed: Seed of every random choice.
        show: Show progress on stderr.

    Returns:
        The trained predictor, as :func:`~mosharness.predictors.load_predictor` would load it.

    Raises:
        UsageError: If the predictor cannot be trained, or the task has no ``train`` split.
    """
    from ...predictors import PREDICTORS, load_predictor, resolve_device

    cls = PREDICTORS[name]
    if not cls.card.stages:
        raise UsageError(f"--train: predictor {name} cannot be trained here; leave --train out to use its weights")
    if "train" not in task.card.splits:
        raise UsageError(f"--train: task {task.card.name} has no train split")
    clock = time.perf_counter()
    predictor = cls(config, device=resolve_device(device))
    train = task.open("train")
    dev = [task.open(split) for split in task.card.dev_splits if split in task.card.splits]
    report = predictor.fit(train, dev, seed=seed, show=show)
    predictor.trained_on = (f"{task.card.name}/train",)
    folder = predictor.save_pretrained(checkpoint_folder(output, task.card.name, name))
    facts = {
        "task": task.card.name,
        "task_version": task.card.version,
        "train_digest": train.digest,
        "dev_digests": {split.split: split.digest for split in dev},
        "seed": seed,
        "report": report,
        "provenance": provenance(predictor.device),
        "time": {"train_s": round(time.perf_counter() - clock, 3)},
    }
    write_json(folder / "training.json", facts)
    return load_predictor(name, folder, predictor.device)
