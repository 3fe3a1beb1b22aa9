"""Bring a bank close to an ordinary first kernel, so that a layer begins where a published model is.

The target at the base rate is the response of the kernel's taps. At higher rates it is the same response faded out
above half the base rate, where the kernel says nothing but its mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ....harness.core.errors import UsageError
from .conv import SfiConv1d
from .design import frequency_points
from .neural import NeuralAnalogFilters

FADE = 1.25
"""The fade ends at this multiple of half the base rate: from 8 to 10 kHz for a layer at 16 kHz."""
RIDGE = 1e-9
"""Of the mean square of the hidden units: keeps the least squares solvable when units are silent."""


@dataclass(frozen=True)
class FitReport:
    """How close the layer came.

    Attributes:
        steps: Of the joint fit.
        kernel_error: Relative difference (L2) of the kernels at the base rate.
        response_errors: By rate, that of the responses to the target of the fit.
    """

    steps: int
    kernel_error: float
    response_errors: dict[int, float]


def target_response(kernel: Tensor, frequencies: Tensor, base_rate: int) -> Tensor:
    """Real, then imaginary parts of what a bank is fitted to.

    Args:
        kernel: Shape ``(n, taps)`` at ``base_rate``, in the order of a correlation.
        frequencies: ``(M,)`` in rad/s.
        base_rate: In Hz.

    Returns:
        ``(2 n, M)``, in the type of ``kernel``.
    """
    taps = kernel.shape[1] // 2 - torch.arange(kernel.shape[1], device=kernel.device)
    angles = (frequencies.double() / base_rate)[None, :] * taps.double()[:, None]
    edge = math.pi * base_rate
    place = ((frequencies.double() / edge - 1.0) / (FADE - 1.0)).clamp(0.0, 1.0)
    gain = 0.5 + 0.5 * (math.pi * place).cos()
    parts = torch.cat([kernel.double() @ angles.cos(), -kernel.double() @ angles.sin()])
    return (parts * gain).to(kernel.dtype)


def fit_kernel(
    layer: SfiConv1d,
    kernel: Tensor,
    *,
    rates: Sequence[int] = (16_000, 24_000, 48_000, 8_000),
    steps: int = 300,
    learning_rate: float = 1e-3,
) -> FitReport:
    """Fit the bank of a layer to a kernel at its base rate.

    A neural bank's last layer is set by least squares over all rates; then all parameters are fitted jointly (Adam on
    the mean squared error of the responses, the learning rate falling to zero along a cosine); then the last layer is
    set once more. Other banks only have the joint fit.

    Args:
        layer: With the design ``frequency``; changed in place.
        kernel: Shape ``(n_channels, base kernel)``, as ``conv1d`` takes it.
        rates: In Hz, at which the response is asked for; the base rate should be among them.
        steps: Of the joint fit.
        learning_rate: At its start.

    Raises:
        UsageError: If the layer's design is another, or the kernel does not fit it.
    """
    if layer.design != "frequency" or layer.hilbert:
        raise UsageError("a bank is fitted by its frequency response: use the design frequency, without Hilbert pairs")
    if tuple(kernel.shape) != (layer.n_channels, layer.base.kernel):
        raise UsageError(
            f"a kernel of shape {tuple(kernel.shape)} for a layer of {layer.n_channels} channels and "
            f"{layer.base.kernel} taps"
        )
    bank = layer.continuous_filters
    known = [one.requires_grad for one in bank.parameters()]
    was_training = layer.training
    layer.train()
    bank.requires_grad_(True)
    kernel = kernel.detach().to(next(bank.parameters()).device)
    grids = [frequency_points(rate, layer.points, kernel.device) for rate in rates]
    targets = [target_response(kernel, grid, layer.base.sample_rate) for grid in grids]
    with torch.inference_mode(False), torch.enable_grad():
        _set_last(bank, grids, targets)
        size = torch.cat([one.flatten() for one in targets]).square().mean()
        optimizer = torch.optim.Adam(bank.parameters(), lr=learning_rate)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
            optimizer.zero_grad(set_to_none=True)
            losses = [
                (torch.cat(bank.response(grid)) - target).square().mean()
                for grid, target in zip(grids, targets, strict=True)
            ]
            (torch.stack(losses).mean() / size).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        _set_last(bank, grids, targets)
    for one, wanted in zip(bank.parameters(), known, strict=True):
        one.grad = None
        one.requires_grad_(wanted)
    layer.train(was_training)
    return _report(layer, kernel, rates, grids, targets, steps)


@torch.no_grad()
def _set_last(bank: torch.nn.Module, grids: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    """The last layer of a neural bank by least squares in float64; other banks stay as they are."""
    if not isinstance(bank, NeuralAnalogFilters) or bank.gain:
        return
    rows = torch.cat([bank.hidden(grid)[0].T for grid in grids]).double()
    rows = torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)
    wanted = torch.cat([target.T for target in targets]).double()
    products = rows.T @ rows
    products.diagonal().add_(RIDGE * products.diagonal().mean())
    solved = torch.linalg.solve(products, rows.T @ wanted)  # (width + 1, 2 n)
    bank.last.weight.copy_(solved[:-1].T[..., None])
    assert bank.last.bias is not None
    bank.last.bias.copy_(solved[-1])


@torch.no_grad()
def _report(
    layer: SfiConv1d,
    kernel: Tensor,
    rates: Sequence[int],
    grids: Sequence[Tensor],
    targets: Sequence[Tensor],
    steps: int,
) -> FitReport:
    found = layer.kernels(layer.base.sample_rate)[0]
    errors = {
        rate: float((torch.cat(layer.continuous_filters.response(grid)) - target).norm() / target.norm())
        for rate, grid, target in zip(rates, grids, targets, strict=True)
    }
    return FitReport(steps, float((found - kernel).norm() / kernel.norm()), errors)
