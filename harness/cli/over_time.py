"""``mosharness predict --over-time``: scores along each clip, as a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.extras import installing
from ..core.files import write_csv
from ..core.guard import first_line, guard_output
from .show import say

if TYPE_CHECKING:
    from ..core.clip import Clip
    from ..engine.scorer import Scorer

SECONDS = 4.0
"""Length of the windows of a curve where none is asked for."""


def check_over_time(path: Path, inputs: Sequence[str], others: Sequence[Path | None], *, overwrite: bool) -> None:
    """Whether the table and the figure beside it can be written; said before any scoring.

    Raises:
        UsageError: For another suffix, the file of another option, an input, or a file of other origin.
    """
    from ..engine.windows import ABOUT, TIMES
    from ..inspection.over_time import is_figure

    def is_curve(one: Path) -> bool:
        names = tuple(first_line(one).split(","))
        return names[: len(TIMES)] == TIMES and names[-len(ABOUT) :] == ABOUT

    if path.suffix.lower() != ".csv" or path.is_dir():
        raise UsageError(f"--over-time {path}: name a file that ends in .csv; the figure goes beside it as .png")
    if path.resolve() in [other.resolve() for other in others if other is not None]:
        raise UsageError(f"--over-time {path}: is the file of another option; name another one")
    named = [("one of the inputs", one) for one in inputs]
    guard_output(path, "--over-time", is_curve, inputs=named, overwrite=overwrite)
    guard_output(path.with_suffix(".png"), "--over-time", is_figure, inputs=named, overwrite=overwrite)


def write_over_time(
    path: Path,
    several: Sequence[tuple[str, Scorer]],
    entries: Sequence[Clip],
    seconds: float | None,
    *,
    use_cache: bool,
    workers: int | None,
) -> None:
    """Score the windows of every clip and write the table and, with matplotlib, the figure."""
    from ..engine.several import columns_of
    from ..engine.windows import curve_header, curve_rows, curves, longest_of
    from ..inspection.over_time import draw_curves

    columns = columns_of(several)
    length = seconds or min(SECONDS, *(longest_of(one, None, label) for label, one in several))
    moments = curves(several, entries, length, use_cache=use_cache, workers=workers)
    write_csv(path, curve_header(columns), curve_rows(moments))
    clips = len({one.utterance_id for one in moments})
    say(f"over time: {len(moments)} windows of {clips} clips in {path}")
    if not moments:
        return
    try:
        drawn = draw_curves(path.with_suffix(".png"), columns, moments)
    except ImportError:
        say(f"note: no figure: matplotlib is not installed, {installing('plots')}; the table is there")
        return
    say(f"over time: figure of {drawn if drawn == clips else f'the first {drawn}'} clips in {path.with_suffix('.png')}")
