"""Scores for a gate: each sound once per predictor, whichever side and however many files it is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ...predictors.base import Predictor
from ..audio.read import Waveform, scored_digest
from ..audio.resample import resample
from ..core.clip import Clip, Finding, Outcome
from ..core.errors import AudioError, DataError, PredictionError, UnknownName, UsageError
from ..core.printable import printable
from ..engine.cache import PredictionCache
from ..engine.pipeline import KnownClip
from ..engine.scorer import Scorer
from ..engine.waveforms import WaveformStore
from .known_predictors import KnownPredictor, known_or_loaded
from .options import AudioOptions, Column, GateOptions
from .schema import CheckpointDetails, PredictorDetails
from .sides import Rendering

if TYPE_CHECKING:
    import numpy as np

    from ..audio.checks import AudioLimits

POINTS = 2.0
"""Scales narrower than this are no points of opinion: their predictors measure in units of their own."""
FAULTS = ("predictor_error", "not_finite", "out_of_memory")
"""Failures that are the predictor's, not the file's."""


class AtRate(Scorer):
    """A scorer that sees every clip at one sampling rate; all else is as without it.

    Args:
        scorer: The predictor.
        sample_rate: In Hz.
    """

    def __init__(self, scorer: Scorer, sample_rate: int) -> None:
        self._scorer, self._sample_rate = scorer, sample_rate

    @property
    def name(self) -> str:
        return self._scorer.name

    @property
    def dimensions(self) -> tuple[str, ...]:
        return self._scorer.dimensions

    @property
    def device(self) -> str:
        return self._scorer.device

    @property
    def parallel_score(self) -> bool:
        return self._scorer.parallel_score

    @property
    def uses_text(self) -> bool:
        return self._scorer.uses_text

    @property
    def uses_reference(self) -> bool:
        return self._scorer.uses_reference

    def limits(self) -> AudioLimits:
        """The predictor's."""
        return self._scorer.limits()

    def plan(self, items: Sequence[Clip], durations: Sequence[float] | None = None) -> list[tuple[int, ...]]:
        """The predictor's."""
        return self._scorer.plan(items, durations)

    def fingerprint(self) -> dict[str, Any]:
        """The predictor's, and the rate."""
        return {**self._scorer.fingerprint(), "gate_sample_rate": self._sample_rate}

    def prepare_clip(self, clip: Waveform) -> Any:
        """Resample where needed, then as the predictor does."""
        if clip.sample_rate != self._sample_rate:
            samples = resample(clip.samples, clip.sample_rate, self._sample_rate, "soxr_hq").samples
            clip = replace(clip, samples=samples, sample_rate=self._sample_rate)
        return self._scorer.prepare_clip(clip)

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        """The predictor's."""
        return self._scorer.score(batch)

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """The predictor's."""
        return self._scorer.findings(clip)


def parse_predictors(specs: Sequence[str]) -> list[tuple[str, str, str | None]]:
    """``P``, ``P:DIMENSION`` and either with ``=CHECKPOINT``, as (name in the report, predictor, checkpoint).

    A predictor that is given once keeps its name; given with several checkpoints, each adds its file's name. A
    dimension stays at the end of the name: :func:`dimension_of` finds it there.

    Raises:
        UsageError: For an empty name, or the same twice.

    Example:
        >>> parse_predictors(["nisqa", "nisqa:noi", "dsp=a/b.tar"])
        [('nisqa', 'nisqa', None), ('nisqa:noi', 'nisqa', None), ('dsp', 'dsp', 'a/b.tar')]
    """
    parts = []
    for spec in specs:
        whole, _, given = spec.partition("=")
        name, mark, dimension = (text.strip() for text in whole.partition(":"))
        if not name or (mark and not dimension):
            raise UsageError("--predictor: write NAME, NAME:DIMENSION, NAME=CHECKPOINT or NAME:DIMENSION=CHECKPOINT")
        parts.append((name, dimension, given or None))
    found: list[tuple[str, str, str | None]] = []
    for name, dimension, checkpoint in parts:
        shown = name
        if checkpoint and len({other for known, _, other in parts if known == name}) > 1:
            shown = f"{name}:{Path(checkpoint).name}"
        shown += f":{dimension}" if dimension else ""
        if shown in [entry[0] for entry in found]:
            raise UsageError(f"--predictor {shown} is given twice")
        found.append((shown, name, checkpoint))
    return found


