"""What file headers tell that the decoder does not: a length longer than the file, a suffix that lies.

The decoder (libsndfile) shortens a WAV or AIFF file that was cut off to what is there and says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, count)``: up to ``count`` bytes from ``offset``."""

STREAMED = 0x7FFF_0000
"""Declared sizes from here on are placeholders of programs that write to a pipe, not lengths."""

FORMATS_BY_SUFFIX = {
    ".wav": {"WAV", "WAVEX", "RF64"},
    ".flac": {"FLAC"},
    ".mp3": {"MP3"},
    ".ogg": {"OGG"},
    ".opus": {"OGG"},
    ".aiff": {"AIFF"},
    ".aif": {"AIFF"},
}
"""What the decoder may call the content of a file with this suffix."""


def declared_data(read_at: ReadAt) -> tuple[int, int] | None:
    """Where the samples of a WAV, RF64 or AIFF file start and how many bytes the header declares for them.

    Args:
        read_at: Reads from the file.

    Returns:
        ``(offset, size)``, or ``None`` for other formats, streamed headers and files that end before their samples.
    """
    head = read_at(0, 12)
    kind, form = head[:4], head[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64") and form == b"WAVE":
        wanted, order = b"data", ">" if kind == b"RIFX" else "<"
    elif kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        wanted, order = b"SSND", ">"
    else:
        return None
    offset, long_size = 12, 0
    for _ in range(10_000):  # a hostile file of empty chunks must not keep us
        chunk = read_at(offset, 8)
        if len(chunk) < 8:
            return None
        (size,) = struct.unpack(order + "I", chunk[4:])
        if chunk[:4] == wanted:
            if kind == b"RF64" and size == 0xFFFF_FFFF and long_size:
                return offset + 8, long_size
            return None if size >= STREAMED else (offset + 8, size)
        if chunk[:4] == b"ds64":
            sizes = read_at(offset + 8, 16)
            long_size = struct.unpack("<QQ", sizes)[1] if len(sizes) == 16 else 0
        offset += 8 + size + size % 2
    return None


def has_mp3_length(read_at: ReadAt) -> bool:
    """Whether an MP3 file states its length (a Xing or Info header); otherwise the decoder only estimates it."""
    head = read_at(0, 10)
    offset = 0
    if head[:3] == b"ID3" and len(head) == 10:
        offset = 10
        for position, byte in enumerate(head[6:]):
            offset += (byte & 0x7F) << 7 * (3 - position)
    first_frame = read_at(offset, 256)
    return b"Xing" in first_frame or b"Info" in first_frame


def suffix_mismatch(suffix: str, container: str) -> bool:
    """Whether a known suffix promises another format than ``container``, the decoder's name for the content."""
    expected = FORMATS_BY_SUFFIX.get(suffix.lower())
    return expected is not None and container not in expected
