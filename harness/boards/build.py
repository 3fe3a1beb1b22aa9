"""Write the boards into a folder, or tell which of its files no longer match the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import DataError, UnknownName
from ..core.files import atomic_write
from ..core.guard import Recogniser, guard_folder, guard_output, json_with, text_with
from ..results.schema import Result
from . import systems
from .generalisation import generalisations
from .generalisation_page import CSV_HEADER, SCHEMA, generalisation_files
from .index import index_page
from .model import Board, make_board
from .page import GENERATED, NOT_DRAWN, task_page
from .plots import Scatter, can_draw, draw, png_digest, scatter_of
from .published import PublishedRow, read_published
from .rows import collect_rows
from .systems import system_files

if TYPE_CHECKING:
    from ...tasks.base import TaskCard

INDEX = "README.md"


@dataclass(frozen=True)
class Fault:
    """A file of a board that is not as the results make it: ``kind`` is ``missing``, ``stale`` or ``extra``."""

    kind: str
    path: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}"


def our_cards() -> dict[str, TaskCard]:
    """The cards of the tasks of this project; those of other packages must not change committed pages."""
    from ...tasks import TASKS

    return {name: TASKS.card(name) for name in TASKS if TASKS.origin(name) == "mosharness"}


def make_boards(
    results: str | Path, published: str | Path | None = None, cards: Mapping[str, TaskCard] | None = None
) -> list[Board]:
    """One board per task of ours and per task that has a result, sorted by task name.

    A benchmark with neither a result nor a published figure has none: :func:`without_rows` names those.

    Args:
        results: Folder of result folders; may be empty, must exist.
        published: Folder of published figures, or ``None``.
        cards: Cards by task name; :func:`our_cards` by default.

    Raises:
        DataError: If a folder does not exist, or a file in it is malformed.
    """
    for what, folder in (("results", results), ("published figures", published)):
        if folder is not None and not Path(folder).is_dir():
            raise DataError(f"{folder}: no such folder of {what}")
    cards = our_cards() if cards is None else cards
    rows: dict[str, list[Result]] = {name: [] for name in cards}
    for row in collect_rows(results):
        rows.setdefault(row.task.name, []).append(row)
    figures: list[PublishedRow] = read_published(Path(published), rows) if published is not None else []
    empty = without_rows(rows, figures)
    return [make_board(name, rows[name], cards.get(name), figures) for name in sorted(rows) if name not in empty]


def without_rows(rows: Mapping[str, Sequence[Result]], figures: Sequence[PublishedRow]) -> set[str]:
    """Benchmarks of which nothing is known: no result, no published figure."""
    from ...tasks import TASKS

    known = {figure.task for figure in figures} | {name for name, members in rows.items() if members}
    return {name for name in rows if name not in known and TASKS.is_benchmark(name)}


def choose(boards: Sequence[Board], tasks: Sequence[str]) -> list[Board]:
    """The boards of these tasks; all when none is named.

    Raises:
        UnknownName: For a task without a board.
    """
    names = [board.task for board in boards]
    for task in tasks:
        if task not in names:
            raise UnknownName("leaderboard", task, names)
    return [board for board in boards if not tasks or board.task in tasks]


def write_boards(
    boards: Sequence[Board],
    out: str | Path,
    tasks: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write pages, plots and index.

    Files that are as they should be are left alone: a plot is drawn again only when the digest inside it differs, so
    pages can be renewed without matplotlib as long as no plot changes; otherwise the page says that it has none.
    When every task is written, generated files that no result asks for any more are removed, and ``say`` tells so.

    Args:
        boards: Every board (the index shows all of them).
        out: Folder, made if absent.
        tasks: Write the pages of these only; all by default.
        say: Called with one line for each removed file and when plots cannot be drawn.
        overwrite: Replace files that are in the way and were not written by this program.

    Returns:
        The files that were written anew or changed.

    Raises:
        UsageError: If a file of other origin is in the way; nothing is written then.
    """
    out = Path(out)
    chosen = choose(boards, tasks)
    _guard(boards, chosen, out, overwrite=overwrite)
    written = []
    drawn: dict[str, bool] = {}
    for board in chosen:
        stale = [plot for plot in _plots([board]) if png_digest(out / plot.path) != plot.digest]
        drawn[board.task] = not stale or can_draw()
        for plot in stale:
            if drawn[board.task]:
                draw(plot, out / plot.path)
                written.append(out / plot.path)
            else:
                (out / plot.path).unlink(missing_ok=True)
        if not drawn[board.task]:
            say(f"{board.task}: plots are not drawn, matplotlib is not installed (extra `plots`); the page says so")
    for name, text in _pages(boards, chosen, drawn).items():
        path = out / name
        if not path.is_file() or path.read_bytes() != text.encode():
            with atomic_write(path) as stream:
                stream.write(text)
            written.append(path)
    if not tasks:
        for fault in _extra(boards, out):
            (out / fault.path).unlink()
            say(f"removed {out / fault.path}: no result asks for it any more")
    return written


