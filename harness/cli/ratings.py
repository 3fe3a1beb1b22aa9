"""``mosharness ratings``: what a listening test says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core import choices
from ..core.numbers import DEGENERATE, without_width
from . import common
from .show import clean, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..results.listening import Dimension, RatingsReport

MOST = 20
"""Listeners on the screen; all of them are in --json and --output."""


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("ratings")(ratings)


def ratings(
    file: Annotated[Path, typer.Argument(help="Table with a row a rating, or a row a comparison of two systems.")],
    form: Annotated[
        choices.RatingForm | None,
        typer.Option("--form", help="By columns and range by default."),
    ] = None,
    column: common.Columns = None,
    without: common.Without = None,
    means: Annotated[
        Path | None, typer.Option("--means", help="Published means to compare with; says who was left out of them.")
    ] = None,
    system_pattern: Annotated[
        str, typer.Option("--system-pattern", help="Regular expression that finds the system in an id: 'sys[0-9]+'.")
    ] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the report to this .json file.")] = None,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Report a listening test: systems, listeners, their agreement, and how many ratings it takes."""
    from ..core.errors import UsageError
    from ..core.files import read_json, write_json
    from ..core.guard import guard_output
    from ..results.listening import SCHEMA, report_ratings
    from ..tables.fields import parse_columns

    if output is not None:
        if output.suffix != ".json":
            raise UsageError(f"--output {output}: the report is a .json file")
        guard_output(
            output,
            "--output",
            lambda path: read_json(path).get("schema") == SCHEMA,
            inputs=[("the file of ratings", file), ("the file of means", means)],
            overwrite=overwrite,
        )
    report = report_ratings(
        file,
        columns=parse_columns(column or ()),
        form=form or "",
        without=without or (),
        means=means,
        system_pattern=system_pattern,
    )
    say(f"read {report.understood}")
    for note in report.notes:
        say(f"note: {note}")
    if output is not None:
        write_json(output, report.as_plain())
    if as_json:
        print_json(report.as_plain())
    else:
        show(report)
    if output is not None:
        say(f"report: {output}")


def show(report: RatingsReport) -> None:
    """The report as tables on stdout."""
    for at, one in enumerate(report.dimensions):
        if at:
            print()
        show_dimension(one)
    if report.pairs:
        rows = [
            [
                f"{one.a} : {one.b}",
                *(one.votes, one.clips, one.listeners or "-", one.for_a, one.ties, one.for_b),
                *(f"{one.mean:+.2f}", bounds(one.by_listener, "+"), bounds(one.by_clip, "+"), f"{one.p_holm:.3g}"),
            ]
            for one in report.pairs
        ]
        header = ["a : b", "votes", "clips", "listeners", "for a", "ties", "for b", "mean", "95 % by listener"]
        print_table([*header, "95 % by clip", "p (sign test, Holm)"], rows, right=1)
        print("mean: positive where b is better. The sign test takes votes as independent and leaves ties out.")


def show_dimension(one: Dimension) -> None:
    """One dimension: totals, systems, listeners, changes, suggestion."""
    scale = f"{one.form}, {one.scale[0]:g} to {one.scale[1]:g}" if one.scale else "scale unknown"
    people = f"{one.listeners} listeners" if one.listeners else "nobody says who rated"
    print(f"{clean(one.name)} ({scale}): {one.ratings} ratings of {one.clips} clips, {people}; mean {one.mean:.3f}")
    counts = sorted((int(size), clips) for size, clips in one.ratings_per_clip.items())
    sizes = f"{counts[0][0]}" if len(counts) == 1 else f"{counts[0][0]} to {counts[-1][0]}"
    print(f"ratings a clip: {sizes}, {one.ratings / one.clips:.2f} on average")
    print(f"agreement: Krippendorff's alpha {number(one.alpha)}; noise ceiling {ceiling_text(one)}")
    for suggestion in one.suggested:
        needed = "unknown" if suggestion.ratings is None else f"{suggestion.ratings} ratings a clip"
        print(f"for a ceiling of {suggestion.ceiling:g} at the utterance level: {needed}")
    if one.systems:
        print()
        rows = [
            [row.system, row.clips, row.ratings, f"{row.mean:.3f}", bounds(row.by_clip), bounds(row.by_listener)]
            for row in one.systems
        ]
        print_table(["system", "clips", "ratings", "mean", "95 % by clip", "95 % by listener"], rows, right=1)
    if one.people:
        print()
        show_people(one)
    show_stated(one)


def show_people(one: Dimension) -> None:
    """Listeners, the unusual ones first, and what leaving those out would change."""
    people = sorted(one.people, key=lambda row: (not row.unusual, row.listener))
    shown = max(MOST, sum(bool(row.unusual) for row in people))
    rows = [
        [
            *(row.listener, row.ratings, f"{row.mean:.2f}", f"{row.sd:.2f}"),
            *("-" if row.bias is None else f"{row.bias:+.2f}", number(row.agreement, 2), "; ".join(row.unusual)),
        ]
        for row in people[:shown]
    ]
    print_table(["listener", "ratings", "mean", "sd", "bias", "r with others", "unusual"], rows)
    if len(people) > shown:
        print(f"... and {len(people) - shown} more listeners, none of them unusual (--json lists all)")
    if not one.changes:
        print("no listener stands apart from the others")
    for change in one.changes:
        moved = f"; {change.system} moves most, by {change.shift:+.3f}; {change.turned} pairs of systems turn"
        print(
            clean(
                f"without {', '.join(change.without)}: {change.ratings} ratings fewer, {change.clips} clips without "
                f"any; alpha {number(change.alpha[0])} -> {number(change.alpha[1])}; utterance ceiling "
                f"{number(change.ceiling[0])} -> {number(change.ceiling[1])}{moved if change.system else ''}"
            )
        )
    if one.changes:
        print("Nobody was left out: --without LISTENER does that.")


def show_stated(one: Dimension) -> None:
    """Comparison with published means."""
    if one.stated is None:
        return
    found = one.stated
    if not found.differ:
        print(f"stated means: all {found.clips} are those of these ratings")
        return
    print(f"stated means: {found.differ} of {found.clips} are others, by up to {found.largest:.3f}")
    for who in found.exact_without:
        print(clean(f"  without {who} all of them are as stated: --without {who}"))


def ceiling_text(one: Dimension) -> str:
    """The noise ceilings of both levels in words."""
    parts = []
    for level, found in one.ceiling.items():
        parts.append(f"{level} {number(found.value)}" if found.value is not None else f"{level} - ({found.reason})")
    return ", ".join(parts)


def bounds(interval: tuple[float, float] | None, sign: str = "") -> str:
    """An interval in brackets; ``-`` where there is none, ``degenerate`` where it has no width."""
    if interval is not None and without_width(*interval):
        return DEGENERATE
    return "-" if interval is None else f"[{interval[0]:{sign}.2f}, {interval[1]:{sign}.2f}]"
