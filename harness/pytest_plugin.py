"""The pytest plugin: a gate as a test. pytest loads it by itself once the package is installed.

The fixture ``mos_gate`` gates a candidate and fails the test unless the verdict is ``pass``. The marker of the same
name gives its arguments, and gates before the test's body where the test does not ask for the fixture. Every pytest
session imports this module, so nothing heavy is imported before a gate runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .gates.schema import GateReport

MARKER = "mos_gate"
MOST_FINDINGS = 20
LOADED = pytest.StashKey[dict[Any, Any]]()
"""Predictors of this session by what was asked for: weights are read once, not once per test."""


class MosGate:
    """What the fixture ``mos_gate`` is: call it with a candidate and a baseline.

    Args:
        item: The test that it works for; the marker's arguments are its defaults.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._defaults: dict[str, Any] = {}
        for marker in reversed(list(item.iter_markers(MARKER))):  # the marker closest to the test counts most
            if marker.args:
                pytest.fail(f"@pytest.mark.{MARKER} takes arguments by name only", pytrace=False)
            self._defaults |= marker.kwargs

    def __call__(self, **arguments: Any) -> dict[str, Any]:
        """Run a gate and fail the test unless it passes.

        Args:
            **arguments: Those of :func:`run_gate`; they win over the marker's.

        Returns:
            The report as in ``gate.json``, when the gate passes.
        """
        __tracebackhide__ = True
        from .core.errors import MosharnessError
        from .core.typed import plain

        wanted = {**self._defaults, **arguments}
        try:
            report = run_gate(wanted, self._item.config.stash.setdefault(LOADED, {}))
        except MosharnessError as error:
            pytest.fail(f"mos_gate could not run: {error}", pytrace=False)
        self._item.user_properties.append((MARKER, report.verdict))
        if report.exit_code:
            pytest.fail(failure_text(report), pytrace=False)
        as_json: dict[str, Any] = plain(report)
        return as_json


def run_gate(arguments: Mapping[str, Any], loaded: dict[Any, Any]) -> GateReport:
    """A gate from the arguments of the fixture or the marker.

    Args:
        arguments: Those of :func:`~mosharness.harness.gates.api.gate`; instead of ``table``, ``scores_csv`` (a long
            table of outside scores), ``scores`` (its columns to gate), ``system_column`` and ``key_column``; of
            listeners ``votes`` (files), ``page`` and ``require_votes``.
        loaded: Predictors kept between gates, by what was asked for.

    Raises:
        MosharnessError: For what the command ``gate`` refuses with exit code 2.
    """
    from .core.errors import UsageError
    from .gates.api import ScoreTable, gate
    from .gates.votes import Listeners

    rest = dict(arguments)
    path, scores = rest.pop("scores_csv", None), rest.pop("scores", ())
    columns = {name: rest.pop(name) for name in ("system_column", "key_column") if name in rest}
    votes, page, required = rest.pop("votes", ()), rest.pop("page", None), rest.pop("require_votes", False)
    if votes or page is not None or required:
        rest["listeners"] = Listeners([votes] if isinstance(votes, str) else votes, page, bool(required))
    baseline, candidate = rest.pop("baseline", None), rest.pop("candidate", None)
    if baseline is None or candidate is None:
        raise UsageError("give candidate= and baseline=")
    if path is None and scores:
        raise UsageError("scores names columns of scores_csv; audio is scored by predictors")
    table = None if path is None else ScoreTable(path, scores, **columns)
    return gate(baseline, candidate, table=table, loaded=loaded, **rest)


def failure_text(report: GateReport) -> str:
    """Why a gate did not pass: verdict, table, worst utterances, findings."""
    from .core.markdown import plain
    from .gates.console import COLUMNS, advice, entry_cells, floor_line, headline

    parts = [plain(headline(report), 500)]
    if report.sides is not None:
        parts[0] += f"\n{plain(report.sides[1])} against {plain(report.sides[0])}"
    if report.predictors:
        rows = [[plain(cell) for cell in entry_cells(entry)] for entry in report.entries]
        lines = [f"  {plain(line, 500)}" for line in map(advice, report.predictors) if line]
        parts.append("\n".join([columns([list(COLUMNS), *rows]), *lines]))
    parts += [plain(floor_line(floor), 500) for floor in report.floors]
    for name, lists in report.worst.items():
        rows = [
            [
                plain(text.key),
                f"{text.score_baseline:.3f}",
                f"{text.score_candidate:.3f}",
                f"{text.diff:+.3f}",
                plain(text.candidate),
            ]
            for text in lists.by_diff
        ]
        if rows:
            header = ["text", "baseline", "candidate", "difference", "file"]
            parts.append(f"worst by {plain(name)}\n{columns([header, *rows])}")
    findings = sorted(report.findings, key=lambda finding: ("error", "warning", "note").index(finding.level))
    lines = [f"{finding.level}: {plain(finding.message, 500)}" for finding in findings[:MOST_FINDINGS]]
    if len(findings) > MOST_FINDINGS:
        lines.append(f"and {len(findings) - MOST_FINDINGS} more findings; report= writes all of them")
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines with aligned columns.

    Example:
        >>> print(columns([["text", "n"], ["a", "20"]]))
        text  n
        a     20
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


@pytest.fixture
def mos_gate(request: pytest.FixtureRequest) -> MosGate:
    """Gate a candidate: ``mos_gate(candidate="new", baseline="old")``."""
    item = request.node
    assert isinstance(item, pytest.Item)
    return MosGate(item)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(candidate, baseline, predictors, margin=0.2, ...): gate a candidate system before the test's body; "
        "the defaults of the fixture mos_gate where the test asks for it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Gate before the body of a marked test that does not do so itself."""
    if item.get_closest_marker(MARKER) is not None and MARKER not in getattr(item, "fixturenames", ()):
        MosGate(item)()
