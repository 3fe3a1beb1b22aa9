"""What scores besides the audio: digests of every file that a score depends on, and the package that computes it.

Tensors alone do not tell predictors apart: one whose weights lie in an ONNX, JSON or pickle file may have none. So the
checkpoint that the loader was given is always hashed, whatever its format, as are files that settings name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points, packages_distributions
from pathlib import Path
from typing import Any

from ..harness.core.files import digest, file_sha256

GROUP = "mosharness.predictors"
"""Entry points of predictors."""

UNIDENTIFIED = "unidentified"
"""In place of a digest of weights where neither tensors nor files say which weights these are."""

RECORDS = ("card.json", "training.json", "study.json", "README.md", "LICENSE")
"""Files of a checkpoint folder that tell people about it: no score depends on them."""

NO_TENSORS = 16
"""Largest size in bytes of a safetensors file without a tensor: a formula writes one."""

MOST_SOURCES = 500

CODE = (".py", ".pyc", ".pyi", ".typed", ".md", ".rst")
"""Files of a package that are its code, which its version stands for, or tell people about it."""


def checkpoint_files(checkpoint: Path) -> list[Path]:
    """Files of a checkpoint that a score may depend on.

    Args:
        checkpoint: A file, or a folder: every file in it except hidden ones, :data:`RECORDS`, and a ``config.json`` of
            ours, whose settings are part of the fingerprint anyway.
    """
    if not checkpoint.is_dir():
        return [checkpoint]
    found = []
    for path in sorted(checkpoint.rglob("*")):
        below = path.relative_to(checkpoint)
        if not path.is_file() or path.name in RECORDS or any(part.startswith(".") for part in below.parts):
            continue
        if below == Path("config.json") and _is_ours(path):
            continue
        if below == Path("model.safetensors") and path.stat().st_size <= NO_TENSORS:
            continue
        found.append(path)
    return found


def _is_ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {*content} <= {"predictor", "config"} and "predictor" in content


def file_digests(
    paths: Iterable[Path], checkpoint: Path | None, known: Mapping[Path, str] | None = None
) -> dict[str, str]:
    """Name to ``sha256:...`` of files.

    Names do not depend on where files lie: ``checkpoint`` for a checkpoint that is one file, else the path below the
    checkpoint folder, else the name of the file.

    Args:
        paths: The files.
        checkpoint: What the loader was given.
        known: Digests that reading has brought already.

    Raises:
        OSError: If one cannot be read.
    """
    found: dict[str, str] = {}
    for path in paths:
        name = path.name
        if checkpoint is not None and path == checkpoint:
            name = "checkpoint"
        elif checkpoint is not None and path.is_relative_to(checkpoint):
            name = path.relative_to(checkpoint).as_posix()
        number = 2
        while name in found:
            name, number = f"{path.name} {number}", number + 1
        found[name] = (known or {}).get(path) or file_sha256(path)
    return found


def files_of_settings(config: Mapping[str, Any]) -> dict[str, str]:
    """Digests of files that settings name, by the name of the setting: their content may change under one name.

    Args:
        config: Settings, also within lists and further settings; texts that hold a ``/`` or a suffix and are an
            existing file, or a folder of files, count.
    """
    found = {}
    for name, value in sorted(config.items()):
        digests = [one for text in _texts(value) if (one := _named_digest(text))]
        if digests:
            found[f"setting {name}"] = digests[0] if len(digests) == 1 else digest(digests)
    return found


def _texts(value: Any) -> list[str]:
    """All texts in a setting."""
    if isinstance(value, (str, Path)):
        return [str(value)]
    if isinstance(value, Mapping):
        value = [value[key] for key in sorted(value, key=str)]
    return [text for one in value for text in _texts(one)] if isinstance(value, (list, tuple)) else []


def _named_digest(text: str) -> str:
    """Digest of the file or folder that a setting names; empty where it names none."""
    if "/" not in text and not Path(text).suffix:
        return ""
    path = Path(text).expanduser()
    try:
        if path.is_file():
            return file_sha256(path)
        files = [one for one in sorted(path.rglob("*")) if one.is_file()][:MOST_SOURCES] if path.is_dir() else []
        return digest([[one.relative_to(path).as_posix(), file_sha256(one)] for one in files]) if files else ""
    except (OSError, ValueError):
        return ""


@cache
def package_of(module: str) -> str:
    """Name and version of the installed package that a module is part of, such as ``mymos 0.1``.

    Args:
        module: Dotted name, a class's ``__module__``.

    Returns:
        Of the package whose entry point names this module or one beside it, else of the package whose top level it
        is. A module that nothing installed gives its own name and ``not installed``: nobody gave that a version.
    """
    found = _distribution(module)
    return f"{found.name} {found.version}" if found is not None else f"{module} (not installed)"


def _distribution(module: str) -> Distribution | None:
    top = module.partition(".")[0]
    for point in entry_points(group=GROUP):
        if point.dist is not None and point.module.partition(".")[0] == top:
            return point.dist
    try:
        same = distribution(top)  # most packages are called what they install; reading all of them takes half a second
        named = (same.read_text("top_level.txt") or "").split()
        if top in named or any(path.parts[0].removesuffix(".py") == top for path in same.files or ()):
            return same
    except PackageNotFoundError:
        pass
    try:
        return distribution(packages_distributions()[top][0])
    except (KeyError, IndexError, PackageNotFoundError):
        return None


@cache
def source_of(module: str) -> str:
    """Digest of the source of a module whose code may change under one version: not installed, or installed editable.

    Args:
        module: Dotted name, a class's ``__module__``.

    Returns:
        Over the files of its top-level package; empty for code that has a version (ours, and installed packages), and
        where there is no file (an interactive session).
    """
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0] or _has_version(module):
        return ""
    own = getattr(sys.modules.get(module), "__file__", None)
    folders = [Path(folder) for folder in getattr(sys.modules.get(top), "__path__", ())]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))][:MOST_SOURCES]
    if own and not paths:
        paths = [Path(own)]
    try:
        return digest([[path.name, file_sha256(path)] for path in paths]) if paths else ""
    except OSError:
        return ""


@cache
def data_of(module: str) -> str:
    """Digest of the files beside the code in a third party's installed package: weights that it ships, in any format.

    A predictor that reads such a file need not say so, and a package may be built again under one version.

    Args:
        module: Dotted name, a class's ``__module__``.

    Returns:
        Over the files of its top-level package that are neither Python nor pages for people; empty for ours, whose
        predictors name theirs, and where there are none.
    """
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0] or _distribution(module) is None:
        return ""
    folders = [Path(folder) for folder in getattr(sys.modules.get(top), "__path__", ())]
    paths = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix not in CODE
        and path.name not in RECORDS
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    ][:MOST_SOURCES]
    try:
        return digest([[path.name, file_sha256(path)] for path in paths]) if paths else ""
    except OSError:
        return ""


def _has_version(module: str) -> bool:
    found = _distribution(module)
    if found is None:
        return False
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return True
    return not origin.get("dir_info", {}).get("editable", False)
