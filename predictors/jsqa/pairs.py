"""Pairs for pretraining, made on the fly: the same speech and the same noise at two near ratios. Nothing is stored.

Every draw of a pair comes from one generator, which the training engine keys by seed, epoch and clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...harness.core.errors import AudioError
from .config import PairSettings
from .mixing import SILENT, TRIES, Wave, fill, mix, power
from .noise import Noises


@dataclass(frozen=True, eq=False)
class Draw:
    """What was drawn for one pair.

    Attributes:
        speech: The crop, float64 ``(samples,)``.
        snrs: Of the two signals, in dB.
        order: Noises by preference (see :meth:`.noise.Noises.assign`).
        seed: Of the place in the noise.
        noise: The segment of the first of them, read ahead.
    """

    speech: Wave
    snrs: tuple[float, float]
    order: tuple[int, ...]
    seed: int
    noise: Wave


@dataclass(frozen=True, eq=False)
class Pair:
    """Two signals, float64 ``(samples,)``, with what they are made of.

    Attributes:
        signals: ``speech + gain * noise`` for both gains.
        snrs: In dB.
        gains: Of the noise.
        speech, noise: Before mixing.
        noise_name: Which recording.
    """

    signals: tuple[Wave, Wave]
    snrs: tuple[float, float]
    gains: tuple[float, float]
    speech: Wave
    noise: Wave
    noise_name: str

    @property
    def difference(self) -> float:
        """Distance of the two ratios in dB."""
        return abs(self.snrs[0] - self.snrs[1])


def draw_snrs(random: np.random.Generator, settings: PairSettings) -> tuple[float, float]:
    """Two independent ratios from one window, all windows equally likely."""
    low, high = settings.snr_windows[int(random.integers(len(settings.snr_windows)))]
    first, second = random.uniform(low, high, 2).tolist()
    return first, second


def draw_pair(
    samples: NDArray[np.float32], random: np.random.Generator, settings: PairSettings, noises: Noises, path: str = ""
) -> Draw:
    """Draw a pair for one utterance.

    Args:
        samples: Speech at 16 kHz, ``(n,)``; shorter than a pair's signals it is repeated, longer it is cropped.
        random: Keyed by the pair.
        settings: Length and ratios.
        noises: Where noise comes from.
        path: Of the utterance, for messages.

    Raises:
        AudioError: ``silent``, if no crop is loud enough.
        DataError: If the noise cannot be used.
    """
    speech = _crop(samples, random, settings.samples, path)
    snrs = draw_snrs(random, settings)
    order, seed = noises.order(random), int(random.integers(2**62))
    return Draw(speech, snrs, order, seed, noises.entries[order[0]].segment(settings.samples, seed))


def make_pairs(draws: Sequence[Draw], noises: Noises) -> list[Pair]:
    """The pairs of a batch; a noise that an earlier pair has is exchanged while there are others."""
    pairs = []
    for draw, at in zip(draws, noises.assign([draw.order for draw in draws]), strict=True):
        own = at == draw.order[0]
        noise = draw.noise if own else noises.entries[at].segment(draw.speech.size, draw.seed)
        (first, gain), (second, other) = (mix(draw.speech, noise, snr) for snr in draw.snrs)
        pairs.append(Pair((first, second), draw.snrs, (gain, other), draw.speech, noise, noises.entries[at].name))
    return pairs


def _crop(samples: NDArray[np.float32], random: np.random.Generator, length: int, path: str) -> Wave:
    for _ in range(TRIES):
        start = int(random.integers(max(0, samples.size - length) + 1))
        speech = fill(samples[start : start + length].astype(np.float64), length)
        if power(speech) >= SILENT:
            return speech
    raise AudioError("silent", f"{TRIES} crops of {length} samples at 16 kHz were silent", path)
