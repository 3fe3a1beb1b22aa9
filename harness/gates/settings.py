"""What a calibration writes into a settings file, beside whatever else stands there."""

from __future__ import annotations

from pathlib import Path

import yaml

from ..core.config import read_yaml
from ..core.errors import UsageError
from ..core.files import atomic_write


def write_settings(path: Path, text: str, *, overwrite: bool = False) -> str:
    """Add settings of ``gate`` to a settings file.

    A file without settings of ``gate`` gets them at its end and keeps its comments; one that has some is left alone
    unless ``overwrite`` is on, which puts those of the same names into it (comments are lost by that).

    Args:
        path: The file; made when absent.
        text: YAML, a mapping with ``gate``.
        overwrite: Replace settings of the same names.

    Returns:
        A sentence that says what was done.

    Raises:
        UsageError: If the file cannot be written.
        DataError: If it is no YAML mapping.
    """
    given = read_yaml(path) if path.is_file() else {}
    new = yaml.safe_load(text)["gate"]
    try:
        if not given.get("gate"):
            before = path.read_text("utf-8") if path.is_file() else ""
            if "gate" in given:
                return f"{path} has an empty section gate: not changed. Take it out, or put in:\n{text}"
            with atomic_write(path) as stream:
                stream.write(before + ("\n" if before and not before.endswith("\n") else "") + text)
            return f"wrote margins and drop limits to {path}"
        if not overwrite:
            return f"{path} has settings of gate: not changed. --overwrite puts these in:\n{text}"
        with atomic_write(path) as stream:
            yaml.safe_dump({**given, "gate": {**given["gate"], **new}}, stream, sort_keys=False, allow_unicode=True)
        return f"replaced margins and drop limits in {path}"
    except OSError as error:
        raise UsageError(f"--write {path}: cannot be written ({error.strerror})") from error
