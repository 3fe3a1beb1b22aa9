"""Does a predictor keep its contract? Checks on generated sounds, for ours and for other people's alike.

No data set is needed. Each check says what it found; a predictor that fails one can still be used, and the rest of the
harness (batches, the cache, resumed runs) then gives numbers that depend on things they must not depend on.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ..harness.audio.read import clip_from_array
from ..harness.core.clip import Clip, Outcome
from ..harness.core.errors import MosharnessError
from ..harness.core.files import NAME, dump_json
from ..harness.engine.pipeline import score_batches
from .card import PredictorCard
from .identity import UNIDENTIFIED

if TYPE_CHECKING:
    from .base import Predictor

TOLERANCE = 1e-5
"""Largest change of a score by other batches, threads or orders (float32)."""

LENGTHS_S = (1.3, 4.1, 2.2, 0.9, 3.0, 1.7)
RATES = (8_000, 16_000, 22_050, 44_100, 48_000)

IDENTITY = ("predictor", "package", "config_digest", "weights")
"""What every fingerprint must say."""

UNKNOWN_WEIGHTS = (
    "nothing says which weights these are, so that scores of other weights would pass for its own: give the weights in "
    "tensors(), or name their files in identity_files(checkpoint); a formula says needs_weights=False in its card"
)

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


class _Subject:
    """A predictor with the sounds it is checked on and its scores of them."""

    def __init__(self, predictor: Predictor, device: str) -> None:
        self.predictor, self.device = predictor, device
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
        return _predict(self.predictor, waves, rate or self.rate, **options)

    def score_together(self, waves: Sequence[Wave]) -> np.ndarray:
        """One batch, whatever the plan would have made of it."""
        clips = [clip_from_array(wave, self.rate, limits=self.predictor.limits()) for wave in waves]
        if self.predictor.uses_text:
            clips = [replace(clip, text=TEXT) for clip in clips]
        return np.asarray(self.predictor.score([self.predictor.prepare_clip(clip) for clip in clips]), np.float64)

    def rows(self, waves: Sequence[Wave], rate: int) -> list[Outcome]:
        """A row per clip, also for those that fail."""
        items = [Clip(f"clip {at}", (wave, rate), TEXT) for at, wave in enumerate(waves)]
        batches = [(at,) for at in range(len(items))]
        return [row for done in score_batches(self.predictor, items, batches) for row in done]


def _predict(predictor: Predictor, waves: Sequence[Any], rate: int, **options: Any) -> np.ndarray:
    """Scores of some waves or files, all of which were made from :data:`TEXT` as far as the predictor asks."""
    texts = [TEXT] * len(waves) if predictor.uses_text else None
    return predictor.predict(waves, rate, texts=texts, **options)


def check_predictor(predictor: Predictor, *, device: str | None = None) -> list[CheckResult]:
    """Run every check on a loaded (trained) predictor.

    Args:
        predictor: The instance to check; it is left as it was.
        device: Where the saved copy is loaded; by default the predictor's own device.

    Returns:
        One result per check, in a fixed order. A check that raises has failed, with the error as its detail.
    """
    subject = _Subject(predictor, device or predictor.device)
    return [_run(name, check, subject) for name, check in CHECKS.items()]


def _run(name: str, check: Callable[[_Subject], str], subject: _Subject) -> CheckResult:
    try:
        return CheckResult(name, True, check(subject))
    except (Fault, MosharnessError) as error:
        return CheckResult(name, False, str(error))
    except Exception as error:
        return CheckResult(name, False, f"raised {type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _same(found: np.ndarray, wanted: np.ndarray, what: str, tolerance: float = TOLERANCE) -> str:
    if found.shape != wanted.shape:
        raise Fault(f"{what}: shape {found.shape} instead of {wanted.shape}")
    if not np.isfinite(found).all():
        raise Fault(f"{what}: scores that are not finite")
    largest = float(np.abs(found - wanted).max(initial=0.0))
    if largest > tolerance:
        raise Fault(f"{what}: scores move by up to {largest:.2g} ({tolerance:g} is allowed)")
    return f"largest difference {largest:.1g}"


def _card(subject: _Subject) -> str:
    from ..harness.audio.resample import METHODS

    card, faults = subject.predictor.card, []
    if not isinstance(card, PredictorCard):
        raise Fault(f"card is {type(card).__name__}, not a PredictorCard")
    if not NAME.fullmatch(card.name):
        faults.append(f"name {card.name!r} is not lower-case letters, digits, '.', '_', '-'")
    faults += [f"{name} is empty" for name in ("title", "paper", "license_code") if not getattr(card, name)]
    for whose, names in (("card", card.dimensions), ("instance", subject.predictor.dimensions)):
        if not names or len(set(names)) != len(names):
            faults.append(f"the dimensions of the {whose} are {names!r}")
    if not card.scale[0] < card.scale[1]:
        faults.append(f"scale {card.scale} does not ascend")
    if not 0 <= card.min_seconds < (card.max_seconds or np.inf):
        faults.append(f"min_seconds {card.min_seconds} and max_seconds {card.max_seconds} leave no clip")
    if card.sample_rates is not None and (not card.sample_rates or min(card.sample_rates) <= 0):
        faults.append(f"sample_rates {card.sample_rates!r}: use None for any rate")
    if card.resampler not in METHODS:
        faults.append(f"resampler {card.resampler!r} is none of {', '.join(METHODS)}")
    batchings = get_args(get_type_hints(PredictorCard)["batching"])
    if card.batching not in batchings:
        faults.append(f"batching {card.batching!r} is none of {', '.join(batchings)}")
    tensors = len(subject.predictor.tensors())
    if card.needs_weights and subject.predictor.weights_identity() == UNIDENTIFIED:
        faults.append("it has no tensors: say needs_weights=False if it is a formula, or name them in tensors()")
    if not card.needs_weights and tensors:
        faults.append(f"needs_weights is False, but it has {tensors} tensors, which nothing would load")
    if faults:
        raise Fault("; ".join(faults))
    return f"{card.name} version {card.version}, {card.batching}"


def _output(subject: _Subject) -> str:
    scores = subject.predict(subject.waves)
    wanted = (len(subject.waves), len(subject.predictor.dimensions))
    if scores.shape != wanted or scores.dtype != np.float64:
        raise Fault(f"predict gives {scores.dtype} {scores.shape} instead of float64 {wanted}")
    if not np.isfinite(scores).all():
        raise Fault("scores that are not finite")
    if float(np.ptp(subject.scores, axis=0).max()) == 0.0:
        raise Fault(f"six different sounds all score {subject.scores[0].tolist()}")
    return f"{', '.join(subject.predictor.dimensions)}: {scores.min():.2f} to {scores.max():.2f}"


def _repeatable(subject: _Subject) -> str:
    first = subject.predict(subject.waves)
    subject.predict([speech_like(1.5, subject.rate, 99)])
    return _same(subject.predict(subject.waves), first, "the same call again, after another clip", 0.0)


def _batch(subject: _Subject) -> str:
    planned = _same(subject.predict(subject.waves), subject.scores, "together instead of alone")
    batching = subject.predictor.card.batching
    if batching == "single":
        return f"{planned}; scores one clip at a time"
    waves, scores = subject.waves, subject.scores
    if batching == "equal_length":
        shortest = min(wave.size for wave in waves)
        waves = [wave[:shortest] for wave in waves]
        scores = np.concatenate([subject.predict([wave]) for wave in waves])
    order = np.random.default_rng(0).permutation(len(waves))
    together = subject.score_together([waves[at] for at in order])
    return _same(together, scores[order], "in one shuffled batch instead of alone")


def _order(subject: _Subject) -> str:
    backwards = subject.predict(subject.waves[::-1])[::-1]
    detail = _same(backwards, subject.scores, "in the opposite order")
    if subject.predictor.card.batching == "padded":
        backwards = subject.score_together(subject.waves[::-1])[::-1]
        return _same(backwards, subject.score_together(subject.waves), "in one batch in the opposite order")
    return detail


def _workers(subject: _Subject) -> str:
    alone = subject.predict(subject.waves, workers=1)
    return _same(subject.predict(subject.waves, workers=4), alone, "with 4 threads instead of 1")


def _padding(subject: _Subject) -> str:
    if subject.predictor.card.batching != "padded":
        return "does not pad"
    at = int(np.argmin([wave.size for wave in subject.waves]))
    noise = 0.3 * np.random.default_rng(5).standard_normal(round(max(subject.lengths) * subject.rate))
    beside = subject.score_together([subject.waves[at], noise.astype(np.float32)])[:1]
    return _same(beside, subject.scores[at : at + 1], "beside a longer, louder clip")


def _rates(subject: _Subject) -> str:
    scored, refused = [], []
    seconds = max(2.0, subject.predictor.card.min_seconds * 1.05)
    for rate in sorted({*RATES, *(subject.card.sample_rates or ())}):
        (row,) = subject.rows([speech_like(min(seconds, max(subject.lengths)), rate, 3)], rate)
        if row.status != "failed":
            scored.append(rate)
        elif row.code in FAULTS:
            raise Fault(f"at {rate} Hz: {row.reason}")
        else:
            refused.append(f"{rate} Hz ({row.reason})")
    if not {subject.rate, 16_000, 48_000} <= set(scored):
        raise Fault("refuses " + ", ".join(refused))
    return f"scores {', '.join(map(str, scored))} Hz" + (f"; refuses {', '.join(refused)}" if refused else "")


def _short(subject: _Subject) -> str:
    lengths = (0.002, 0.02, 0.1, 0.3)
    waves = [speech_like(length, subject.rate, 7) for length in lengths]
    waves.append(np.full(1, 0.5, np.float32))
    told = []
    for length, row in zip((*lengths, 1 / subject.rate), subject.rows(waves, subject.rate), strict=True):
        if row.status == "failed" and row.code in FAULTS:
            raise Fault(f"{length:.4g} s: {row.reason}; raise AudioError('too_short', ...) in prepare instead")
        told.append(f"{length:.4g} s {'refused' if row.status == 'failed' else 'scored'}")
    return ", ".join(told)


def _long(subject: _Subject) -> str:
    limit = subject.predictor.limits().max_seconds
    if limit is None or limit > 120:
        return f"limit {'none' if limit is None else f'{limit:g} s'}, not tried"
    (row,) = subject.rows([speech_like(limit + 1.0, subject.rate, 8)], subject.rate)
    if row.status != "failed" or row.code != "too_long":
        raise Fault(f"a clip over the limit of {limit:g} s: {row.status} ({row.reason})")
    return f"longer than {limit:g} s is refused"


def _channels(subject: _Subject) -> str:
    stereo = [np.stack([wave, wave], axis=1) for wave in subject.waves[:2]]
    return _same(subject.predict(stereo), subject.scores[:2], "as two equal channels")


def _bad_neighbour(subject: _Subject) -> str:
    broken = np.full(subject.rate, np.nan, np.float32)
    rows = subject.rows([subject.waves[0], broken, subject.waves[1]], subject.rate)
    if rows[1].status != "failed" or not rows[1].reason:
        raise Fault(f"a clip of NaN samples is {rows[1].status} with the reason {rows[1].reason!r}")
    return _same(np.array([rows[0].scores, rows[2].scores]), subject.scores[:2], "beside a clip that fails")


def _input(subject: _Subject) -> str:
    wave = subject.waves[0].copy()
    subject.predict([wave])
    clip = replace(clip_from_array(wave, subject.rate, limits=subject.predictor.limits()), text=TEXT)
    subject.predictor.prepare_clip(clip)
    if not np.array_equal(wave, subject.waves[0]) or not np.array_equal(clip.samples, subject.waves[0]):
        raise Fault("the samples that were passed in are changed; copy before writing")
    return "left as they were"


def _path(subject: _Subject) -> str:
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip.wav")
        soundfile.write(path, subject.waves[0], subject.rate, subtype="FLOAT")
        return _same(subject.predict([path]), subject.scores[:1], "from a file instead of an array")


def _round_trip(subject: _Subject) -> str:
    predictor = subject.predictor
    wanted = subject.predict(subject.waves)
    with tempfile.TemporaryDirectory() as folder:
        predictor.save_pretrained(folder)
        again = type(predictor).from_folder(Path(folder), {}, device=subject.device, precision=predictor.precision)
        again.identify(Path(folder))
    by_files = not predictor.tensors() and subject.card.needs_weights  # files may be written in another form
    for name in ("config_digest", "dimensions") if by_files else ("weights", "config_digest", "dimensions"):
        before, after = predictor.fingerprint()[name], again.fingerprint()[name]
        if before != after:
            raise Fault(f"{name} changes from {before} to {after} by saving and loading")
    if again.trained_on != predictor.trained_on:
        raise Fault(f"trained_on changes from {predictor.trained_on} to {again.trained_on} by saving and loading")
    found = _predict(again, subject.waves, subject.rate)
    return _same(found, wanted, "after saving and loading", 0.0 if subject.device == predictor.device else 1e-3)


def _fingerprint(subject: _Subject) -> str:
    from .base import tensors_digest

    predictor = subject.predictor
    fingerprint = predictor.fingerprint()
    json.loads(dump_json(fingerprint))
    missing = [name for name in IDENTITY if not fingerprint.get(name)]
    if missing or fingerprint["weights"] == UNIDENTIFIED:
        raise Fault(UNKNOWN_WEIGHTS if not missing else f"the fingerprint lacks {', '.join(missing)}")
    subject.predict(subject.waves[:2])
    tensors = predictor.tensors()
    if tensors and tensors_digest(tensors) != fingerprint["weights"]:
        raise Fault("scoring changed the weights, or the fingerprint is of other weights")
    files = fingerprint.get("files") or {}
    if not tensors and not files and "(not installed)" in fingerprint["weights"]:
        raise Fault(f"{fingerprint['weights']}: its code has no file and no version; put it into a module or a package")
    names = f"; files: {', '.join(sorted(files))}" if files else ""
    return f"{fingerprint['weights'] if not tensors else fingerprint['weights'][:19]}{names}"


CHECKS: dict[str, Callable[[_Subject], str]] = {
    "card": _card,
    "output": _output,
    "repeatable": _repeatable,
    "batch": _batch,
    "order": _order,
    "workers": _workers,
    "padding": _padding,
    "rates": _rates,
    "short clips": _short,
    "long clip": _long,
    "channels": _channels,
    "failed neighbour": _bad_neighbour,
    "input untouched": _input,
    "file or array": _path,
    "saving and loading": _round_trip,
    "fingerprint": _fingerprint,
}
"""Name to check, in the order they run."""
