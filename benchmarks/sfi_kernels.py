"""What kernels for a sampling rate cost, and what keeping them saves.

    python benchmarks/sfi_kernels.py
    python benchmarks/sfi_kernels.py --backbone hubert-base --seconds 5 --rounds 3
    python benchmarks/sfi_kernels.py --device cuda --backbone hubert-base

Three ways to come by the kernels of the official layer (512 neural filters, 640 frequencies), in one process, taking
turns. ``naive``: filters and the pseudo-inverse of the design matrix anew for every clip, as the formulas stand.
``design``: filters anew, the matrix kept (what training does). ``cached``: kernels kept (what scoring does). Then the
same three for a whole forward pass of one clip through a student with random weights. Prints medians in milliseconds
and ratios; ends with 1 if the three ways differ by more than 1e-4 of the largest tap.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from mosharness.predictors.layers.sfi.conv import SfiConv1d
from mosharness.predictors.layers.sfi.design import by_frequency, design_matrix
from mosharness.predictors.sfissl import SfiSsl

RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
TOLERANCE = 1e-4
Way = Callable[[], torch.Tensor]


def seconds(function: Callable[[], object], device: str) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def naive(layer: SfiConv1d, rate: int) -> torch.Tensor:
    """Kernels with nothing kept from earlier calls."""
    one = layer.geometry(rate)
    matrix = design_matrix.__wrapped__(one.kernel, one.lead, layer.points, one.delays)
    place = next(layer.parameters())
    return by_frequency(layer.continuous_filters, one, rate, layer.points, matrix.to(place.device))


def ways(layer: SfiConv1d, rate: int) -> dict[str, Way]:
    """The three, by name."""

    def design() -> torch.Tensor:
        layer.forget()
        return layer.kernels(rate)

    return {"naive": lambda: naive(layer, rate), "design": design, "cached": lambda: layer.kernels(rate)}


def measure(todo: dict[str, Way], rounds: int, device: str) -> dict[str, float]:
    """Median seconds of each way; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in todo}
    for way in todo.values():
        way()
    for _ in range(rounds):
        for name, way in todo.items():
            todo["design"]() if name == "cached" else None  # so that there is something to find
            times[name].append(seconds(way, device))
    return {name: statistics.median(values) for name, values in times.items()}


def forward_ways(predictor: SfiSsl, layer: SfiConv1d, rate: int, length_s: float) -> dict[str, Way]:
    """A whole pass of one clip, with the kernels come by in each of the three ways."""
    waves = 0.1 * torch.randn(1, round(rate * length_s), device=predictor.device)

    def run(before: Callable[[], object]) -> Way:
        def way() -> torch.Tensor:
            before()
            return predictor.network.frames(waves, None, rate)[0]

        return way

    def dropped() -> None:
        layer.forget()

    def dropped_and_naive() -> None:
        layer.forget()
        layer._matrices.clear()
        design_matrix.cache_clear()

    return {"naive": run(dropped_and_naive), "design": run(dropped), "cached": run(lambda: None)}


def show(title: str, table: list[tuple[int, int, dict[str, float]]]) -> None:
    """One line per rate."""
    print(title)
    print(
        f"{'Hz':>6}  {'kernels':>7}  {'naive ms':>9}  {'design ms':>9}  {'cached ms':>9}  naive/cached  design/cached"
    )
    for rate, kernels, found in table:
        first, second, third = (1000 * found[name] for name in ("naive", "design", "cached"))
        ratios = f"{first / third:12.1f}  {second / third:13.1f}"
        print(f"{rate:>6}  {kernels:>7}  {first:9.2f}  {second:9.2f}  {third:9.3f}  {ratios}")


@torch.no_grad()
def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="hubert-base", help="of the whole pass; its first layer is measured")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the clip")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rates", type=int, nargs="+", default=list(RATES))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    predictor = SfiSsl({"backbone": given.backbone}, device=given.device)
    layer = predictor.network.backbone.model.feature_extractor.conv_layers[0].conv
    worst = 0.0
    table, passes = [], []
    for rate in given.rates:
        todo = ways(layer, rate)
        found = [way() for way in todo.values()]
        worst = max(worst, *(float((one - found[-1]).abs().max() / found[-1].abs().max()) for one in found))
        table.append((rate, len(found[-1]), measure(todo, given.rounds, given.device)))
        runs = forward_ways(predictor, layer, rate, given.seconds)
        passes.append((rate, len(found[-1]), measure(runs, given.rounds, given.device)))
    name = f"{given.threads} thread(s)" if given.device == "cpu" else torch.cuda.get_device_name(given.device)
    show(f"kernels of {layer.n_channels} filters, {name}", table)
    show(f"whole pass of {given.seconds:g} s through {given.backbone}, {name}", passes)
    print(f"largest difference of the kernels: {worst:.1e} of the largest tap")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
