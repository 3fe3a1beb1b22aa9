"""What makes a clip unusable (an error) or suspicious (a finding), on its samples and header alone.

The table of limits is :class:`AudioLimits`; every limit was chosen so that it raises nothing on clips with noise,
clipping below full scale, codecs and packet loss, and catches what a broken synthesizer writes. Predictors give
silence a middle score, so a silent file has to be refused here: no score would show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Finding
from ..core.errors import AudioError, UsageError

ERROR_CODES = {
    "missing": "no file of that name, or a link whose target is gone",
    "permission": "the file may not be read",
    "not_a_file": "a folder, pipe, socket or device",
    "unreadable": "no decoder understands the bytes, or they are damaged",
    "partly_decoded": "something of the file would not be heard: damaged frames, samples behind the declared ones",
    "empty": "no bytes, or a header without samples",
    "bad_array": "an array or sample rate that cannot be a clip",
    "rate_out_of_range": "sample rate outside 4 to 384 kHz",
    "too_long": "longer than the limit",
    "non_finite": "NaN or infinite samples",
    "integer_scaled": "float samples on an integer scale (peak above 100)",
    "silent": "nothing above -60 dBFS",
}
"""Causes of a failed clip (``AudioError.code``)."""

WARNING_CODES = {
    "short": "shorter than 0.5 s",
    "silent": "nothing above -60 dBFS, where the caller allows it",
    "low_activity": "less than 10 % of the frames within 40 dB of the loudest",
    "low_level": "peak below -40 dBFS",
    "clipping": "more than 0.1 % of the samples at full scale",
    "heavy_clipping": "more than 1 % of the samples at full scale",
    "dc_offset": "mean above 0.05 in size",
    "float_peak": "samples above full scale",
    "stereo_differs": "two channels that are not the same",
    "multichannel": "more than two channels",
    "truncated": "the file ends before the length its header declares",
    "wrong_suffix": "the content is of another format than the suffix says",
}
"""Causes of a warning on a clip that is still scored (``Finding.code``)."""


@dataclass(frozen=True)
class AudioLimits:
    """Limits of the checks on one clip. A value exactly at a limit is accepted, except at ``clip_level``.

    Attributes:
        max_seconds: Longer is an error; ``None`` for no limit.
        min_seconds: Shorter is a warning.
        min_sample_rate: Below is an error, Hz.
        max_sample_rate: Above is an error, Hz.
        silence_dbfs: Peak after removing the mean; below is an error, or a warning with ``allow_silent``.
        low_level_dbfs: The same peak; below is a warning.
        active_share: Share of active 20 ms frames; below is a warning.
        active_range_db: A frame is active when its energy is at most this far below the loudest frame's.
        clip_level: Samples at or above this size count as clipped.
        clip_share: Share of clipped samples in the worst channel; above is a warning.
        heavy_clip_share: The same, for the strong warning.
        dc_offset: Size of the mean; above is a warning.
        float_peak: Largest sample in any channel; above is a warning.
        integer_peak: The same; above is an error (float samples on an integer scale).
        allow_silent: Some listening tests hold deliberately silent clips; this turns the error into a warning.
        max_samples: Longer is an error whatever ``max_seconds`` says: the mono signal is held in memory
            (our choice: 2**27 samples, 46 minutes at 48 kHz, keeps the reader below 2 GiB).
    """

    max_seconds: float | None = 60.0
    min_seconds: float = 0.5
    min_sample_rate: int = 4_000
    max_sample_rate: int = 384_000
    silence_dbfs: float = -60.0
    low_level_dbfs: float = -40.0
    active_share: float = 0.10
    active_range_db: float = 40.0
    clip_level: float = 0.999
    clip_share: float = 0.001
    heavy_clip_share: float = 0.01
    dc_offset: float = 0.05
    float_peak: float = 1.0
    integer_peak: float = 100.0
    allow_silent: bool = False
    max_samples: int = 2**27

    def __post_init__(self) -> None:
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise UsageError(f"the longest clip allowed must be above 0 s, not {self.max_seconds}; None means no limit")
        if not self.min_seconds >= 0:
            raise UsageError(f"the shortest clip without a warning must be 0 s or more, not {self.min_seconds}")


@dataclass
class ChannelStatistics:
    """Peak, clipping and channel difference, gathered block by block before the channels are mixed.

    Args:
        clip_level: As in :class:`AudioLimits`.
    """

    clip_level: float = 0.999
    channels: int = 0
    frames: int = 0
    peak: float = 0.0
    difference: float = 0.0
    clipped: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def update(self, block: NDArray[np.floating]) -> None:
        """Take one block, shape ``(frames, channels)``; every block has the same number of channels."""
        if not self.channels:
            self.channels = block.shape[1]
            self.clipped = np.zeros(self.channels, np.int64)
        if not len(block):
            return
        self.frames += len(block)
        low, high = float(block.min()), float(block.max())  # NaN goes through min and max
        peak = max(-low, high) if math.isfinite(low) and math.isfinite(high) else math.nan
        self.peak = float(np.maximum(self.peak, peak))  # unlike max(), keeps NaN
        if peak >= self.clip_level:
            self.clipped += np.count_nonzero(np.abs(block) >= self.clip_level, axis=0)
        if self.channels == 2 and math.isfinite(peak):
            self.difference = max(self.difference, float(np.abs(block[:, 0] - block[:, 1]).max()))


def check_length(frames: int, sample_rate: int, limits: AudioLimits, path: str = "") -> None:
    """Refuse a length or sample rate before anything is decoded.

    Args:
        frames: Samples per channel that the header declares, or that were decoded so far.
        sample_rate: In Hz.
        limits: What to allow.
        path: Named in the message.

    Raises:
        AudioError: ``empty``, ``rate_out_of_range`` or ``too_long``.
    """
    if not limits.min_sample_rate <= sample_rate <= limits.max_sample_rate:
        raise AudioError(
            "rate_out_of_range",
            f"the sample rate {sample_rate:,} Hz is outside {limits.min_sample_rate:,} to {limits.max_sample_rate:,}",
            path,
        )
    if frames <= 0:
        raise AudioError("empty", "the clip has no samples", path)
    if limits.max_seconds is not None and frames > limits.max_seconds * sample_rate:
        raise AudioError(
            "too_long",
            f"the clip is {frames / sample_rate:,.2f} s long, the limit {limits.max_seconds:g} s; cut it or raise that",
            path,
        )
    if frames > limits.max_samples:
        raise AudioError(
            "too_long",
            f"the clip has {frames:,} samples; more than {limits.max_samples:,} are not held in memory, cut it",
            path,
        )


def check_samples(
    samples: NDArray[np.float32],
    sample_rate: int,
    limits: AudioLimits | None = None,
    *,
    path: str = "",
    channels: ChannelStatistics | None = None,
) -> tuple[Finding, ...]:
    """Judge one mono signal.

    Args:
        samples: Shape ``(n,)``, full scale 1.0.
        sample_rate: In Hz.
        limits: What to allow; the default is :class:`AudioLimits`.
        path: Named in errors.
        channels: What was seen before mixing; absent means ``samples`` is the only channel.

    Returns:
        The warnings, most of them with the measured value; empty for a clip without findings.

    Raises:
        AudioError: ``empty``, ``rate_out_of_range``, ``too_long``, ``non_finite``, ``integer_scaled``, ``silent``.
    """
    limits = limits or AudioLimits()
    if channels is None:
        channels = ChannelStatistics(limits.clip_level)
        channels.update(samples[:, None])
    check_length(samples.size, sample_rate, limits, path)
    if not math.isfinite(channels.peak):
        raise AudioError("non_finite", "some samples are NaN or infinite", path)
    if channels.peak > limits.integer_peak:
        raise AudioError(
            "integer_scaled",
            f"the largest sample is {channels.peak:,.0f}; float samples must lie in -1 to 1, these look like integers",
            path,
        )
    mean = float(samples.mean(dtype=np.float64))
    peak = max(float(samples.max()) - mean, mean - float(samples.min()))
    findings = [
        *_length_finding(samples.size, sample_rate, limits),
        *_level_findings(samples, sample_rate, limits, mean=mean, peak=peak, path=path, channels=channels),
        *_channel_findings(channels, limits),
    ]
    if abs(mean) > limits.dc_offset:
        findings.append(Finding("dc_offset", f"the mean is {mean:+.3f}, beyond {limits.dc_offset:g}"))
    return tuple(findings)


def _length_finding(frames: int, sample_rate: int, limits: AudioLimits) -> list[Finding]:
    if frames >= limits.min_seconds * sample_rate:
        return []
    return [Finding("short", f"the clip is {frames / sample_rate:.3f} s long, under {limits.min_seconds:g} s")]


def _level_findings(
    samples: NDArray[np.float32],
    sample_rate: int,
    limits: AudioLimits,
    *,
    mean: float,
    peak: float,
    path: str,
    channels: ChannelStatistics,
) -> list[Finding]:
    if peak < 10 ** (limits.silence_dbfs / 20):
        message = f"the peak is {_dbfs(peak)}, below {limits.silence_dbfs:g} dBFS: silence"
        if channels.difference >= 10 ** (limits.silence_dbfs / 20):
            message = "the two channels cancel each other out when mixed to mono (opposite phase): silence"
        if limits.allow_silent:
            return [Finding("silent", message)]
        raise AudioError("silent", message, path)
    findings = []
    if peak < 10 ** (limits.low_level_dbfs / 20):
        findings.append(Finding("low_level", f"the peak is {_dbfs(peak)}, below {limits.low_level_dbfs:g} dBFS"))
    share = active_share(samples, sample_rate, limits.active_range_db, mean=mean)
    if share < limits.active_share:
        findings.append(
            Finding(
                "low_activity",
                f"only {share:.1%} of the 20 ms frames are within {limits.active_range_db:g} dB of the loudest",
            )
        )
    return findings


def _channel_findings(channels: ChannelStatistics, limits: AudioLimits) -> list[Finding]:
    findings = []
    share = float(channels.clipped.max()) / max(channels.frames, 1)
    if share > limits.heavy_clip_share:
        findings.append(Finding("heavy_clipping", f"{share:.1%} of the samples are at full scale"))
    elif share > limits.clip_share:
        findings.append(Finding("clipping", f"{share:.2%} of the samples are at full scale"))
    if channels.peak > limits.float_peak:
        findings.append(Finding("float_peak", f"the largest sample is {channels.peak:.3f}, above full scale"))
    if channels.channels > 2:
        findings.append(Finding("multichannel", f"{channels.channels} channels; their mean is used"))
    # One step of a 16-bit file is forgiven: separately dithered copies of one signal are still one signal.
    elif channels.difference > 2.0**-15:
        findings.append(
            Finding("stereo_differs", f"the two channels differ by up to {channels.difference:.3f}; their mean is used")
        )
    return findings


def active_share(
    samples: NDArray[np.float32], sample_rate: int, range_db: float = 40.0, *, mean: float | None = None
) -> float:
    """Share of 20 ms frames whose energy, after removing the clip's mean, is within ``range_db`` of the loudest.

    Our choices: frames do not overlap; an incomplete last frame is left out unless it is the only one; the mean is
    removed so that an offset does not make silence look active.

    Returns:
        A value in ``[0, 1]``; 0 when no frame has any energy.

    Example:
        >>> click = np.zeros(16_000, np.float32)
        >>> click[800] = 1.0
        >>> active_share(click, 16_000)
        0.02
    """
    mean = float(samples.mean(dtype=np.float64)) if mean is None else mean
    length = min(max(1, round(0.02 * sample_rate)), samples.size)
    frames = samples[: samples.size // length * length].reshape(-1, length)  # (frames, 20 ms)
    step = max(1, 2**20 // length)
    energies = np.empty(len(frames), np.float64)
    for start in range(0, len(frames), step):  # in parts: a long clip needs no second copy of itself
        part = frames[start : start + step] - np.float32(mean)
        energies[start : start + step] = np.einsum("ij,ij->i", part, part)
    loudest = float(energies.max(initial=0.0))
    if loudest == 0:
        return 0.0
    return float(np.mean(energies >= loudest * 10 ** (-range_db / 10)))


def _dbfs(peak: float) -> str:
    return f"{20 * math.log10(peak):.1f} dBFS" if peak > 0 else "0 (digital silence)"
