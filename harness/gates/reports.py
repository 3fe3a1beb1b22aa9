"""An earlier report of a gate, read back."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import DataError
from ..core.files import read_json
from ..core.printable import printable
from ..core.typed import as_typed
from .schema import BrokenShare, GateReport


def read_report(path: Path) -> GateReport:
    """``gate.json``, or the one in a folder that ``--report`` wrote.

    Raises:
        DataError: If it is no such file.
    """
    file = path / "gate.json" if path.is_dir() else path
    content = read_json(file)
    if not isinstance(content, dict) or content.get("kind") != "gate":
        raise DataError(f"{printable(file)}: no report of a gate; `mosharness gate --report DIR` writes gate.json")
    return as_typed(content, GateReport, file)


def report_broken(report: GateReport) -> tuple[str, ...]:
    """Keys of the texts that a report calls broken."""
    return tuple(key for floor in report.floors if isinstance(floor, BrokenShare) for key in floor.bad)
