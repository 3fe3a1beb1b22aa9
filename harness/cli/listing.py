"""What ``mosharness ls`` shows. Nothing heavy is imported, and no parser of the command line."""

from __future__ import annotations

from collections.abc import Iterable
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


def list_metrics(as_json: bool) -> None:
    """Metrics with their levels and what they are."""
    from ..stats.metrics import METRICS

    if as_json:
        listed = {
            name: {
                "label": one.label,
                "title": one.title,
                "unit": one.unit,
                "levels": list(one.levels),
                "higher_is_better": one.higher_is_better,
                "is_correlation": one.is_correlation,
            }
            for name, one in METRICS.items()
        }
        print_json(listed)
        return
    rows = [
        [name, one.label, ", ".join(one.levels), "higher" if one.higher_is_better else "lower", one.title]
        for name, one in METRICS.items()
    ]
    print_table(["metric", "column", "levels", "better", "what"], rows)


def overview(output: Path, as_json: bool) -> None:
    """What there is of each: how many, the names, and the command that lists them."""
    from ...predictors import OPEN_PREDICTORS, PREDICTORS
    from ...tasks import TASKS
    from ..core.paths import data_root
    from ..results.store import FILE
    from ..study import study_names

    at_hand = [name for name in TASKS if (root := data_root(name)) is not None and root.is_dir()]
    stored = sorted(str(path.parent.relative_to(output)) for path in output.glob(f"*/*/*/{FILE}"))
    found: dict[str, Any] = {
        "tasks": {"names": list(TASKS), "data_at_hand": at_hand},
        "predictors": {"names": list(PREDICTORS), "open_weights": list(OPEN_PREDICTORS)},
        "studies": {"names": list(study_names())},
        "results": {"folder": str(output), "stored": stored},
    }
    if as_json:
        print_json(found)
        return
    rows: list[list[Any]] = [
        ["tasks", len(TASKS), _few(TASKS), f"data below $MOSHARNESS_DATA: {', '.join(at_hand) or 'none'}"],
        ["predictors", len(PREDICTORS), _few(PREDICTORS), f"no download: {', '.join(OPEN_PREDICTORS)}"],
        ["studies", len(found["studies"]["names"]), _few(found["studies"]["names"]), ""],
        ["results", len(stored), _few(stored) or "none", f"in {output}/"],
        ["metrics", "", "", ""],
    ]
    print_table(["what", "n", "names", "here"], rows)
    print("`mosharness ls WHAT` lists one of them in full, `--json` for machines.")


def _few(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    listed = list(names)
    return " ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")


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
