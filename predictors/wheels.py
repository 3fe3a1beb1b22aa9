"""Weights that an installed package carries, found without importing that package."""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path

from ..harness.core.errors import CheckpointError
from ..harness.core.extras import installing

EXTRA = installing("open")
"""What installs the packages with weights that may be passed on."""


def file_in_package(package: str, name: str, predictor: str) -> Path:
    """A file that an installed package carries.

    Args:
        package: Top-level import name; it is looked up and never imported.
        name: Path of the file inside the package, with ``/``.
        predictor: Registry name of what the file is for.

    Raises:
        CheckpointError: If the package is absent or has no such file; the message says how to get it.
    """
    spec = PathFinder.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise CheckpointError(
            f"predictor {predictor}: its weights come with the package {package}, which is not installed: {EXTRA}, or "
            f"pass --checkpoint FILE ({name.rpartition('/')[2]})"
        )
    for folder in folders:
        path = Path(folder, name)
        if path.is_file():
            return path
    raise CheckpointError(
        f"predictor {predictor}: the installed package {package} has no file {name}; the version that has it is pinned "
        f"in the extra: {EXTRA}"
    )
