"""The cochlea and the Mel baseline: settings, shapes, edge cases, memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.config import build_config
from mosharness.harness.core.errors import UsageError
from mosharness.predictors.apgmos.auditory.cochlea import Cochlea, erbspace
from mosharness.predictors.apgmos.auditory.config import FrontEndConfig
from mosharness.predictors.apgmos.auditory.front_end import FrontEnd
from mosharness.predictors.apgmos.auditory.gammatone import coefficients, response
from mosharness.predictors.apgmos.auditory.make import make_front_end
from mosharness.predictors.apgmos.auditory.mel import MelFrames

MAKERS: dict[str, Callable[..., FrontEnd]] = {"cochlea": lambda **given: Cochlea(channels=6, **given), "mel": MelFrames}
RATE = 16_000


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=list(MAKERS))
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    return MAKERS[request.param]()


def test_centre_frequencies_include_both_ends_and_are_equally_spaced_in_erb() -> None:
    centres = erbspace(20.0, 20_000.0, 128)
    assert centres.shape == (128,)
    assert centres[[0, -1]] == pytest.approx([20.0, 20_000.0], rel=1e-12)
    assert np.ptp(np.diff(np.log(centres + 9.26449 * 24.7))) < 1e-12
    assert erbspace(440.0, 8000.0, 1).tolist() == [440.0]


def test_every_filter_has_unit_gain_at_its_centre() -> None:
    centres = np.array([62.5, 1000.0, 4000.0, 7000.0])  # on the grid of 16384 points
    gains = np.abs(response(centres, RATE, 16_384))
    assert gains[np.arange(4), (centres * 16_384 / RATE).astype(int)] == pytest.approx(1.0, abs=1e-12)


def test_closed_form_response_is_that_of_the_sections() -> None:
    centres = erbspace(20.0, 20_000.0, 9)
    numerators, denominators = coefficients(centres, RATE)
    delay = np.exp(-2j * np.pi * np.arange(513) / 1024)
    powers = np.stack([delay**0, delay, delay**2])
    sections = np.einsum("cts,tf->csf", numerators, powers) / np.einsum("cts,tf->csf", denominators, powers)
    assert response(centres, RATE, 1024) == pytest.approx(sections.prod(1), rel=1e-8, abs=1e-12)


def test_longest_impulse_response_dies_out_within_the_overlap() -> None:
    tail = np.fft.irfft(response([20.0], RATE, 16_384))[0] ** 2
    energies = np.cumsum(tail[::-1])[::-1] / tail.sum()
    assert energies[1265] < 1e-6 and energies[2049] < 1e-12


def test_presets_differ_in_range_only() -> None:
    assert FrontEndConfig("paper").range == (20.0, 20_000.0)
    assert FrontEndConfig("nyquist").range == (20.0, 8000.0)
    assert FrontEndConfig("nyquist", high=7500.0).range == (20.0, 7500.0)
    assert (erbspace(*FrontEndConfig("paper").range, 128) > 8000.0).sum() == 26  # the aliased ones
    assert Cochlea("nyquist", 3).centre_frequencies[-1] == pytest.approx(8000.0)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (399, 1), (400, 1), (799, 1), (800, 2), (1999, 4), (2000, 5)])
def test_frames_are_whole_blocks_and_at_least_one(front_end: FrontEnd, samples: int, frames: int) -> None:
    values, counts = front_end(noise(1, samples))
    assert values.shape[1] == front_end.frame_count(samples) == frames
    assert counts.tolist() == [frames]
    assert torch.isfinite(values).all()


def test_a_clip_shorter_than_a_block_is_its_own_mean() -> None:
    cochlea, wave = Cochlea(channels=4, dtype="float64"), noise(1, 250)
    expected = cochlea.cochleagram(wave).mean(1)
    assert torch.allclose(cochlea(wave)[0][:, 0], expected, atol=1e-12)
    assert torch.allclose(next(cochlea.stream([wave[0, :100], wave[0, 100:]])), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_full_rate_output_has_the_digits_of_float64_even_where_the_cube_root_is_steep(seed: int) -> None:
    wave = noise(2, 1500 + 97 * seed, seed=seed)
    cochlea = Cochlea("nyquist", 12 + seed)
    exact = Cochlea("nyquist", 12 + seed, dtype="float64")
    for name, bound in (("gammatone", 1e-7), ("cochleagram", 1e-6)):
        found, expected = getattr(cochlea, name)(wave, [1500, 900]), getattr(exact, name)(wave, [1500, 900])
        assert found.dtype == torch.float32 and expected.dtype == torch.float64
        assert (found - expected).abs().max() < bound * expected.abs().max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silence_is_exactly_zero(dtype: str) -> None:
    cochlea = Cochlea(channels=8, dtype=dtype, rms_db=-26.0)
    assert not cochlea(torch.zeros(2, 4000), [4000, 777])[0].any()
    assert not cochlea.cochleagram(torch.zeros(1, 500)).any()


def test_silence_behind_a_burst_keeps_to_the_known_floor() -> None:
    wave = torch.cat([noise(1, 8000), torch.zeros(1, 8000)], 1)
    exact = Cochlea("nyquist", 64, dtype="float64")(wave)[0][:, 30:]  # a quarter of a second later nothing rings
    rounded = Cochlea("nyquist", 64)(wave)[0][:, 30:]
    assert exact.max() < 1e-4 and rounded.max() < 6e-3


def test_mel_of_silence_is_the_logarithm_of_the_floor() -> None:
    assert torch.allclose(MelFrames()(torch.zeros(1, 1600))[0], torch.tensor(np.log(1e-6), dtype=torch.float32))


def test_mel_band_of_a_tone_is_the_loudest() -> None:
    mel = MelFrames(channels=40)
    wave = 0.1 * torch.sin(2 * torch.pi * 1000.0 * torch.arange(RATE) / RATE)
    loudest = int(mel(wave[None])[0][0, 20].argmax())
    peak = int(mel.bank[:, loudest].argmax()) * RATE / mel.n_fft
    assert abs(peak - 1000.0) < 60.0
    assert (mel.bank.sum(0) > 0).all()


def test_long_clips_are_cut_into_parts_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = noise(1, 9000)
    whole = MelFrames()(wave)[0]
    monkeypatch.setattr("mosharness.predictors.apgmos.auditory.mel.FRAMES_AT_ONCE", 4)
    assert torch.allclose(MelFrames()(wave)[0], whole, atol=1e-6)


def test_rms_level_is_reached_from_any_level(front_end: FrontEnd) -> None:
    levelled = MAKERS["mel" if isinstance(front_end, MelFrames) else "cochlea"](rms_db=-26.0)
    wave = noise(1, 4000)
    target = wave * 10 ** (-26 / 20) / wave.square().mean().sqrt()
    expected = front_end(target)[0]
    for gain in (0.01, 1.0, 5.0):
        assert torch.allclose(levelled(gain * wave)[0], expected, atol=2e-4)
    if isinstance(levelled, Cochlea):
        rms = float(wave.double().square().mean().sqrt())
        streamed = torch.cat(list(levelled.stream([wave[0]], rms=rms)))
        assert torch.allclose(streamed, levelled(wave)[0][0], atol=1e-6)


def test_casting_a_front_end_changes_nothing(front_end: FrontEnd) -> None:
    wave = noise(1, 2400)
    expected = front_end(wave)[0]
    for cast in (front_end.half(), front_end.double(), front_end.to(torch.bfloat16)):
        assert torch.equal(cast(wave)[0], expected)
    assert front_end.state_dict() == {}
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(front_end(wave)[0], expected)
    assert torch.equal(front_end.to_empty(device="cpu")(wave)[0], expected)


def test_other_sampling_rates_keep_40_frames_per_second() -> None:
    for rate in (8000, 48_000):
        cochlea = Cochlea("nyquist", 5, rate, dtype="float64")
        wave = 0.1 * torch.sin(2 * torch.pi * 497.3 * torch.arange(rate) / rate)[None].double()
        frames, counts = cochlea(wave)
        assert counts.tolist() == [40]
        at_centre = Cochlea("nyquist", 1, rate, low=497.3, dtype="float64")(wave)[0][0, 20:].mean()
        assert float(at_centre) == pytest.approx(3 * 0.1 ** (1 / 3) * 0.412, rel=0.01)  # mean of max(0, sin)^(1/3)
        assert torch.isfinite(frames).all()


def test_wrong_shapes_and_settings_are_named(front_end: FrontEnd) -> None:
    with pytest.raises(UsageError, match=r"waves must be \(clips, samples\)"):
        front_end(torch.zeros(400))
    for lengths in ([401], [0], [100, 100]):
        with pytest.raises(UsageError, match="do not fit waves of shape"):
            front_end(torch.zeros(1, 400), lengths)
    with pytest.raises(UsageError, match="computes in float32 or float64, not in float16"):
        type(front_end)(dtype="float16")
    for settings, message in (
        ({"channels": 0}, "channels = 0"),
        ({"front_end": "mel", "high": 12_000.0}, "the Mel bands end at"),
        ({"sample_rate": 11_025}, "must be a multiple of 40"),
        ({"low": 900.0, "high": 800.0}, "0 < low < high"),
        ({"front_end": "ear"}, "expected one of"),
    ):
        with pytest.raises(UsageError, match=message):
            build_config(FrontEndConfig, settings, "the front end")


def test_streams_refuse_what_they_cannot_know() -> None:
    with pytest.raises(UsageError, match="cannot be streamed"):
        list(Cochlea(channels=2, pooling="adaptive").stream([np.zeros(10)]))
    with pytest.raises(UsageError, match="needs the level of the whole clip"):
        list(Cochlea(channels=2, rms_db=-26.0).stream([np.zeros(10)]))
    with pytest.raises(UsageError, match="without samples"):
        list(Cochlea(channels=2).stream([]))
    with pytest.raises(UsageError, match="must be even and hold two bins"):
        Cochlea(channels=2, block=1024, overlap=512)


def test_front_ends_are_made_from_their_settings() -> None:
    for config in (
        FrontEndConfig("nyquist", 7, 50.0, 6000.0, rms_db=-20.0, pooling="adaptive"),
        FrontEndConfig("mel", 9, high=4000.0),
    ):
        assert make_front_end(config).config == config
    with pytest.raises(UsageError, match="is no cochlea"):
        Cochlea.from_config(FrontEndConfig("mel"))


@pytest.mark.gpu
def test_gpu_gives_the_frames_of_the_cpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    waves, lengths = noise(3, 40_000), [40_000, 300, 31_234]
    for given in ({}, {"pooling": "adaptive"}, {"rms_db": -26.0}):
        settings: dict[str, Any] = dict(given)
        expected, counts = Cochlea(channels=16, **settings)(waves, lengths)
        found, found_counts = Cochlea(channels=16, **settings).cuda()(waves.cuda(), lengths)
        assert found_counts.tolist() == counts.tolist()
        assert torch.allclose(found.cpu(), expected, atol=1e-4)


@pytest.mark.slow
def test_ten_minutes_add_less_than_256_mebibytes(repository: Path) -> None:
    """As scoring does it; ``benchmarks/cochlea.py`` shows the other ways."""
    command = [sys.executable, str(repository / "benchmarks/cochlea.py"), "--memory", "tensor float64"]
    outcome = subprocess.run(command, check=True, capture_output=True, text=True)
    assert 0.0 < float(outcome.stdout) < 256.0
