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
from ..core.errors import PredictionError, UsageError
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
    """``P`` and ``P=CHECKPOINT`` as (name in the report, predictor, checkpoint).

    A predictor that is given once keeps its name; given with several checkpoints, each adds its file's name.

    Raises:
        UsageError: For an empty name, or the same twice.

    Example:
        >>> parse_predictors(["nisqa", "dsp=a/b.tar"])
        [('nisqa', 'nisqa', None), ('dsp', 'dsp', 'a/b.tar')]
    """
    parts = [(name.strip(), checkpoint or None) for name, _, checkpoint in (spec.partition("=") for spec in specs)]
    found: list[tuple[str, str, str | None]] = []
    for name, checkpoint in parts:
        if not name:
            raise UsageError("--predictor: write NAME or NAME=CHECKPOINT")
        shown = name
        if sum(other == name for other, _ in parts) > 1 and checkpoint:
            shown = f"{name}:{Path(checkpoint).name}"
        if shown in [entry[0] for entry in found]:
            raise UsageError(f"--predictor {shown} is given twice")
        found.append((shown, name, checkpoint))
    return found


def load_predictors(
    specs: Sequence[str], *, device: str = "auto", precision: str = "float32", **settings: Any
) -> dict[str, Predictor]:
    """The predictors of a gate, by the name that the report shows."""
    from ...predictors import load_predictor

    return {
        shown: load_predictor(name, checkpoint, device, precision=precision, **settings)
        for shown, name, checkpoint in parse_predictors(specs)
    }


def score_renderings(
    predictors: Mapping[str, Predictor],
    renderings: Sequence[Rendering],
    store: WaveformStore,
    *,
    rate: int | None = None,
    audio: AudioOptions,
) -> tuple[list[Rendering], list[str]]:
    """Score files by every predictor's primary dimension.

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
    for name, predictor in predictors.items():
        scorer: Scorer = predictor if rate is None else AtRate(predictor, rate)
        items = [
            Clip(content, store.clip(path)) for content, path in sorted(files.items()) if name not in known[content]
        ]
        scores = score_items(
            scorer, items, use_cache=audio.use_cache, workers=audio.workers, show=audio.show, title=name
        )
        notes += scores.notes
        for row in scores.rows:
            if row.status == "failed":
                failures.setdefault(row.utterance_id, (row.code, f"{row.message} (predictor {name})"))
            else:
                known[row.utterance_id][name] = row.scores[0]
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
            dimension=predictor.dimensions[0],
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
