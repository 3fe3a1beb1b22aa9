"""Files: atomic writes, strict JSON, digests, and ids that are safe as file names."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from .errors import DataError, UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
FORMULA = re.compile(r"'*[=+\-@\t\r]")


@contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` and rename it onto ``path`` when the block ends without an error.

    Readers see the old file or the whole new one, never a part; an error leaves the old file as it was.

    Args:
        path: Destination. Missing parent folders are made.
        mode: ``"w"`` (UTF-8, no newline translation) or ``"wb"``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    import tempfile  # here: listings write nothing

    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        os.fchmod(handle, 0o666 & ~_umask())
        with os.fdopen(handle, mode, **text) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_ready(value: Any) -> Any:
    """A copy of ``value`` in JSON types: NaN and infinities become ``None``, paths strings, numpy values Python's."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [json_ready(item) for item in items]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return json_ready(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def dump_json(value: Any, *, indent: int | None = 1) -> str:
    """Strict JSON with sorted keys and no NaN: the same value gives the same bytes."""
    return json.dumps(json_ready(value), sort_keys=True, allow_nan=False, ensure_ascii=False, indent=indent)


def as_stored(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` as it is read back from its JSON file, so that the two can be compared."""
    ready: dict[str, Any] = json.loads(dump_json(value))
    return ready


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as strict JSON, atomically, with a final newline."""
    with atomic_write(path) as stream:
        stream.write(dump_json(value) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: If the file is absent or no JSON; the message names it.
    """
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from error


def read_csv(path: str | Path, columns: Sequence[str] | None = None, *, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a CSV with a header into rows of strings: no type guessing, so ``"015"`` stays ``"015"``.

    Args:
        path: The file; UTF-8, a byte-order mark is ignored.
        columns: Column names that must be there.
        delimiter: Field separator.

    Raises:
        DataError: If the file is absent, empty, no text, has a line with another number of fields, or lacks a column.
    """
    text = read_text(path)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    rows = [row for row in rows if row]
    if not rows:
        raise DataError(f"{path}: the file is empty; expected a header line")
    header = [name.strip() for name in rows[0]]
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise DataError(f"{path}: the header names {', '.join(doubled)} twice")
    missing = [name for name in columns or () if name not in header]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; the header is {delimiter.join(header)!r}")
    records = []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(f"{path}: row {number} has {len(row)} fields, the header has {len(header)}")
        records.append(dict(zip(header, row, strict=True)))
    return records


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file (byte-order mark ignored).

    Raises:
        DataError: If it is absent, unreadable or not UTF-8.
    """
    try:
        return Path(path).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a UTF-8 text file (byte {error.start})") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def csv_cell(value: Any) -> str:
    """A CSV cell that no spreadsheet takes for a formula; floats keep every digit, NaN and ``None`` are empty.

    Text that starts with ``= + - @``, tab or CR gets a leading apostrophe unless it is a number;
    :func:`csv_text` takes it off again.
    """
    if value is None:
        return ""
    if isinstance(value, float) or hasattr(value, "tolist"):
        number = float(value)
        return "" if math.isnan(number) else repr(number)
    text = str(value)
    if FORMULA.match(text):
        try:
            float(text)
        except ValueError:
            return "'" + text
    return text


def csv_text(cell: str) -> str:
    """The text that :func:`csv_cell` was given.

    Example:
        >>> [csv_text(csv_cell(text)) for text in ("=1+1", "-5", "'-a", "plain")]
        ['=1+1', '-5', "'-a", 'plain']
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def write_csv(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV atomically, LF line ends, cells as in :func:`csv_cell`."""
    with atomic_write(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([csv_cell(cell) for cell in row] for row in rows)


def write_parquet(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as zstd parquet, atomically; NaN stays NaN."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    table = pa.table({name: pa.array(column) for name, column in zip(header, columns, strict=True)})
    with atomic_write(path, "wb") as stream:
        pq.write_table(table, stream, compression="zstd")


def file_sha256(path: str | Path) -> str:
    """``sha256:`` and the hexadecimal digest of a file's bytes."""
    with Path(path).open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def digest(value: Any) -> str:
    """``sha256:`` and the hexadecimal digest of a value's canonical JSON."""
    return "sha256:" + hashlib.sha256(dump_json(value, indent=None).encode()).hexdigest()


def check_name(name: str, what: str = "name") -> str:
    """Return ``name`` if it is safe as a folder name: lower-case letters, digits, ``. _ -``, at most 64.

    Raises:
        UsageError: Otherwise.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{what} {name!r} will not do: start with a lower-case letter or digit, then letters, digits, "
            "'.', '_', '-'; 64 characters at most"
        )
    return name
