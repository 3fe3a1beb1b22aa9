"""What a file holds, counted by us: the streams within it, and what no decoder would play.

The decoder (libsndfile) stops without a word at the end of the first MP3 or Ogg stream, at the length that a header
declares, and where an MP3 without a length header is estimated to end; over destroyed MP3 frames it plays on. A score
of a part would look like any other. So the frames of MP3 files and the pages of Ogg files are walked here:
:func:`streams_of` cuts a file into streams that are decoded one after the other, and names what is left.
``surplus.py`` looks at formats whose header declares a length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .containers import MP3_RATES, ReadAt, mp3_frame, mp3_start
from .surplus import surplus_of

SMALLEST_LOSS_S = 0.1
"""Bytes that belong to nothing (padding, a torn frame) are passed over up to what would be so many seconds."""
LARGEST_PADDING = 4096
EDGES = 2304
"""Samples by which a length header of an MP3 stream may be wrong: encoders count their own frame or do not."""
LONGEST_LYRICS = 2**20
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
    return Streams(((0, size),), surplus_of(read_at, size))


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
            left = size - offset  # a fiftieth: that of a clip of 5 s is a tenth of a second
            lost = left > min(LARGEST_PADDING, max(512, size // 50)) and len(head) == 27
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


@dataclass
class _Mp3Stream:
    """One stream: where its first frame and its first frame with samples are, what is counted and declared."""

    start: int
    first: int
    kind: tuple[int, ...] = ()
    samples: int = 0
    declared: int | None = None

    @property
    def counted(self) -> int | None:
        """Samples, where the length header is absent, or says less than there is."""
        return self.samples if not self.declared or self.samples > self.declared + EDGES else None


class _Mp3Walk:
    """Frame by frame through an MP3 (layer 3) file."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self.read_at, self.size = read_at, size
        self.streams: list[_Mp3Stream] = []
        self.lost = 0
        self.frame_bytes, self.seconds = 0, 0.0
        self._data, self._base = b"", 0

    def at(self, offset: int, count: int) -> bytes:
        """``read_at`` with a buffer."""
        if not self._base <= offset <= self._base + len(self._data) - count:
            self._data, self._base = self.read_at(offset, 2**16), offset
        return self._data[offset - self._base : offset - self._base + count]

    def walk(self) -> None:
        """Find the streams, count their samples, and add up bytes that belong to no frame and no tag."""
        offset, fresh = 0, True
        while offset < self.size - 3:
            if tag := self._tag(offset):
                offset, fresh = offset + tag, True
                continue
            head = self.at(offset, 4)
            length, samples = mp3_frame(head)
            if not length:
                offset = self._resume(offset)
                continue
            declared = length_header(self.at(offset, 256), samples)
            kind = (head[1] >> 3 & 3, head[2] >> 2 & 3, int(head[3] >> 6 == 3))
            if fresh or declared is not None or self.streams[-1].kind != kind:
                if self.streams and not self.streams[-1].samples:  # nothing but a header so far
                    self.streams.pop()
                first = offset if declared is None else offset + length
                self.streams.append(_Mp3Stream(offset, first, kind, declared=declared))
                fresh = False
            if declared is None:
                self.streams[-1].samples += samples
                self.frame_bytes += length
                self.seconds += samples / MP3_RATES[kind[0]][kind[1]]
            offset += length

    @property
    def most_lost(self) -> float:
        """Bytes up to which a loss is passed over."""
        return min(LARGEST_PADDING, SMALLEST_LOSS_S * self.frame_bytes / max(self.seconds, 1e-9))

    def _tag(self, offset: int) -> int:
        """Bytes of a tag at ``offset``; 0 where there is none."""
        head = self.at(offset, 32)
        if head[:3] == b"ID3":
            return mp3_start(lambda place, count: self.at(offset + place, count)) or 10
        if head[:3] == b"3DI":
            return 10
        if head[:4] == b"TAG+":
            return 227
        if head[:3] == b"TAG":
            return 128
        if head[:8] == b"APETAGEX" and len(head) == 32:
            _, length, _, flags = struct.unpack("<IIII", head[8:24])
            return 32 + (length if flags >> 29 & 1 else 0)  # a header counts what follows it, a footer what precedes
        if head[:11] == b"LYRICSBEGIN":
            text = self.read_at(offset, LONGEST_LYRICS)
            ends = [text.find(end) for end in (b"LYRICS200", b"LYRICSEND")]
            return min((end + 9 for end in ends if end > 0), default=0)
        return 0

    def _resume(self, offset: int) -> int:
        """The next frame that another one follows, a tag, or the end; what lies between is lost."""
        place = offset + 1
        while place < self.size - 3:
            block = self.at(place, 4)
            if block[:3] in (b"ID3", b"TAG") or self.at(place, 8) == b"APETAGEX":
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
    if not walk.streams:
        return Streams(((0, size),))
    if len(walk.streams) > MOST_STREAMS:
        return Streams(((0, size),), f"more than {MOST_STREAMS} streams end to end; convert the file")
    counted = tuple(one.counted for one in walk.streams)
    starts = [
        one.first if count is not None and one.declared is not None else one.start
        for one, count in zip(walk.streams, counted, strict=True)
    ]
    if starts[0] == walk.streams[0].start:
        starts[0] = 0  # with its tag
    parts = _cut(starts, size)
    if walk.lost > walk.most_lost:
        problem = (
            f"{walk.lost:,} bytes between its frames are no MP3 frames: this part is damaged and would not be heard"
        )
        return Streams(parts, problem)
    return Streams(parts, "", counted)


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
