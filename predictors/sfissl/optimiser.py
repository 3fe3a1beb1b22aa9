"""RAdam without a schedule: the official training's optimiser (Defazio et al. 2024, package ``schedulefree``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class ScheduleFreeRAdam(torch.optim.Optimizer):
    """Two sequences of weights are kept; the model holds one for training and one for use.

    ``z`` takes the steps of RAdam, ``x`` is their weighted mean, and gradients are taken at ``y = b1 x + (1 - b1) z``.
    While it trains the model holds ``y``; :meth:`eval` turns that into ``x``, :meth:`train` back.

    Args:
        groups: As for any optimiser.
        lr: Learning rate; there is no schedule.
        betas, eps: As for Adam; the first beta is the place of ``y`` between ``z`` and ``x``.
    """

    def __init__(
        self,
        groups: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        facts = {"lr": lr, "betas": betas, "eps": eps, "k": 0, "weight_sum": 0.0, "largest": 0.0, "training": True}
        super().__init__(groups, facts)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step from the gradients that are there."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        first, second = group["betas"]
        group["k"] += 1
        step = group["k"]
        correction = 1.0 - second**step
        limit = 2.0 / (1.0 - second) - 1.0
        rho = limit - 2.0 * step * second**step / correction
        rect = 0.0
        if rho > 4.0:
            rect = math.sqrt((rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho))
        rate = group["lr"] * rect
        group["largest"] = max(group["largest"], rate)
        weight = group["largest"] ** 2
        group["weight_sum"] += weight
        part = weight / group["weight_sum"] if group["weight_sum"] > 0.0 else 0.0
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["z"], state["v"] = parameter.clone(), torch.zeros_like(parameter)
            gradient, z, v = parameter.grad, state["z"], state["v"]
            v.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
            move = gradient / ((v / correction).sqrt() + group["eps"]) if rect else gradient
            parameter.lerp_(z, part)
            parameter.add_(move, alpha=rate * (first * (1.0 - part) - 1.0))
            z.sub_(move, alpha=rate)

    def train(self) -> None:
        """Put the weights for training into the model."""
        self._switch(True, lambda beta: 1.0 - beta)

    def eval(self) -> None:
        """Put the averaged weights into the model."""
        self._switch(False, lambda beta: 1.0 - 1.0 / beta)

    @torch.no_grad()
    def _switch(self, training: bool, part: Callable[[float], float]) -> None:
        for group in self.param_groups:
            if group["training"] == training:
                continue
            group["training"] = training
            for parameter in group["params"]:
                z: Tensor | None = self.state[parameter].get("z") if parameter in self.state else None
                if z is not None:
                    parameter.lerp_(z, part(group["betas"][0]))
