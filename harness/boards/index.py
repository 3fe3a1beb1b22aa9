"""The index of all boards, ``README.md``: one line a task, and how to read the pages."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.markdown import markdown_text, readable, table
from ..stats.metrics import METRICS, shown_metrics
from .model import Board, BoardSplit
from .page import GENERATED
from .plots import number_text
from .ranks import ALPHA, RESAMPLES

INTRODUCTION = """How well predictors of mean opinion scores agree with listeners, measured by this harness. One page a
task; each shows intervals, ties, what a predictor was trained on, and what is not known."""
FIRST_ROW = """*First row* is the row with the best score of the first table in the task's primary dimension; its page
shows the rows that it cannot be told from."""
METRICS_HERE = "@metrics@"
HOW_TO_READ = f"""## How to read

- **System level** compares the mean score of each system with the mean of its labels; **utterance level** compares clip
  by clip. System SRCC decides the order: does a predictor put systems in the right order?
{METRICS_HERE}
- `0.930 [0.909, 0.947]` is the value and its 95 % bootstrap interval over systems (over clips where there are none):
  what another sample of systems could have given.
- **Rank.** The leader is compared with every other row by swapping whole systems between the two ({RESAMPLES:,}
  permutations, p-values corrected by Holm). Rows that are not significantly worse at {ALPHA * 100:.0f} % share its rank
  (`1 =`). The first row that is left leads the next group, and so on. A row may share the leader's rank although a row
  above it does not: the order tells the score, the rank what is shown. "Tie unknown": no per-system table to test with.
  "Too few systems": whatever the scores, the test could not have shown a difference, so no rank is stated; the p beside
  it is the smallest that was attainable. `[degenerate]`: every resample gives the same value, so no interval is shown.
- **Training** says whether a predictor was trained on these clips: *seen* (this very split), *in-domain* (another split
  of the same data), *other data*, *none* stated, or *not stated*.
- **Noise ceiling**: labels come from few listeners, so even a perfect predictor would not reach 1.
- Rows with another task version, other labels, another system truth or another number of scored clips stand in tables
  of their own. Splits are never pooled.
- **Published figures** are quoted from papers, each with its source. They were not measured here.

Every measured number comes from a result file; `mosharness leaderboard --check` tells whether these pages still match
them."""


def index_page(boards: Sequence[Board], over_all: Sequence[str] = ()) -> str:
    """The page ``README.md`` for these boards, in the order given; ``over_all``: pages over several tasks."""
    header = ["Task", "Labels", "Split", "Rows", "First row", "System SRCC", "Published figures"]
    cells = []
    for board in boards:
        link = f"[{readable(board.task)}]({board.task}.md)"
        labels = "human" if board.human else "**not human**"
        published = str(len(board.published)) if board.published else "none known"
        if not board.splits:
            cells.append([link, labels, "", "no measured rows yet", "", "", published])
        for split in board.splits:
            cells.append([link, labels, readable(split.name), str(len(split.rows)), *_best(board, split), published])
            link = labels = published = ""
    parts = [GENERATED, "# Leaderboards", INTRODUCTION, table(header, cells, right=(3,)), FIRST_ROW]
    if over_all:
        parts.append(f"Over several sets: {', '.join(f'[{name}]({name}.md)' for name in over_all)}.")
    parts.append(HOW_TO_READ.replace(METRICS_HERE, _about_metrics(boards)))
    return "\n\n".join(parts) + "\n"


def _about_metrics(boards: Sequence[Board]) -> str:
    """What the columns of metrics mean: of every metric that a result has, of all where there are no results."""
    rows = [row for board in boards for split in board.splits for row in split.rows]
    given = {
        name for row in rows for by_dimension in row.metrics.values() for by in by_dimension.values() for name in by
    }
    shown = [metric for metric in shown_metrics() if metric.name in given or not rows]
    lines = []
    for words, higher in (("higher is better", True), ("lower is better", False)):
        titles = [
            f"**{metric.label}**" + (f" ({readable(metric.title)})" if metric.title else "")
            for metric in shown
            if metric.higher_is_better == higher
        ]
        if titles:
            lines.append(f"- {', '.join(titles)}: {words}.")
    return "\n".join([*lines, "- Errors are in points of the scale and include any offset between listening tests."])


def _best(board: Board, split: BoardSplit) -> list[str]:
    """Name and primary figure of the first row of the first dimension."""
    for dimension in split.dimensions:
        place = dimension.tables[0].rows[0]
        figure = place.row.estimate(board.primary_level, dimension.name, board.primary_metric)
        shown = f"{markdown_text(place.row.name)} ({markdown_text(dimension.name)})"
        if (board.primary_level, board.primary_metric) != ("system", "srcc"):
            return [shown, f"{board.primary_level} {METRICS[board.primary_metric].label} {number_text(figure)}"]
        return [shown, number_text(figure)]
    return ["", ""]
