"""The generalisation board as markdown, CSV and JSON; the same results give the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ..core.files import csv_cell, dump_json
from ..core.markdown import markdown_text, readable, table
from ..core.typed import plain
from ..results.parts import Estimate
from ..stats.metrics import METRICS
from .calibration import calibration_table
from .contamination import IN_DOMAIN, SEEN
from .generalisation import AGGREGATES, DEFINITIONS, RESAMPLES, SEED, Cell, Generalisation, RatedSet, Standing
from .page import GENERATED
from .plots import number_text
from .rows import SYSTEM, UTTERANCE
from .zoom import zoom_cell

SCHEMA = "mosharness.generalisation/1"
CSV_HEADER = '"set","level","dimension","name"'
"""What every CSV of these begins with."""
MARKS = {SEEN: "‡", IN_DOMAIN: "†"}
FIGURES = tuple((level, metric) for level in (SYSTEM, UTTERANCE) for metric in ("srcc", "mse"))
HEADINGS = {
    "srcc": "Mean score",
    "rank": "Mean rank",
    "srcc_difference": "Best-score difference",
    "srcc_ratio": "Best-score ratio",
    "mse_difference": "Best-error difference",
    "mse_ratio": "Best-error ratio",
}


def generalisation_page(board: Generalisation) -> str:
    """The page."""
    parts = [GENERATED, "# Generalisation", f"{readable(board.title)}.", _introduction(board), DEFINITIONS]
    parts += ["## Over all sets", _standings(board), _marks(board)]
    for level, metric in FIGURES:
        text = _figures(board, level, metric)
        if text:
            parts += [f"## {level.capitalize()} {METRICS[metric].label} by set", text]
    parts += _zoom(board)
    parts += _calibration(board)
    apart = [
        f"- {readable(one.name)}: {markdown_text(name)} is not compared: {markdown_text(why, 500)}."
        for one in board.sets
        for name, why in one.apart.items()
    ]
    if apart:
        parts += ["## Not comparable", "\n".join(apart)]
    if board.absent:
        parts += ["## Sets without a row", f"{', '.join(readable(name) for name in board.absent)}."]
    return "\n\n".join(parts) + "\n"


def _introduction(board: Generalisation) -> str:
    return (
        f"{len(board.sets)} sets, {len(board.rows)} rows. Intervals over sets resample sets ({RESAMPLES:,} times, seed "
        f"{SEED}), so they say what other sets could have given; those of single sets resample their systems or clips. "
        "Rows that lack sets stand last, and their ranks are among the rows of the sets that they have. † in-domain: "
        "trained on another split of the data; ‡ trained on this very split."
    )


def _standings(board: Generalisation) -> str:
    header = ["Name", "Sets", *(HEADINGS[key] for key in AGGREGATES), "Mean score, sets not trained on"]
    cells = [
        [
            markdown_text(row.name),
            f"{len(row.sets)} of {len(board.sets)}",
            *(number_text(row.means[key], 2 if key == "rank" else 3) for key in AGGREGATES),
            _unseen(row),
        ]
        for row in board.rows
    ]
    return table(header, cells, right=range(1, len(header)))


def _unseen(row: Standing) -> str:
    count = len(row.sets) - row.marks.get(SEEN, 0) - row.marks.get(IN_DOMAIN, 0)
    return f"{number_text(row.unseen, 3)} ({count})" if count else "- (0)"


def _marks(board: Generalisation) -> str:
    lines = []
    for row in board.rows:
        said = ", ".join(f"{mark} on {count}" for mark, count in sorted(row.marks.items()))
        reasons = dict.fromkeys(one.reason for one in row.means.values() if one.value is not None and one.reason)
        more = f". {'; '.join(str(reason) for reason in reasons)}" if reasons else ""
        lines.append(f"- {markdown_text(row.name)}: training {said or 'unknown'}{markdown_text(more)}.")
    return "\n".join(lines)


def _figures(board: Generalisation, level: str, metric: str) -> str:
    names = [row.name for row in board.rows]
    cells = []
    for one in board.sets:
        estimates = [_estimate(one, one.cells.get(name), level, metric) for name in names]
        if any(estimate is not None and estimate.value is not None for estimate in estimates):
            marked = [
                number_text(estimate, METRICS[metric].digits) + MARKS.get(one.cells[name].mark, "")
                if estimate is not None
                else ""
                for name, estimate in zip(names, estimates, strict=True)
            ]
            primary = "**" if one.level == level else ""
            cells.append([f"{primary}{readable(one.name)}{primary}", *marked])
    if not cells:
        return ""
    text = table(["Set", *map(markdown_text, names)], cells, right=range(1, len(names) + 1))
    return f"{text}\n\nBold: scored at this level." if any(one.level == level for one in board.sets) else text


def _estimate(one: RatedSet, cell: Cell | None, level: str, metric: str) -> Estimate | None:
    return None if cell is None else cell.row.estimate(level, one.dimension, metric)


def _zoom(board: Generalisation) -> list[str]:
    rows = []
    for one in board.sets:
        for name, cell in one.cells.items():
            if any(point.srcc is not None for point in cell.zoom[1:]):
                cells = [
                    f"{zoom_cell(point)} ({point.systems}; {'-' if point.ceiling is None else f'{point.ceiling:.3f}'})"
                    for point in cell.zoom
                ]
                rows.append([readable(one.name), markdown_text(name), *cells])
    if not rows:
        return []
    header = ["Set", "Name", "100 %", "50 %", "25 %", "12 %"]
    said = "System SRCC over the best systems by label (systems; noise ceiling of the same systems)."
    return ["## Zoom", said, table(header, rows, right=range(2, 6))]


def _calibration(board: Generalisation) -> list[str]:
    text = calibration_table(
        (readable(one.name), cell.row, one.dimension) for one in board.sets for cell in one.cells.values()
    )
    return ["## Calibration", "MSE raw and after maps fitted on another split.", text] if text else []


def generalisation_csv(board: Generalisation) -> str:
    """One line a set and row, numbers with every digit."""
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    metrics = [f"{level}_{metric}" for level, metric in FIGURES]
    writer.writerow(["set", "level", "dimension", "name", "training", "scored", *metrics, *AGGREGATES[1:]])
    for one in board.sets:
        for name, cell in one.cells.items():
            values = [cell.row.estimate(level, one.dimension, metric).value for level, metric in FIGURES]
            own = [cell.aggregates.get(key) for key in AGGREGATES[1:]]
            line = (one.name, one.level, one.dimension, name, cell.mark, cell.row.counts.scored, *values, *own)
            writer.writerow([csv_cell(value) for value in line])
    return stream.getvalue()


def generalisation_json(board: Generalisation) -> str:
    """Everything of the page, with full digits."""
    return dump_json(generalisation_plain(board)) + "\n"


def generalisation_plain(board: Generalisation) -> dict[str, Any]:
    """The page in JSON types."""
    return {
        "schema": SCHEMA,
        "title": board.title,
        "definitions": DEFINITIONS,
        "sets": [_plain_set(one) for one in board.sets],
        "rows": [_plain_row(row, len(board.sets)) for row in board.rows],
        "without_a_row": list(board.absent),
    }


def _plain_set(one: RatedSet) -> dict[str, Any]:
    rows = {
        name: {
            "training": cell.mark,
            "scored": cell.row.counts.scored,
            "figures": {
                level: {metric: plain(cell.row.estimate(level, one.dimension, metric)) for metric in ("srcc", "mse")}
                for level in (SYSTEM, UTTERANCE)
            },
            "aggregates": dict(cell.aggregates),
            "zoom": [plain(point) for point in cell.zoom],
            "calibration": plain((cell.row.calibration or {}).get(one.dimension)),
        }
        for name, cell in one.cells.items()
    }
    return {"set": one.name, "level": one.level, "dimension": one.dimension, "rows": rows, "apart": dict(one.apart)}


def _plain_row(row: Standing, number: int) -> dict[str, Any]:
    return {
        "name": row.name,
        "sets": list(row.sets),
        "coverage": len(row.sets) / number,
        "means": {key: plain(value) for key, value in row.means.items()},
        "unseen": plain(row.unseen),
        "training": dict(row.marks),
    }


def generalisation_files(boards: Sequence[tuple[str, Generalisation]]) -> dict[str, str]:
    """File name to text of pages and the files beside them."""
    files = {}
    for stem, board in boards:
        files[f"{stem}.md"] = generalisation_page(board)
        files[f"{stem}.csv"] = generalisation_csv(board)
        files[f"{stem}.json"] = generalisation_json(board)
    return files
