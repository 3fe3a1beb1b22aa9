"""Networks without values, for weights that a checkpoint is about to bring.

Drawing the random weights of a network of 94 million parameters takes seconds, and loading throws them away. Inside
:func:`empty_weights` every random draw is left out: the memory is claimed and not written. Everything else a
constructor computes (constants, tables, buffers that are not saved) is as always.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

FILL: float | None = None
"""What stands in the place of draws; ``None``: whatever the memory holds. Tests set NaN, which no score survives."""


@contextmanager
def empty_weights() -> Iterator[None]:
    """Networks made in this context, in this thread, hold no values yet where they would hold random ones.

    Only for networks that are then loaded completely: see :meth:`~.base.Predictor.empty`.
    """
    with _mode()():
        yield


IN_PLACE = {
    *("uniform_", "normal_", "kaiming_uniform_", "kaiming_normal_"),  # of torch.nn.init and of tensors
    *("exponential_", "random_", "bernoulli_", "cauchy_", "geometric_", "log_normal_"),
    "erfinv_",  # the second step of a truncated normal draw
}
DRAWS = {"rand", "randn"}


@cache
def _mode() -> type[Any]:
    import torch
    from torch.overrides import TorchFunctionMode

    class Empty(TorchFunctionMode):
        """Leaves out draws of random numbers; known by name, as libraries wrap those of ``torch.nn.init``."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            name = getattr(func, "__name__", "")
            if name in IN_PLACE:
                return _filled(args[0] if args else kwargs["tensor"])
            if name in DRAWS:
                return _filled(torch.empty(*args, **{key: one for key, one in kwargs.items() if key != "generator"}))
            return func(*args, **kwargs)

    def _filled(tensor: Any) -> Any:
        if FILL is None or not tensor.is_floating_point():
            return tensor
        with torch.no_grad():
            return tensor.fill_(FILL)

    return Empty
