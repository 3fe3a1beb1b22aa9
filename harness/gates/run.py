"""A gate on audio: pair the files, check them, score them, decide. Every file is decoded once at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from ...predictors.base import Predictor
from ..audio.read import AudioLimits
from ..core.errors import UsageError
from ..core.printable import printable
from ..engine.known_audio import KnownAudio
from ..engine.waveforms import WaveformStore
from .baseline import ScoredSide, baseline_renderings, read_baseline
from .checks import check_rates
from .columns import Joiner, side_names
from .decide import decide
from .fingerprint import check_fingerprint, refuse_fewer
from .history import approvals
from .options import AudioOptions, GateOptions
from .saved import SavedBaseline
from .schema import BaselineStep, GateFinding, GateReport, Seconds
from .scoring import describe, measures, refuse_faults, score_renderings
from .screen import Screen, examine, refuse_failures, text_scores
from .sentences import share_sentences
from .sides import read_side, refuse_same

Loader = Callable[[], Mapping[str, Predictor]]


@dataclass(frozen=True)
class GateRun:
    """What came of a gate: the report, and the baseline's side as it was scored."""

    report: GateReport
    baseline: ScoredSide


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
        The report and what is needed to save the baseline.

    Raises:
        UsageError: For options or paths that make no sense.
        DataError: For sides that do not pair, a broken baseline, rates that differ, another fingerprint.
        PredictionError: If a predictor fails on a sound file.
    """
    times = [time.perf_counter()]
    options, audio = options or GateOptions(), audio or AudioOptions()
    saved = read_baseline(Path(baseline)) if Path(baseline).suffix.lower() == ".json" else None
    screen = _read_sides(baseline, candidate, saved, options, audio)
    expected = screen.match()
    screen.join(audio.tables, {"baseline": baseline, "candidate": candidate})
    loaded = _load(predictors)
    options = measures(loaded, options)
    columns = [column for column in options.columns if not column.measured]
    names = [*loaded, *(column.name for column in columns)]
    options.check(names)
    screen.baseline, screen.candidate, found = share_sentences(screen.baseline, screen.candidate, loaded)
    screen.findings += found
    history: tuple[BaselineStep, ...] = ()
    if saved is not None:
        refuse_fewer(saved, Path(baseline), list(loaded))
        history = _look_back(saved, Path(baseline), loaded, screen)
    times.append(time.perf_counter())
    with _store(audio) as store:
        screen.examine(store)
        fixed = saved.front_end.rate if saved is not None else None
        rate = check_rates(screen.baseline, screen.candidate, audio.allow_mixed_rates, fixed)
        screen.check_pairs()
        times.append(time.perf_counter())
        files = [*screen.baseline, *screen.candidate]
        scored, notes = score_renderings(loaded, files, store, rate=rate, audio=audio)
    cut = len(screen.baseline)
    screen.baseline, screen.candidate = scored[:cut], scored[cut:]
    screen.findings += [GateFinding("note", "cache", note) for note in notes]
    if not audio.skip_broken:
        refuse_faults(scored)
    screen.drop_broken()
    if len(names) == 1:
        message = f"{next(iter(loaded))} alone decides; take one predictor of naturalness and one of signal quality"
        screen.findings.append(GateFinding("warning", "one_predictor", message))
    times.append(time.perf_counter())
    report = decide(
        text_scores(screen.baseline, screen.paired, options.columns),
        text_scores(screen.candidate, screen.paired, options.columns),
        names,
        options,
        findings=screen.findings,
        skipped=screen.skipped,
        expected=expected,
    )
    times.append(time.perf_counter())
    report = msgspec.structs.replace(
        report,
        baseline=printable(baseline),
        candidate=printable(candidate),
        baseline_history=history,
        predictor_details=describe(loaded),
        sample_rate=rate or (screen.baseline[0].sample_rate if screen.baseline else None),
        seconds=_seconds(times),
    )
    return GateRun(report, ScoredSide(screen.baseline, loaded, rate))


def score_side(
    origin: str | Path,
    predictors: Mapping[str, Predictor] | Loader,
    option: str,
    audio: AudioOptions | None = None,
    options: GateOptions | None = None,
) -> ScoredSide:
    """Score one side alone, to be saved as a baseline.

    Args:
        origin: Folder or manifest.
        predictors: Loaded predictors by name, or a function that loads them.
        option: Names the side in messages.
        audio: How audio is read.
        options: Which columns are joined, and what cuts slices.

    Raises:
        DataError: If a file cannot be used, or the sampling rates differ without leave.
        PredictionError: If a predictor fails on a sound file.
    """
    audio = audio or AudioOptions()
    side = read_side(origin, option)
    joiner = Joiner.of(options or GateOptions(), audio.tables)
    renderings = joiner.join(side.renderings, "baseline", side_names(origin, "baseline"))
    loaded = _load(predictors)
    with _store(audio) as store:
        files = examine(renderings, store)
        refuse_failures(files, option)
        rate = check_rates(files, [], audio.allow_mixed_rates, None)
        scored, _ = score_renderings(loaded, files, store, rate=rate, audio=audio)
    refuse_faults(scored)
    refuse_failures(scored, option)
    return ScoredSide(scored, loaded, rate)


def _read_sides(
    baseline: str | Path,
    candidate: str | Path,
    saved: SavedBaseline | None,
    options: GateOptions,
    audio: AudioOptions,
) -> Screen:
    if saved is not None:
        old = baseline_renderings(saved, Path(baseline))
        new = read_side(candidate, audio.candidate_option)
        return Screen(old, list(new.renderings), options, audio)
    new = read_side(candidate, audio.candidate_option)
    side = read_side(baseline, audio.baseline_option)
    if not audio.allow_same:
        refuse_same(side.origin, new.origin, audio.candidate_option, audio.baseline_option)
    return Screen(list(side.renderings), list(new.renderings), options, audio)


def _load(predictors: Mapping[str, Predictor] | Loader) -> Mapping[str, Predictor]:
    loaded = predictors() if callable(predictors) else predictors
    if not loaded:
        raise UsageError("no predictor: give --predictor at least once, better twice")
    return loaded


def _look_back(
    saved: SavedBaseline, path: Path, loaded: Mapping[str, Predictor], screen: Screen
) -> tuple[BaselineStep, ...]:
    """What a saved baseline descends from; refuses one that something else made."""
    history, damaged = approvals(saved)
    if damaged:
        message = f"{damaged} records of earlier approvals in {printable(path)} are damaged and left out"
        screen.findings.append(GateFinding("warning", "history", message, "baseline"))
    screen.findings += check_fingerprint(saved, path, loaded, screen.audio.max_seconds)
    return history


def _store(audio: AudioOptions) -> WaveformStore:
    limits = AudioLimits(max_seconds=audio.max_seconds)
    return WaveformStore(limits, workers=audio.workers, known=KnownAudio() if audio.use_cache else None)


def _seconds(times: Sequence[float]) -> Seconds:
    load, listen, score, decide_ = (end - start for start, end in pairwise(times))
    return Seconds(load=load, listen=listen, score=score, decide=decide_, all=times[-1] - times[0])
