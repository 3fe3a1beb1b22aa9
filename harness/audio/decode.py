"""From an open file or bytes to blocks of samples: soundfile, else (m4a, aac, ...) torchcodec where installed.

A file is opened once; what is checked is what is decoded, even if another file takes its name meanwhile.
Only regular files are opened: a pipe or device called ``x.wav`` must neither hang nor be drained.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import AudioError
from ..core.printable import printable
from ..core.quiet import quiet_decoder
from .containers import content_kind, mp3_start, mp3_states_length
from .streams import is_mp3, streams_of, with_length_header
from .suffixes import CODEC_SUFFIXES, HEADERLESS_SUFFIXES

AudioSource = str | Path | bytes
UNKNOWN = 2**63 - 1  # what libsndfile reports for a stream that does not state its length
BLOCK_SAMPLES = 2**19  # per block over all channels: 2 MiB of float32

MP3_EDGES = 2304
"""Samples that the decoder may leave out at the edges of an MP3 stream: two frames of encoder delay and padding."""
CODEC_LARGEST = 2**28  # bytes; torchcodec needs the whole file in memory


@dataclass
class OpenSource:
    """One open regular file, or bytes in memory.

    Attributes:
        label: Printable name for messages; empty for bytes.
        suffix: Lower-case suffix of the name, ``""`` for bytes.
        size: In bytes.
        descriptor: Of the open file, ``None`` for bytes.
        data: The bytes, where there is no file.
    """

    label: str
    suffix: str
    size: int
    descriptor: int | None = None
    data: bytes = b""

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``offset``; the decoder's own position stays where it is."""
        if self.descriptor is None:
            return self.data[offset : offset + count]
        return os.pread(self.descriptor, count, min(offset, self.size))

    def rewound(self) -> int | io.BytesIO:
        """What a decoder reads, at its start."""
        if self.descriptor is None:
            return io.BytesIO(self.data)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        return self.descriptor


