"""Dev figures of a stage, and when they are better. Scores come from the same path as ``predict``."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ClipsFailed, UsageError
from ..recipes.recipe import Stage, Stop
from .example import DevSet
from .loader import DEV, BatchLoader
from .losses import LOSSES, named_loss
from .plan import generator, plan_epoch, windows
from .randomness import seed_everything
from .terms import as_dict, own_terms, total_loss

if TYPE_CHECKING:
    import torch

    from ...predictors.trainable import Trainable
    from ...predictors.training import Training

Figures = dict[str, float]


@dataclass(frozen=True)
class Judgement:
    """What an evaluation is judged by: the monitored value, NaN already replaced, and the error that breaks ties."""

    value: float
    mse: float

    def beats(self, other: Judgement, maximise: bool) -> bool:
        """Whether this one is better than ``other``; equal values are decided by the lower error."""
        if self.value != other.value:
            return self.value > other.value if maximise else self.value < other.value
        return self.mse < other.mse


def judge(figures: Figures, stop: Stop) -> Judgement:
    """The judgement of an evaluation.

    A correlation that does not exist (constant predictions) counts as -1, any other missing figure as the worst.

    Example:
        >>> judge({"system/srcc": math.nan, "system/mse": 0.5}, Stop())
        Judgement(value=-1.0, mse=0.5)
    """
    value = figures.get(stop.monitor, math.nan)
    if not math.isfinite(value):
        correlation = stop.metric is not None and stop.metric.is_correlation
        value = (-1.0 if correlation else -math.inf) if stop.maximise else math.inf
    level = stop.monitor.partition("/")[0]
    ties = [figures.get(f"{one}/mse", math.nan) for one in (level, "system", "utterance")]
    mse = next((tie for tie in ties if math.isfinite(tie)), math.inf)
    return Judgement(value, mse)


def check_monitor(stage: Stage, dev: Sequence[DevSet]) -> None:
    """Refuse a stop rule that the data cannot serve, before anything is trained.

    Raises:
        UsageError: What is missing, and what to set instead.
    """
    monitor = stage.stop.monitor
    if monitor == "train_loss":
        return
    if not dev:
        raise UsageError(
            f"stage {stage.name} stops by dev {monitor}, but has no dev data: name some (dev:), cut folds, or set "
            "stop.monitor to train_loss"
        )
    if monitor == "loss":
        return
    for one in dev:
        if not one.labelled:
            raise UsageError(f"stage {stage.name}: {one.name} has clips without labels; {monitor} needs them")
        systems = {example.system_id for example in one.examples}
        if monitor.startswith("system/") and "" in systems:
            raise UsageError(
                f"stage {stage.name}: {one.name} has clips without a system; set stop.monitor to "
                f"{monitor.replace('system', 'utterance')}"
            )


def evaluate(predictor: Trainable, stage: Stage, dev: Sequence[DevSet], *, workers: int | None = None) -> Figures:
    """Figures on every dev set, and their means with equal weight of the sets.

    Args:
        predictor: In eval mode; scored in its own precision, clip batches and all, as ``predict`` does.
        stage: Its named losses are computed over a whole dev set.
        dev: Labelled sets; others are passed over.
        workers: Decoding threads.

    Returns:
        ``<level>/<metric>`` of the first dimension and ``loss``, the same under ``<set>/...``; NaN where undefined.

    Raises:
        ClipsFailed: If more dev clips cannot be scored than the stage allows.
    """
    figures: Figures = {}
    for one in dev:
        if one.labelled:
            for name, value in _evaluate_set(predictor, stage, one, workers).items():
                figures[f"{one.name}/{name}"] = value
    names = {name for one in dev for name in _names(figures, one.name)}
    for name in sorted(names):
        values = [figures[f"{one.name}/{name}"] for one in dev if f"{one.name}/{name}" in figures]
        figures[name] = statistics.fmean(values)
    return figures


def _names(figures: Figures, prefix: str) -> list[str]:
    return [name.removeprefix(f"{prefix}/") for name in figures if name.startswith(f"{prefix}/")]


def _evaluate_set(predictor: Trainable, stage: Stage, dev: DevSet, workers: int | None) -> Figures:
    from ..core.clip import Clip
    from ..engine.score import score_items
    from ..stats import describe

    items = [Clip(one.name, one.audio(), one.text) for one in dev.examples]
    headers = {one.name: one.header for one in dev.examples if one.header is not None}
    rows = score_items(predictor, items, headers=headers, use_cache=False, workers=workers).rows
    failed = [row for row in rows if row.status == "failed"]
    if len(failed) > stage.allow_failed:
        raise ClipsFailed(
            f"stage {stage.name}: {len(failed)} of {len(rows)} clips of {dev.name} cannot be scored "
            f"({stage.allow_failed} allowed; first: {failed[0].utterance_id}: {failed[0].reason})"
        )
    used = [at for at, row in enumerate(rows) if row.status != "failed"]
    predicted = np.array([rows[at].scores for at in used]).reshape(-1, len(predictor.dimensions))
    targets = np.array([dev.examples[at].targets for at in used]).reshape(predicted.shape)
    figures = {"loss": _loss(stage, predicted, targets, predictor.dimensions)} if _only_named(stage) else {}
    if not used:
        return figures
    systems = [dev.examples[at].system_id for at in used]
    measured = describe(predicted[:, 0], targets[:, 0], systems if all(systems) else None, resamples=0)
    for level, metrics in measured.items():
        for name, entry in metrics.items():
            figures[f"{level}/{name}"] = entry["value"] if entry["value"] is not None else math.nan
    return figures


def _only_named(stage: Stage) -> bool:
    return bool(stage.losses) and all(term.name in LOSSES for term in stage.losses)


def _loss(stage: Stage, predicted: np.ndarray, targets: np.ndarray, dimensions: Sequence[str]) -> float:
    """The stage's named losses over a whole dev set."""
    import torch

    scores, wanted = torch.tensor(predicted, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    return float(sum(term.weight * named_loss(term, scores, wanted, dimensions) for term in stage.losses))


def loss_on_dev(
    training: Training,
    dev: Sequence[DevSet],
    *,
    seed: int,
    device: torch.device,
    failed: dict[str, str],
    workers: int | None = None,
) -> float:
    """Mean of the stage's loss over dev in eval mode, with draws keyed per clip: for losses of the predictor's own.

    Every process computes it on all clips, so nothing has to be shared.

    Args:
        training: With its stage begun and its network in eval mode.
        dev: Labelled or not.
        seed: Of the run.
        device: Where the network is.
        failed: Unusable clips; added to.
        workers: Decoding threads.
    """
    import torch

    from ...predictors.trainable import autocast, to_device

    stage, total, count = training.stage, 0.0, 0
    for group in dev:
        loader = BatchLoader(training, group.examples, seed=seed, workers=workers)
        loader.failed = failed
        durations, rates = [one.duration_s for one in group.examples], [one.sample_rate for one in group.examples]
        batches = plan_epoch(durations, rates, stage.batch, seed=seed, stage=stage.name, epoch=-1)
        for (own,) in loader.windows(DEV, windows(batches, 1)):
            if not own.places:
                continue
            targets = torch.tensor([group.examples[own.batch[place]].targets for place in own.places])
            seed_everything(seed, stage.name, DEV, own.batch)
            training.begin_batch(generator(seed, stage.name, DEV, own.batch, "batch"))
            with torch.no_grad():
                batch = to_device(training.collate(own.items), device)
                with autocast(device, stage.precision):
                    outputs = as_dict(training.forward(batch))
                terms = own_terms(training, outputs, targets.to(device, torch.float32))
                total += float(total_loss(training, terms)) * len(own.places)
            count += len(own.places)
    return total / count if count else math.nan