def dimension_of(name: str, predictor: Scorer) -> int:
    """Which column a score of a gate is: the dimension at the end of its name, else the primary one."""
    last = name.rpartition(":")[2] if ":" in name else ""
    return predictor.dimensions.index(last) if last in predictor.dimensions else 0


def load_predictors(
    specs: Sequence[str], *, device: str = "auto", precision: str = "float32", known: bool = False, **settings: Any
) -> dict[str, Any]:
    """The predictors of a gate, by the name that the report shows; one whose dimensions are named is loaded once.

    Args:
        specs: As :func:`parse_predictors` reads them.
        device, precision, settings: As for loading.
        known: Whether one of which enough is known is loaded only when something has to be scored
            (:class:`~.known_predictors.KnownPredictor`).

    Raises:
        UnknownName: For a dimension that a predictor does not have.
    """
    from ...predictors import load_predictor

    loaded: dict[tuple[str, str | None], Any] = {}
    found = {}
    for spec, (shown, name, checkpoint) in zip(specs, parse_predictors(specs), strict=True):
        if (name, checkpoint) not in loaded:
            load = partial(load_predictor, name, checkpoint, device, precision=precision, **settings)
            loaded[name, checkpoint] = (
                known_or_loaded(name, checkpoint, device, precision, settings, load) if known else load()
            )
        predictor = loaded[name, checkpoint]
        dimension = spec.partition("=")[0].partition(":")[2].strip()
        if dimension and dimension not in predictor.dimensions:
            raise UnknownName(f"dimension of {name}", dimension, predictor.dimensions)
        found[shown] = predictor
    return found


def score_renderings(
    predictors: Mapping[str, Predictor],
    renderings: Sequence[Rendering],
    store: WaveformStore,
    *,
    rate: int | None = None,
    audio: AudioOptions,
) -> tuple[list[Rendering], list[str]]:
    """Score files by every predictor, each name by its dimension (:func:`dimension_of`).

    Args:
        predictors: By name.
        renderings: Usable files; those of a saved baseline bring their scores.
        store: Where the files were examined: it has their samples.
        rate: Sampling rate that every clip is brought to, or ``None``.
        audio: Cache, threads and progress.

    Returns:
        The files with ``scores``, or with the failure of the first predictor that could not score them; and sentences
        about the cache.
    """
    from ..engine.score import score_items

    done, notes = list(renderings), list[str]()
    names_of: dict[int, list[str]] = {}
    for name, one in predictors.items():
        names_of.setdefault(id(one), []).append(name)
    for names in names_of.values():  # each predictor scores once, whatever of it counts
        predictor: Any = predictors[names[0]]  # or what is known of it, a KnownPredictor
        scorer: Scorer = predictor if rate is None else AtRate(predictor, rate)
        compared = _references(done, store) if predictor.uses_reference else {}
        ids = [_scored_id(file, predictor, compared) for file in done]
        known: dict[str, Mapping[str, float]] = {}
        for at, file in zip(ids, done, strict=True):
            if all(name in file.scores for name in names):
                known.setdefault(at, {**file.scores, **file.columns})
        items: dict[str, Clip] = {}
        for at, file in zip(ids, done, strict=True):
            if file.path is not None and at not in known and not file.code:
                source, other = store.clip(file.path), compared.get(file.reference)
                items.setdefault(at, Clip(at, source, file.text, reference=other))
        clips = [items[at] for at in sorted(items)]
        rows = _all_cached(scorer, clips) if isinstance(predictor, KnownPredictor) else None
        if rows is None:
            if isinstance(predictor, KnownPredictor):
                real = predictor.loaded()
                scorer = real if rate is None else AtRate(real, rate)
            scores = score_items(
                scorer,
                clips,
                use_cache=audio.use_cache,
                workers=audio.workers,
                show=audio.show,
                title=predictor.name,
            )
            notes += scores.notes
            rows = {row.utterance_id: row for row in scores.rows}
        for place, (at, file) in enumerate(zip(ids, done, strict=True)):
            if file.code:
                continue
            if at in rows and rows[at].status == "failed":
                row = rows[at]
                done[place] = replace(file, code=row.code, message=f"{row.message} (predictor {predictor.name})")
                continue
            values = known[at] if at in known else named_scores(names, predictor, rows[at].scores)
            scored = {name: values[name] for name in names}
            parts = {name: value for name, value in values.items() if name.rpartition("/")[0] in names}
            done[place] = replace(file, scores={**file.scores, **scored}, columns={**file.columns, **parts})
    return [file if file.code else replace(file, scores=_of(file, predictors)) for file in done], notes


