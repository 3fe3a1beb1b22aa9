"""Clips made on the spot: no test here needs audio from elsewhere."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray


@pytest.fixture
def tone() -> NDArray[np.float32]:
    """One second of 440 Hz at 16 kHz, peak 0.5."""
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.float32)


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    """``encoded(samples, sample_rate, format, subtype)``: the bytes of a file."""

    def encode(samples: Any, sample_rate: int = 16_000, format: str = "WAV", subtype: str | None = None) -> bytes:
        memory = io.BytesIO()
        soundfile.write(memory, samples, sample_rate, format=format, subtype=subtype)
        return memory.getvalue()

    return encode


@pytest.fixture
def raw_wav() -> Callable[..., bytes]:
    """``raw_wav(data, ...)``: a WAV file whose header says what the arguments say, true or not."""

    def build(
        data: bytes,
        *,
        sample_rate: int = 16_000,
        channels: int = 1,
        bits: int = 16,
        encoding: int = 1,
        size: int | None = None,
        big_endian: bool = False,
    ) -> bytes:
        order = ">" if big_endian else "<"
        size = len(data) if size is None else size
        align = channels * bits // 8
        layout = struct.pack(
            f"{order}HHIIHH", encoding, channels, sample_rate, sample_rate * align % 2**32, align % 2**16, bits
        )
        head = (b"RIFX" if big_endian else b"RIFF") + struct.pack(f"{order}I", min(36 + size, 2**32 - 1)) + b"WAVEfmt "
        return head + struct.pack(f"{order}I", 16) + layout + b"data" + struct.pack(f"{order}I", size) + data

    return build
