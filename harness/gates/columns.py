"""Scores that are joined to the files of a gate: columns of the manifests, or of tables (``--scores FILE``)."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..core.errors import DataError, UnknownName, UsageError
from ..core.ids import existing
from ..core.printable import printable
from ..tables.fields import HEADER_WORDS, SYNONYMS, candidates, check_doubled
from ..tables.grid import Grid, plain_name, read_grid
from ..tables.numbers import number
from .options import Column, GateOptions
from .schema import GateFinding
from .sides import Rendering
from .slices import FOLDER, VOICE

SideName = Literal["baseline", "candidate"]
SIDES: tuple[SideName, SideName] = ("baseline", "candidate")
ROW_SIDE = ("side", *SYNONYMS["system_id"])


def parse_scores(given: Iterable[str]) -> tuple[Column, ...]:
    """``COLUMN``, ``NAME=COLUMN`` and ``NAME=ERRORS/WORDS`` as columns.

    Raises:
        UsageError: For an empty name, or the same twice.

    Example:
        >>> [(one.name, one.value, one.over) for one in parse_scores(["mos", "wer=errors/words"])]
        [('mos', 'mos', ''), ('wer', 'errors', 'words')]
    """
    found: dict[str, Column] = {}
    for text in given:
        name, equals, source = (part.strip() for part in text.partition("="))
        value, slash, over = (part.strip() for part in (source or name).partition("/"))
        if not name or not value or (equals and not source) or (slash and not (over and equals)):
            raise UsageError(f"--score {text}: write COLUMN, NAME=COLUMN, or NAME=ERRORS/WORDS for a ratio of sums")
        if name in found:
            raise UsageError(f"--score {name} is given twice")
        found[name] = Column(name, value, over)
    return tuple(found.values())


@dataclass
class JoinedTable:
    """A table of ``--scores``: its rows by what may name a file.

    Attributes:
        grid: The table.
        side: The side that the option names; empty for both.
        used: Rows that belong to a file, with the side that took a figure without naming itself (empty: none did).
    """

    grid: Grid
    side: str = ""
    used: dict[int, str] = field(default_factory=dict)
    _index: dict[str, dict[str, list[int]]] = field(default_factory=dict)

    def at(self, names: Sequence[str]) -> int | None:
        """The first column with one of these names."""
        found = candidates(self.grid, names)
        return found[0] if found else None

    def column(self, heading: str, side: str) -> int | None:
        """The column of a heading, or that of the heading and the side where each side has its own."""
        plain = [plain_name(name) for name in self.grid.header]
        for name in (heading, f"{heading}_{side}", f"{side}_{heading}"):
            if plain_name(name) in plain:
                return plain.index(plain_name(name))
        return None

    def rows_of(self, side: str, names: Sequence[str]) -> list[int]:
        """Rows about one side: all of a table of that side, those that name it, or all where columns or paths tell.

        Args:
            side: ``baseline`` or ``candidate``.
            names: What the side may be called.
        """
        every = list(range(len(self.grid.rows)))
        at = self.at(ROW_SIDE)
        if self.side or at is None:
            return every if self.side in ("", side) else []
        known = {name.casefold() for name in names}
        return [row for row in every if self.grid.rows[row][at].casefold() in known]

    def find(self, file: Rendering, side: str, names: Sequence[str]) -> int | None:
        """The row of a file.

        Raises:
            DataError: If two rows could be it.
        """
        if side not in self._index:
            self._index[side] = self._by_name(self.rows_of(side, names))
        index = self._index[side]
        paths = [] if file.path is None else [str(file.path.resolve())]
        for name in (*paths, file.key.text):
            rows = [row for row in index.get(name, ()) if self._fits(row, file)]
            if len(rows) > 1:
                lines = " and ".join(str(self.grid.lines[row]) for row in rows[:2])
                raise DataError(
                    f"{self.grid.path}: rows {lines} are both {printable(name)} of the {side}; say which side a row is "
                    "of in a column side (baseline, candidate), or give --scores baseline=FILE and candidate=FILE"
                )
            if rows:
                self.used.setdefault(rows[0], "")
                return rows[0]
        return None

    def take(self, row: int, column: int, heading: str, side: str) -> str:
        """A cell as a figure of one side.

        Raises:
            DataError: If the other side has taken the same: nothing in the table tells them apart.
        """
        if plain_name(self.grid.header[column]) == plain_name(heading):
            if self.used.get(row) not in ("", side):
                raise DataError(
                    f"{self.grid.path}: row {self.grid.lines[row]} is found for both sides; say which side a row is of "
                    "in a column side (baseline, candidate), or give --scores baseline=FILE and candidate=FILE"
                )
            self.used[row] = side
        return self.grid.rows[row][column]

    def _by_name(self, rows: Iterable[int]) -> dict[str, list[int]]:
        folder = Path(self.grid.path).parent
        places = [self.at(SYNONYMS[name]) for name in ("path", "utterance_id", "text")]
        if all(place is None for place in places):
            raise DataError(f"{self.grid.path}: no column path, id or text, which says what file a row is about")
        index: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            names: dict[str, None] = {}
            for place, is_path in zip(places, (True, False, False), strict=True):
                cell = "" if place is None else unicodedata.normalize("NFC", self.grid.rows[row][place].strip())
                if cell and is_path:
                    path = existing(folder / cell)
                    names |= {str(path.resolve()): None, str(Path(cell).resolve()): None}
                    names[Path(cell).with_suffix("").as_posix()] = None
                elif cell:
                    names[printable(cell)] = None
            for name in names:
                index[name].append(row)
        return index

    def _fits(self, row: int, file: Rendering) -> bool:
        for names, own in ((("voice",), file.key.voice), (("seed",), file.seed)):
            at = self.at(names)
            if at is not None and self.grid.rows[row][at].strip() not in ("", own):
                return False
        return True


def read_tables(given: Sequence[str]) -> list[JoinedTable]:
    """Tables of ``--scores``: ``FILE``, ``baseline=FILE`` or ``candidate=FILE``.

    Raises:
        UsageError: If one does not exist.
        DataError: If one is no table with a header.
    """
    tables = []
    for text in given:
        side, equals, name = text.partition("=")
        side, name = (side.strip(), name) if equals and side.strip() in SIDES else ("", text)
        if not Path(name).is_file():
            raise UsageError(f"--scores {printable(name)}: no such file")
        grid = read_grid(name, HEADER_WORDS | {"side", "voice", "seed"})
        check_doubled(grid)
        if not grid.header:
            raise DataError(f"{name}: no header; the first line must name the columns, such as id,wer")
        tables.append(JoinedTable(grid, side))
    return tables


@dataclass(frozen=True)
class Joiner:
    """What is joined to the files of both sides.

    Attributes:
        headings: Columns of numbers.
        slices: Columns that cut slices.
        tables: Where they are beside the manifests.
    """

    headings: tuple[str, ...]
    slices: tuple[str, ...]
    tables: Sequence[JoinedTable]

    @classmethod
    def of(cls, options: GateOptions, scores: Sequence[str]) -> Joiner:
        """What the options ask for.

        Raises:
            UsageError: For tables without a column to take from them.
        """
        columns = [column for column in options.columns if not column.measured]
        headings = tuple(dict.fromkeys(heading for column in columns for heading in column.headings))
        slices = tuple(name for name in options.slice_by if name not in (FOLDER, VOICE))
        tables = read_tables(scores)
        if tables and not (headings or slices):
            shown = ", ".join(tables[0].grid.header)
            raise UsageError(f"--scores {tables[0].grid.path}: --score COLUMN says what decides; it has {shown}")
        return cls(headings, slices, tables)

    def join(self, files: Sequence[Rendering], side: SideName, names: Sequence[str]) -> list[Rendering]:
        """Files with ``columns`` and ``slices``.

        Args:
            files: Of one side.
            side: Which.
            names: What the side may be called in a table.

        Raises:
            DataError: If a file has no row, or a cell is no number.
            UnknownName, UsageError: If nothing has a column.
        """
        if not (self.headings or self.slices):
            return list(files)
        done = []
        for file in files:
            values = {name: self._number(file, name, side, names) for name in self.headings}
            cells = {name: self._cell(file, name, side, names, needed=False)[0] for name in self.slices}
            kept = {name: cell for name, cell in cells.items() if cell}
            done.append(replace(file, columns={**file.columns, **values}, slices={**file.slices, **kept}))
        return done

    def _cell(
        self, file: Rendering, heading: str, side: SideName, names: Sequence[str], *, needed: bool
    ) -> tuple[str, str]:
        """A cell and where it stands; empty where nothing has it."""
        if needed and file.path is None and heading in file.columns:  # of a saved baseline
            return repr(file.columns[heading]), f"{side}: {file.name}"
        tables = [table for table in self.tables if table.column(heading, side) is not None]
        for table in tables:
            row, at = table.find(file, side, names), table.column(heading, side)
            if row is not None and at is not None:
                cell = table.take(row, at, heading, side) if needed else table.grid.rows[row][at]
                return cell, f"{table.grid.path}: row {table.grid.lines[row]}"
        plain = {plain_name(name): cell for name, cell in file.extra.items()}
        if plain_name(heading) in plain:
            return plain[plain_name(heading)], f"{side}: {file.name}"
        if not needed:
            return "", ""
        if tables:
            raise DataError(
                f"{tables[0].grid.path}: no row for {file.key} of the {side} ({file.name}); rows are found by path, or "
                "by id or text with voice and seed; a column side (baseline, candidate) tells the sides apart"
            )
        known = [*file.extra, *file.columns, *(name for table in self.tables for name in table.grid.header)]
        if not known:
            raise UsageError(
                f"--score {heading}: nothing has such a column for the {side}, which is no manifest; name a table with "
                "--scores FILE, or take --scores-csv where there is no audio"
            )
        raise UnknownName(f"column of the manifests and --scores for the {side}", heading, known)

    def _number(self, file: Rendering, heading: str, side: SideName, names: Sequence[str]) -> float:
        cell, where = self._cell(file, heading, side, names, needed=True)
        value = number(cell)
        if not math.isfinite(value):
            raise DataError(f"{where}: {heading} {cell!r} is no finite number. Mend it, or leave the text out")
        return value

    def findings(self) -> list[GateFinding]:
        """Rows of tables that belong to no file."""
        found = []
        for table in self.tables:
            if left := len(table.grid.rows) - len(table.used):
                message = f"{printable(table.grid.path)}: {left} of {len(table.grid.rows)} rows belong to no file here"
                found.append(GateFinding("note", "unused_rows", message))
        return found


def column_scores(group: Sequence[Rendering], columns: Sequence[Column]) -> dict[str, float]:
    """Scores of one text from the columns of its repeats: means; of ratios, the ratio of its sums."""
    scores = {}
    for column in columns:
        if column.over:
            above, below = ratio_parts(group, column)
            scores[column.name] = above / below if below else above
        else:
            scores[column.name] = math.fsum(file.columns[column.value] for file in group) / len(group)
    return scores


def ratio_parts(group: Sequence[Rendering], column: Column) -> tuple[float, float]:
    """Sums above and below of one text over its repeats, as means over them so that repeats weigh nothing.

    Raises:
        DataError: If a sum below is negative.
    """
    above, below = (
        math.fsum(file.columns[heading] for file in group) / len(group) for heading in (column.value, column.over)
    )
    if below < 0:
        raise DataError(f"{group[0].name}: {column.over} is {below:g}, below 0")
    return above, below


def side_names(origin: str | Path, side: SideName) -> list[str]:
    """What a side may be called in a table: its role, its path, the last part of that."""
    path = Path(origin)
    return [side, str(origin), path.name, path.stem]
