"""A gate on audio: pair the files, check them, score them, decide."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..audio.read import AudioLimits
from ..core.errors import DataError, UsageError
from ..core.printable import printable
from .baseline import approvals, baseline_heard, check_fingerprint, read_baseline, saved_rate
from .decide import decide, match_keys
from .hearing import Heard, check_rates, failures_text, file_findings, listen, pair_findings
from .model import GateFinding, GateOptions, Key, Unit, show_key
from .scoring import describe, refuse_faults, score_heard
from .sides import Side, read_side, refuse_same

if TYPE_CHECKING:
    from ...predictors.base import Predictor

Loader = Callable[[], Mapping[str, "Predictor"]]


@dataclass(frozen=True)
class AudioOptions:
    """How audio is read.

    Attributes:
        allow_same: Accept one folder on both sides.
        allow_mixed_rates: Accept different sampling rates and resample to one.
        skip_broken: Leave a text out when one of its files cannot be used; ``GateOptions.max_skipped`` limits it.
        max_seconds: Longer clips cannot be used.
        use_cache: Whether the prediction cache is used.
        workers: Decoding threads.
        show: Progress on stderr.
        candidate_option: What the option that names the candidate is called, for messages.
    """

    allow_same: bool = False
    allow_mixed_rates: bool = False
    skip_broken: bool = False
    max_seconds: float = 60.0
    use_cache: bool = True
    workers: int | None = None
    show: bool = False
    candidate_option: str = "--candidate"


@dataclass
class _Sides:
    """Files of both sides on their way, and what was noticed."""

    baseline: list[Heard]
    candidate: list[Heard]
    findings: list[GateFinding] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class GateRun:
    """What came of a gate.

    Attributes:
        result: JSON types, see ``docs/gate.md``.
        baseline: The scored files of the baseline, to be saved.
        predictors: Those that scored.
        rate: Sampling rate that every clip was brought to, or ``None``.
    """

    result: dict[str, Any]
    baseline: list[Heard]
    predictors: Mapping[str, Predictor]
    rate: int | None


def gate_audio(
    baseline: str | Path,
    candidate: str | Path,
    predictors: Mapping[str, Predictor] | Loader,
    options: GateOptions | None = None,
    audio: AudioOptions | None = None,
) -> GateRun:
    """Gate a candidate's audio against a baseline.

    Args:
        baseline: Folder, manifest (``.csv``) or saved baseline (``.json``).
        candidate: Folder or manifest.
        predictors: Loaded predictors by name, or a function that loads them once the files are known to pair. The
            primary dimension of each has to pass.
        options: How to decide.
        audio: How audio is read.

    Returns:
        The result and what is needed to save the baseline.

    Raises:
        UsageError: For options or paths that make no sense.
        DataError: For sides that do not pair, a broken baseline, rates that differ, another fingerprint.
        PredictionError: If a predictor fails on a sound file.
    """
    started = time.perf_counter()
    options, audio = options or GateOptions(), audio or AudioOptions()
    saved = read_baseline(Path(baseline)) if Path(baseline).suffix.lower() == ".json" else None
    old = baseline_heard(saved, Path(baseline)) if saved is not None else None
    new_side = read_side(candidate, audio.candidate_option)
    if old is None:
        old_side = read_side(baseline, "--baseline")
        if not audio.allow_same:
            refuse_same(old_side.origin, new_side.origin, audio.candidate_option)
        old = _unheard(old_side)
    sides = _Sides(old, _unheard(new_side))
    expected = _match(sides, options)
    loaded = predictors() if callable(predictors) else predictors
    if not loaded:
        raise UsageError("no predictor: give --predictor at least once, better twice")
    options.check(list(loaded))
    rate_then, history = None, list[dict[str, Any]]()
    if saved is not None:
        history, damaged = approvals(saved)
        if damaged:
            message = f"{damaged} records of earlier approvals in {printable(baseline)} are damaged and left out"
            sides.findings.append(GateFinding("warning", "history", message, "baseline"))
        sides.findings += check_fingerprint(saved, Path(baseline), loaded, audio.max_seconds)
        rate_then = saved_rate(saved)
    listened = time.perf_counter()
    limits = AudioLimits(max_seconds=audio.max_seconds)
    sides.baseline = listen(sides.baseline, limits, audio.workers)
    sides.candidate = listen(sides.candidate, limits, audio.workers)
    _drop_broken(sides, options, audio)
    rate = check_rates(sides.baseline, sides.candidate, audio.allow_mixed_rates, rate_then)
    _check_pairs(sides, options, audio)
    scored = time.perf_counter()
    everything, notes = score_heard(
        loaded,
        [*sides.baseline, *sides.candidate],
        rate=rate,
        use_cache=audio.use_cache,
        workers=audio.workers,
        show=audio.show,
    )
    cut = len(sides.baseline)
    sides.baseline, sides.candidate = everything[:cut], everything[cut:]
    sides.findings += [GateFinding("note", "cache", note) for note in notes]
    if not audio.skip_broken:
        refuse_faults(everything)
    _drop_broken(sides, options, audio)
    if len(loaded) == 1:
        message = f"{next(iter(loaded))} alone decides; take one predictor of naturalness and one of signal quality"
        sides.findings.append(GateFinding("warning", "one_predictor", message))
    judged = time.perf_counter()
    result = decide(
        _units(sides.baseline, options.method != "unpaired"),
        _units(sides.candidate, options.method != "unpaired"),
        list(loaded),
        options,
        findings=sides.findings,
        skipped=sides.skipped,
        expected=expected,
    )
    decided = time.perf_counter()
    result |= {
        "baseline": printable(baseline),
        "baseline_history": history,
        "candidate": printable(candidate),
        "predictor_details": describe(loaded),
        "sample_rate": rate or (sides.baseline[0].sample_rate if sides.baseline else None),
        "seconds": {
            "load": listened - started,
            "listen": scored - listened,
            "score": judged - scored,
            "decide": decided - judged,
            "all": decided - started,
        },
    }
    return GateRun(result, sides.baseline, loaded, rate)


def _unheard(side: Side) -> list[Heard]:
    return [Heard(one.key, one.seed, printable(one.path), one.path) for one in side.renderings]


def score_side(
    origin: str | Path, predictors: Mapping[str, Predictor] | Loader, option: str, audio: AudioOptions | None = None
) -> GateRun:
    """Score one side alone, to be saved as a baseline.

    Raises:
        DataError: If a file cannot be used, or the sampling rates differ without leave.
        PredictionError: If a predictor fails on a sound file.
    """
    audio = audio or AudioOptions()
    side = read_side(origin, option)
    loaded = predictors() if callable(predictors) else predictors
    heard = listen(_unheard(side), AudioLimits(max_seconds=audio.max_seconds), audio.workers)
    _refuse_failures(heard, option)
    rate = check_rates(heard, [], audio.allow_mixed_rates, None)
    done, _ = score_heard(loaded, heard, rate=rate, use_cache=audio.use_cache, workers=audio.workers, show=audio.show)
    refuse_faults(done)
    _refuse_failures(done, option)
    return GateRun({}, done, loaded, rate)


def _refuse_failures(heard: Sequence[Heard], option: str) -> None:
    failed = [one for one in heard if one.failure]
    if failed:
        raise DataError(
            f"{option}: {len(failed)} of {len(heard)} files cannot be used: {failures_text(failed)}. Render them again"
        )


def _match(sides: _Sides, options: GateOptions) -> set[Key] | None:
    """Keep the texts of both sides; returns the keys that there should be."""
    if options.method == "unpaired":
        return None
    old, new = {one.key for one in sides.baseline}, {one.key for one in sides.candidate}
    matched = match_keys(old, new, options)
    sides.findings += matched.findings
    common = set(matched.common)
    sides.baseline = [one for one in sides.baseline if one.key in common]
    sides.candidate = [one for one in sides.candidate if one.key in common]
    return old


def _drop_broken(sides: _Sides, options: GateOptions, audio: AudioOptions) -> None:
    """Take texts with a file that cannot be used out of both sides.

    A broken candidate fails the gate, a broken baseline cannot judge; with ``skip_broken`` both are only counted.
    """
    failed = [("baseline", one) for one in sides.baseline if one.failure]
    failed += [("candidate", one) for one in sides.candidate if one.failure]
    if not failed:
        return
    if not audio.skip_broken:
        _refuse_failures(sides.baseline, "--baseline")
    lost = {one.key for _, one in failed}
    paired = options.method != "unpaired"
    for side, one in failed:
        if audio.skip_broken:
            sides.skipped.append({"key": show_key(one.key), "side": side, "path": one.source, "reason": one.failure})
        else:
            code = one.failure.partition(":")[0]
            message = f"{one.source}: {one.failure}"
            sides.findings.append(GateFinding("error", code, message, side, show_key(one.key), one.source))
    if audio.skip_broken:
        _limit_skipped(sides, options)
    sides.baseline = [one for one in sides.baseline if not (one.failure or (paired and one.key in lost))]
    sides.candidate = [one for one in sides.candidate if not (one.failure or (paired and one.key in lost))]


def _limit_skipped(sides: _Sides, options: GateOptions) -> None:
    allowed = options.max_skipped or 0
    keys = sorted({entry["key"] for entry in sides.skipped})
    sides.findings = [finding for finding in sides.findings if finding.code != "skipped"]
    shown = ", ".join(keys[:20]) + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")
    message = f"{len(keys)} texts were skipped for broken files ({allowed} allowed, --max-skipped): {shown}"
    sides.findings.append(GateFinding("error" if len(keys) > allowed else "warning", "skipped", message))


def _check_pairs(sides: _Sides, options: GateOptions, audio: AudioOptions) -> None:
    sides.findings += file_findings("baseline", sides.baseline) + file_findings("candidate", sides.candidate)
    if options.method == "unpaired":
        return
    found = pair_findings(_by_key(sides.baseline), _by_key(sides.candidate))
    sides.findings += [finding for finding in found if finding.level != "error" or not audio.skip_broken]
    broken = {finding.path: finding.message for finding in found if finding.level == "error"}
    sides.candidate = [
        replace(one, failure=f"duration_ratio: {broken[one.source].partition(': ')[2]}")
        if one.source in broken and audio.skip_broken
        else one
        for one in sides.candidate
    ]
    if audio.skip_broken:
        _drop_broken(sides, options, audio)


def _by_key(heard: Sequence[Heard]) -> dict[Key, list[Heard]]:
    groups: dict[Key, list[Heard]] = defaultdict(list)
    for one in heard:
        groups[one.key].append(one)
    return groups


def _units(heard: Sequence[Heard], several: bool) -> list[Unit]:
    """Repeats of a text averaged: the text is the unit of analysis."""
    units = []
    for key, group in sorted(_by_key(heard).items()):
        columns = [dict(one.scores) for one in group]
        scores = {name: math.fsum(column[name] for column in columns) / len(columns) for name in columns[0]}
        source = group[0].source + (f" and {len(group) - 1} more" if several and len(group) > 1 else "")
        units.append(Unit(key, source, scores))
    return units
