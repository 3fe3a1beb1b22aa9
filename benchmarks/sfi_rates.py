"""One clip at several sampling rates: how far apart are the outputs?

    python benchmarks/sfi_rates.py
    python benchmarks/sfi_rates.py --backbone hubert-base --pretrained facebook/hubert-base-ls960 --clip speech48k.wav

A clip at 48 kHz is resampled without error (its spectrum is cut) to other rates; every version goes through a model,
and outputs at the same frame times are compared with those at 48 kHz: relative difference (L2), the four outermost
frames of the first layer left out. ``below 6.5 kHz``: the clip holds nothing above, so every version from 16 kHz on is
the same sound. ``full band``: versions at lower rates have lost what lay above half their rate. Below 16 kHz the clip
always loses something.

Models: Gaussian filters (32, ERB scale, 50 Hz to 8 kHz, 1200 Hz wide); neural filters with random weights; neural
filters fitted to the first kernel of the backbone (random weights by default, which is the hardest case: white
kernels); the last layer of the student with these; and the model without the SFI layer, whose clips are resampled to
16 kHz. ``int()`` is the first one with strides rounded down. Ends with 1 if the Gaussian filters are off by more than
0.03 at 24 kHz or 0.06 at 16 kHz on the clip below 6.5 kHz.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mosharness.harness.audio.read import clip_from_array, read_audio
from mosharness.harness.audio.resample import resample
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.sfi.conv import SfiConv1d
from mosharness.predictors.layers.sfi.filters import ModulatedGaussianFilters
from mosharness.predictors.layers.sfi.neural import NeuralAnalogFilters
from mosharness.predictors.sfissl import SfiSsl
from mosharness.predictors.sfissl.config import StageSettings
from mosharness.predictors.sfissl.starts import plain_backbone, take_over

FULL_RATE = 48_000
RATES = (44_100, 32_000, 24_000, 22_050, 16_000, 8_000)
BOUNDS = {24_000: 0.03, 16_000: 0.06}
MARGIN = 4
Model = Callable[[torch.Tensor, int], torch.Tensor]


def ideally(samples: np.ndarray, rate: int, highest: float | None = None) -> torch.Tensor:
    """A clip at 48 kHz brought to a rate by cutting its spectrum, first above ``highest`` Hz. Shape ``(samples,)``."""
    count = samples.size * rate // FULL_RATE
    spectrum = np.fft.rfft(samples.astype(np.float64))
    if highest is not None:
        spectrum[int(highest * samples.size / FULL_RATE) :] = 0.0
    spectrum = spectrum[: count // 2 + 1]
    return torch.from_numpy((np.fft.irfft(spectrum, n=count) * (rate / FULL_RATE)).astype(np.float32))


def whole_seconds(samples: np.ndarray) -> np.ndarray:
    """As many whole seconds as there are, at least one, so that every rate has a whole number of samples."""
    seconds = max(1, samples.size // FULL_RATE)
    return np.pad(samples, (0, max(0, seconds * FULL_RATE - samples.size)))[: seconds * FULL_RATE]


def first_layer(layer: SfiConv1d) -> Model:
    """The layer alone, without its outermost frames."""
    return lambda wave, rate: layer(wave[None, None], rate)[0, :, MARGIN:-MARGIN]


def last_layer(predictor: SfiSsl) -> Model:
    """The states of the student's last layer."""

    def model(wave: torch.Tensor, rate: int) -> torch.Tensor:
        item = predictor.prepare(clip_from_array(wave.numpy(), rate))
        return predictor.network.backbone(torch.from_numpy(item.wave)[None], None, item.sample_rate)[0][0]

    return model


def own_first_layer(predictor: SfiSsl) -> Model:
    """The first convolution of the model without SFI, on the clip resampled to 16 kHz."""
    convolution = predictor.network.backbone.model.feature_extractor.conv_layers[0].conv

    def model(wave: torch.Tensor, rate: int) -> torch.Tensor:
        samples = wave.numpy() if rate == 16_000 else resample(wave.numpy(), rate, 16_000, "soxr_hq").samples
        return convolution(torch.from_numpy(np.ascontiguousarray(samples))[None, None])[0, :, MARGIN:-MARGIN]

    return model


