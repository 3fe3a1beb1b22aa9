"""The two sides of a gate: which audio files there are, and which text and voice each one speaks."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..audio.discover import find_audio, utterance_id
from ..core.clip import Finding
from ..core.errors import DataError, UsageError
from ..core.ids import existing
from ..core.printable import printable
from ..tables.fields import HEADER_WORDS, SYNONYMS, candidates, check_doubled, the_one
from ..tables.grid import read_grid
from .units import TextKey

RENAME = "rename one of them, or take it out"
OWN = ("path", "id", "text", "voice", "seed", "reference")
"""Columns of a manifest that a gate knows by itself."""
MANIFESTS = (".csv", ".tsv", ".jsonl", ".json")


@dataclass(frozen=True)
class Rendering:
    """One audio file of one side, or what a saved baseline remembers of it.

    Attributes:
        key: Text and voice. A folder has one voice; its texts are the paths below it without suffix.
        seed: What tells repeats of one text apart; empty without repeats.
        name: The file, for people.
        path: The file; ``None`` where only the saved scores are there.
        content: Digest of the decoded audio; empty before it was decoded.
        duration_s: Seconds.
        sample_rate: Hz.
        rms_dbfs: Level.
        findings: Warnings of the reader.
        code: Why the file cannot be used, for machines; empty when it can.
        message: The same for people.
        scores: Scores that are known, by name.
        signals: Figures of the audio itself, by name.
        columns: Joined figures, by heading.
        slices: Values by what cuts slices.
        text: The sentence, where it is known; what predictors that read texts are given.
        reference: A clip to compare with, where the manifest names one.
        extra: Further cells of the manifest, by heading.
        audio: Where a saved baseline keeps the audio.
    """

    key: TextKey
    seed: str
    name: str
    path: Path | None
    content: str = ""
    duration_s: float = math.nan
    sample_rate: int = 0
    rms_dbfs: float = math.nan
    findings: tuple[Finding, ...] = ()
    code: str = ""
    message: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, float] = field(default_factory=dict)
    slices: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    reference: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    audio: Path | None = None

    @property
    def reason(self) -> str:
        """Code and message as one sentence; empty for a usable file."""
        return f"{self.code}: {self.message}" if self.code else ""


@dataclass(frozen=True)
class Side:
    """All files of one side: a folder or manifest (``origin``), its renderings sorted by key and seed."""

    origin: Path
    renderings: tuple[Rendering, ...]


def read_side(origin: str | Path, option: str) -> Side:
    """Read a folder or a manifest.

    Args:
        origin: A folder, or a table with ``path`` (relative to the manifest) and ``id`` or ``text``, optionally
            ``voice`` and ``seed``.
        option: Named in messages.

    Raises:
        UsageError: If it does not exist or is neither.
        DataError: If it holds no audio, or two files cannot be told apart.
    """
    path = Path(origin)
    try:
        folder, file = path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} {printable(path)}: {error}") from error
    if folder:
        return _read_folder(path)
    if file and path.suffix.lower() in MANIFESTS:
        return _read_manifest(path)
    if file:
        raise UsageError(f"{option} {printable(path)}: one file; give a folder of audio or a manifest (.csv)")
    raise UsageError(f"{option} {printable(path)}: no such folder or manifest")


def refuse_same(baseline: Path, candidate: Path, option: str = "--candidate", other: str = "--baseline") -> None:
    """Refuse one folder or manifest on both sides: nothing would be tested.

    Args:
        baseline: One side.
        candidate: The other side.
        option: Names the candidate's side; only ``--candidate`` stands beside an option ``--allow-same``.
        other: Names the baseline's side.

    Raises:
        UsageError: If both are the same on disk.
    """
    if baseline.exists() and candidate.exists() and baseline.samefile(candidate):
        raise UsageError(
            f"{other} and {option} are the same on disk ({printable(candidate.resolve())}), so nothing would be "
            "tested. Name two renderings" + (", or pass --allow-same" if option == "--candidate" else "")
        )


def _read_folder(folder: Path) -> Side:
    discovery = find_audio([folder])
    seen: dict[str, Path] = {}
    renderings = []
    for entry in discovery.entries:
        key = utterance_id(entry.path.relative_to(folder).with_suffix(""))
        if key in seen:
            raise DataError(
                f"{printable(seen[key])} and {printable(entry.path)} are both {key!r}; files pair by their path "
                "without suffix, so remove one, or pair by a manifest"
            )
        seen[key] = entry.path
        renderings.append(Rendering(TextKey(key), "", printable(entry.path), entry.path))
    return Side(folder, _sorted(renderings))


def _read_manifest(path: Path) -> Side:
    lines, rows = _manifest_rows(path)
    column = next((name for name in ("id", "text") if name in rows[0]), None)
    if column is None:
        raise DataError(f"{path}: a manifest of a gate needs the column id or text, which pairs the files")
    seen: dict[tuple[TextKey, str], int] = {}
    files: dict[Path, int] = {}
    renderings = []
    for number, row in zip(lines, rows, strict=True):
        if not row["path"].strip() or not row[column].strip():
            raise DataError(f"{path}: row {number}: the path or the {column} is empty")
        text = unicodedata.normalize("NFC", row[column].strip())
        key = TextKey(printable(text), printable(row.get("voice", "").strip()))
        file, seed = existing(path.parent / row["path"].strip()), row.get("seed", "").strip()
        if file in files:
            raise DataError(f"{path}: rows {files[file]} and {number} name the same file {printable(file)}")
        if (key, seed) in seen:
            raise DataError(
                f"{path}: rows {seen[key, seed]} and {number} are both {str(key)!r}"
                + (f" with seed {seed!r}" if seed else "; a column seed tells repeats of one text apart")
            )
        seen[key, seed] = files[file] = number
        reference = row.get("reference", "").strip()
        renderings.append(
            Rendering(
                key,
                seed,
                printable(file),
                file,
                text=row.get("text", "").strip(),
                reference=existing(path.parent / reference) if reference else None,
                extra={name: cell for name, cell in row.items() if name not in OWN},
            )
        )
    return Side(path, _sorted(renderings))


def _manifest_rows(path: Path) -> tuple[Sequence[int], list[dict[str, str]]]:
    """Line numbers and cells of a manifest, under the names of :data:`OWN` and its further headings."""
    grid = read_grid(path, HEADER_WORDS)
    check_doubled(grid)
    if not grid.rows:
        raise DataError(f"{path}: no rows below the header")
    places: dict[str, int] = {name: grid.header.index(name) for name in OWN if name in grid.header}
    for name, names in (("path", SYNONYMS["path"]), ("id", SYNONYMS["utterance_id"]), ("text", SYNONYMS["text"])):
        found = [at for at in dict.fromkeys(candidates(grid, names)) if at not in places.values()]
        if name not in places and (at := the_one(grid, name, found, way_out=RENAME)) is not None:
            places[name] = at
    if "path" not in places:
        raise DataError(f"{path}: no column path; the header is {','.join(grid.header)!r}")
    places |= {name: at for at, name in enumerate(grid.header) if at not in places.values() and name not in places}
    return grid.lines, [{name: row[at] for name, at in places.items()} for row in grid.rows]


def _sorted(renderings: Sequence[Rendering]) -> tuple[Rendering, ...]:
    return tuple(sorted(renderings, key=lambda rendering: (rendering.key, rendering.seed)))
