"""What a gate writes: the folder of its report, the job summary, the history, a saved baseline.

The folder holds ``gate.json``, ``junit.xml``, ``summary.md`` and ``gate.html``.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.files import atomic_write, write_json
from ..core.typed import plain
from .baseline import ScoredSide, save_baseline
from .history import append_history
from .html import report_html
from .junit import junit_xml
from .saved import SavedBaseline
from .schema import GateReport
from .summary import append_summary, summary_markdown


@dataclass(frozen=True)
class Outputs:
    """Where the outputs of a gate go; ``None`` for those that are not wanted.

    Attributes:
        report: Folder of the report; its parent exists.
        history: File that gets a line with the figures.
        summary: Job summary that the markdown is appended to.
        baseline: JSON file for the scores of the baseline.
    """

    report: Path | None = None
    history: Path | None = None
    summary: Path | None = None
    baseline: Path | None = None

    def check(self) -> None:
        """Whether everything can be written; said before anything is scored.

        Raises:
            UsageError: For the first that cannot.
        """
        if self.report is not None:
            check_folder(self.report)
        if self.summary is not None:
            check_file(self.summary, "--github")
        if self.baseline is not None:
            check_file(self.baseline, "--save-baseline")
        if self.history is not None:
            check_file(self.history, "--history")

    def write(self, report: GateReport) -> None:
        """Write what is wanted of a report.

        Raises:
            UsageError: If something cannot be written after all.
        """
        if self.history is not None:
            append_history(self.history, report)
        if self.report is not None:
            write_report(self.report, report, self.history)
        if self.summary is not None:
            append_summary(self.summary, report)

    def save(self, side: ScoredSide, max_seconds: float) -> str:
        """Save the scores of a side as a baseline.

        Returns:
            A sentence that says so.

        Raises:
            UsageError: For a baseline that is a saved one already.
        """
        assert self.baseline is not None
        if any(file.path is None for file in side.renderings):
            raise UsageError(f"--save-baseline {self.baseline}: the baseline is a saved one already; copy the file")
        saved = save_baseline(self.baseline, side, max_seconds=max_seconds)
        return saved_sentence(saved, self.baseline)


def saved_sentence(saved: SavedBaseline, path: Path) -> str:
    """What was saved where, for people."""
    return f"saved the scores of {len(saved.files)} files by {', '.join(saved.predictors)} in {path}"


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


def write_report(folder: Path, report: GateReport, history: Path | None = None) -> list[Path]:
    """Write every file of the report, each whole or not at all.

    Args:
        folder: Exists.
        report: What came of the gate.
        history: File of earlier runs, plotted in ``gate.html``.

    Returns:
        The files.
    """
    texts = {
        "junit.xml": junit_xml(report),
        "summary.md": summary_markdown(report),
        "gate.html": report_html(report, history),
    }
    write_json(folder / "gate.json", plain(report))
    for name, text in texts.items():
        with atomic_write(folder / name) as stream:
            stream.write(text)
    return [folder / "gate.json", *(folder / name for name in texts)]
