"""A gate's report on the terminal: JSON, the verdict alone, or tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..show import clean, print_json, print_table, say

if TYPE_CHECKING:
    from ...gates.records import GatePlan
    from ...gates.schema import GateReport

MOST_FINDINGS, MOST_OF_A_KIND = 50, 5


def show(report: GateReport, *, quiet: bool = False, as_json: bool = False) -> None:
    """A report on stdout; findings go to stderr."""
    from ...core.typed import plain
    from ...gates.console import COLUMNS, advice, entry_cells, floor_line, headline

    if as_json:
        print_json(plain(report))
        return
    if quiet:
        print(report.verdict)
        return
    _say_findings(report)
    print_table(COLUMNS, [entry_cells(entry) for entry in report.entries], right=1)
    for name, details in report.details.items():
        if details.stated:
            print(clean(f"  {name}: scored with {details.stated}"))
    for line in [*map(advice, report.predictors), *map(floor_line, report.floors)]:
        if line:
            print("  " + clean(line))
    for name, lists in report.worst.items():
        rows = [
            [text.key, f"{text.score_baseline:.3f}", f"{text.score_candidate:.3f}", f"{text.diff:+.3f}"]
            for text in lists.by_diff
        ]
        if rows:
            print_table(["text", "baseline", "candidate", "difference"], rows, title=f"worst by {name}", right=1)
    print(report.limitation)
    print(clean(headline(report)))


def _say_findings(report: GateReport) -> None:
    """Findings by group on stderr: errors one by one, of many warnings of a kind the sentence and the first."""
    from ...gates.findings import grouped

    for group in grouped(report):
        error = group.level == "error"
        if len(group.findings) > 1 and not error:
            say(f"{group.level}: {group.title}")
        shown = group.findings[: MOST_FINDINGS if error else MOST_OF_A_KIND]
        for finding in shown:
            say(f"{group.level}: {finding.message}")
        if more := len(group.findings) - len(shown):
            say(f"and {more} more findings of this kind; --json or --report has all of them")


def show_plan(plan: GatePlan) -> None:
    """Power and numbers of texts, one line a score and signal."""
    header = ["score", "n", "SD", "mean", "margin", "power", "n 80 %", "n 90 %", "n 95 %", "smallest drop seen"]
    rows = [
        [
            one.name,
            one.n,
            f"{one.sd_diff:.3f}",
            f"{one.mean_diff:+.3f}",
            f"{one.margin:g}",
            f"{one.power:.3f}",
            *(one.needed[level] or "-" for level in ("80", "90", "95")),
            f"{one.detectable_drop:.3f}",
        ]
        for one in (*plan.scores, *plan.signals)
    ]
    print_table(header, rows, right=1)
    print("power: how often an equal system passes with n texts; smallest drop seen: with 80 % power, against no loss")
    losses = [
        [one.name, loss, *(texts[level] or "-" for level in ("80", "90", "95"))]
        for one in plan.scores
        for loss, texts in one.for_losses.items()
    ]
    if losses:
        print_table(["score", "true loss", "n 80 %", "n 90 %", "n 95 %"], losses, title="texts that show it", right=1)
    if fixed := [one.name for one in plan.scores if one.deterministic]:
        print(
            clean(
                f"{', '.join(fixed)}: the two renderings do not differ at all. The system is deterministic (or was not "
                "rendered again): there is no spread to plan with; take as many texts as cover its uses, 20 or more"
            )
        )
