"""Measure predictions that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .run import as_task, one_split

if TYPE_CHECKING:
    from ...tasks import MosTask
    from ..results.make import RunOptions
    from ..results.schema import Result


def evaluate(
    predictions: str | Path,
    truth: str | Path | None = None,
    *,
    task: str | MosTask | None = None,
    split: str = "test",
    column: str | Mapping[str, str] | None = None,
    form: str = "auto",
    name: str = "outside",
    trained_on: Sequence[str] | None = None,
    note: str = "",
    output: str | Path | None = None,
    options: RunOptions | None = None,
    overwrite: bool = False,
) -> Result:
    """Measure a prediction file against a truth file or a task's labels, as ``mosharness evaluate`` does.

    Args:
        predictions: Table with ``utterance_id`` and dimensions, of any usual form, or answers ``id,value``.
        truth: Table ``utterance_id,system_id,<dimensions>``, one row a clip or one row a rating; or give ``task``.
        task: Task whose labels are the truth; no audio is needed.
        split: Split of the task.
        column: Column of the predictions to take as the primary dimension, or field to heading in both files:
            ``{"utterance_id": "wav", "mos": "score"}``.
        form: Which tool wrote the predictions (``nisqa``, ``versa``, ...), ``plain``, or ``auto``: found out.
        name: Name of the row.
        trained_on: ``task/split`` names that the predictor has seen; ``None``: not stated.
        note: Where the predictions come from; stored in the result.
        output: Store the result below this folder.
        options: System truth, intervals, how many predictions may be missing: a ``RunOptions``.
        overwrite: Replace a stored result of other predictions, labels or settings.

    Returns:
        The result.

    Raises:
        UsageError: If arguments do not go together.
        PredictionError: If the file cannot be used, or predictions are missing.
    """
    from ..results.evaluate import Reading, evaluate_predictions
    from ..results.kept import store_evaluation

    for what, given in (("predictions", predictions), ("truth", truth)):
        if given is not None and not isinstance(given, (str, Path)):
            raise UsageError(
                f"{what}: a path of a table is needed, not {type(given).__name__}; write it first, a data frame with "
                "to_csv(FILE, index=False)"
            )
    loaded = as_task(task) if task is not None else None
    result = evaluate_predictions(
        predictions,
        truth=truth,
        task=loaded,
        split=one_split(loaded, split) if loaded is not None else split,
        column=column,
        reading=Reading(form),
        name=name,
        trained_on=trained_on,
        note=note,
        options=options,
    )
    if output is not None:
        store_evaluation(result, Path(output), {"predictions": predictions, "truth": truth}, overwrite=overwrite)
    return result
