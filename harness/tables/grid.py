"""From a file to rows of text: encodings, line ends, delimiters, comments, JSON lines, parquet.

Every cell stays text, so that ``007`` is no 7. What was recognised is kept in words (:attr:`Grid.form`), because it is
printed; what cannot be read is refused with a sentence that says what to do.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from ..audio.suffixes import AUDIO_LIKE
from ..core.errors import DataError
from ..core.files import csv_text
from .objects import cell_text, read_objects
from .shape import is_clip_header, shaped, titles_above, without_frame

DELIMITERS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
"""In the order in which they are preferred where several would do: a comma may also be a decimal one."""

FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or zip archive; save it as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as CSV (UTF-8)",
    b"BZh": "compressed (bzip2); unpack it",
    b"\xfd7zXZ": "compressed (xz); unpack it",
    b"\x93NUMPY": "a numpy array; write a CSV with ids beside the numbers",
    b"\x80\x04": "a pickle, which is never loaded; write a CSV",
}
"""First bytes of what is no table."""

TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")
GZIP = b"\x1f\x8b"
LARGEST_LINE = 1_000_000
LARGEST_UNPACKED = 1 << 30
COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


@dataclass(frozen=True)
class Grid:
    """A table as text.

    Attributes:
        path: The file, for messages.
        header: Names of the columns; empty where the file has none.
        rows: Cells without blanks at their ends, every row as wide as the others.
        lines: Number of each row in the file, from 1, for messages.
        form: What it was taken for, in words: ``CSV with semicolons``.
        untidy: Cells with blanks at their ends as they are, by line and column.
    """

    path: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    form: str
    untidy: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.header) or (len(self.rows[0]) if self.rows else 0)

    def column(self, at: int) -> list[str]:
        """The cells of one column."""
        return [row[at] for row in self.rows]

    def as_written(self, at: int) -> list[str]:
        """The cells of one column with the blanks at their ends."""
        return [self.untidy.get((line, at), row[at]) for line, row in zip(self.lines, self.rows, strict=True)]


def read_grid(path: str | Path, header_words: Iterable[str] = ()) -> Grid:
    """Read a table.

    Args:
        path: CSV (any delimiter of :data:`DELIMITERS`, or blanks), JSON (a list of objects, an object a line, or Python
            dictionaries as VERSA prints them) or parquet.
        header_words: Lower-case names that make a first line a header although what follows them looks like numbers.

    Raises:
        DataError: If it is absent, empty, no table, or a row has another number of fields than the header.
    """
    source = Path(path)
    try:
        data = source.read_bytes()
    except IsADirectoryError as error:
        tables = [one.name for one in sorted(source.iterdir()) if one.suffix.lower() in TABLES]
        hint = f"name the table in it ({', '.join(tables[:3])})" if tables else "no table lies in it"
        raise DataError(f"{path}: this is a folder; {hint}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    packed = data.startswith(GZIP)
    data = _unpacked(data, path) if packed else data
    if not data.strip():
        raise DataError(f"{path}: the file is empty")
    for magic, what in FOREIGN.items():
        if data.startswith(magic):
            raise DataError(f"{path}: this is {what}")
    if data.startswith(b"PAR1"):
        return _from_parquet(source, data)
    text, encoding = decode(data, path)
    text = without_frame(text.replace("\r\n", "\n").replace("\r", "\n"))
    start = text.lstrip()[:1]
    if start == "<" or source.suffix.lower() in (".yaml", ".yml"):
        what = "HTML or XML" if start == "<" else "YAML"
        raise DataError(f"{path}: {what}, which is no table; write it as CSV, JSON or parquet")
    grid = _from_objects(text, path) if start in ("{", "[") else _from_lines(text, path, frozenset(header_words))
    return _usual(replace(grid, form=grid.form + encoding + (", gzip" if packed else "")))


def _usual(grid: Grid) -> Grid:
    """The table in its usual shape; what had to be turned or left out becomes part of its form."""
    grid = _without_empty_columns(grid)
    header, rows, lines, said = shaped(grid.header, grid.rows, grid.lines)
    if not said and rows == grid.rows:
        return grid
    untidy = grid.untidy if header == grid.header else {}
    return replace(grid, header=header, rows=rows, lines=lines, untidy=untidy, form=", ".join([grid.form, *said]))


def _unpacked(data: bytes, path: str | Path) -> bytes:
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            content = stream.read(LARGEST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: compressed (gzip); unpack it (it is damaged: {error})") from error
    if len(content) > LARGEST_UNPACKED:
        raise DataError(f"{path}: more than {LARGEST_UNPACKED >> 20} MiB unpacked; no table is that large")
    return content


def decode(data: bytes, path: str | Path) -> tuple[str, str]:
    """Text of a file, and what is to be said about its encoding (empty for UTF-8).

    UTF-8 and UTF-16 with or without a byte-order mark; what is neither is taken for Windows-1252, as Excel writes.
    """
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _decoded(data, "utf-16", path), ", UTF-16"
    if b"\0" in data[:200]:
        little = data[1:2] == b"\0"
        return _decoded(data, "utf-16-le" if little else "utf-16-be", path), ", UTF-16 without a mark"
    try:
        return data.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return _decoded(data, "cp1252", path), ", Windows-1252 (not UTF-8)"


def _decoded(data: bytes, encoding: str, path: str | Path) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: neither UTF-8 nor {encoding} text (byte {error.start}); save it as UTF-8") from error


# -- delimited text ---------------------------------------------------------------------------------------------------


def _from_lines(text: str, path: str | Path, words: frozenset[str]) -> Grid:
    lines = text.split("\n")
    skipped, hint, named = 0, "", ""
    while skipped < len(lines) and (not lines[skipped].strip() or _is_comment(lines[skipped])):
        named = lines[skipped].lstrip("# ") if lines[skipped].startswith("#") else named
        skipped += 1
    if skipped < len(lines) and re.fullmatch(r"sep=(.)", lines[skipped].strip(), re.IGNORECASE):
        hint, skipped = lines[skipped].strip()[-1], skipped + 1
    titles = 0 if hint else titles_above(lines[skipped:], words, tuple(DELIMITERS))
    skipped += titles
    body = "\n".join(lines[skipped:])
    if not body.strip():
        raise DataError(f"{path}: nothing but comments and blank lines")
    delimiter = hint or _delimiter(body, Path(path).suffix.lower())
    rows, numbers = _split(body, delimiter, path, skipped)
    comments = sum(line.startswith("#") for line in lines[:skipped])
    form = ("words between blanks" if delimiter == " " else f"text with {DELIMITERS.get(delimiter, delimiter)}") + (
        f", {comments} comment line{'s' * (comments > 1)} left out" if comments else ""
    )
    form += f", {titles} line{'s' * (titles > 1)} above the header left out" if titles else ""
    header: tuple[str, ...] = ()
    if _is_header(rows[0], words) or is_clip_header(rows):
        header, rows, numbers = rows[0], rows[1:], numbers[1:]
    elif named:  # numpy.savetxt puts the header behind a #
        split, _ = _split(named, delimiter, path, 0)
        header = split[0] if split and len(split[0]) == len(rows[0]) and _is_header(split[0], words) else ()
    untidy = {
        (line, at): cell
        for line, row in zip(numbers, rows, strict=True)
        for at, cell in enumerate(row)
        if cell != cell.strip()
    }
    header, rows = tuple(cell.strip() for cell in header), [tuple(cell.strip() for cell in row) for row in rows]
    rows = _even(rows, len(header) or Counter(map(len, rows)).most_common(1)[0][0], numbers, path)
    commas = [at for at in range(len(rows[0]) if rows else 0) if _decimal_commas([row[at] for row in rows], delimiter)]
    if commas:
        rows = [tuple(one.replace(",", ".") if at in commas else one for at, one in enumerate(row)) for row in rows]
        form += ", decimal commas"
    return Grid(str(path), header, tuple(rows), tuple(numbers), form, untidy)


def _decimal_commas(cells: Sequence[str], delimiter: str) -> bool:
    """Whether a column's numbers have commas: all of them where commas part the fields as well, else some and no point.

    Ratings have no thousands, so ``1,031`` is a little over one.
    """
    given = [cell for cell in cells if cell]
    commas = [cell for cell in given if "," in cell and COMMA.fullmatch(cell)]
    if not commas or (delimiter == "," and len(commas) < len(given)):
        return False
    return all(COMMA.fullmatch(cell) or WHOLE.fullmatch(cell) for cell in given)


def _is_comment(line: str) -> bool:
    return line.startswith(("#", "//"))


def _delimiter(body: str, suffix: str) -> str:
    """What parts the fields: of those in the first line, the first by which every line has as many fields as it."""
    sample = [line for line in body.split("\n", 60)[:60] if line.strip()]
    present = [mark for mark in DELIMITERS if mark in sample[0]]
    if suffix == ".tsv" and "\t" in present:
        return "\t"
    even = []
    for mark in present:
        widths = {len(row) for row in csv.reader(sample, delimiter=mark) if row}
        if len(widths) == 1:
            even.append(mark)
    if even or present:
        return (even or sorted(present, key=sample[0].count, reverse=True))[0]
    widths = {len(line.split()) for line in sample}
    return " " if len(widths) == 1 and widths != {1} else ","


def _split(body: str, delimiter: str, path: str | Path, skipped: int) -> tuple[list[tuple[str, ...]], list[int]]:
    if delimiter == " ":
        pairs = [(tuple(line.split()), at) for at, line in enumerate(body.split("\n"), 1) if line.strip()]
        if all(row[0].endswith(":") for row, _ in pairs):  # "clip.wav: 3.2"
            pairs = [((row[0][:-1], *row[1:]), at) for row, at in pairs]
    else:
        csv.field_size_limit(LARGEST_LINE)
        spaced = f"{delimiter} " in body.partition("\n")[0]  # a blank behind every delimiter is style, no part of ids
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, skipinitialspace=spaced)
        try:
            pairs = [(tuple(map(csv_text, row)), reader.line_num) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num + skipped}: {error}; is a quote left open?") from error
    return [row for row, _ in pairs], [number + skipped for _, number in pairs]


def _even(rows: list[tuple[str, ...]], width: int, numbers: Sequence[int], path: str | Path) -> list[tuple[str, ...]]:
    """Rows of one width: a delimiter too many at the end of every row is no column."""
    if rows and width and all(len(row) == width + 1 and not row[-1] for row in rows):
        return [row[:-1] for row in rows]
    for number, row in zip(numbers, rows, strict=True):
        if len(row) != width:
            quote = "; is a quote left open?" if any("\n" in cell for cell in row) else ""
            raise DataError(f"{path}: row {number} has {len(row)} fields, expected {width}{quote}")
    return rows


def _is_header(row: Sequence[str], words: frozenset[str]) -> bool:
    """Whether a first row names columns: it has a name that we know, or holds neither numbers nor files."""
    if any(plain_name(cell) in words for cell in row):
        return True
    if any(PurePath(cell).suffix.lower() in AUDIO_LIKE for cell in row):
        return False
    return not any(_looks_numeric(cell) for cell in row)


def _looks_numeric(cell: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?|nan|none|na|inf", cell.strip(), re.IGNORECASE))


def plain_name(name: str) -> str:
    """A column's name as it is compared: lower case, ``_`` for everything between words.

    Example:
        >>> plain_name(" Utterance ID"), plain_name("MOS-pred")
        ('utterance_id', 'mos_pred')
    """
    return re.sub(r"[\s.\-/]+", "_", name.strip().lower())


# -- objects and parquet ----------------------------------------------------------------------------------------------


def _from_objects(text: str, path: str | Path) -> Grid:
    names, rows, lines, form = read_objects(text, path)
    return Grid(str(path), names, rows, lines, form)


def _from_parquet(path: Path, data: bytes) -> Grid:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: not a readable parquet file ({error})") from error
    names = tuple(table.column_names)
    columns = [[cell_text(value) for value in table.column(name).to_pylist()] for name in names]
    rows = tuple(zip(*columns, strict=True))
    return _usual(Grid(str(path), names, rows, tuple(range(1, len(rows) + 1)), "parquet"))


def _without_empty_columns(grid: Grid) -> Grid:
    """Without columns that hold nothing or only count the rows: a delimiter at the end, the index of a data frame."""
    if not grid.header:
        return grid
    kept = []
    for at, name in enumerate(grid.header):
        nameless = name == "" or re.fullmatch(r"Unnamed: \d+|__index_level_\d+__", name)
        if (
            nameless
            and (at == 0 or not any(grid.column(at)))
            and all(re.fullmatch(r"\d*", cell) for cell in grid.column(at))
        ):
            continue
        kept.append(at)
    if len(kept) == len(grid.header) or not kept:
        return grid
    return replace(
        grid,
        header=tuple(grid.header[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in grid.rows),
        untidy={(line, kept.index(at)): cell for (line, at), cell in grid.untidy.items() if at in kept},
    )
