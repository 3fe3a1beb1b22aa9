"""A clip whose audio is known gives the same row fresh and from the cache, decoded only when its samples are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from mosharness.harness.audio.checks import AudioLimits
from mosharness.harness.core.clip import Clip
from mosharness.harness.engine import waveforms
from mosharness.harness.engine.score import score_items
from mosharness.harness.engine.waveforms import WaveformStore

RATE = 16_000


def test_a_cached_row_keeps_warnings_and_digest_and_decodes_nothing(
    toy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.sign(np.sin(np.arange(RATE) / 7)), RATE)
    decoded: list[Path] = []
    reading = waveforms.read_audio

    def counted(source: Path, limits: AudioLimits) -> object:
        decoded.append(source)
        return reading(source, limits)

    monkeypatch.setattr(waveforms, "read_audio", counted)
    with WaveformStore(AudioLimits()) as store:
        store.examine([path])
        assert len(decoded) == 1
        fresh = score_items(toy.Toy(), [Clip("loud", store.clip(path))]).rows[0]
        for text in ("", "a text that this predictor does not read"):
            cached = score_items(toy.Toy(), [Clip("loud", store.clip(path), text)]).rows[0]
            assert fresh.status == "warning" and fresh.code == "heavy_clipping" and fresh.content
            assert cached.cached and replace(cached, cached=False) == replace(fresh, cached=False)
        assert len(decoded) == 1
