"""Score unlabelled audio: files, folders, manifests; one row per clip, whatever happens to it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audio.discover import find_audio, utterance_id
from ..audio.suffixes import AUDIO_LIKE, VIDEO_SUFFIXES
from ..core.clip import Clip, Outcome
from ..core.errors import DataError, UsageError
from ..core.files import atomic_write, csv_cell, csv_text, dump_json, write_csv, write_parquet
from ..core.guard import check_writable, guard_output, is_table
from ..core.ids import existing, same_spelling
from ..core.printable import printable
from ..tables.fields import HEADER_WORDS, SYNONYMS, Chosen, candidates, check_doubled, the_one
from ..tables.grid import Grid, read_grid
from .scorer import Scorer

FORMATS = (".csv", ".jsonl", ".parquet")
RENAME = "rename one of them, or take it out"
MANIFESTS = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".lst", ".scp")
"""Suffixes of what is read as a list of clips."""


@dataclass(frozen=True)
class Collected:
    """What to score, a sentence on what was passed over (empty when nothing was), and a line for each manifest."""

    entries: tuple[Clip, ...]
    passed_over: str
    read: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """What is to be said before scoring: how manifests were read, what was passed over."""
        said = [f"read {line}" for line in self.read]
        return [*said, f"note: passed over {self.passed_over}"] if self.passed_over else said


def collect(paths: Sequence[str], listed: Sequence[str] = ()) -> Collected:
    """Resolve command-line paths.

    Args:
        paths: Audio files, folders, and manifests (see :func:`read_list`).
        listed: Further paths, one per entry (a list read from standard input).

    Raises:
        UsageError: For a path that does not exist, or nothing to score.
        DataError: For a folder without audio or a manifest that cannot be used.
    """
    plain: list[str] = []
    entries: list[Clip] = []
    notes: list[str] = []
    for path in paths:
        if Path(path).suffix.lower() in MANIFESTS and not Path(path).is_dir():
            listed_clips, understood = read_list(Path(path))
            entries += listed_clips
            notes.append(understood)
        else:
            plain.append(path)
    plain += [path for path in listed if path]
    passed_over = ""
    if plain:
        discovery = find_audio(plain)
        entries += discovery.entries
        passed_over = discovery.describe_ignored()
    if not entries:
        raise UsageError("nothing to score: give audio files, folders or a manifest")
    seen: dict[str, Path] = {}
    for entry in entries:
        if entry.utterance_id in seen:
            raise DataError(
                f'{entry.path} and {seen[entry.utterance_id]} would both be called "{entry.utterance_id}"; name them '
                "in one manifest with an utterance_id column"
            )
        seen[entry.utterance_id] = entry.path
    return Collected(tuple(entries), passed_over, tuple(notes))


def read_manifest(path: Path) -> list[Clip]:
    """The clips of :func:`read_list`."""
    return read_list(path)[0]


def read_list(path: Path) -> tuple[list[Clip], str]:
    """Read a manifest: a table with a column of paths and optionally ``utterance_id`` and ``text``, or a path a line.

    Relative paths are below the manifest's folder. Absolute ones are taken as they are: the manifest is the user's
    own list (our choice), unlike the label files of data sets. Columns are found by synonym, and Kaldi's ``wav.scp``
    (an id and a path a line) is read as well.

    Returns:
        The clips, and the line that says what was understood.

    Raises:
        DataError: If it is no such table, a path is empty, or an id occurs twice.
    """
    grid = read_grid(path, HEADER_WORDS)
    check_doubled(grid)
    if not grid.rows:
        raise DataError(f"{path}: no rows below the header")
    places = _manifest_columns(grid)
    entries = []
    seen: dict[str, int] = {}
    respelled = 0
    for number, row in zip(grid.lines, grid.rows, strict=True):
        if not row[places["path"]]:
            raise DataError(f"{path}: row {number}: the path is empty")
        file = Path(_slashes(row[places["path"]]))
        given = same_spelling(row[places["utterance_id"]]) if "utterance_id" in places else ""
        name = given or utterance_id(file.with_suffix(""))
        if name in seen:
            raise DataError(f"{path}: rows {seen[name]} and {number} are both called {name!r}")
        seen[name] = number
        found = existing(path.parent / file)
        respelled += found != path.parent / file
        text, system = (row[places[field]] if field in places else "" for field in ("text", "system_id"))
        entries.append(Clip(name, found, text, printable(csv_text(system))))
    note = f"{respelled} files are spelled in another Unicode form there" if respelled else ""
    return entries, Chosen(places, grid).describe(note=note)


def _manifest_columns(grid: Grid) -> dict[str, int]:
    if not grid.header:
        at = next((at for at in range(grid.width) if any(_is_path(row[at]) for row in grid.rows)), None)
        if at is None:
            raise DataError(f"{grid.path}: no column path, and no cell that looks like an audio file")
        return {"path": at, **({"utterance_id": 0} if at == 1 and grid.width == 2 else {})}
    places: dict[str, int] = {}
    for name in ("path", "utterance_id", "text"):
        found = list(dict.fromkeys(candidates(grid, SYNONYMS[name])))
        column = grid.header.index(name) if name in grid.header else the_one(grid, name, found, way_out=RENAME)
        if column is not None and column not in places.values():
            places[name] = column
    system = list(dict.fromkeys(candidates(grid, SYNONYMS["system_id"])))
    if "system_id" in grid.header or len(system) == 1:  # which of several is for --system to say
        column = grid.header.index("system_id") if "system_id" in grid.header else system[0]
        if column not in places.values():
            places["system_id"] = column
    if "path" not in places:
        of_paths = [at for at in range(grid.width) if all(_is_path(row[at]) for row in grid.rows)]
        if len(of_paths) != 1:
            raise DataError(f"{grid.path}: no column path; the header is {','.join(grid.header)!r}")
        places = {"path": of_paths[0], **{name: at for name, at in places.items() if at != of_paths[0]}}
    return places


def _slashes(name: str) -> str:
    return name.replace("\\", "/") if "\\" in name and not Path(name).exists() else name


def _is_path(cell: str) -> bool:
    return Path(_slashes(cell)).suffix.lower() in AUDIO_LIKE | VIDEO_SUFFIXES


FIRST, LAST = ("path", "utterance_id"), ("duration_s", "sample_rate", "status", "reason")
"""Columns of a prediction table of unlabelled audio, around the dimensions."""


def check_format(path: Path) -> None:
    """Refuse a name that is none of :data:`FORMATS`, or a folder.

    Raises:
        UsageError: Naming it.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"-o {path}: the suffix must be one of {', '.join(FORMATS)}")
    if path.is_dir():
        raise UsageError(f"-o {path}: this is a folder; name a file")


