"""What file headers tell that the decoder does not: a length longer than the file, a suffix that lies.

The decoder (libsndfile) shortens a WAV, AIFF or Ogg file that was cut off to what is there and says nothing. It does so
with W64, AU and other rare formats too, which are not looked into here.
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


def ogg_is_cut(read_at: ReadAt, size: int) -> bool:
    """Whether an Ogg file lacks its end: the last page is incomplete or not marked as the last of its stream."""
    start = max(0, size - 2**17)  # a page is under 64 KiB
    tail = read_at(start, size - start)
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return True
    segments = tail[page + 27 : page + 27 + tail[page + 26]]
    is_complete = len(segments) == tail[page + 26] and page + 27 + len(segments) + sum(segments) <= len(tail)
    return not (is_complete and tail[page + 5] & 4)


MP3_BITRATES = {  # layer 3, kbit/s by "is MPEG-1", index 1 to 14
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def mp3_start(read_at: ReadAt) -> int:
    """Offset of the first byte after an ID3v2 tag, 0 without one."""
    head = read_at(0, 10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << 7 * (3 - position) for position, byte in enumerate(head[6:]))


def mp3_states_length(read_at: ReadAt) -> bool:
    """Whether an MP3 file states its length (a Xing or Info header); otherwise the decoder only estimates it."""
    first_frame = read_at(mp3_start(read_at), 256)
    return b"Xing" in first_frame or b"Info" in first_frame


def mp3_frame(header: bytes) -> tuple[int, int]:
    """Bytes and samples of the frame that a 4-byte header starts; ``(0, 0)`` if it starts none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # sync, layer 3
        return 0, 0
    version, bitrate, rate, padding = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or not 1 <= bitrate <= 14 or rate == 3:
        return 0, 0
    samples = 1152 if version == 3 else 576
    bits_per_s = 1000 * MP3_BITRATES[version == 3][bitrate - 1]
    return samples // 8 * bits_per_s // MP3_RATES[version][rate] + padding, samples


def suffix_mismatch(suffix: str, container: str) -> bool:
    """Whether a known suffix promises another format than ``container``, the decoder's name for the content."""
    expected = FORMATS_BY_SUFFIX.get(suffix.lower())
    return expected is not None and container not in expected


def content_kind(head: bytes) -> str:
    """What a file that soundfile cannot read is by its first bytes, in words; empty when that is not known."""
    if head[4:8] == b"ftyp":
        return "M4A (MPEG-4 audio)" if head[8:11] in (b"M4A", b"M4B") else "MP4 (MPEG-4)"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC (an ADTS stream)"
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


MAGIC = {
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "WMA (Windows Media)",
    b"\x1a\x45\xdf\xa3": "WEBM (or Matroska)",
    b"#!AMR": "AMR",
    b"\x0b\x77": "AC3",
    b"wvpk": "WAVPACK",
    b"MAC ": "APE (Monkey's Audio)",
    b"TTA1": "TTA (True Audio)",
    b"MPCK": "MPC (Musepack)",
}
"""First bytes of formats that only the optional decoder reads."""
