"""What a file holds, counted by us: the streams within it, and what no decoder would play.

The decoder (libsndfile) stops without a word at the end of the first MP3 or Ogg stream, at the length that a WAV header
declares, and where an MP3 without a length header is estimated to end; over destroyed MP3 frames it plays on. A score
of a part would look like any other. So the frames of MP3 files, the pages of Ogg files and the chunks of WAV files are
walked here: :func:`streams_of` cuts a file into streams that are decoded one after the other, and names what is left.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .containers import ReadAt, declared_data, mp3_frame, mp3_start

SMALLEST_LOSS = 4096
"""Bytes. Up to so many that belong to nothing (padding, a torn frame) are passed over: at most a tenth of a second."""
TAG_STARTS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")
MOST_STREAMS = 1000


@dataclass(frozen=True)
class Streams:
    """The streams of a file.

    Attributes:
        parts: ``(offset, size)`` of each stream in bytes; the whole file where nothing is known of its format.
        problem: What of the file would not be decoded, as a sentence; empty when nothing.
        frames: Of each part: samples per channel of an MP3 stream without a length header, counted; else ``None``.
    """

    parts: tuple[tuple[int, int], ...]
    problem: str = ""
    frames: tuple[int | None, ...] = ()


def streams_of(read_at: ReadAt, size: int) -> Streams:
    """Walk a file.

    Args:
        read_at: Reads from the file.
        size: Of the file, in bytes.
    """
    head = read_at(0, 12)
    if head[:4] == b"OggS":
        return _ogg_streams(read_at, size)
    if is_mp3(head):
        return _mp3_streams(read_at, size)
    whole = ((0, size),)
    if head[8:12] == b"WAVE":
        return Streams(whole, _after_wav_data(read_at, size))
    return Streams(whole)


def is_mp3(head: bytes) -> bool:
    """Whether a file begins like an MP3 file: with a tag or a frame."""
    return head[:3] == b"ID3" or mp3_frame(head)[0] > 0


# -- Ogg --------------------------------------------------------------------------------------------------------------


def _ogg_streams(read_at: ReadAt, size: int) -> Streams:
    """A new stream begins with a first page that follows another stream's data: chained files, not multiplexed ones."""
    starts, offset, in_headers = [0], 0, True
    while offset < size:
        head = read_at(offset, 27)
        if len(head) < 27 or head[:4] != b"OggS":
            left = size - offset
            lost = left > SMALLEST_LOSS and len(head) == 27
            problem = f"{left:,} bytes after {offset:,} are no Ogg pages and would not be played" if lost else ""
            return Streams(_cut(starts, offset if lost else size), problem)
        lengths = read_at(offset + 27, head[26])
        first = bool(head[5] & 2)
        if first and not in_headers:
            starts.append(offset)
        in_headers = first
        offset += 27 + len(lengths) + sum(lengths)
    return Streams(_cut(starts, size))


def _cut(starts: list[int], end: int) -> tuple[tuple[int, int], ...]:
    return tuple((start, stop - start) for start, stop in zip(starts, [*starts[1:], end], strict=True))


# -- MP3 --------------------------------------------------------------------------------------------------------------