@contextmanager
def open_source(source: AudioSource) -> Iterator[OpenSource]:
    """Open a path (regular files only) or wrap bytes.

    Raises:
        AudioError: ``missing``, ``permission``, ``not_a_file``, ``unreadable`` or ``empty``.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not source:
            raise AudioError("empty", "no bytes were given")
        yield OpenSource("", "", len(source), data=bytes(source))
        return
    label = printable(source)
    try:
        _require_regular(os.stat(source), label)  # noqa: PTH116 - before opening: an open alone can act on a device
        descriptor = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _open_error(source, label, error) from error
    try:
        status = os.fstat(descriptor)
        _require_regular(status, label)
        if status.st_size == 0:
            raise AudioError("empty", "the file has 0 bytes", label)
        yield OpenSource(label, Path(os.fsdecode(source)).suffix.lower(), status.st_size, descriptor)
    finally:
        os.close(descriptor)


def _require_regular(status: os.stat_result, label: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "device")
    raise AudioError("not_a_file", f"this is a {kind}, not an audio file", label)


def _open_error(source: str | Path, label: str, error: OSError | ValueError) -> AudioError:
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ValueError):
        return AudioError("missing", "the name holds a NUL character, no file can have it", label)
    if number == errno.ELOOP:
        return AudioError("missing", "a loop of links, there is no file", label)
    if isinstance(error, FileNotFoundError) and Path(source).is_symlink():
        return AudioError("missing", f"a link to {printable(Path(source).readlink())}, which is not there", label)
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return AudioError("missing", "no such file", label)
    if isinstance(error, PermissionError):
        return AudioError("permission", "no permission to read the file", label)
    return AudioError("unreadable", f"the file cannot be opened ({error.strerror or error})", label)


@dataclass
class Decoder:
    """An opened clip: what the header says, and the samples in blocks.

    Attributes:
        frames: Samples per channel by the header, ``None`` when it does not say.
        sample_rate: In Hz.
        channels: At least 1.
        container: libsndfile's name of the format (``"WAV"``, ``"OGG"``), or the suffix in capitals.
        subtype: libsndfile's name of the encoding (``"PCM_16"``), or the codec.
        blocks: Arrays ``(frames, channels)`` float32, valid until the next one is asked for.
        is_exact: Whether ``frames`` is what the file states, not an estimate of the decoder.
    """

    frames: int | None
    sample_rate: int
    channels: int
    container: str
    subtype: str
    blocks: Iterator[NDArray[np.float32]] = field(repr=False)
    is_exact: bool = True


@contextmanager
def open_decoder(source: OpenSource) -> Iterator[Decoder]:
    """Recognise the content and make its samples available in blocks.

    Raises:
        AudioError: ``unreadable``, when opening or while the blocks are taken.
    """
    import soundfile

    class Forward(soundfile.SoundFile):  # type: ignore[misc]
        """Reads straight on: soundfile seeks after each block, which fails on streams of unknown length."""

        def seekable(self) -> bool:
            return False

    quiet = ExitStack()
    if is_mp3(source.read_at(0, 12)):
        quiet.enter_context(quiet_decoder())
    try:
        stream = Forward(source.rewound(), closefd=False)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        quiet.close()
        kind = content_kind(source.read_at(0, 64))
        if source.suffix in CODEC_SUFFIXES or (kind and not source.suffix):
            yield _codec_decoder(source, kind)
            return
        if kind:
            raise AudioError(
                "unreadable",
                f"the content is {kind}, not what {source.suffix} says: give the file its own suffix; reading it takes "
                "mosharness[codec] and the FFmpeg libraries. Or convert it to FLAC",
                source.label,
            ) from error
        why = f"not an audio file that can be decoded ({_cause(error)})"
        if source.suffix in HEADERLESS_SUFFIXES:
            why = (
                f"{source.suffix} files hold samples without a header, so nothing tells their rate and format: write "
                "them as WAV or FLAC"
            )
        raise AudioError("unreadable", why, source.label) from error
    with quiet, stream:
        frames = None if stream.frames >= UNKNOWN else int(stream.frames)
        yield Decoder(
            frames, int(stream.samplerate), int(stream.channels), str(stream.format), str(stream.subtype),
            _soundfile_blocks(stream, frames, source.label),
            is_exact=stream.format != "MP3" or mp3_states_length(source.read_at),
        )  # fmt: skip


@contextmanager
def open_whole(source: OpenSource) -> Iterator[Decoder]:
    """As :func:`open_decoder`, over every stream of the file (see ``streams.py``).

    Raises:
        AudioError: ``unreadable``; ``partly_decoded`` where something of the file would not be heard.
    """
    streams = streams_of(source.read_at, source.size)
    if streams.problem:
        with open_decoder(source) as decoder:
            if decoder.frames != 0:
                raise AudioError("partly_decoded", streams.problem, source.label)
            yield decoder
        return
    counted = streams.frames or (None,) * len(streams.parts)
    if len(streams.parts) == 1 and streams.parts[0][0] == 0:
        with _open_stream(source, counted[0]) as decoder:
            yield decoder
        return
    yield _joined(source, list(zip(streams.parts, counted, strict=True)))


@contextmanager
def _open_stream(source: OpenSource, counted: int | None) -> Iterator[Decoder]:
    """One stream; where the decoder misjudges the length of an MP3 that states none, with its length stated."""
    with open_decoder(source) as decoder:
        if decoder.frames is None or counted is None or abs(decoder.frames - counted) <= MP3_EDGES:
            yield decoder
            return
    start = mp3_start(source.read_at)
    data = with_length_header(source.read_at(start, source.size), counted)
    with open_decoder(OpenSource(source.label, source.suffix, len(data), data=data)) as decoder:
        yield decoder


def _joined(source: OpenSource, places: Sequence[tuple[tuple[int, int], int | None]]) -> Decoder:
    """One decoder over streams that lie end to end, of one sampling rate and channel count."""
    parts = [
        (OpenSource(source.label, source.suffix, size, data=source.read_at(at, size)), counted)
        for (at, size), counted in places
    ]
    heads = []
    for part in parts:
        with _open_stream(*part) as decoder:
            heads.append(decoder)
    kinds = dict.fromkeys((head.sample_rate, head.channels) for head in heads)
    if len(kinds) > 1:
        listed = ", then ".join(f"{rate} Hz with {channels} channels" for rate, channels in kinds)
        raise AudioError(
            "partly_decoded", f"{len(parts)} streams end to end that differ: {listed}; cut the file up", source.label
        )

    def blocks() -> Iterator[NDArray[np.float32]]:
        for part in parts:
            with _open_stream(*part) as decoder:
                yield from decoder.blocks

    return replace(heads[0], frames=sum(head.frames or 0 for head in heads), blocks=blocks())


def _cause(error: Exception) -> str:
    return str(getattr(error, "error_string", None) or error).removeprefix("Error : ").strip().rstrip(".")


def _soundfile_blocks(stream: Any, frames: int | None, label: str) -> Iterator[NDArray[np.float32]]:
    import soundfile

    length = max(1, BLOCK_SAMPLES // stream.channels)
    if frames is not None:
        length = min(length, frames + 1)
    buffer = np.empty((length, stream.channels), np.float32)
    done = 0
    while True:
        try:
            block = stream.read(out=buffer)
        except soundfile.LibsndfileError as error:
            place = f" after {done / stream.samplerate:.2f} s" if done else ""
            raise AudioError(
                "unreadable", f"decoding fails{place} ({_cause(error)}): the file is damaged or cut short", label
            ) from error
        if not len(block):
            return
        done += len(block)
        yield block


def _codec_decoder(source: OpenSource, kind: str = "") -> Decoder:
    """The optional decoder for what soundfile cannot read; it gets bytes, so a playlist cannot name other files.

    Args:
        source: The file.
        kind: What its first bytes say it is, in words; empty where only the suffix tells.
    """
    try:
        from torchcodec.decoders import AudioDecoder
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchcodec is there, the FFmpeg libraries are not
        raise AudioError(
            "unreadable",
            f"reading {kind or source.suffix + ' files'} takes the optional decoder: install mosharness[codec] and the "
            "FFmpeg libraries, or convert the file to FLAC",
            source.label,
        ) from error
    if source.size > CODEC_LARGEST:
        raise AudioError("too_long", f"{source.size:,} bytes; convert files of this size to FLAC", source.label)
    try:
        decoder = AudioDecoder(source.read_at(0, source.size))
        found = decoder.metadata
        rate, channels = int(found.sample_rate), int(found.num_channels)
    except (RuntimeError, ValueError, TypeError) as error:
        raise AudioError("unreadable", f"the file cannot be decoded ({_cause(error)})", source.label) from error
    seconds = found.duration_seconds
    return Decoder(
        None if seconds is None else round(seconds * rate), rate, channels,
        source.suffix.removeprefix(".").upper() or kind.partition(" ")[0], str(found.codec or "").upper(),
        _codec_blocks(decoder, rate, channels, source.label),
        is_exact=False,
    )  # fmt: skip


def _codec_blocks(decoder: Any, rate: int, channels: int, label: str) -> Iterator[NDArray[np.float32]]:
    length_s = max(1, BLOCK_SAMPLES // channels) / rate
    start_s = float(decoder.metadata.begin_stream_seconds or 0.0)
    end_s = decoder.metadata.end_stream_seconds
    while end_s is None or start_s < end_s:
        try:
            data = decoder.get_samples_played_in_range(start_s, start_s + length_s).data  # (channels, frames)
        except (RuntimeError, ValueError) as error:
            raise AudioError("unreadable", f"decoding fails at {start_s:.2f} s ({_cause(error)})", label) from error
        if not data.shape[1]:
            return
        yield np.ascontiguousarray(data.numpy().T, np.float32)
        start_s += length_s
