"""Checks on the audio of both sides before any score counts: a predictor gives silence a middle score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..audio.read import AudioLimits, Finding, read_audio
from ..core.errors import AudioError, DataError, MosharnessError
from ..core.printable import printable
from ..engine.pipeline import default_workers
from .model import GateFinding, Key, show_key

SHORTEST_RATIO, LONGEST_RATIO = 0.5, 2.0
WARN_RATIOS = (0.8, 1.25)
LEVEL_DIFFERENCE_DB = 3.0


@dataclass(frozen=True)
class Heard:
    """One file as decoded and checked, or as a saved baseline remembers it.

    Attributes:
        key: Text and voice.
        seed: What tells repeats apart.
        source: The file, for people.
        path: The file to score; ``None`` where only the saved scores are there.
        content: Digest of the decoded audio.
        duration_s: Seconds.
        sample_rate: Hz.
        rms_dbfs: Level.
        findings: Warnings of the reader.
        failure: Why the file cannot be used; empty when it can.
        scores: Scores that are known already, by name.
    """

    key: Key
    seed: str
    source: str
    path: Path | None
    content: str = ""
    duration_s: float = math.nan
    sample_rate: int = 0
    rms_dbfs: float = math.nan
    findings: tuple[Finding, ...] = ()
    failure: str = ""
    scores: tuple[tuple[str, float], ...] = ()


def listen(wanted: Sequence[Heard], limits: AudioLimits, workers: int | None = None) -> list[Heard]:
    """Decode and check files in threads; a file that cannot be used comes back with its ``failure``."""
    with ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="listen") as pool:
        return list(pool.map(lambda one: _listen(one, limits), wanted))


def _listen(one: Heard, limits: AudioLimits) -> Heard:
    if one.path is None:
        return one
    try:
        clip = read_audio(one.path, limits)
    except AudioError as error:
        return replace(one, failure=f"{error.code}: {error.reason}")
    except MosharnessError:
        raise
    except Exception as error:
        return replace(one, failure=f"unreadable: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    power = float(np.mean(np.square(clip.samples, dtype=np.float64)))
    return replace(
        one,
        content=clip.content_sha256,
        duration_s=clip.duration_s,
        sample_rate=clip.sample_rate,
        rms_dbfs=10 * math.log10(power) if power > 0 else -math.inf,
        findings=clip.findings,
    )


def file_findings(side: str, heard: Sequence[Heard]) -> list[GateFinding]:
    """The reader's warnings of usable files."""
    return [
        GateFinding("warning", note.code, f"{one.source}: {note.message}", side, show_key(one.key), one.source)
        for one in heard
        for note in one.findings
    ]


def check_rates(baseline: Sequence[Heard], candidate: Sequence[Heard], allowed: bool, fixed: int | None) -> int | None:
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
    rates = sorted({one.sample_rate for one in (*baseline, *candidate)})
    if fixed is not None and rates == [fixed]:
        return fixed
    if len(rates) <= 1 and fixed is None:
        return None
    examples = []
    for name, side in (("baseline", baseline), ("candidate", candidate)):
        for rate in sorted({one.sample_rate for one in side}):
            group = [one for one in side if one.sample_rate == rate]
            examples.append(f"{name} {rate} Hz ({len(group)} files, {group[0].source})")
    if not allowed:
        raise DataError(
            "the sampling rates differ, and rate alone moves scores: "
            + ", ".join(examples[:6])
            + ". Render both sides at one rate, or pass --allow-mixed-rates to resample"
        )
    if fixed is not None:
        return fixed
    saved = {one.sample_rate for one in baseline if one.path is None}
    if len(saved) > 1:
        raise DataError("the saved baseline holds files of several rates without a common one; save it again")
    return saved.pop() if saved else rates[0]


def pair_findings(baseline: dict[Key, list[Heard]], candidate: dict[Key, list[Heard]]) -> list[GateFinding]:
    """What only the pair shows: truncated or babbling synthesis, another level, audio that was not rendered again."""
    findings = []
    identical = 0
    keys = sorted(set(baseline) & set(candidate))
    for key in keys:
        usual = math.fsum(one.duration_s for one in baseline[key]) / len(baseline[key])
        contents = {one.content for one in baseline[key]}
        identical += all(one.content in contents for one in candidate[key])
        for one in candidate[key]:
            ratio = one.duration_s / usual
            if WARN_RATIOS[0] <= ratio <= WARN_RATIOS[1]:
                continue
            broken = not SHORTEST_RATIO <= ratio <= LONGEST_RATIO
            meaning = ": truncated or babbling synthesis" if broken else ""
            message = f"{one.source}: {one.duration_s:.2f} s, {ratio:.2f} times the baseline's {usual:.2f} s{meaning}"
            noticed = GateFinding("warning", "duration_ratio", message, "candidate", show_key(key), one.source)
            findings.append(replace(noticed, level="error") if broken else noticed)
    if identical:
        message = f"{identical} of {len(keys)} texts are byte-identical audio on both sides"
        message += ": was the candidate rendered again?"
        findings.append(GateFinding("warning", "identical_audio", message))
    old, new = (_mean_level([one for key in keys for one in side[key]]) for side in (baseline, candidate))
    if abs(new - old) > LEVEL_DIFFERENCE_DB:
        message = (
            f"the candidate's mean level is {new - old:+.1f} dB against the baseline ({new:.1f} and {old:.1f} dBFS "
            "RMS); predictors react to level"
        )
        findings.append(GateFinding("warning", "level_difference", message))
    return findings


def _mean_level(heard: Sequence[Heard]) -> float:
    return math.fsum(one.rms_dbfs for one in heard) / len(heard) if heard else 0.0


def failures_text(heard: Sequence[Heard], most: int = 5) -> str:
    """Failed files and why, for a message."""
    lines = [f"{printable(one.source)}: {one.failure}" for one in heard[:most]]
    return "; ".join(lines) + (f"; and {len(heard) - most} more" if len(heard) > most else "")