def _guard(boards: Sequence[Board], chosen: Sequence[Board], out: Path, *, overwrite: bool) -> None:
    """Refuse to write over a page, table or plot that is none of ours."""
    guard_folder(out, "--output")
    for plot in _plots(chosen):
        guard_output(out / plot.path, "--output", lambda path: png_digest(path) is not None, overwrite=overwrite)
    for name in _pages(boards, chosen, {board.task: True for board in chosen}):
        guard_output(out / name, "--output", _ours(name), overwrite=overwrite)


def check_boards(boards: Sequence[Board], out: str | Path, tasks: Sequence[str] = ()) -> list[Fault]:
    """Which files of ``out`` are missing, stale or extra; nothing is written and no matplotlib is needed.

    Text is compared byte by byte. A plot is compared by the digest of its data, which it carries inside: versions of
    matplotlib draw the same data in different bytes. A page that was made without matplotlib says so, and is then
    compared with what such a page must be, without its plots.

    Returns:
        Faults, sorted by path.
    """
    out = Path(out)
    chosen = choose(boards, tasks)

    drawn = {board.task: not _says_not_drawn(out / f"{board.task}.md") for board in chosen}
    faults = []
    for name, text in _pages(boards, chosen, drawn).items():
        path = out / name
        if not path.is_file():
            faults.append(Fault("missing", name))
        elif path.read_bytes() != text.encode():
            faults.append(Fault("stale", name))
    for plot in _plots([board for board in chosen if drawn[board.task]]):
        path = out / plot.path
        if not path.is_file():
            faults.append(Fault("missing", plot.path))
        elif png_digest(path) != plot.digest:
            faults.append(Fault("stale", plot.path))
    if not tasks:
        faults += _extra(boards, out)
    return sorted(faults, key=lambda fault: fault.path)


def _says_not_drawn(page: Path) -> bool:
    return page.is_file() and NOT_DRAWN in page.read_text("utf-8", errors="replace")


def _pages(boards: Sequence[Board], chosen: Sequence[Board], drawn: Mapping[str, bool]) -> dict[str, str]:
    """File name to text: the index and comparison of all boards, pages of the chosen ones, their tables of systems."""
    pages = {f"{board.task}.md": task_page(board, drawn=drawn[board.task]) for board in chosen}
    over_all = generalisations(boards)
    index = index_page(boards, [stem for stem, _ in over_all])
    return {INDEX: index, **pages, **generalisation_files(over_all), **system_files(chosen)}


def _ours(name: str) -> Recogniser:
    """Recognises earlier output under a name."""
    if name.endswith(".json"):
        return json_with(schema=SCHEMA)
    if name.endswith(".csv") and "/" not in name:
        return text_with(CSV_HEADER)
    return text_with(GENERATED if name.endswith(".md") else systems.HEADER)


def _plots(boards: Sequence[Board]) -> list[Scatter]:
    plots: dict[str, Scatter] = {}
    for board in boards:
        for split in board.splits:
            for dimension in split.dimensions:
                for row in split.rows:
                    plot = scatter_of(row, dimension.name)
                    if plot is not None and dimension.name in row.task.dimensions:
                        if plot.path in plots:
                            names = f"{plots[plot.path].row.name!r} and {row.name!r}"
                            raise DataError(
                                f"{row.where}: the rows {names} would share the plot {plot.path}; "
                                "run one of them again with another --name"
                            )
                        plots[plot.path] = plot
    return list(plots.values())


def _is_ours(path: Path) -> bool:
    try:
        return _ours(path.name)(path)
    except (OSError, ValueError):
        return False


def _extra(boards: Sequence[Board], out: Path) -> list[Fault]:
    """Generated files that no board asks for; files of other origin are none of our business."""
    beside = generalisation_files(generalisations(boards))
    pages = {INDEX, *(f"{board.task}.md" for board in boards), *beside}
    plots = {plot.path for plot in _plots(boards)}
    found = []
    for path in sorted(out.glob("*.md")):
        if path.name not in pages and path.read_bytes().startswith(GENERATED.encode()):
            found.append(Fault("extra", path.name))
    for path in sorted([*out.glob("generalisation*.csv"), *out.glob("generalisation*.json")]):
        if path.name not in pages and _is_ours(path):
            found.append(Fault("extra", path.name))
    tables = system_files(boards)
    for path in sorted((out / systems.FOLDER).glob("*.csv")):
        name = f"{systems.FOLDER}/{path.name}"
        if name not in tables and path.read_bytes().startswith(systems.HEADER.encode()):
            found.append(Fault("extra", name))
    for path in sorted((out / "plots").glob("*.png")):
        name = f"plots/{path.name}"
        if name not in plots and png_digest(path) is not None:
            found.append(Fault("extra", name))
    return found
