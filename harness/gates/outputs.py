"""What a gate writes: the folder of its report, the job summary, the history, a saved baseline.

The folder holds ``gate.json``, ``junit.xml``, ``summary.md``, ``comment.md`` and ``gate.html``.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from ..core.files import atomic_write, dump_json
from ..core.guard import Recogniser, first_line, guard_output, json_with, text_with
from ..core.kept import refuse_replacing
from ..core.typed import plain
from .baseline import KIND, ScoredSide, read_baseline, save_baseline
from .comment import MARKER, comment_markdown
from .fingerprint import score_differences
from .history import append_history
from .html import report_html
from .junit import junit_xml
from .kept_audio import keep_audio
from .saved import FrontEnd, SavedBaseline
from .schema import GateFinding, GateReport
from .summary import append_summary, summary_markdown


def is_history(path: Path) -> bool:
    """Whether a file holds the lines that ``--history`` appends."""
    line = json.loads(first_line(path))
    return {"time", "verdict", "predictors"} <= {*line}


LIMIT, CUT = "a regression alarm, not a listening test", "The rest was cut; see gate.json"
"""Stand in every page and summary; the second where a long summary was cut."""

OURS: dict[str, Recogniser] = {
    "gate.json": json_with(kind="gate"),
    "junit.xml": text_with("<?xml", inside='package="mosharness.gate"'),
    "comment.md": text_with(MARKER),
    "summary.md": lambda path: text_with("## ", LIMIT)(path) or text_with("## ", CUT)(path),
    "gate.html": text_with(inside=LIMIT),
}
"""Files of a report, each with what recognises an earlier one."""


BY_SUFFIX = {".html": "gate.html", ".json": "gate.json", ".xml": "junit.xml", ".md": "comment.md"}
"""What ``--report FILE`` writes alone."""


def alone(report: Path) -> str:
    """Which one of :data:`OURS` a report is when it is named as a file; empty for a folder."""
    return "" if report.is_dir() else BY_SUFFIX.get(report.suffix.lower(), "")


@dataclass(frozen=True)
class Outputs:
    """Where the outputs of a gate go; ``None`` for those that are not wanted.

    Attributes:
        report: Folder of the report, or one file of it (:data:`BY_SUFFIX`); its parent exists.
        history: File that gets a line with the figures.
        summary: Job summary that the markdown is appended to.
        baseline: JSON file for the scores of the baseline.
        overwrite: Replace inputs, files of other origin, and a saved baseline of something else.
        keep_audio: Keep compressed audio beside the baseline's file.
    """

    report: Path | None = None
    history: Path | None = None
    summary: Path | None = None
    baseline: Path | None = None
    overwrite: bool = False
    keep_audio: bool = False

    def check(self, inputs: Sequence[str | Path | None] = ()) -> None:
        """Whether everything can be written, and nothing else is lost by it; said before anything is scored.

        Args:
            inputs: Files and folders that the gate reads.

        Raises:
            UsageError: For the first that cannot.
        """
        self._guard(inputs)
        if self.report is not None and alone(self.report):
            check_file(self.report, "--report")
        elif self.report is not None:
            check_folder(self.report)
        if self.summary is not None:
            check_file(self.summary, "--github")
        if self.baseline is not None:
            check_file(self.baseline, "--save-baseline")
        if self.history is not None:
            check_file(self.history, "--history")

    def _guard(self, inputs: Sequence[str | Path | None]) -> None:
        """Refuse to write over inputs, files of other origin, and an approved baseline."""
        read = [("a file that the gate reads", one) for one in inputs]
        targets: list[tuple[Path, str, Recogniser]] = []
        if self.report is not None and (name := alone(self.report)):
            targets.append((self.report, "--report", OURS[name]))
        elif self.report is not None:
            targets += [(self.report / name, "--report", is_ours) for name, is_ours in OURS.items()]
        if self.history is not None:
            targets.append((self.history, "--history", is_history))
        if self.baseline is not None:
            if self.baseline.name == "-":
                raise UsageError("--save-baseline -: a baseline is not written to standard output; name a .json file")
            targets.append((self.baseline, "--save-baseline", json_with(kind=KIND)))
        places: dict[str, str] = {}
        for path, option, _ in targets:
            first = places.setdefault(os.path.realpath(path), option)
            if first != option:
                raise UsageError(f"{option} {path}: is the file of {first} as well; name another one")
        for path, option, is_ours in targets:
            guard_output(path, option, is_ours, inputs=read, overwrite=self.overwrite)
        if self.baseline is not None and self.baseline.is_file() and not self.overwrite:
            refuse_approved(self.baseline)

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
        if not self.overwrite:
            refuse_other_baseline(self.baseline, side, max_seconds)
        notes: list[GateFinding] = []
        if self.keep_audio:
            side, notes = keep_audio(side, self.baseline)
        saved = save_baseline(self.baseline, side, max_seconds=max_seconds)
        return "; ".join([saved_sentence(saved, self.baseline), *(note.message for note in notes)])


def refuse_approved(path: Path) -> None:
    """Refuse to replace a baseline that was approved: its approvals would be lost.

    Raises:
        UsageError: Naming `mosharness gate approve`.
    """
    if path.stat().st_size and (approved := len(read_baseline(path).history)):
        count = "1 approval" if approved == 1 else f"{approved} approvals"
        raise UsageError(
            f"--save-baseline {path}: holds a baseline with {count}, which would be lost. `mosharness gate approve "
            f"--baseline {path} --candidate FOLDER --reason WHY` replaces it and keeps them; or name another file, or "
            "pass --overwrite"
        )


def refuse_other_baseline(path: Path, side: ScoredSide, max_seconds: float) -> None:
    """Refuse to replace a saved baseline by the scores of other audio, predictors or limits; the same replaces it.

    Raises:
        UsageError: Naming what differs.
    """
    if not path.is_file() or not path.stat().st_size:
        return
    old = read_baseline(path)
    found = []
    gone, new = sorted({*old.predictors} - {*side.predictors}), sorted({*side.predictors} - {*old.predictors})
    found += [f"no scores of {name}" for name in gone] + [f"scores of {name} besides" for name in new]
    for name in sorted({*old.predictors} & {*side.predictors}):
        if differs := score_differences(old.predictors[name], side.predictors[name]):
            found.append(f"scores of {name} by something else: {differs}")
    if old.front_end != FrontEnd(max_seconds=max_seconds, sample_rate=side.rate or "native"):
        found.append("another front end (--max-seconds, or one sampling rate)")
    before = {(file.key, file.voice, file.seed): file.audio_sha256 for file in old.files}
    now = {(one.key.text, one.key.voice, one.seed): one.content for one in side.renderings}
    if before != now:
        changed = sum(before.get(key) != now.get(key) for key in {*before, *now})
        found.append(f"other audio of {changed} of {len({*before, *now})} files")
    ways = f"another file, approve the new one (mosharness gate approve --baseline {path} ...)"
    refuse_replacing(path, "baseline", found, ways)


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
        folder: Exists; or one file of the report by its suffix (:data:`BY_SUFFIX`).
        report: What came of the gate.
        history: File of earlier runs, plotted in ``gate.html``.

    Returns:
        The files.
    """
    made: dict[str, Callable[[], str]] = {
        "gate.json": lambda: dump_json(plain(report)) + "\n",
        "junit.xml": lambda: junit_xml(report),
        "summary.md": lambda: summary_markdown(report),
        "comment.md": lambda: comment_markdown(report),
        "gate.html": lambda: report_html(report, history),
    }
    one = alone(folder)
    targets = {one: folder} if one else {name: folder / name for name in made}
    texts = {path: made[name]() for name, path in targets.items()}
    for path, text in texts.items():
        with atomic_write(path) as stream:
            stream.write(text)
    return list(texts)
