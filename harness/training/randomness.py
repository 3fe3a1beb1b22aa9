"""Torch's, numpy's and Python's global generators: keyed by the place in the run, and given back afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from .plan import torch_seed


def seed_everything(*parts: object) -> None:
    """Global generators, for dropout and whatever a network draws: keyed by the place in the run."""
    import torch

    seed = torch_seed(*parts)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """The caller's global generators are as they were afterwards."""
    import torch

    python, numbers = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numbers)
