"""What a clip sounds like in 60-odd numbers: level, noise floor, bandwidth, harmonicity, dropouts, clipping, steps.

Every feature is a plain statistic with a meaning of its own, finite for any clip that the reader lets through, and
computed at the clip's own sampling rate. Decibels are relative to the clip's active level (the 95th percentile of the
frame energies) unless the name says ``dbfs``, so that a change of level moves one feature only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..layers.mel import hann, mel_bank

WINDOW_S, HOP_S = 0.032, 0.008
SHORT_S = 0.005
FLOOR_DB = -80.0
"""Nothing lower is told apart, relative to the active level."""

EDGES_HZ = (50, 200, 400, 700, 1100, 1600, 2300, 3300, 4700, 6500, 8000, 11_000, 16_000)
HARMONIC_HZ = ((50, 900), (900, 2500), (2500, 8000))
PITCH_HZ = (65.0, 400.0)
PERCENTILES = (5, 25, 50, 75)

Array = NDArray[np.float64]


def _names() -> Iterator[str]:
    yield from ("active_dbfs", "peak_db", "active_share")
    yield from (f"energy_p{at}" for at in PERCENTILES)
    yield from ("fall_p5", "fall_p25", "rise_p95", "decay_p5", "decay_p25", "modulation_slow", "modulation_fast")
    for low, high in itertools.pairwise(EDGES_HZ):
        yield f"spectrum_{low}_{high}"
    for low, high in itertools.pairwise(EDGES_HZ):
        yield f"floor_{low}_{high}"
    yield from ("centroid", "centroid_deviation", "rolloff_95", "cutoff", "slope")
    yield from ("flatness_low", "flatness_high", "flatness_low_deviation", "flatness_high_deviation")
    for low, high in HARMONIC_HZ:
        yield f"harmonic_{low}_{high}_p50"
        yield f"harmonic_{low}_{high}_p90"
    yield from ("valley_p10", "valley_p50", "flux", "flux_deviation", "depth_low", "depth_high", "holes")
    yield from ("dropouts", "dropout_share", "jump")
    yield from ("at_peak", "near_peak", "kurtosis", "difference_kurtosis", "skewness")
    yield from ("step_bits", "equal_neighbours", "zero_crossings")


FEATURES: tuple[str, ...] = tuple(_names())


def extract(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """The features of one clip, in the order of :data:`FEATURES`.

    Args:
        samples: Shape ``(n,)``, full scale 1.0.
        sample_rate: In Hz.

    Returns:
        Shape ``(len(FEATURES),)``, float64, finite.
    """
    x = samples.astype(np.float64)
    x -= x.mean()
    power, energy = _frames(x, sample_rate)
    level = float(np.percentile(energy, 95))
    active = energy > level - 25.0
    relative = np.maximum(energy - level, FLOOR_DB)
    spectrum = power[active].mean(axis=0)
    values = [
        level,
        20 * np.log10(np.abs(x).max()) - level,
        float(active.mean()),
        *np.percentile(relative, PERCENTILES),
        *_dynamics(relative),
        *_bands(power, spectrum, sample_rate, level),
        *_shape(power[active], spectrum, sample_rate),
        *_harmonicity(power[active], sample_rate),
        *_valleys(power[active], sample_rate),
        *_dropouts(x, sample_rate, level),
        *_distribution(x, samples),
    ]
    return np.array(values, np.float64)


def _frames(x: Array, sample_rate: int) -> tuple[Array, Array]:
    """Power spectra ``(frames, bins)``, frame energies in dBFS ``(frames,)``; a short clip is padded to one frame."""
    import scipy.fft

    length, hop = int(WINDOW_S * sample_rate), int(HOP_S * sample_rate)
    if x.size < length:
        x = np.pad(x, (0, length - x.size))
    window = hann(length).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(x.astype(np.float32), length)[::hop]
    points = 1 << (length - 1).bit_length()
    spectrum = scipy.fft.rfft(frames * window, points)
    power = np.square(np.abs(spectrum)).astype(np.float64) / (points * float(np.square(window).sum()))
    power[:, 1:-1] *= 2.0
    return power, _decibels(power.sum(axis=1), -120.0)


def _decibels(power: Array, lowest: float) -> Array:
    decibels: Array = 10.0 * np.log10(np.maximum(power, 10.0 ** (lowest / 10.0)))
    return decibels


def _dynamics(relative: Array) -> list[float]:
    """How fast the energy falls and rises (dB per 8 ms, and per 40 ms, which reverberation holds up), and how much of
    its movement is slow (syllables) or fast."""
    change = np.diff(relative, append=relative[-1:])
    falls, rises = change[change < 0], change[change > 0]
    decay = relative[5:] - relative[:-5]
    decay = decay[decay < 0]
    spectrum = np.square(np.abs(np.fft.rfft((relative - relative.mean()) * np.hanning(relative.size))))
    rates = np.fft.rfftfreq(relative.size, HOP_S)
    total = spectrum.sum() + 1e-9
    slow, fast = spectrum[(rates >= 1.5) & (rates < 8)].sum(), spectrum[rates >= 16].sum()
    return [
        float(np.percentile(falls, 5)) if falls.size else 0.0,
        float(np.percentile(falls, 25)) if falls.size else 0.0,
        float(np.percentile(rises, 95)) if rises.size else 0.0,
        float(np.percentile(decay, 5)) if decay.size else 0.0,
        float(np.percentile(decay, 25)) if decay.size else 0.0,
        float(slow / total),
        float(fast / total),
    ]


@lru_cache(maxsize=16)
def _edges(bins: int, sample_rate: int, edges: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    step = sample_rate / 2 / (bins - 1)
    at = [min(bins - 1, max(1, round(edge / step))) for edge in edges]  # without the bin at half the rate
    return tuple(itertools.pairwise(at))


def _bands(power: Array, spectrum: Array, sample_rate: int, level: float) -> list[float]:
    """Level of each band while active, and its floor: the 5th percentile over time."""
    levels, floors = [], []
    for low, high in _edges(power.shape[1], sample_rate, EDGES_HZ):
        band = power[:, low:high].sum(axis=1)
        levels.append(max(FLOOR_DB, float(_decibels(spectrum[low:high].sum(keepdims=True), -200.0)[0]) - level))
        floors.append(max(FLOOR_DB, float(_decibels(np.percentile(band, [5]), -200.0)[0]) - level))
    return levels + floors


def _shape(power: Array, spectrum: Array, sample_rate: int) -> list[float]:
    """Centroid, roll-off, cut-off, slope (octaves, dB) of the active spectrum; its flatness below and above 2 kHz."""
    bins = power.shape[1]
    hertz = np.linspace(0.0, sample_rate / 2, bins)
    octaves = np.log2(np.maximum(hertz, 50.0) / 1000.0)
    total = power.sum(axis=1) + 1e-20
    centroid = power @ octaves / total
    cumulative = np.cumsum(spectrum) / max(float(spectrum.sum()), 1e-20)
    decibels = _decibels(spectrum / max(float(spectrum.max()), 1e-20), -100.0)
    loud = np.flatnonzero(decibels > -60.0)
    inside = (hertz >= 200) & (hertz <= 7000)
    slope = np.polyfit(octaves[inside], decibels[inside], 1)[0] if inside.sum() > 2 else 0.0
    flatness = []
    for low, high in _edges(bins, sample_rate, (100, 2000, 8000)):
        band = power[:, low:high] + 1e-16
        flat = np.log10(band).mean(axis=1) - np.log10(band.mean(axis=1)) if band.shape[1] else np.zeros(len(power))
        flatness.append(10.0 * flat)
    return [
        float(centroid.mean()),
        float(centroid.std()),
        float(octaves[min(int(np.searchsorted(cumulative, 0.95)), bins - 1)]),
        float(octaves[loud[-1]]) if loud.size else 0.0,
        float(slope),
        *(float(flat.mean()) for flat in flatness),
        *(float(flat.std()) for flat in flatness),
    ]


def _harmonicity(power: Array, sample_rate: int) -> list[float]:
    """Highest normalised autocorrelation at a pitch lag, per frequency band: 1 for a clean vowel, 0 for noise."""
    import scipy.fft

    bins = power.shape[1]
    points = 2 * (bins - 1)
    first, last = int(sample_rate / PITCH_HZ[1]), min(int(sample_rate / PITCH_HZ[0]), bins - 1)
    window = scipy.fft.irfft(np.square(np.abs(np.fft.rfft(hann(int(WINDOW_S * sample_rate)), points))))
    envelope = np.maximum(window[first:last] / window[0], 0.05)  # autocorrelation of the window itself
    values = []
    for low, high in (_edges(bins, sample_rate, pair)[0] for pair in HARMONIC_HZ):
        band = np.zeros(power.shape, np.float32)
        band[:, low:high] = power[:, low:high]
        correlation = scipy.fft.irfft(band, points, axis=1)
        peak = (correlation[:, first:last] / envelope).max(axis=1) / np.maximum(correlation[:, 0], 1e-12)
        peak = np.clip(peak, 0.0, 0.999)
        values += [float(value) for value in np.percentile(-np.log10(1.0 - peak), (50, 90))]
    return values


@lru_cache(maxsize=16)
def _filters(sample_rate: int, points: int) -> NDArray[np.float64]:
    return mel_bank(sample_rate, points, 40, 8000.0).astype(np.float64)


def _valleys(power: Array, sample_rate: int) -> list[float]:
    """Depth of the spectral valleys in active frames, how much the spectrum moves from frame to frame and over time,
    and the share of bands that a codec may have emptied (15 dB below both neighbours in time or frequency)."""
    mel = _decibels(power @ _filters(sample_rate, 2 * (power.shape[1] - 1)), -120.0)
    mel = np.maximum(mel - mel.max(axis=1, keepdims=True), FLOOR_DB)
    flux = np.abs(np.diff(mel, axis=0)).mean(axis=1) if len(mel) > 1 else np.zeros(1)
    low, high = mel[:, 4:20].std(axis=0).mean(), mel[:, 20:].std(axis=0).mean()
    return [
        float(np.percentile(mel, 10)),
        float(np.percentile(mel, 50)),
        float(flux.mean()),
        float(flux.std()),
        float(low),
        float(high),
        _holes(mel),
    ]


def _holes(mel: Array) -> float:
    if len(mel) < 3:
        return 0.0
    around = np.minimum(mel[:-2], mel[2:])[:, 1:-1]
    beside = np.minimum(mel[1:-1, :-2], mel[1:-1, 2:])
    return float(np.log10(np.mean(np.maximum(around, beside) - mel[1:-1, 1:-1] > 15.0) + 1e-4))


def _dropouts(x: Array, sample_rate: int, level: float) -> list[float]:
    """Sudden holes in speech: how many a second, their share of the active time, and the largest jump of the wave."""
    short = max(1, int(SHORT_S * sample_rate))
    count = max(2, x.size // short)
    pieces = np.pad(x, (0, max(0, count * short - x.size)))[: count * short].reshape(count, short)
    energy = _decibels(np.square(pieces).mean(axis=1), -120.0) - level
    before, after = energy[:-1], energy[1:]
    falls = (before > -25.0) & (after < before - 30.0)
    rises = (after > -25.0) & (before < after - 30.0)
    quiet = energy < -50.0
    neighbours = np.convolve(energy > -25.0, np.ones(13), mode="same")[: quiet.size]
    jump = np.abs(np.diff(x)).max() if x.size > 1 else 0.0
    return [
        float(np.log1p((falls.sum() + rises.sum()) / (x.size / sample_rate))),
        float((quiet & (neighbours >= 3)).mean()),
        float(20 * np.log10(jump + 1e-6) - level),
    ]


def _distribution(x: Array, samples: NDArray[np.float32]) -> list[float]:
    """How the sample values lie: clipping, peakedness, asymmetry, the step of quantisation, flat runs."""
    size = np.abs(x)
    peak = float(size.max())
    deviation = max(float(x.std()), 1e-9)
    difference = np.diff(x, append=x[-1:])
    spread = max(float(difference.std()), 1e-9)
    squares = np.square(x / deviation)  # products: a power costs ten times as much
    values = np.unique(samples)
    gap = float(np.median(np.diff(values))) if values.size > 1 else 1.0
    loud = size[1:] > 0.1 * peak
    flat = (difference[:-1] == 0.0) & loud
    return [
        float(np.log10(np.mean(size > 0.985 * peak) + 1e-5)),
        float(np.log10(np.mean(size > 0.7 * peak) + 1e-5)),
        float(np.log(np.mean(np.square(squares)))),
        float(np.log(np.mean(np.square(np.square(difference / spread))))),
        float(np.mean(squares * (x / deviation))),
        float(np.clip(-np.log2(gap), 0.0, 16.0)),
        float(np.log10(flat.mean() + 1e-5)),
        float(np.mean((x[1:] >= 0) != (x[:-1] >= 0))) if x.size > 1 else 0.0,
    ]
