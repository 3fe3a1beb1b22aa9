"""Findings of a clip as the one line of a table, and back; and that no other file cuts such a line apart."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from mosharness.harness.core.clip import Finding, read_reason, reason_text

CODES = st.sampled_from(["short", "clipping", "missing_audio", "a1"])
MESSAGES = st.lists(st.sampled_from(["0.2 s", "x", " ", ";", "; ", ": ", "; cause: y", "short: "]), max_size=6).map(
    "".join
)


@given(st.lists(st.builds(Finding, CODES, MESSAGES), max_size=4))
def test_a_reason_holds_as_many_findings_as_went_in(findings: list[Finding]) -> None:
    back = read_reason(reason_text(findings))
    assert [finding.code for finding in back] == [finding.code for finding in findings]
    assert [finding.message.replace(",", ";") for finding in back] == [
        finding.message.replace(",", ";") for finding in findings
    ]
    assert reason_text(back) == reason_text(findings)


def test_foreign_text_is_one_finding() -> None:
    assert read_reason("the file is gone") == (Finding("other", "the file is gone"),)
    assert read_reason("") == ()


def test_only_one_file_cuts_reasons_apart(repository: Path) -> None:
    cut = re.compile(r"""reason\w*"?\]?\.(?:split\(["']|partition\(|rpartition\(|startswith\()|split\(["']; ["']\)""")
    files = [path for room in ("harness", "predictors", "tasks") for path in (repository / room).rglob("*.py")]
    assert files
    assert [path.name for path in files if cut.search(path.read_text("utf-8"))] == []