def check_output(path: Path, inputs: Iterable[str | Path] = (), *, overwrite: bool = False) -> None:
    """Whether ``path`` can be written as one of :data:`FORMATS`; said before any scoring.

    Args:
        path: The table.
        inputs: What is read: manifests, audio, the checkpoint.
        overwrite: Whether an input, or a file that is no earlier table, may be replaced.

    Raises:
        UsageError: Otherwise.
    """
    check_format(path)
    named = (("one of the inputs", one) for one in inputs)
    guard_output(path, "-o", lambda one: is_table(one, FIRST, LAST), inputs=named, overwrite=overwrite)
    check_writable(path, "-o")


def predict_entries(
    predictor: Scorer,
    entries: Sequence[Clip],
    *,
    output: Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    show: bool = False,
) -> list[Outcome]:
    """Score files and, with ``output``, write the table.

    An interrupted call with an ``output``, made again, goes on where it was.

    Args:
        predictor: Loaded predictor.
        entries: Files with ids (:func:`collect`).
        output: Where the table goes: ``.csv``, ``.jsonl`` or ``.parquet``.
        use_cache: Whether the prediction cache is used.
        workers: Decoding threads.
        show: Show progress on stderr.

    Returns:
        One row per entry, in their order.
    """
    from .score import score_items

    journal = output.with_name(f".{output.name}.progress.jsonl") if output is not None else None
    scores = score_items(
        predictor, entries, journal=journal, use_cache=use_cache, workers=workers, show=show, title=predictor.name
    )
    if output is not None:
        write_table(output, header(predictor.dimensions), table(entries, scores.rows))
        if scores.journal is not None:
            scores.journal.remove()
    return scores.rows


def header(dimensions: Sequence[str]) -> list[str]:
    """Columns of a prediction table of unlabelled audio."""
    return [*FIRST, *dimensions, *LAST]


def table(entries: Sequence[Clip], rows: Sequence[Outcome]) -> list[list[Any]]:
    """Cells of the table, one list per clip; paths in printable form."""
    return [
        [
            printable(entry.path),
            entry.utterance_id,
            *row.scores,
            row.duration_s,
            row.sample_rate or None,
            row.status,
            row.reason,
        ]
        for entry, row in zip(entries, rows, strict=True)
    ]


def write_table(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write a table as CSV, JSON lines or parquet, by suffix, atomically."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        write_parquet(path, names, rows)
    elif suffix == ".jsonl":
        with atomic_write(path) as stream:
            for row in rows:
                stream.write(dump_json(dict(zip(names, row, strict=True)), indent=None) + "\n")
    else:
        write_csv(path, names, rows)


def csv_text_table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The table as CSV text, for stdout."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()
