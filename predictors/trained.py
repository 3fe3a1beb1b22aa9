"""Where trained predictors are kept, and which weights a run takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..harness.core.errors import CheckpointError, MosharnessError
from ..harness.core.files import check_name

if TYPE_CHECKING:
    from ..tasks.base import MosTask
    from .base import Predictor


def checkpoint_folder(output: str | Path, task: str, predictor: str) -> Path:
    """Where a predictor trained on a task is kept."""
    return Path(output) / check_name(task) / check_name(predictor) / "checkpoint"


def resolve_predictor(
    name: str,
    task: str,
    *,
    checkpoint: str | None,
    output: str | Path,
    device: str,
    precision: str,
    config: Mapping[str, Any],
    data: MosTask | None = None,
) -> Predictor:
    """Load a predictor for a task: ``--checkpoint``, else one trained here on this task, else the published default.

    A predictor that needs no weights is made as it is.

    Published weights get the settings that suit the task (``Predictor.task_config``) unless ``config`` has them; those
    of a folder of ours, what ``Predictor.scoring_config`` says.

    A checkpoint that was trained here on another data set of the task's name is not taken for this one's: ``data``, the
    task at hand, decides.

    Raises:
        CheckpointError: If there is none of these; the message names ``--train``.
    """
    from . import PREDICTORS, load_predictor
    from .saved import read_folder, trained_on
    from .trained_data import refuse_other_data

    local = checkpoint_folder(output, task, name)
    if checkpoint is None and (local / "config.json").is_file():
        checkpoint = str(local)
        if data is not None:
            refuse_other_data(local, read_folder(local, name)[1].trained_data, data, name)
    cls = PREDICTORS[name]
    if checkpoint is None or not (Path(checkpoint) / "config.json").is_file():
        config = {**cls.task_config(task), **config}
    else:
        config = {**cls.scoring_config(task, trained_on(Path(checkpoint))), **config}
    if checkpoint is None and _has_none(cls, config):
        command = f"mosharness run --task {task} --predictor {name} --train"
        raise CheckpointError(
            f"predictor {name} has no weights for task {task}: none were trained here ({local} does not exist) and "
            f"none are published. Train it ({command}) or pass --checkpoint."
        )
    return load_predictor(name, checkpoint, device, precision=precision, **config)


def must_be_trained(
    name: str, task: str, checkpoint: str | None, output: str | Path, config: Mapping[str, Any]
) -> bool:
    """Whether a run can only be had by training first: no checkpoint given, none trained here, none published.

    Settings that do not fit together count as none published; loading says what is wrong with them.
    """
    from . import PREDICTORS

    cls = PREDICTORS[name]
    if checkpoint is not None or (checkpoint_folder(output, task, name) / "config.json").is_file():
        return False
    try:
        return _has_none(cls, {**cls.task_config(task), **config})
    except MosharnessError:
        return True


def _has_none(cls: type[Predictor], config: Mapping[str, Any]) -> bool:
    return cls.card.needs_weights and cls.default_weights(config) is None and cls.local_weights(config) is None
