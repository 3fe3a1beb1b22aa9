"""Tiny sound files for the official layouts that tests build."""

from __future__ import annotations

import wave
import zlib
from pathlib import Path

import numpy as np


def write_wav(path: Path, sample_rate: int, duration_s: float = 0.2) -> None:
    """A quiet noise burst, 16-bit mono; the same path name always gives the same samples."""
    noise = np.random.default_rng(zlib.crc32(path.name.encode())).normal(0, 1000, int(sample_rate * duration_s))
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(sample_rate)
        stream.writeframes(noise.clip(-32768, 32767).astype("<i2").tobytes())
