"""Findings of a gate in groups, so that what many files share is said once: errors first, the largest groups first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .schema import GateFinding, GateReport

LEVELS = ("error", "warning", "note")
NEARLY_ALL = 0.9
"""From this share of the texts on, a group is said to be about nearly every file of its side."""


@dataclass(frozen=True)
class FindingGroup:
    """Findings of one level, code and side.

    Attributes:
        level: ``error``, ``warning`` or ``note``.
        title: The group as a sentence; of a single finding its message.
        findings: In the order they were found.
    """

    level: Literal["error", "warning", "note"]
    title: str
    findings: tuple[GateFinding, ...]


def grouped(report: GateReport) -> tuple[FindingGroup, ...]:
    """The findings of a report in groups.

    Example:
        A group of several is titled ``12 warnings: clipping, candidate``, or ``clipping: nearly every file of the
        candidate (39 of 40)``.
    """
    groups: dict[tuple[str, str, str], list[GateFinding]] = {}
    for finding in report.findings:
        groups.setdefault((finding.level, finding.code, finding.side), []).append(finding)
    ordered = sorted(groups.items(), key=lambda one: (LEVELS.index(one[0][0]), -len(one[1])))
    texts = len(report.pairs)
    return tuple(FindingGroup(found[0].level, _title(found, texts), tuple(found)) for _, found in ordered)


def _title(findings: Sequence[GateFinding], texts: int) -> str:
    first, count = findings[0], len(findings)
    if count == 1:
        return first.message
    what, whose = first.code.replace("_", " "), f" of the {first.side}" if first.side else ""
    if texts and len({one.key or one.path for one in findings}) >= NEARLY_ALL * texts:
        return f"{what}: nearly every file{whose} ({count} of {max(texts, count)})"
    return f"{count} {first.level}s: {what}" + (f", {first.side}" if first.side else "")
