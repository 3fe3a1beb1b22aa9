"""Where the noise of a pair comes from: recordings, of which only the wanted frames are read, or drawn anew."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...harness.audio.checks import AudioLimits
from ...harness.audio.decode import open_source
from ...harness.audio.read import mono, read_audio
from ...harness.audio.resample import resample
from ...harness.audio.unlabelled import StoredClip, unlabelled_clips
from ...harness.core.errors import AudioError, DataError
from .config import GENERATED, SAMPLE_RATE
from .mixing import SILENT, TRIES, Wave, fill, power

CHANNEL = re.compile(r"[._-]CH(\d+)$", re.IGNORECASE)
FAVOURITE = 5
"""Of a recording with several microphones (CHiME-3) one channel is used: this one where it is there (our choice)."""
LEVEL = 0.05  # root mean square of generated noises
LONGEST_S = 4 * 3600.0  # of a noise recording that cannot be read in part


@dataclass(frozen=True)
class Noise:
    """One recording; ``source`` is what the audio reader takes, ``None`` for generated noises.

    Attributes:
        name: As in its folder.
        origin: Number of its folder in the settings.
        source: A path, encoded bytes, a row of a data set, or a function that gives one of the first two.
    """

    name: str
    origin: int
    source: Any = None

    def segment(self, samples: int, seed: int) -> Wave:
        """A part of the recording at 16 kHz, float64 ``(samples,)``, never silent; a short one is repeated.

        Raises:
            DataError: If it cannot be read, or no place of it is loud enough.
        """
        random = np.random.default_rng(seed)
        if self.source is None:
            return generated_noise(samples, random)
        for _ in range(TRIES):
            wave = self._read(samples, float(random.random()))
            if power(wave) >= SILENT:
                return wave
        raise DataError(f"noise {self.name}: {TRIES} places were silent; take it out of the folder")

    def _read(self, samples: int, place: float) -> Wave:
        try:
            if isinstance(self.source, StoredClip):
                source = self.source.view()
            else:
                source = self.source() if callable(self.source) else self.source
            wave, rate = read_part(source, samples / SAMPLE_RATE, place)
        except AudioError as error:
            raise DataError(f"noise {self.name} cannot be used: {error.reason}") from error
        if rate != SAMPLE_RATE:
            wave = resample(wave.astype(np.float32), rate, SAMPLE_RATE).samples.astype(np.float64)
        return fill(wave, samples)


def read_part(source: str | Path | bytes | memoryview, seconds: float, place: float) -> tuple[Wave, int]:
    """So many seconds of a file, mono, and its sampling rate; only these frames are read where the format allows it.

    Args:
        source: A file, or the bytes of one, which are not copied.
        seconds: How much; a shorter file is read whole.
        place: Where, from 0 (the start) to 1 (the last such part).

    Raises:
        AudioError: If it cannot be read.
    """
    import soundfile

    try:
        with _opened(source) as opened, soundfile.SoundFile(opened, closefd=False) as stream:
            rate, frames = int(stream.samplerate), int(stream.frames)
            wanted = min(frames, math.ceil(seconds * rate))
            stream.seek(round(place * (frames - wanted)))
            part = stream.read(wanted, dtype="float32", always_2d=True)
        if len(part) == wanted > 0 and np.isfinite(part).all():
            return mono(part).astype(np.float64), rate
    except (soundfile.LibsndfileError, RuntimeError, TypeError, OverflowError):
        pass  # a stream of unknown length or another format: the reader can, or says why not
    source = bytes(source) if isinstance(source, memoryview) else source
    clip = read_audio(source, AudioLimits(max_seconds=LONGEST_S))
    wanted = min(clip.samples.size, math.ceil(seconds * clip.sample_rate))
    start = round(place * (clip.samples.size - wanted))
    return clip.samples[start : start + wanted].astype(np.float64), clip.sample_rate


@contextmanager
def _opened(source: str | Path | bytes | memoryview) -> Iterator[Any]:
    """What libsndfile reads."""
    if isinstance(source, memoryview):
        import pyarrow

        yield pyarrow.BufferReader(pyarrow.py_buffer(source))
        return
    with open_source(source) as opened:
        yield opened.rewound()


def generated_noise(samples: int, random: np.random.Generator) -> Wave:
    """Gaussian noise of a random colour, band and slow modulation, at times with hum (all our choice).

    Power goes with frequency to a power between -2 (brown) and 1 (blue); every second noise is cut off above 1 to
    8 kHz; the amplitude swings by up to 90 % at 0.5 to 8 Hz; every fourth has harmonics of 50 to 400 Hz. Root mean
    square 0.05.
    """
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 50.0)
    gain = frequency ** (random.uniform(-2.0, 1.0) / 2)
    if random.random() < 0.5:
        gain = gain / np.sqrt(1 + (frequency / random.uniform(1000.0, 8000.0)) ** 8)
    wave = np.fft.irfft(np.fft.rfft(random.standard_normal(samples)) * gain, samples)
    wave /= math.sqrt(power(wave))
    time_s = np.arange(samples) / SAMPLE_RATE
    if random.random() < 0.25:
        pitch = random.uniform(50.0, 400.0)
        orders = np.arange(1, 11)
        phases = random.uniform(0, 2 * np.pi, orders.size)
        tones = np.sin(2 * np.pi * pitch * orders[:, None] * time_s + phases[:, None]) / orders[:, None]
        wave = wave + random.uniform(0.3, 2.0) * tones.sum(axis=0)
    rate, depth, phase = 2 ** random.uniform(-1.0, 3.0), random.uniform(0.0, 0.9), random.uniform(0, 2 * np.pi)
    wave = wave * (1 + depth * np.sin(2 * np.pi * rate * time_s + phase))
    return np.asarray(wave * (LEVEL / math.sqrt(power(wave))), dtype=np.float64)


class Noises:
    """All noises of a stage.

    Args:
        sources: ``generated``, or folders of audio files or of Hugging Face data sets.
        what: What is being configured, for messages.

    Raises:
        UsageError: If a folder does not exist.
        DataError: If one holds no audio.
    """

    def __init__(self, sources: Sequence[str], what: str = "pairs") -> None:
        self.entries: list[Noise] = []
        for origin, source in enumerate(sources):
            if source == GENERATED:
                self.entries.append(Noise(GENERATED, origin))
                continue
            found = [Noise(name, origin, audio) for name, audio in _one_channel(unlabelled_clips(source, "noise:"))]
            if not found:
                raise DataError(f"{what}: noise: {source} holds no audio")
            self.entries += found
        self.origins = [
            [at for at, entry in enumerate(self.entries) if entry.origin == origin] for origin in range(len(sources))
        ]

    def order(self, random: np.random.Generator) -> tuple[int, ...]:
        """All noises in random order, those of one source together; every source is first equally often."""
        order: list[int] = []
        for origin in random.permutation(len(self.origins)).tolist():
            members = self.origins[origin]
            order += [members[at] for at in random.permutation(len(members)).tolist()]
        return tuple(order)

    def assign(self, orders: Sequence[tuple[int, ...]]) -> list[int]:
        """A noise for each pair of a batch: the first of its order that the fewest pairs before it have.

        So no recording occurs twice in a batch unless there are fewer recordings than pairs. Generated noises are
        never the same and may always be taken.
        """
        used = dict.fromkeys(range(len(self.entries)), 0)
        chosen = []
        for order in orders:
            at = min(order, key=lambda one: used[one])  # the first of equals
            chosen.append(at)
            used[at] += self.entries[at].source is not None
        return chosen


def _one_channel(found: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """One channel of every recording that is stored channel by channel."""
    groups: dict[str, list[tuple[int, str, Any]]] = {}
    for name, source in found:
        match = CHANNEL.search(name)
        number = int(match[1]) if match else 0
        groups.setdefault(CHANNEL.sub("", name) if match else f"{name}/", []).append((number, name, source))
    chosen = (min(group, key=lambda one: (one[0] != FAVOURITE, one[0])) for group in groups.values())
    return [(name, source) for _, name, source in chosen]
