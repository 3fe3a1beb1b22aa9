"""Several predictors on the same clips, in one table: a column per predictor and dimension."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.clip import Clip, Finding, Outcome, Status
from .predict import header, predict_entries, table, write_table
from .scorer import Scorer


@dataclass(frozen=True)
class Scored:
    """Names of the score columns, and one row per clip in the order of the clips."""

    columns: tuple[str, ...]
    rows: list[Outcome]


def predict_several(
    predictors: Sequence[tuple[str, Scorer]],
    entries: Sequence[Clip],
    *,
    output: Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    show: bool = False,
) -> Scored:
    """Score files by every predictor and, with ``output``, write one table.

    Args:
        predictors: One or more, each with its label. The columns of one are its dimensions; those of several are
            ``LABEL.DIMENSION``.
        entries: Files with ids.
        output: Where the table goes: ``.csv``, ``.jsonl`` or ``.parquet``. An interrupted call goes on where it was.
        use_cache: Whether the prediction cache is used.
        workers: Decoding threads.
        show: Show progress on stderr.

    Returns:
        Columns and rows. A clip that one predictor could not score has failed, with the scores of the others in it.
    """
    if len(predictors) == 1:
        ((_, only),) = predictors
        rows = predict_entries(only, entries, output=output, use_cache=use_cache, workers=workers, show=show)
        return Scored(only.dimensions, rows)
    columns = columns_of(predictors)
    by_predictor = [
        predict_entries(one, entries, use_cache=use_cache, workers=workers, show=show) for _, one in predictors
    ]
    names = [label for label, _ in predictors]
    rows = [merged(names, outcomes) for outcomes in zip(*by_predictor, strict=True)]
    if output is not None:
        write_table(output, header(columns), table(entries, rows))
    return Scored(columns, rows)


def columns_of(predictors: Sequence[tuple[str, Scorer]]) -> tuple[str, ...]:
    """Columns of scores: the dimensions of one predictor, ``LABEL.DIMENSION`` of several."""
    if len(predictors) == 1:
        return tuple(predictors[0][1].dimensions)
    return tuple(f"{label}.{dimension}" for label, one in predictors for dimension in one.dimensions)


def merged(names: Sequence[str], outcomes: Sequence[Outcome]) -> Outcome:
    """One row of a clip from those of several predictors; what not all of them say is said to be theirs."""
    findings: list[Finding] = []
    for name, outcome in zip(names, outcomes, strict=True):
        for finding in outcome.findings:
            shared = all(finding in other.findings for other in outcomes)
            told = finding if shared else replace(finding, message=f"{finding.message} (predictor {name})")
            if told not in findings:
                findings.append(told)
    found = {outcome.status for outcome in outcomes}
    status: Status = "failed" if "failed" in found else "warning" if findings else "ok"
    known = next((one for one in outcomes if one.status != "failed"), outcomes[0])  # a failed row may lack the length
    scores = tuple(score for outcome in outcomes for score in outcome.scores)
    return replace(known, scores=scores, status=status, findings=tuple(findings))