class _Mp3Walk:
    """Frame by frame through an MP3 (layer 3) file."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self.read_at, self.size = read_at, size
        self.starts: list[int] = []
        self.counts: list[int] = []
        self.declared: list[int | None] = []
        self.lost = 0
        self._data, self._base = b"", 0

    def at(self, offset: int, count: int) -> bytes:
        """``read_at`` with a buffer."""
        if not self._base <= offset <= self._base + len(self._data) - count:
            self._data, self._base = self.read_at(offset, 2**16), offset
        return self._data[offset - self._base : offset - self._base + count]

    def walk(self) -> None:
        """Find the streams, count their samples, and add up bytes that belong to no frame and no tag."""
        offset = 0
        fresh = True
        while offset < self.size - 3:
            if self.at(offset, 3) == b"ID3":
                offset += mp3_start(lambda place, count, base=offset: self.at(base + place, count))  # type: ignore[misc]
                fresh = True
                continue
            length, samples = mp3_frame(self.at(offset, 4))
            if not length:
                offset = self._resume(offset)
                continue
            declared = length_header(self.at(offset, 256), samples)
            if fresh or declared is not None:
                self._begin(offset, declared)
                fresh = False
            self.counts[-1] += 0 if declared is not None else samples
            offset += length

    def _begin(self, offset: int, declared: int | None) -> None:
        if self.starts and not self.counts[-1]:  # nothing but a header so far
            self.declared[-1] = declared
            return
        self.starts.append(offset)
        self.counts.append(0)
        self.declared.append(declared)

    def _resume(self, offset: int) -> int:
        """The next frame that another one follows, a tag, or the end; what lies between is lost unless it is a tag."""
        for tag in TAG_STARTS:
            if self.at(offset, len(tag)) == tag:
                return self.size
        place = offset + 1
        while place < self.size - 3:
            block = self.at(place, 4)
            if block[:3] == b"ID3":
                break
            length, _ = mp3_frame(block)
            if length and (place + length >= self.size - 3 or mp3_frame(self.at(place + length, 4))[0]):
                break
            place += 1
        else:
            place = self.size
        self.lost += place - offset
        return place


def length_header(frame: bytes, samples: int) -> int | None:
    """Samples that the length header of an MP3 stream declares, if this first frame is one that does."""
    for name in (b"Xing", b"Info"):
        at = frame.find(name)
        if 0 <= at <= 40 and len(frame) >= at + 12:
            flags, count = struct.unpack(">II", frame[at + 4 : at + 12])
            return count * samples if flags & 1 else 0
    return None


def _mp3_streams(read_at: ReadAt, size: int) -> Streams:
    walk = _Mp3Walk(read_at, size)
    walk.walk()
    if not walk.starts:
        return Streams(((0, size),))
    if len(walk.starts) > MOST_STREAMS:
        return Streams(((0, size),), f"more than {MOST_STREAMS} streams end to end; convert the file")
    parts = _cut([0, *walk.starts[1:]], size)
    if walk.lost > SMALLEST_LOSS:
        problem = (
            f"{walk.lost:,} bytes between its frames are no MP3 frames: this part is damaged and would not be heard"
        )
        return Streams(parts, problem)
    counted = [count if declared is None else None for count, declared in zip(walk.counts, walk.declared, strict=True)]
    return Streams(parts, "", tuple(counted))


def with_length_header(data: bytes, frames: int) -> bytes:
    """An MP3 stream that states no length, with a header frame in front that does.

    Args:
        data: The stream, from its first frame on.
        frames: Samples per channel, as counted.
    """
    first = data[:4]
    _, samples = mp3_frame(first)
    for bitrate in range(1, 15):
        header = first[:1] + bytes([first[1] | 1, bitrate << 4 | first[2] & 0x0C]) + first[3:4]
        length, _ = mp3_frame(header)
        if length >= 4 + 32 + 16:
            break
    mono, is_mpeg1 = first[3] >> 6 == 3, first[1] >> 3 & 3 == 3
    side = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}[is_mpeg1, mono]
    body = bytes(side) + b"Xing" + struct.pack(">II", 1, frames // samples)
    return header + body + bytes(length - 4 - len(body)) + data


# -- WAV --------------------------------------------------------------------------------------------------------------


def _after_wav_data(read_at: ReadAt, size: int) -> str:
    """What stands behind the declared samples and is neither chunks nor padding."""
    declared = declared_data(read_at)
    if declared is None:
        return ""
    order = ">" if read_at(0, 4) == b"RIFX" else "<"
    offset = sum(declared) + declared[1] % 2
    for _ in range(10_000):
        chunk = read_at(offset, 8)
        if len(chunk) < 8:
            return ""
        (length,) = struct.unpack(order + "I", chunk[4:])
        if chunk[:4] in (b"RIFF", b"RIFX") or not all(32 <= byte < 127 for byte in chunk[:4]):
            break
        if offset + 8 + length > size + SMALLEST_LOSS:
            break
        offset += 8 + length + length % 2
    left = size - offset
    if left <= SMALLEST_LOSS and not any(read_at(offset, left)):
        return ""
    return (
        f"the header declares {declared[1]:,} bytes of samples, but {left:,} more follow that are no chunk: was the "
        "writer interrupted, or are two files joined?"
    )
