"""What ``mosharness ls`` shows. Nothing heavy is imported, and no parser of the command line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .show import print_json, print_table, with_interval

if TYPE_CHECKING:
    from ..results.schema import Result


def list_names(what: str, as_json: bool) -> int:
    """Tasks or predictors, as ``ls`` shows them; the exit code."""
    (list_tasks if what == "tasks" else list_predictors)(as_json)
    return 0


def list_tasks(as_json: bool) -> None:
    """Tasks with dimensions, splits and licence."""
    from ...tasks import TASKS, task_groups
    from ...tasks.base import card_fields

    cards = {name: TASKS.card(name) for name in TASKS}
    if as_json:
        print_json({name: {**card_fields(card), "origin": TASKS.origin(name)} for name, card in cards.items()})
        return
    rows = [
        [
            name,
            ", ".join(card.dimensions),
            " ".join(f"{split} {info.utterances or '?'}" for split, info in card.splits.items()),
            card.title,
            card.license.partition(";")[0],
        ]
        for name, card in cards.items()
    ]
    print_table(["task", "dimensions", "splits and clips", "what", "licence"], rows)
    print()
    groups = [[name, len(group.tasks), ", ".join(group.tasks)] for name, group in task_groups().items()]
    print_table(["group", "tasks", "which (run --task GROUP runs those at hand)"], groups)


def list_predictors(as_json: bool) -> None:
    """Predictors with dimensions, licence and what they are."""
    from ...predictors import PREDICTORS

    cards = {name: PREDICTORS[name].card for name in PREDICTORS}
    if as_json:
        listed: dict[str, Any] = {
            name: {**{item.name: getattr(card, item.name) for item in fields(card)}, "origin": PREDICTORS.origin(name)}
            for name, card in cards.items()
        }
        print_json(listed)
        return
    rows = [
        [
            name,
            ", ".join(card.dimensions),
            "yes" if card.stages else "no",
            card.license_weights or ("none: train it" if card.needs_weights else "needs none"),
            card.title,
        ]
        for name, card in cards.items()
    ]
    print_table(["predictor", "dimensions", "trainable", "licence of the published weights", "what"], rows)


def list_studies(as_json: bool) -> None:
    """Studies with their rows."""
    from ..study import read_study, study_names

    studies = [read_study(name) for name in study_names()]
    if as_json:
        print_json(
            {
                one.name: {
                    "title": one.title,
                    "source": one.source,
                    "predictors": sorted({row.predictor for row in one.rows}),
                    "rows": [row.name for row in one.rows],
                }
                for one in studies
            }
        )
        return
    rows = [
        [one.name, ", ".join(sorted({row.predictor for row in one.rows})), len(one.rows), one.title, one.source]
        for one in studies
    ]
    print_table(["study", "predictors", "rows", "what", "source"], rows)


def list_results(output: Path, as_json: bool) -> None:
    """Stored results below a folder, with their primary figure.

    Raises:
        DataError: If there is no such folder.
    """
    from ..core.errors import DataError
    from ..results.store import find_results

    if not output.is_dir():
        raise DataError(f"{output}: no such folder; `mosharness run` makes one, and --output names another")
    found = list(find_results(output))
    if as_json:
        print_json([{"path": str(path.parent), **result.as_plain()} for path, result in found])
        return
    primaries = [_primary(result) for _, result in found]
    alike = len(set(primaries)) == 1
    rows = [
        [
            result.where,
            result.name,
            with_interval(result.primary) if alike else f"{primary} {with_interval(result.primary)}",
            result.counts.scored,
            result.counts.missing + result.counts.failed,
            path.parent,
        ]
        for (path, result), primary in zip(found, primaries, strict=True)
    ]
    heading = primaries[0] if alike else "primary metric"
    print_table(["task/split", "name", heading, "scored", "not scored", "folder"], rows)


def _primary(result: Result) -> str:
    """Level and label of what the result's task is ranked by: ``system SRCC``."""
    from ..stats.metrics import METRICS

    name = result.task.primary_metric
    return f"{result.task.primary_level} {METRICS[name].label if name in METRICS else name}"
