"""The SFI convolution: strides, frames, designs, the cache, and what it is for: the same output at every rate."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import hypothesis.strategies as some
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from mosharness.harness.core.errors import UsageError
from mosharness.predictors.layers.sfi.conv import SfiConv1d
from mosharness.predictors.layers.sfi.design import design_matrix, frequency_points
from mosharness.predictors.layers.sfi.filters import GammatoneFilters, ModulatedGaussianFilters
from mosharness.predictors.layers.sfi.fit import fit_kernel
from mosharness.predictors.layers.sfi.geometry import Base, geometry, is_supported, nearest_rate
from mosharness.predictors.layers.sfi.neural import NeuralAnalogFilters

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def gaussians(count: int = 32, **options: Any) -> SfiConv1d:
    torch.manual_seed(0)
    return SfiConv1d(ModulatedGaussianFilters(count), **options).eval()


def neural(count: int = 8, **options: Any) -> SfiConv1d:
    torch.manual_seed(0)
    bank = NeuralAnalogFilters(count, features=8, widths=(12, 12), **options)
    return SfiConv1d(bank).eval()


def tones(rate: int, highest: float, seconds: float = 0.25, count: int = 40) -> torch.Tensor:
    """The same continuous signal sampled at any rate: tones at seeded frequencies and phases."""
    random = np.random.default_rng(3)
    frequencies, phases = random.uniform(80.0, highest, count), random.uniform(0, 2 * math.pi, count)
    times = np.arange(round(seconds * rate)) / rate
    wave = np.sin(2 * math.pi * frequencies[:, None] * times + phases[:, None]).mean(0)
    return torch.from_numpy(wave.astype(np.float32))[None, None]


@torch.no_grad()
def drift(layer: SfiConv1d, rate: int, highest: float) -> float:
    """Relative difference of the outputs from those at 48 kHz, at the same frame times; the ends are left out."""
    own, wanted = layer(tones(rate, highest), rate), layer(tones(48_000, highest), 48_000)
    frames = min(own.shape[-1], wanted.shape[-1])
    inner = slice(4, frames - 4)
    return float((own[..., inner] - wanted[..., inner]).norm() / wanted[..., inner].norm())


# -- geometry ---------------------------------------------------------------------------------------------------------


def test_one_second_gives_as_many_frames_at_every_rate() -> None:
    assert {geometry(Base(), rate).frames(rate) for rate in RATES} == {3199}
    assert [str(geometry(Base(), rate).stride) for rate in RATES] == (
        ["5/2", "441/128", "5", "441/64", "15/2", "10", "441/32", "15"]
    )


def test_strides_of_the_floor_mode_are_those_of_the_references() -> None:
    found = [(one.kernel, one.step) for one in (geometry(Base(), rate, "floor") for rate in RATES)]
    assert found == [(5, 2), (6, 3), (10, 5), (13, 6), (15, 7), (20, 10), (27, 13), (30, 15)]


@settings(max_examples=60)
@given(
    rate=some.integers(8_000, 96_000).filter(lambda rate: is_supported(Base(), rate)) | some.sampled_from(RATES),
    samples=some.integers(300, 3_000),
)
def test_no_frame_looks_outside_its_clip(rate: int, samples: int) -> None:
    one = geometry(Base(), rate)
    frames = one.frames(samples)
    places = [one.starts[at % len(one.starts)] + one.step * (at // len(one.starts)) for at in range(frames)]
    assert min(places, default=0) >= 0
    assert max(places, default=0) + one.kernel <= samples
    for at, place in enumerate(places):
        assert place + one.lead + one.delays[at % len(one.delays)] == (at + 1) * one.stride
    assert one.shortest(frames) <= samples < one.shortest(frames + 1)


def test_rates_that_need_too_many_kernels_are_refused_and_have_a_neighbour() -> None:
    assert not is_supported(Base(), 44_101)
    assert (nearest_rate(Base(), 44_101), nearest_rate(Base(), 6_000)) == (44_100, 8_000)
    with pytest.raises(UsageError, match="resample the clip to 44100 Hz"):
        geometry(Base(), 44_101)


def test_a_clip_without_a_frame_is_refused_with_its_length() -> None:
    with pytest.raises(UsageError, match="29 samples at 48000 Hz give no frame: at least 30"):
        gaussians()(torch.zeros(1, 1, 29), 48_000)


# -- the same output at every rate ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "highest", "bound"),
    [(24_000, 6_500, 0.03), (44_100, 6_500, 0.03), (32_000, 6_500, 0.02), (16_000, 6_500, 0.06), (22_050, 6_500, 0.06)],
)
def test_gaussian_filters_give_the_same_frames_at_every_rate(rate: int, highest: float, bound: float) -> None:
    assert drift(gaussians(), rate, highest) <= bound


def ideally(wave: torch.Tensor, rate: int) -> torch.Tensor:
    """A clip at 48 kHz resampled without any error, by cutting its spectrum."""
    count = wave.shape[-1] * rate // 48_000
    spectrum = torch.fft.rfft(wave.double())[..., : count // 2 + 1]
    return (torch.fft.irfft(spectrum, n=count) * (rate / 48_000)).float()


@torch.no_grad()
def test_a_clip_and_its_ideally_resampled_versions_give_the_same_frames() -> None:
    """A noisy clip with nothing above 6.5 kHz: 16 and 24 kHz versions hold all of it."""
    noise = torch.randn(1, 1, 24_000, generator=torch.manual_seed(0), dtype=torch.float64)
    spectrum = torch.fft.rfft(noise)
    spectrum[..., 3_250:] = 0.0  # bins of 2 Hz
    clip = torch.fft.irfft(spectrum, n=24_000).float()
    layer = gaussians()
    wanted = layer(clip, 48_000)
    for rate, bound in ((24_000, 0.03), (16_000, 0.06)):
        found = layer(ideally(clip, rate), rate)
        assert found.shape == wanted.shape
        inner = slice(4, found.shape[-1] - 4)
        error = float((found[..., inner] - wanted[..., inner]).norm() / wanted[..., inner].norm())
        assert error <= bound, rate


def test_rounded_strides_do_not() -> None:
    layer = gaussians(mode="floor")
    assert drift(layer, 24_000, 6_500) > 1.0
    assert drift(layer, 32_000, 6_500) <= 0.02


@pytest.mark.parametrize("rate", [16_000, 32_000, 48_000])
def test_whole_strides_are_the_ordinary_layer(rate: int) -> None:
    exact, floor = gaussians(), gaussians(mode="floor")
    wave = tones(rate, 6_500)
    with torch.no_grad():
        assert torch.allclose(exact(wave, rate), floor(wave, rate), atol=2e-6)


def test_a_tap_delayed_by_a_fraction_is_that_of_a_finer_grid() -> None:
    """Frame times of 24 kHz that fall between samples are those of 48 kHz, where they do not."""
    half = geometry(Base(), 24_000)
    assert half.delays == (Fraction(1, 2), Fraction(0))
    angles = torch.linspace(0, math.pi, 64, dtype=torch.float64)
    matrix = design_matrix(15, 7, 64, (Fraction(1, 2),)).double()
    flat = torch.cat([torch.ones(64), torch.zeros(64)]).double()
    taps = matrix @ flat  # the response 1 at a delay of half a sample: a sinc between two taps
    places = 7 - torch.arange(15) + 0.5
    assert torch.allclose(taps, torch.sinc(places.double()), atol=0.02)
    assert angles[-1] == math.pi


def test_the_time_design_has_an_even_gain_on_request() -> None:
    torch.manual_seed(0)
    plain = SfiConv1d(ModulatedGaussianFilters(8, trained_rate=16_000), design="time").eval()
    even = SfiConv1d(plain.continuous_filters, design="time", even_gain=True).eval()
    with torch.no_grad():
        sums = {rate: float(plain.kernels(rate).norm() / even.kernels(rate).norm()) for rate in (16_000, 48_000)}
    assert sums == pytest.approx({16_000: 1.0, 48_000: 3.0})
    assert drift(even, 32_000, 6_500) < 0.1


def test_gammatones_keep_one_loudness_and_fall_silent_above_half_the_rate() -> None:
    torch.manual_seed(0)
    layer = SfiConv1d(GammatoneFilters(16, n_centres=4), design="time", mode="floor").eval()
    kernels = layer.kernels(16_000)[0]
    assert torch.allclose(kernels.square().mean(1), kernels.square().mean(1)[:1].expand(16), rtol=1e-4)
    low = layer.kernels(8_000)[0].abs().amax(1) == 0
    centres = layer.continuous_filters.get_parameter("center_freqs_in_hz")
    assert low[:8].tolist() == (centres > 4_000).repeat_interleave(2).tolist()


def test_a_batch_is_its_clips_at_every_rate() -> None:
    layer = neural()
    for rate in (22_050, 24_000, 48_000):
        waves = torch.randn(3, 1, rate // 10)
        with torch.no_grad():
            whole = layer(waves, rate)
            alone = torch.cat([layer(one[None], rate) for one in waves])
        assert torch.allclose(whole, alone, atol=1e-6)
        assert whole.shape[-1] == layer.frame_counts([rate // 10], rate)[0]


# -- neural filters ---------------------------------------------------------------------------------------------------


def test_the_channel_norm_makes_a_response_independent_of_the_other_frequencies() -> None:
    low, high = frequency_points(16_000, 33), frequency_points(32_000, 65)
    for norm, same in (("channels", True), ("grid", False)):
        torch.manual_seed(1)
        bank = NeuralAnalogFilters(4, features=8, widths=(12,), norm=norm)  # type: ignore[arg-type]
        with torch.no_grad():
            first, second = bank.response(low)[0], bank.response(high)[0][:, :33]
        assert torch.allclose(first, second, atol=1e-4) is same


def test_above_their_highest_frequency_neural_filters_are_silent_in_evaluation_only() -> None:
    bank = neural(highest=8_000.0).continuous_filters
    above = frequency_points(48_000, 97)[33:]
    with torch.no_grad():
        assert float(bank.response(above)[0].abs().max()) == 0.0
        assert float(bank.train().response(above)[0].abs().max()) > 0.0


def test_gradients_reach_every_parameter_of_the_bank() -> None:
    layer = neural().train()
    layer(torch.randn(1, 1, 600), 24_000).square().mean().backward()
    assert all(one.grad is not None and float(one.grad.abs().max()) > 0 for one in layer.parameters())


@pytest.mark.slow
def test_a_fit_makes_the_layer_the_kernel_at_its_own_rate() -> None:
    torch.manual_seed(0)
    kernel = torch.randn(8, 10)
    layer = SfiConv1d(NeuralAnalogFilters(8, features=32, widths=(48, 48)), points=160)
    before = {name: one.requires_grad for name, one in layer.named_parameters()}
    report = fit_kernel(layer, kernel, steps=60)
    assert report.kernel_error < 0.02
    with torch.no_grad():
        found = layer.eval().kernels(16_000)[0]
    assert float((found - kernel).norm() / kernel.norm()) == pytest.approx(report.kernel_error, rel=0.5)
    assert {name: one.requires_grad for name, one in layer.named_parameters()} == before
    with pytest.raises(UsageError, match="a kernel of shape"):
        fit_kernel(layer, kernel[:, :9])


# -- the cache --------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_kernels_are_made_once_per_rate_and_anew_when_weights_change(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = neural()
    made: list[int] = []
    original = SfiConv1d._design

    def design(self: SfiConv1d, rate: int) -> torch.Tensor:
        made.append(rate)
        return original(self, rate)

    monkeypatch.setattr(SfiConv1d, "_design", design)
    for rate in (24_000, 48_000, 24_000, 48_000):
        layer.kernels(rate)
    assert made == [24_000, 48_000]
    first = layer.kernels(24_000)
    layer.load_state_dict({name: 1.5 * one for name, one in layer.state_dict().items()})
    assert not torch.equal(layer.kernels(24_000), first)
    second = layer.kernels(24_000)
    layer.continuous_filters.last.weight.mul_(2.0)  # type: ignore[union-attr, operator]
    assert not torch.equal(layer.kernels(24_000), second)
    layer.double()
    assert layer.kernels(24_000).dtype == torch.float64
    layer.train()
    assert not layer._kernels


def test_the_cache_is_out_of_the_way_of_gradients() -> None:
    layer = neural()
    with torch.inference_mode():
        layer.kernels(48_000)
    assert layer.kernels(48_000).requires_grad
    with torch.no_grad():
        assert not layer.kernels(48_000).requires_grad
    layer.requires_grad_(False)
    waves = torch.randn(1, 1, 960, requires_grad=True)
    layer(waves, 48_000).sum().backward()
    assert waves.grad is not None
