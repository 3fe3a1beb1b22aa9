"""The one audio reader: every clip that is scored or trained on comes through here.

Samples are float32 at the file's own rate, mono by the mean of the channels, checked (``checks.py``) as they are
decoded. Decoding releases Python's lock, so threads read in parallel. Memory stays at twice the mono signal plus one
block, whatever the channel count and whatever the header claims.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.clip import Finding
from ..core.errors import AudioError
from ..core.printable import printable
from .checks import AudioLimits, ChannelStatistics, check_length, check_samples
from .containers import declared_data, ogg_is_cut, suffix_mismatch
from .decode import Decoder, OpenSource, open_source, open_whole

__all__ = [
    "AudioError",
    "AudioLimits",
    "Finding",
    "Header",
    "Waveform",
    "check_samples",
    "clip_from_array",
    "printable",
    "read_audio",
    "read_header",
]

DEFAULT_LIMITS = AudioLimits()


@dataclass(frozen=True)
class Header:
    """What a file says about itself; no limit is applied.

    Attributes:
        frames: Samples per channel.
        sample_rate: In Hz.
        channels: At least 1.
        format: Container by content, in libsndfile's words (``"WAV"``, ``"FLAC"``, ``"OGG"``).
        subtype: Encoding, in libsndfile's words (``"PCM_16"``, ``"OPUS"``).
    """

    frames: int
    sample_rate: int
    channels: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True, eq=False)
class Waveform:
    """One decoded and checked clip.

    Attributes:
        samples: Shape ``(n,)``, float32, mono, full scale 1.0. Not to be written to: copy first.
        sample_rate: In Hz.
        path: The file as it was given (it may hold undecodable characters: show it with :func:`printable`), or the
            name given to an array; ``""`` for bytes.
        findings: Warnings; the clip still scores.
        text: What the audio was made from (a prompt); set for predictors that read it.
        reference: A clip to compare with; set for predictors that do.
    """

    samples: NDArray[np.float32]
    sample_rate: int
    path: str = ""
    findings: tuple[Finding, ...] = ()
    text: str = ""
    reference: Waveform | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples.size / self.sample_rate

    @property
    def reason(self) -> str:
        """All findings as one line; ``""`` when there are none."""
        return "; ".join(map(str, self.findings))

    @cached_property
    def content_sha256(self) -> str:
        """Hexadecimal SHA-256 of the sample rate (decimal, newline) and the mono float32 samples, little-endian.

        The same sound in another lossless container has the same digest; the file's name and tags do not count.
        """
        digest = hashlib.sha256(f"{self.sample_rate}\n".encode())
        digest.update(np.ascontiguousarray(self.samples, "<f4").data)
        return digest.hexdigest()

    @property
    def scored_sha256(self) -> str:
        """What a score depends on: :attr:`content_sha256`, text and reference digested after it where there are any."""
        reference = "" if self.reference is None else self.reference.content_sha256
        return scored_digest(self.content_sha256, self.text, reference)


def scored_digest(content: str, text: str = "", reference: str = "") -> str:
    """What a score depends on, from digests of the audio and of the clip to compare with, and the text."""
    if text:
        content = hashlib.sha256(f"{content}\n{text}".encode()).hexdigest()
    return hashlib.sha256(f"{content}\nreference {reference}".encode()).hexdigest() if reference else content


def read_header(path: str | Path | bytes) -> Header:
    """Length, rate and format of a file without its samples.

    A stream that does not state its length (some FLAC files) is decoded to count it.

    Args:
        path: A file, or the bytes of one.

    Raises:
        AudioError: ``missing``, ``permission``, ``not_a_file``, ``unreadable`` or ``empty`` (0 bytes).
    """
    with open_source(path) as source, open_whole(source) as decoder:
        frames = decoder.frames
        if frames is None:
            frames = sum(len(block) for block in decoder.blocks)
        return Header(frames, decoder.sample_rate, decoder.channels, decoder.container, decoder.subtype)


def read_audio(source: str | Path | bytes, limits: AudioLimits = DEFAULT_LIMITS) -> Waveform:
    """Decode, mix to mono and check one clip.

    The content decides the format, not the suffix. Clips longer than the limit are refused from the header.

    Args:
        source: A file, or the bytes of one.
        limits: What to allow.

    Returns:
        The clip with its findings.

    Raises:
        AudioError: With a code of :data:`~mosharness.harness.audio.checks.ERROR_CODES`; the message names the file.
    """
    with open_source(source) as opened, open_whole(opened) as decoder:
        declared = declared_data(opened.read_at)
        if decoder.frames == 0 and declared is not None and opened.size > declared[0] + declared[1]:
            raise AudioError(
                "empty",
                f"the header declares {declared[1]} bytes of samples, though more follow: was the writer interrupted?",
                opened.label,
            )
        check_length(1 if decoder.frames is None else decoder.frames, decoder.sample_rate, limits, opened.label)
        samples, channels = _mix_to_mono(decoder, limits, opened.label)
        findings = check_samples(samples, decoder.sample_rate, limits, path=opened.label, channels=channels)
        findings += _file_findings(opened, decoder, samples.size, declared)
        path = "" if opened.descriptor is None else str(source)
        return Waveform(samples, decoder.sample_rate, path, findings)


def _mix_to_mono(decoder: Decoder, limits: AudioLimits, label: str) -> tuple[NDArray[np.float32], ChannelStatistics]:
    statistics = ChannelStatistics(
        limits.clip_level, channels=decoder.channels, clipped=np.zeros(decoder.channels, np.int64)
    )
    parts = []
    for block in decoder.blocks:
        statistics.update(block)
        check_length(statistics.frames, decoder.sample_rate, limits, label)  # the header may have lied
        parts.append(mono(block))
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return samples, statistics


def mono(block: NDArray[Any]) -> NDArray[np.float32]:
    """The mean over the channels of ``(frames, channels)``: summed in float64 in channel order, rounded once.

    Example:
        >>> mono(np.array([[1.0, 0.0], [0.5, -0.5]], np.float32))
        array([0.5, 0. ], dtype=float32)
    """
    if block.shape[1] == 1:
        return block[:, 0].astype(np.float32)  # astype copies: the block's memory is used again
    total = block[:, 0].astype(np.float64)
    with np.errstate(invalid="ignore"):  # opposite infinities: the checks refuse them by name
        for channel in range(1, block.shape[1]):
            total += block[:, channel]
    total /= block.shape[1]
    return total.astype(np.float32)


def _file_findings(
    source: OpenSource, decoder: Decoder, frames: int, declared: tuple[int, int] | None
) -> tuple[Finding, ...]:
    findings = []
    cut = _truncation(source, decoder, frames, declared)
    if cut:
        findings.append(Finding("truncated", cut))
    if suffix_mismatch(source.suffix, decoder.container):
        findings.append(Finding("wrong_suffix", f"the content is {decoder.container}, not what {source.suffix} says"))
    return tuple(findings)


def _truncation(source: OpenSource, decoder: Decoder, frames: int, declared: tuple[int, int] | None) -> str:
    if declared is not None and sum(declared) > source.size:
        present = source.size - declared[0]
        return f"the header declares {declared[1]:,} bytes of samples, the file holds {present:,}"
    if decoder.is_exact and decoder.frames is not None and frames < decoder.frames:
        return f"the header declares {decoder.frames:,} samples, {frames:,} are there"
    if decoder.container == "OGG" and ogg_is_cut(source.read_at, source.size):
        return "the last Ogg page is missing or incomplete"
    return ""


def clip_from_array(samples: Any, sample_rate: int, name: str = "", limits: AudioLimits = DEFAULT_LIMITS) -> Waveform:
    """Make a checked clip from samples in memory.

    Args:
        samples: Array, tensor or list; shape ``(n,)`` or ``(n, channels)``. Floats in -1 to 1; integers of 8, 16 or 32
            bits are scaled by their range (unsigned ones are centred first).
        sample_rate: In Hz, a whole number.
        name: Shown in messages.
        limits: What to allow.

    Returns:
        A clip that shares no memory with ``samples``.

    Raises:
        AudioError: ``bad_array`` for shapes, types and rates that cannot be a clip, else as :func:`check_samples`.

    Example:
        >>> clip_from_array(np.sin(np.arange(16_000) / 5), 16_000).duration_s
        1.0
    """
    label = printable(name)
    rate = _whole_rate(sample_rate, label)
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu().numpy()
    try:
        array = np.asarray(samples)
    except ValueError as error:
        raise AudioError("bad_array", f"the samples are no array ({error})", label) from error
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] > array.shape[0] > 0):
        hint = "; transpose arrays of shape (channels, n)" if array.ndim == 2 else ""
        raise AudioError("bad_array", f"samples of shape {array.shape}: (n,) or (n, channels) is needed{hint}", label)
    if array.ndim == 1:
        array = array[:, None]
    check_length(len(array) if array.shape[1] else 0, rate, limits, label)
    scale, centre = _scale(array.dtype, label)
    statistics = ChannelStatistics(limits.clip_level)
    step = max(1, 2**19 // array.shape[1])
    parts = []
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite and is refused as such
        for start in range(0, len(array), step):
            block = array[start : start + step]
            block = (
                block.astype(np.float32)
                if scale == 1
                else ((block.astype(np.float64) - centre) / scale).astype(np.float32)
            )
            statistics.update(block)
            parts.append(mono(block))
    mixed = np.concatenate(parts)
    return Waveform(mixed, rate, name, check_samples(mixed, rate, limits, path=label, channels=statistics))


def _whole_rate(sample_rate: Any, label: str) -> int:
    try:
        rate = float(sample_rate)
    except (TypeError, ValueError):
        rate = math.nan
    if isinstance(sample_rate, (bool, str)) or not math.isfinite(rate) or rate != int(rate):
        raise AudioError("bad_array", f"the sample rate {sample_rate!r} is not a whole number of Hz", label)
    return int(rate)


def _scale(dtype: np.dtype[Any], label: str) -> tuple[float, float]:
    """Divisor and centre that bring samples of ``dtype`` to -1 to 1."""
    if dtype.kind == "f":
        return 1.0, 0.0
    if dtype.kind in "iu" and dtype.itemsize <= 4:
        full_scale = float(2 ** (8 * dtype.itemsize - 1))
        return full_scale, full_scale if dtype.kind == "u" else 0.0
    raise AudioError(
        "bad_array", f"samples of type {dtype}: floats in -1 to 1 or integers of 8, 16 or 32 bits are needed", label
    )
