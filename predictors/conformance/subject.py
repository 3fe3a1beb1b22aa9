"""What is checked: a predictor with generated sounds, and its scores of them."""

from __future__ import annotations

import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...harness.audio.read import clip_from_array
from ...harness.core.clip import Clip, Outcome
from ...harness.engine.pipeline import score_batches
from ..card import PredictorCard

if TYPE_CHECKING:
    from ..base import Predictor

TOLERANCE = 1e-5
"""Largest change of a score by other batches, threads or orders (float32)."""

LENGTHS_S = (1.3, 4.1, 2.2, 0.9, 3.0, 1.7)
RATES = (8_000, 16_000, 22_050, 44_100, 48_000)

TEXT = "a calm voice over soft music"
"""What all sounds are said to be made from, for predictors that read texts."""

FAULTS = ("predictor_error", "not_finite", "out_of_memory")
"""Codes of failures that are the predictor's own fault, not the clip's."""

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class CheckResult:
    """One finding: ``name`` of the check, whether it ``passed``, and one line of ``detail``."""

    name: str
    passed: bool
    detail: str


class Fault(Exception):
    """A check found the predictor at fault; the message says how."""


def speech_like(seconds: float, sample_rate: int, seed: int) -> Wave:
    """A harmonic tone with syllables in a little noise, so that no check of the reader objects.

    Args:
        seconds: Length.
        sample_rate: In Hz.
        seed: Another seed is another voice.

    Returns:
        Shape ``(n,)``, peak about 0.5.
    """
    random = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * sample_rate))) / sample_rate
    phase = 2 * np.pi * random.uniform(90, 220) * (time + 0.01 * np.sin(2 * np.pi * 1.3 * time))
    tone = sum(np.sin(order * phase) / order for order in range(1, 12))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * random.uniform(2, 5) * time + random.uniform(0, 6))
    wave = 0.2 * syllables * tone + random.uniform(0.001, 0.02) * random.standard_normal(time.size)
    return np.asarray(wave, np.float32)


class Subject:
    """A predictor with the sounds it is checked on and its scores of them."""

    def __init__(self, predictor: Predictor, device: str) -> None:
        self.predictor, self.device = predictor, device
        self.printed = io.StringIO()
        self.card = predictor.describe() if isinstance(predictor.card, PredictorCard) else predictor.card
        self.rate = (self.card.sample_rates or (16_000,))[0]
        shortest = predictor.card.min_seconds * 1.05
        longest = predictor.limits().max_seconds or max(LENGTHS_S)
        self.lengths = [min(max(length, shortest), longest) for length in LENGTHS_S]
        self.waves = [speech_like(length, self.rate, at) for at, length in enumerate(self.lengths)]

    @cached_property
    def scores(self) -> np.ndarray:
        """Every wave on its own: the reference for everything else."""
        return np.concatenate([self.predict([wave]) for wave in self.waves])

    def predict(self, waves: Sequence[Any], rate: int | None = None, **options: Any) -> np.ndarray:
        return predict(self.predictor, waves, rate or self.rate, **options)

    def prepared(self, waves: Sequence[Wave]) -> list[Any]:
        """Input of the model, of each wave."""
        clips = [clip_from_array(wave, self.rate, limits=self.predictor.limits()) for wave in waves]
        if self.predictor.uses_text:
            clips = [replace(clip, text=TEXT) for clip in clips]
        return [self.predictor.prepare_clip(clip) for clip in clips]

    def score(self, prepared: Sequence[Any]) -> np.ndarray:
        """One batch of prepared clips, which stay as they were."""
        return np.asarray(self.predictor.score(copy.deepcopy(list(prepared))), np.float64)

    def score_together(self, waves: Sequence[Wave]) -> np.ndarray:
        """One batch, whatever the plan would have made of it."""
        return self.score(self.prepared(waves))

    def rows(
        self, waves: Sequence[Wave], rates: int | Sequence[int], batches: Sequence[Sequence[int]] | None = None
    ) -> list[Outcome]:
        """A row per clip, also for those that fail; every clip on its own, or in these batches of positions."""
        each = [rates] * len(waves) if isinstance(rates, int) else rates
        items = [Clip(f"clip {at}", pair, TEXT) for at, pair in enumerate(zip(waves, each, strict=True))]
        batches = [(at,) for at in range(len(items))] if batches is None else batches
        rows = [row for done in score_batches(self.predictor, items, batches) for row in done]
        places = [at for batch in batches for at in batch]
        return [rows[places.index(at)] for at in range(len(items))]


def predict(predictor: Predictor, waves: Sequence[Any], rate: int, **options: Any) -> np.ndarray:
    """Scores of some waves or files, all of which were made from :data:`TEXT` as far as the predictor asks."""
    texts = [TEXT] * len(waves) if predictor.uses_text else None
    return predictor.predict(waves, rate, texts=texts, **options)


def same(found: np.ndarray, wanted: np.ndarray, what: str, tolerance: float = TOLERANCE) -> str:
    if found.shape != wanted.shape:
        raise Fault(f"{what}: shape {found.shape} instead of {wanted.shape}")
    if not np.isfinite(found).all():
        raise Fault(f"{what}: scores that are not finite")
    largest = float(np.abs(found - wanted).max(initial=0.0))
    if largest > tolerance:
        raise Fault(f"{what}: scores move by up to {largest:.2g} ({tolerance:g} is allowed)")
    return f"largest difference {largest:.1g}"
