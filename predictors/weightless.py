"""What stands for the weights of a predictor that has none: the package that holds its formula."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, packages_distributions, version

from .card import CheckpointInfo

GROUP = "mosharness.predictors"
"""Entry points of predictors."""


@cache
def package_of(module: str) -> str:
    """Name and version of the installed package that a module is part of, such as ``mymos 0.1``.

    Args:
        module: Dotted name, a class's ``__module__``.

    Returns:
        Of the package whose entry point names this module or one beside it, else of the package whose top level it
        is. A module that nothing installed gives its own name and ``not installed``: nobody gave that a version.
    """
    top = module.partition(".")[0]
    for point in entry_points(group=GROUP):
        if point.dist is not None and point.module.partition(".")[0] == top:
            return f"{point.dist.name} {point.dist.version}"
    try:
        name = packages_distributions()[top][0]
        return f"{name} {version(name)}"
    except (KeyError, IndexError, PackageNotFoundError):
        return f"{module} (not installed)"


def without_weights(module: str) -> CheckpointInfo:
    """Where a formula comes from, in place of a checkpoint."""
    return CheckpointInfo("package", package_of(module))
