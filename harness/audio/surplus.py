"""Samples behind those that a header declares: the decoder stops at the declared length and says nothing."""

from __future__ import annotations

import struct

from .containers import ReadAt, declared_data

PADDING = 4096
"""Bytes of zeros behind the samples that are taken for padding."""

CAF_HEADER = 8
UNTIL_END = 2**63
"""A declared size from here on means "to the end of the file"."""


def surplus_of(read_at: ReadAt, size: int) -> str:
    """What of a file lies behind its declared samples and would not be heard, as a sentence; empty when nothing.

    Args:
        read_at: Reads from the file.
        size: Of the file, in bytes.
    """
    head = read_at(0, 12)
    if head[8:12] == b"WAVE" or (head[:4] == b"FORM" and head[8:11] == b"AIF"):
        return _after_chunk(read_at, size, declared_data(read_at), "<" if head[:4] in (b"RIFF", b"RF64") else ">")
    if head[:4] == b"caff":
        return _after_chunk(read_at, size, _caf_data(read_at, size), ">", long_sizes=True)
    if head[:4] == b".snd":
        start, length = struct.unpack(">II", read_at(4, 8))
        return "" if length == 0xFFFF_FFFF else _after_chunk(read_at, size, (start, length), ">")
    if head[:4] == b"fLaC":
        return _behind_flac(read_at, size)
    return ""


def _after_chunk(
    read_at: ReadAt, size: int, declared: tuple[int, int] | None, order: str, *, long_sizes: bool = False
) -> str:
    """What stands behind the declared samples and is neither chunks nor padding."""
    if declared is None:
        return ""
    offset, even = sum(declared), not long_sizes
    offset += declared[1] % 2 if even else 0
    head = 12 if long_sizes else 8
    for _ in range(10_000):
        chunk = read_at(offset, head)
        if len(chunk) < head:
            return ""
        length = struct.unpack(order + ("Q" if long_sizes else "I"), chunk[4:])[0]
        if chunk[:4] in (b"RIFF", b"RIFX", b"FORM") or not all(32 <= byte < 127 for byte in chunk[:4]):
            break
        if offset + head + length > size + PADDING:
            break
        offset += head + length + (length % 2 if even else 0)
    left = size - offset
    if left <= PADDING and not any(read_at(offset, left)):
        return ""
    return (
        f"the header declares {declared[1]:,} bytes of samples, but {left:,} more follow that are no chunk: was the "
        "writer interrupted, or are two files joined?"
    )


def _caf_data(read_at: ReadAt, size: int) -> tuple[int, int] | None:
    """Where the samples of a Core Audio file start, and how many bytes its header declares for them."""
    offset = CAF_HEADER
    for _ in range(10_000):
        chunk = read_at(offset, 12)
        if len(chunk) < 12 or offset > size:
            return None
        length = struct.unpack(">Q", chunk[4:])[0]
        if chunk[:4] == b"data":
            return None if length >= UNTIL_END else (offset + 12, length)
        offset += 12 + length
    return None


# -- FLAC -------------------------------------------------------------------------------------------------------------


def _behind_flac(read_at: ReadAt, size: int) -> str:
    """Whether the last frame of a FLAC file starts behind the samples that its first block declares."""
    info = read_at(8, 18)
    if len(info) < 18 or read_at(4, 1)[0] & 0x7F:
        return ""
    block, declared = struct.unpack(">H", info[2:4])[0], int.from_bytes(info[10:18], "big") & (1 << 36) - 1
    tail = read_at(max(0, size - 2**17), 2**17)
    at = len(tail)
    while declared and (at := tail.rfind(b"\xff", 0, at)) >= 0:
        number = _flac_number(tail[at : at + 16])
        if number is None:
            continue
        start = number if tail[at + 1] & 1 else number * block
        if start < declared:
            return ""
        return f"the header declares {declared:,} samples, but frames from sample {start:,} on follow"
    return ""


def _flac_number(head: bytes) -> int | None:
    """The number in a FLAC frame header: of its frame, or of its first sample; ``None`` for bytes that are none."""
    if len(head) < 6 or head[0] != 0xFF or head[1] & 0xFE != 0xF8 or head[2] >> 4 == 0 or head[2] & 15 == 15:
        return None
    first = head[4]
    more = 0 if first < 0x80 else 8 - (first ^ 0xFF).bit_length() - 1
    if (first >= 0x80 and more < 1) or more > 6 or len(head) < 5 + more:
        return None
    number = first if not more else first & (0x3F >> more)
    for byte in head[5 : 5 + more]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    end = 5 + more + {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    return number if len(head) > end and _crc8(head[:end]) == head[end] else None


def _crc8(data: bytes) -> int:
    """FLAC's check sum of a frame header: polynomial x^8 + x^2 + x + 1."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x07 if value & 0x80 else value << 1) & 0xFF
    return value
