"""Scores for a gate: each sound once per predictor, whichever side and however many files it is on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...predictors.base import Predictor
from ..audio.read import Waveform
from ..audio.resample import resample
from ..core.clip import Clip, Finding
from ..core.errors import PredictionError, UnknownName, UsageError
from ..engine.scorer import Scorer
from ..engine.waveforms import WaveformStore
from .options import AudioOptions
from .schema import CheckpointDetails, PredictorDetails
from .sides import Rendering

if TYPE_CHECKING:
    import numpy as np

    from ..audio.checks import AudioLimits

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
    specs: Sequence[str], *, device: str = "auto", precision: str = "float32", **settings: Any
) -> dict[str, Predictor]:
    """The predictors of a gate, by the name that the report shows; one whose dimensions are named is loaded once.

    Raises:
        UnknownName: For a dimension that a predictor does not have.
    """
    from ...predictors import load_predictor

    loaded: dict[tuple[str, str | None], Predictor] = {}
    found = {}
    for spec, (shown, name, checkpoint) in zip(specs, parse_predictors(specs), strict=True):
        if (name, checkpoint) not in loaded:
            loaded[name, checkpoint] = load_predictor(name, checkpoint, device, precision=precision, **settings)
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

    known: dict[str, dict[str, float]] = {}
    files: dict[str, Path] = {}
    for rendering in renderings:
        known.setdefault(rendering.content, {}).update(rendering.scores)
        if rendering.path is not None:
            files.setdefault(rendering.content, rendering.path)
    failures: dict[str, tuple[str, str]] = {}
    notes: list[str] = []
    names_of: dict[int, list[str]] = {}
    for name, predictor in predictors.items():
        names_of.setdefault(id(predictor), []).append(name)
    for names in names_of.values():  # each predictor scores once, whatever of it counts
        name, predictor = names[0], predictors[names[0]]
        scorer: Scorer = predictor if rate is None else AtRate(predictor, rate)
        items = [
            Clip(content, store.clip(path))
            for content, path in sorted(files.items())
            if any(one not in known[content] for one in names)
        ]
        scores = score_items(
            scorer, items, use_cache=audio.use_cache, workers=audio.workers, show=audio.show, title=predictor.name
        )
        notes += scores.notes
        for row in scores.rows:
            if row.status == "failed":
                failures.setdefault(row.utterance_id, (row.code, f"{row.message} (predictor {predictor.name})"))
            else:
                for one in names:
                    known[row.utterance_id][one] = row.scores[dimension_of(one, predictor)]
    done = []
    for rendering in renderings:
        if rendering.content in failures:
            code, message = failures[rendering.content]
            done.append(replace(rendering, code=code, message=message))
        else:
            scored = {name: known[rendering.content][name] for name in predictors}
            done.append(replace(rendering, scores=scored))
    return done, notes


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
