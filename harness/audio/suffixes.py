"""Suffixes of audio files: what is searched for, and what it takes to read them."""

from __future__ import annotations

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif"})
"""The usual ones."""

RARE_SUFFIXES = frozenset(
    {".wave", ".bwf", ".rf64", ".w64", ".aifc", ".au", ".snd", ".caf", ".oga", ".mp1", ".mp2", ".mpga", ".voc", ".sph"}
    | {".nist"}
)
"""Others that soundfile reads."""

CODEC_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".adts", ".mp4", ".mov", ".3gp", ".3ga", ".wma", ".asf", ".webm", ".weba", ".mka", ".amr"}
    | {".awb", ".ac3", ".eac3", ".dts", ".ape", ".wv", ".tta", ".mpc", ".spx", ".ra"}
)
"""Those that soundfile cannot read and torchcodec may."""

HEADERLESS_SUFFIXES = frozenset({".pcm", ".raw", ".gsm", ".vox", ".ulaw", ".alaw"})
"""Samples without a header: nothing in the file tells rate and format."""

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".asf"})
"""Of :data:`CODEC_SUFFIXES`, those that mostly hold films: read where they are named, not searched for."""

AUDIO_LIKE = (AUDIO_SUFFIXES | RARE_SUFFIXES | CODEC_SUFFIXES | HEADERLESS_SUFFIXES) - VIDEO_SUFFIXES
"""Every file of these in a folder is a row, read or failed."""
