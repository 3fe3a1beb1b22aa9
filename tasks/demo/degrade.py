"""The degradations of the demo task: numpy only, seeded per clip and system, time-aligned with the clean clip.

A system is one family below at one level (``systems.py`` has the table). Every family keeps the number of samples
and adds no delay, so that an intrusive measure such as PESQ can compare sample by sample.

Determinism: random numbers come from ``numpy.random.RandomState``, whose streams numpy has frozen, seeded with the
SHA-256 of the clip's and the system's name; rendering one clip never depends on another. Transforms, logarithms and
sums are float64 and may differ between processors and numpy releases by about 1e-15 of full scale; the result is
rounded to 16 bits, so such a difference can show only where a value lies that close to the middle between two steps
(of the output, or of a quantiser inside ``bits``, ``codec`` and ``telephone``). Measured on one x86-64 machine: numpy
2.1.3, 2.2.6 and 2.4.6, and 2.4.6 without its AVX-512 and AVX2 code, gave the same bytes for every clip. Other
processors: not measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from mosharness.tasks.demo.systems import SYSTEMS

SAMPLE_RATE = 16_000
FULL_SCALE = 32_768.0
FRAME = 320  # 20 ms

Wave: TypeAlias = npt.NDArray[np.float64]
Pcm: TypeAlias = npt.NDArray[np.int16]
Family: TypeAlias = Callable[[Wave, float, np.random.RandomState], Wave]


def degrade(samples: Pcm, clip: str, system: str) -> Pcm:
    """The clip as the system would deliver it.

    Args:
        samples: Clean clip, 16 kHz mono, int16, shape ``(n,)``.
        clip: Name of the clip; with ``system`` it seeds the random numbers.
        system: A name of :data:`~mosharness.tasks.demo.systems.SYSTEMS`.

    Returns:
        int16 samples, shape ``(n,)``; ``clean`` returns equal samples.

    Raises:
        KeyError: If there is no such system.

    Example:
        >>> tone = np.rint(8000 * np.sin(np.arange(1600) * 0.3)).astype(np.int16)
        >>> degrade(tone, "tone-01", "clean").tolist() == tone.tolist()
        True
        >>> degrade(tone, "tone-01", "white_15").tolist() == degrade(tone, "tone-02", "white_15").tolist()
        False
    """
    family, level = SYSTEMS[system]
    wave = FAMILIES[family](samples / FULL_SCALE, level, random_state(clip, system))
    return np.clip(np.rint(wave * FULL_SCALE), -32_768, 32_767).astype(np.int16)


def random_state(clip: str, system: str) -> np.random.RandomState:
    """Random numbers that belong to one clip in one system, whatever was rendered before."""
    key = hashlib.sha256(f"mosharness demo/{clip}/{system}".encode()).digest()
    return np.random.RandomState(np.frombuffer(key, dtype=">u4").astype(np.uint32))


def active_frames(wave: Wave) -> npt.NDArray[np.intp]:
    """Indices of the 20 ms frames whose energy is within 30 dB of the loudest one."""
    whole = wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)
    energy = np.mean(whole**2, axis=1)
    return np.flatnonzero(energy >= energy.max() * 1e-3)


def active_rms(wave: Wave) -> float:
    """Root mean square over :func:`active_frames`; full scale is 1."""
    frames = active_frames(wave)
    return float(np.sqrt(np.mean(wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)[frames] ** 2)))


def same_level(wave: Wave, reference: Wave) -> Wave:
    """``wave`` scaled to the active level of ``reference``."""
    return wave * (active_rms(reference) / active_rms(wave))


def spectral_gain(wave: Wave, gain: Callable[[Wave], Wave]) -> Wave:
    """Zero-phase filter: ``gain`` maps frequencies in Hz, shape ``(bins,)``, to factors; zero-padded against wrap."""
    size = 1 << (len(wave) + SAMPLE_RATE // 4).bit_length()
    frequency = np.arange(size // 2 + 1, dtype=np.float64) * (SAMPLE_RATE / size)
    spectrum = np.fft.rfft(wave, size) * gain(frequency)
    return np.fft.irfft(spectrum, size)[: len(wave)]


def fade(frequency: Wave, start: float, stop: float) -> Wave:
    """1 below ``start`` Hz, 0 above ``stop`` Hz, half a cosine between."""
    position = np.clip((frequency - start) / (stop - start), 0.0, 1.0)
    gain: Wave = 0.5 * (1 + np.cos(np.pi * position))
    return gain


def add_noise(wave: Wave, noise: Wave, snr: float) -> Wave:
    """``wave`` plus ``noise`` at ``snr`` dB below the active speech level."""
    scale = float(active_rms(wave) * 10 ** (-snr / 20) / np.sqrt(np.mean(noise**2)))
    return wave + noise * scale


def clean(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Nothing done."""
    return wave


