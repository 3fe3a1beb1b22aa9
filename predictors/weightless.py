"""What stands for the weights of a predictor that has none: the package that holds its formula."""

from __future__ import annotations

from .card import CheckpointInfo
from .identity import GROUP, package_of

__all__ = ["GROUP", "package_of", "without_weights"]


def without_weights(module: str) -> CheckpointInfo:
    """Where a formula comes from, in place of a checkpoint."""
    return CheckpointInfo("package", package_of(module))