def errors(model: Model, samples: np.ndarray, rates: list[int], highest: float | None) -> dict[int, float]:
    """Relative difference from 48 kHz, by rate."""
    wanted = model(ideally(samples, FULL_RATE, highest), FULL_RATE)
    found = {}
    for rate in rates:
        own = model(ideally(samples, rate, highest), rate)
        axis = own.ndim - 1 if own.shape[0] == wanted.shape[0] else 0
        frames = min(own.shape[axis], wanted.shape[axis])
        own, full = own.narrow(axis, 0, frames), wanted.narrow(axis, 0, frames)
        found[rate] = float((own - full).norm() / full.norm())
    return found


def models(given: argparse.Namespace) -> dict[str, Model]:
    """Everything that is compared, by name."""
    torch.manual_seed(given.seed)
    gaussian = SfiConv1d(ModulatedGaussianFilters(32)).eval()
    rounded = SfiConv1d(gaussian.continuous_filters, mode="floor").eval()
    random = SfiConv1d(NeuralAnalogFilters(32)).eval()
    student = SfiSsl({"backbone": given.backbone}, device="cpu")
    without = SfiSsl({"backbone": given.backbone, "first_layer": "conv", "normalize": False}, device="cpu")
    start = plain_backbone(given.backbone, None, given.pretrained)
    settings = StageSettings(pretrained=given.pretrained, fit_steps=given.fit_steps)
    report = take_over(student.network.backbone, start, settings)
    take_over(without.network.backbone, start, settings)
    assert report is not None
    print(
        f"filters fitted in {report.steps} steps: kernels at 16 kHz differ by {report.kernel_error:.4f} (relative L2)"
    )
    fitted = student.network.backbone.model.feature_extractor.conv_layers[0].conv
    return {
        "Gaussian, first layer": first_layer(gaussian),
        "Gaussian, int() strides": first_layer(rounded),
        "neural (random), first layer": first_layer(random),
        "neural (fitted), first layer": first_layer(fitted),
        "student, last layer": last_layer(student),
        "without SFI, first layer": own_first_layer(without),
        "without SFI, last layer": last_layer(without),
    }


@torch.no_grad()
def main() -> int:
    """Compare, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="a file at 48 kHz; a tone with syllables in white noise by default")
    parser.add_argument("--backbone", default="hubert-tiny")
    parser.add_argument("--pretrained", default="random", help="weights of the backbone")
    parser.add_argument("--fit-steps", type=int, default=300)
    parser.add_argument("--rates", type=int, nargs="+", default=list(RATES))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    samples = speech_like(2.0, FULL_RATE, given.seed)
    samples = samples + 0.05 * np.random.default_rng(given.seed).standard_normal(samples.size).astype(np.float32)
    if given.clip is not None:
        clip = read_audio(given.clip)
        if clip.sample_rate != FULL_RATE:
            parser.error(f"--clip {given.clip}: {clip.sample_rate} Hz, a clip at {FULL_RATE} Hz is needed")
        samples = clip.samples
    samples = whole_seconds(samples)
    compared = models(given)
    failed = False
    for title, highest in (("below 6.5 kHz", 6_500.0), ("full band", None)):
        print(f"\n{title}: relative difference from {FULL_RATE} Hz")
        print(f"{'':30}" + "".join(f"{rate:>9}" for rate in given.rates))
        for name, model in compared.items():
            found = errors(model, samples, given.rates, highest)
            print(f"{name:30}" + "".join(f"{found[rate]:9.2g}" for rate in given.rates))
            if name == "Gaussian, first layer" and highest is not None:
                failed = any(found[rate] > bound for rate, bound in BOUNDS.items() if rate in found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