def white(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """White Gaussian noise, ``level`` dB below the active speech level."""
    return add_noise(wave, draw.standard_normal(len(wave)), level)


def pink_noise(length: int, draw: np.random.RandomState) -> Wave:
    """Gaussian noise whose power falls by 3 dB per octave above 50 Hz."""
    return spectral_gain(draw.standard_normal(length), lambda frequency: 1 / np.sqrt(np.maximum(frequency, 50.0)))


def pink(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Pink noise, ``level`` dB below the active speech level."""
    return add_noise(wave, pink_noise(len(wave), draw), level)


def hum(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Mains hum: 100 Hz and 19 harmonics falling as 1/k with random phases, ``level`` dB below the speech level."""
    phase = 2 * np.pi * draw.uniform(size=20)
    time = np.arange(len(wave)) / SAMPLE_RATE
    tone = sum(np.sin(2 * np.pi * 100 * k * time + phase[k - 1]) / k for k in range(1, 21))
    return add_noise(wave, np.asarray(tone), level)


def mnru(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Noise that follows the speech: ``x * (1 + 10 ** (-level / 20) * n)``, ITU-T P.810 without its filters."""
    return wave * (1 + 10 ** (-level / 20) * draw.standard_normal(len(wave)))


def clipping(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Hard clipping ``level`` dB below the peak of the clip; not raised afterwards, so far below full scale."""
    limit = np.abs(wave).max() * 10 ** (-level / 20)
    return np.clip(wave, -limit, limit)


def overdrive(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Soft saturation (tanh) driven ``level`` dB beyond the peak of the clip, back at the old speech level."""
    return same_level(np.tanh(wave * (10 ** (level / 20) / np.abs(wave).max())), wave)


def lowpass(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Only the band below ``level`` Hz; the edge is 15 % wide."""
    return spectral_gain(wave, lambda frequency: fade(frequency, level, 1.15 * level))


def muffled(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """The band below 2 kHz and pink noise ``level`` dB below the speech level."""
    return pink(lowpass(wave, 2000.0, draw), level, draw)


def telephone(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """A line of 300-3400 Hz at 8 kHz with mu-law samples of ``level`` bits (8 is ITU-T G.711's number)."""
    band = spectral_gain(wave, lambda f: fade(f, 3400.0, 3800.0) * (1 - fade(f, 200.0, 300.0)))[::2]
    steps = 2 ** (level - 1) - 1
    compressed = np.rint(np.log1p(255 * np.abs(band)) / np.log(256.0) * steps) / steps
    raised = np.zeros_like(wave)
    raised[::2] = 2 * np.sign(band) * np.expm1(compressed * np.log(256.0)) / 255
    return spectral_gain(raised, lambda frequency: fade(frequency, 3700.0, 4000.0))


def bits(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Samples rounded to ``level`` bits of full scale, without dither."""
    steps = 2 ** (level - 1)
    return np.rint(wave * steps) / steps


def lost_frames(wave: Wave, level: float, draw: np.random.RandomState) -> npt.NDArray[np.intp]:
    """``level`` percent (at least one) of the active 20 ms frames, drawn without replacement, in order."""
    frames = active_frames(wave)
    count = max(1, round(len(frames) * level / 100))
    return np.sort(frames[draw.permutation(len(frames))[:count]])


def loss(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """``level`` percent of the 20 ms frames that hold speech become silence."""
    received = wave.copy()
    for frame in lost_frames(wave, level, draw):
        received[frame * FRAME : (frame + 1) * FRAME] = 0.0
    return received


def repeat(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """As :func:`loss`, but a lost frame is replaced by the last 20 ms that came before it."""
    received = wave.copy()
    for frame in lost_frames(wave, level, draw):
        if frame > 0:
            received[frame * FRAME : (frame + 1) * FRAME] = received[(frame - 1) * FRAME : frame * FRAME]
    return received


def echo(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """One echo after 150 ms, ``level`` dB below the direct sound."""
    delay = int(0.15 * SAMPLE_RATE)
    late = np.concatenate([np.zeros(delay), wave])[: len(wave)]
    return same_level(wave + 10 ** (-level / 20) * late, wave)


def reverb(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """A room: direct sound, from 5 ms on noise that falls 60 dB in 0.4 s and lies ``level`` dB below it."""
    decay = 0.4
    time = np.arange(int(SAMPLE_RATE * decay)) / SAMPLE_RATE
    tail = draw.standard_normal(len(time)) * 10 ** (-3 * time / decay)
    tail[: SAMPLE_RATE // 200] = 0.0
    response = tail * (10 ** (-level / 20) / np.sqrt(np.sum(tail**2)))
    response[0] = 1.0
    size = 1 << (len(wave) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)[: len(wave)]
    return same_level(wet, wave)


def codec(wave: Wave, level: float, draw: np.random.RandomState) -> Wave:
    """Spectral quantisation: 32 ms frames, coefficients rounded to steps ``level`` dB below the frame's largest one."""
    size, hop = 512, 256
    window = np.sqrt(0.5 * (1 - np.cos(2 * np.pi * np.arange(size) / size)))
    count = -(-len(wave) // hop) + 1
    padded = np.zeros((count + 1) * hop)
    padded[hop : hop + len(wave)] = wave
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]  # (count, size)
    parts = np.fft.rfft(frames * window).view(np.float64)  # (count, 2 * bins): real, imaginary, real, ...
    step = np.maximum(np.abs(parts).max(axis=1, keepdims=True) * 10 ** (-level / 20), 1e-12)
    coded = np.fft.irfft((np.rint(parts / step) * step).view(np.complex128), size) * window
    out = np.zeros_like(padded)
    for index in range(count):
        out[index * hop : index * hop + size] += coded[index]
    return out[hop : hop + len(wave)]


FAMILIES: dict[str, Family] = {
    function.__name__: function
    for function in (
        clean, white, pink, hum, mnru, clipping, overdrive, lowpass, muffled, telephone, bits, loss, repeat, echo,
        reverb, codec,
    )
}  # fmt: skip
