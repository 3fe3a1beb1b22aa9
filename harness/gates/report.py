"""The folder of a gate's report: ``gate.json``, ``junit.xml``, ``summary.md``, ``gate.html``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.files import atomic_write, write_json
from .html import report_html
from .junit import junit_xml
from .summary import summary_markdown


def check_folder(folder: Path) -> None:
    """Whether a report can be written to ``folder``; said before any scoring. The folder itself is made if need be.

    Raises:
        UsageError: If its parent is absent, it is no folder, or it cannot be written to.
    """
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"--report {folder}: cannot be written ({error.strerror}). Name a folder whose parent exists"
        ) from error


def check_file(path: Path, option: str) -> None:
    """Whether a file can be written; said before any scoring.

    Raises:
        UsageError: If its folder is absent or cannot be written to, or it is a folder itself.
    """
    if path.is_dir():
        raise UsageError(f"{option} {path}: this is a folder; name a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"{option} {path}: cannot be written")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror})") from error


def write_report(folder: Path, result: Mapping[str, Any], history: Path | None = None) -> list[Path]:
    """Write every file of the report, each whole or not at all.

    Args:
        folder: Exists.
        result: What came of the gate.
        history: File of earlier runs, plotted in ``gate.html``.

    Returns:
        The files.
    """
    texts = {
        "junit.xml": junit_xml(result),
        "summary.md": summary_markdown(result),
        "gate.html": report_html(result, history),
    }
    write_json(folder / "gate.json", result)
    for name, text in texts.items():
        with atomic_write(folder / name) as stream:
            stream.write(text)
    return [folder / "gate.json", *(folder / name for name in texts)]