def _all_cached(scorer: Scorer, clips: Sequence[Clip]) -> dict[str, Outcome] | None:
    """Rows of clips whose scores are all in the prediction cache; ``None`` where one is not."""
    cache = PredictionCache(scorer.fingerprint())
    rows = {}
    for clip in clips:
        scores = cache.get(clip.utterance_id)
        if scores is None:
            return None
        rows[clip.utterance_id] = Outcome(clip.utterance_id, scores, cached=True)
    return rows


def _of(file: Rendering, predictors: Mapping[str, Predictor]) -> dict[str, float]:
    return {name: file.scores[name] for name in predictors}


def _scored_id(file: Rendering, predictor: Predictor, compared: Mapping[Path | None, KnownClip]) -> str:
    """Names a sound with what else its score depends on."""
    other = compared.get(file.reference) if predictor.uses_reference else None
    text = file.text if predictor.uses_text else ""
    return scored_digest(file.content, text, "" if other is None else other.content)


def _references(files: Sequence[Rendering], store: WaveformStore) -> dict[Path | None, KnownClip]:
    """What files are compared with, decoded once each.

    Raises:
        DataError: For one that cannot be used.
    """
    paths = list(dict.fromkeys(file.reference for file in files if file.reference is not None))
    for path, outcome in zip(paths, store.examine(paths), strict=True):
        if isinstance(outcome, AudioError):
            raise DataError(f"{printable(path)} (column reference): {outcome.reason}")
    return {path: store.clip(path) for path in paths}


def named_scores(names: Sequence[str], predictor: Predictor, scores: Sequence[float]) -> dict[str, float]:
    """Scores by the names of a gate; of ratios also what goes into their sums, as ``NAME/DIMENSION``."""
    found = {}
    for name in names:
        at = dimension_of(name, predictor)
        found[name] = scores[at]
        for dimension, *parts in predictor.card.ratios:
            if dimension == predictor.dimensions[at]:
                found |= {f"{name}/{part}": scores[predictor.dimensions.index(part)] for part in parts}
    return found


def measures(predictors: Mapping[str, Predictor], options: GateOptions) -> GateOptions:
    """Options that know which predictors measure in units of their own: error rates, similarities."""
    columns, lower = list(options.columns), list(options.lower_is_better)
    for name, predictor in predictors.items():
        card, dimension = predictor.card, predictor.dimensions[dimension_of(name, predictor)]
        if dimension in card.lower_is_better and name not in lower:
            lower.append(name)
        ratio = next((parts for of, *parts in card.ratios if of == dimension), None)
        own_units = dimension in card.lower_is_better or card.scale[1] - card.scale[0] < POINTS
        if ratio is not None:
            columns.append(Column(name, f"{name}/{ratio[0]}", f"{name}/{ratio[1]}", measured=True))
        elif own_units:
            columns.append(Column(name, name, measured=True))
    return msgspec.structs.replace(options, columns=tuple(columns), lower_is_better=tuple(lower))


def refuse_faults(renderings: Sequence[Rendering]) -> None:
    """A predictor that fails on a sound file proves nothing about the candidate.

    Raises:
        PredictionError: Naming file and predictor.
    """
    for rendering in renderings:
        if rendering.code in FAULTS:
            raise PredictionError(
                f"{rendering.name}: {rendering.reason}. No score is made up; mend the predictor, or leave the text out"
            )


def describe(predictors: Mapping[str, Predictor]) -> dict[str, PredictorDetails]:
    """What a reader must know about the predictors: dimension, weights, licence, fingerprint."""
    return {
        name: PredictorDetails(
            predictor=predictor.card.name,
            title=predictor.describe().title,
            dimension=predictor.dimensions[dimension_of(name, predictor)],
            checkpoint=CheckpointDetails(
                kind=predictor.checkpoint.kind,
                name=predictor.checkpoint.name,
                sha256=predictor.checkpoint.sha256,
            ),
            license_weights=predictor.card.license_weights,
            stated=predictor.stated_settings(),
            fingerprint=predictor.fingerprint(),
        )
        for name, predictor in predictors.items()
    }
