"""Checks on the audio of both sides beside its scores: a predictor gives silence a middle score."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from ..core.errors import DataError
from .schema import GateFinding
from .sides import Rendering
from .units import TextKey

SHORTEST_RATIO, LONGEST_RATIO = 0.5, 2.0
WARN_RATIOS = (0.8, 1.25)
LEVEL_DIFFERENCE_DB = 3.0
INCOMPLETE = ("truncated",)
"""Warnings of the reader that say that a file is not whole."""


def by_key(renderings: Sequence[Rendering]) -> dict[TextKey, list[Rendering]]:
    """Repeats of each text and voice."""
    groups: dict[TextKey, list[Rendering]] = defaultdict(list)
    for rendering in renderings:
        groups[rendering.key].append(rendering)
    return groups


def file_findings(side: str, renderings: Sequence[Rendering]) -> list[GateFinding]:
    """The reader's warnings of usable files; a candidate's file that is not whole is an error."""
    return [
        GateFinding(
            "error" if side == "candidate" and note.code in INCOMPLETE else "warning",
            note.code,
            f"{file.name}: {note.message}",
            side,
            str(file.key),
            file.name,
        )
        for file in renderings
        for note in file.findings
    ]


def check_rates(
    baseline: Sequence[Rendering], candidate: Sequence[Rendering], allowed: bool, fixed: int | None
) -> int | None:
    """One sampling rate on both sides, or the rate to bring everything to.

    Args:
        baseline, candidate: Usable files.
        allowed: Whether different rates are accepted; everything is then resampled to the lowest (our choice), or to
            the rate of a saved baseline, whose audio is not there.
        fixed: The rate that a saved baseline was scored at.

    Returns:
        The rate to resample to, ``None`` where nothing has to be.

    Raises:
        DataError: If rates differ and that is not allowed.
    """
    rates = sorted({file.sample_rate for file in (*baseline, *candidate)})
    if fixed is not None and rates == [fixed]:
        return fixed
    if len(rates) <= 1 and fixed is None:
        return None
    examples = []
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        for rate in sorted({file.sample_rate for file in side}):
            group = [file for file in side if file.sample_rate == rate]
            examples.append(f"{name} {rate} Hz ({len(group)} files, {group[0].name})")
    if not allowed:
        raise DataError(
            "the sampling rates differ, and rate alone moves scores: "
            + ", ".join(examples[:6])
            + ". Render both sides at one rate, or pass --allow-mixed-rates to resample"
        )
    if fixed is not None:
        return fixed
    saved = {file.sample_rate for file in baseline if file.path is None}
    if len(saved) > 1:
        raise DataError("the saved baseline holds files of several rates without a common one; save it again")
    return saved.pop() if saved else rates[0]


def duration_findings(
    baseline: Mapping[TextKey, Sequence[Rendering]], candidate: Mapping[TextKey, Sequence[Rendering]]
) -> list[tuple[Rendering, GateFinding]]:
    """Candidate files whose duration is not that of the baseline: truncated or babbling synthesis is an error."""
    findings = []
    for key in sorted(set(baseline) & set(candidate)):
        usual = math.fsum(rendering.duration_s for rendering in baseline[key]) / len(baseline[key])
        for rendering in candidate[key]:
            ratio = rendering.duration_s / usual
            if WARN_RATIOS[0] <= ratio <= WARN_RATIOS[1]:
                continue
            broken = not SHORTEST_RATIO <= ratio <= LONGEST_RATIO
            message = f"{rendering.duration_s:.2f} s, {ratio:.2f} times the baseline's {usual:.2f} s"
            message += ": truncated or babbling synthesis" if broken else ""
            level: Literal["error", "warning"] = "error" if broken else "warning"
            finding = GateFinding(level, "duration_ratio", message, "candidate", str(key), rendering.name)
            findings.append((rendering, finding))
    return findings


def side_findings(
    baseline: Mapping[TextKey, Sequence[Rendering]], candidate: Mapping[TextKey, Sequence[Rendering]]
) -> list[GateFinding]:
    """What only both sides together show: another level, audio that was not rendered again."""
    findings = []
    keys = sorted(set(baseline) & set(candidate))
    identical = 0
    for key in keys:
        contents = {rendering.content for rendering in baseline[key]}
        identical += all(rendering.content in contents for rendering in candidate[key])
    if identical:
        message = f"{identical} of {len(keys)} texts are byte-identical audio on both sides"
        message += ": was the candidate rendered again?"
        findings.append(GateFinding("warning", "identical_audio", message))
    old, new = (_mean_level([rendering for key in keys for rendering in side[key]]) for side in (baseline, candidate))
    if abs(new - old) > LEVEL_DIFFERENCE_DB:
        message = (
            f"the candidate's mean level is {new - old:+.1f} dB against the baseline ({new:.1f} and {old:.1f} dBFS "
            "RMS); predictors react to level"
        )
        findings.append(GateFinding("warning", "level_difference", message))
    return findings


def _mean_level(renderings: Sequence[Rendering]) -> float:
    return math.fsum(rendering.rms_dbfs for rendering in renderings) / len(renderings) if renderings else 0.0


def failures_text(renderings: Sequence[Rendering], most: int = 5) -> str:
    """Failed files and why, for a message."""
    lines = [f"{rendering.name}: {rendering.reason}" for rendering in renderings[:most]]
    return "; ".join(lines) + (f"; and {len(renderings) - most} more" if len(renderings) > most else "")
