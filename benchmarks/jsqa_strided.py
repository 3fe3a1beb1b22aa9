"""JSQA's encoder: every fourth layer with stride 2, against computing all steps and dropping half (CDPAM's form).

    python benchmarks/jsqa_strided.py
    python benchmarks/jsqa_strided.py --presets slim deep --seconds 10 --rounds 9
    python benchmarks/jsqa_strided.py --device cuda --seconds 10 --batch 16

Evaluation mode, random weights with batch norm statistics as after training, one thread, one process. The two forms
take turns, round by round. Prints the median seconds of each, the median of the rounds' ratios, and the largest
difference of the pooled outputs relative to their size. Exit code 1 if outputs differ by more than 1e-5 or a ratio is
below --least. The arithmetic alone gives 1.25; the strided form also folds the batch norms into the convolutions.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch
from mosharness.predictors.jsqa.config import PRESETS, SAMPLE_RATE
from mosharness.predictors.jsqa.encoder import Encoder, pooled

TOLERANCE = 1e-5


def trained_like(encoder: Encoder, device: str) -> Encoder:
    """Batch norm statistics of a noise, and factors and offsets that are not all alike."""
    generator = torch.manual_seed(1)
    with torch.no_grad():
        for norm in encoder.ebatch:
            assert isinstance(norm, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d)
            norm.momentum = 1.0
            norm.weight.copy_(0.8 + 0.4 * torch.rand(norm.num_features, generator=generator))
            norm.bias.copy_(0.1 * torch.randn(norm.num_features, generator=generator))
        encoder.train()(0.1 * torch.randn(2, SAMPLE_RATE // 4, generator=generator))
    return encoder.eval().to(device)


def seconds(encoder: Encoder, waves: torch.Tensor, strided: bool) -> tuple[float, torch.Tensor]:
    """Wall time of one pass and its pooled outputs."""
    encoder.strided = strided
    start = time.perf_counter()
    outputs = pooled(*encoder(waves))
    if waves.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, outputs


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="*", default=["paper", "slim", "deep"], choices=list(PRESETS))
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a clip")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--least", type=float, default=1.2, help="smallest ratio that passes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    waves = 0.1 * torch.randn(options.batch, round(options.seconds * SAMPLE_RATE))
    waves = waves.to(options.device)
    print(
        f"{options.batch} clip of {options.seconds} s, {options.device}, {options.threads} thread, "
        f"{options.rounds} rounds"
    )
    passed = True
    for preset in options.presets:
        encoder = trained_like(Encoder(*PRESETS[preset]), options.device)
        times: dict[bool, list[float]] = {True: [], False: []}
        with torch.inference_mode():
            found = {form: seconds(encoder, waves, form)[1] for form in times}  # also warms up
            for turn in range(options.rounds):
                for form in (True, False) if turn % 2 else (False, True):
                    times[form].append(seconds(encoder, waves, form)[0])
        ratio = statistics.median(one / two for one, two in zip(times[False], times[True], strict=True))
        difference = float((found[True] - found[False]).abs().max() / found[False].abs().max())
        passed = passed and ratio >= options.least and difference <= TOLERANCE
        plain, strided = (statistics.median(times[form]) for form in (False, True))
        print(
            f"{preset:6} plain {plain:7.3f} s, strided {strided:7.3f} s, {ratio:.3f} times faster, outputs differ by "
            f"{difference:.1e}"
        )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
