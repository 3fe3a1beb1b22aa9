"""``mosharness compare``: paired comparison of stored results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.choices import Level
from ..core.numbers import DEGENERATE, with_interval
from . import common
from .show import clean, number, print_json, print_table, say

if TYPE_CHECKING:
    from ..comparison.model import Comparison, Pair


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("compare")(compare)


def compare(
    results: Annotated[list[Path], typer.Argument(help="Two or more result folders or result.json files.")],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="A metric by its name, such as srcc, or all; may repeat.")
    ] = None,
    level: Annotated[Level, typer.Option("--level", help="What the metrics are computed over.")] = "system",
    dimension: Annotated[
        list[str] | None, typer.Option("--dimension", help="Only this dimension; may repeat. Default: all they share.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", help="Compare every other result with this name, or with best. Default: every pair."),
    ] = None,
    intersection: Annotated[
        bool, typer.Option("--intersection", help="Compare the clips that all scored where the sets differ.")
    ] = False,
    resamples: Annotated[int, typer.Option("--resamples", min=1, help="Bootstrap resamples, and swaps.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of both.")] = 0,
    as_json: common.AsJson = False,
) -> None:
    """Compare results on the same task: difference, interval, permutation p, Holm, tied groups."""
    from ..comparison.compare import compare_results

    found = compare_results(
        results,
        metrics=metric or ("srcc",),
        level=level,
        dimensions=dimension,
        against=against,
        intersection=intersection,
        resamples=resamples,
        seed=seed,
    )
    if as_json:
        for note in found.notes:
            say(f"note: {note}")
        print_json(found.as_json())
    else:
        show_comparison(found)


def show_comparison(found: Comparison) -> None:
    """The comparison as tables on stdout, with the words that explain them."""
    from ..comparison.explain import too_few_of

    task = found.task
    systems = f"{found.counts.systems} systems, " if found.counts.systems else ""
    print(f"{task.name}/{task.split} version {task.version}, {found.level} level")
    if not task.human:
        print(clean(f"  {task.note}"))
    source = {
        "predictions": "from the predictions of every clip",
        "systems": "from the per-system tables of the results (no predictions beside all of them)",
    }[found.source]
    print(clean(f"  {systems}{found.counts.clips} clips; system truth: {task.system_truth}; {source}"))
    for note in found.notes:
        say(f"  note: {note}")
    dimensions = len({pair.dimension for pair in found.pairs}) > 1
    with_williams = any(pair.metric == "lcc" for pair in found.pairs)
    header = [*(["dimension"] if dimensions else []), "metric", "first", "second", "value", "value"]
    header += ["difference", "p", "p (Holm)", *(["Williams p"] if with_williams else []), "better"]
    rows = []
    for pair in found.pairs:
        row = [*([pair.dimension] if dimensions else []), _label(pair.metric), pair.a, pair.b]
        row += [number(pair.value_a), number(pair.value_b), _difference(pair), _p(pair.p), _p(pair.p_holm)]
        if with_williams:
            row.append(_p(pair.williams["p"] if pair.williams else None))
        rows.append([*row, _better(pair, too_few_of(found.pairs, found.unit))])
    print_table(header, rows, right=len(header) - (7 if with_williams else 6))
    for reason in dict.fromkeys(pair.reason for pair in found.pairs if pair.reason):
        print(clean(f"  {reason}"))
    _show_ranks(found, dimensions)
    for line in found.explanation:
        print(f"  {line}")


def _show_ranks(found: Comparison, dimensions: bool) -> None:
    from ..comparison.explain import too_few_of
    from ..stats.tied import Place, too_few

    if len(found.results) < 3:
        return
    rows = []
    for ranking in found.rankings:
        for member in ranking.members:
            label = Place(member.rank, member.tied).label
            if member.too_few is not None:
                label = too_few(member.too_few, too_few_of(found.pairs, found.unit))
            what = [*([ranking.dimension] if dimensions else []), _label(ranking.metric)]
            tie = f"{member.against} (p {_p(member.p)})" if member.against else ""
            rows.append([*what, label, member.label, tie, number(member.value)])
    header = [*(["dimension"] if dimensions else []), "metric", "rank", "name", "tied with", "value"]
    print()
    print_table(header, rows, right=len(header) - 1)


def _better(pair: Pair, units: str) -> str:
    from ..stats.tied import too_few

    if pair.p is None:
        return "-"
    return pair.better or ("not shown" if pair.too_few is None else too_few(pair.too_few, units))


def _label(metric: str) -> str:
    from ..stats.metrics import METRICS

    return METRICS[metric].label


def _difference(pair: Pair) -> str:
    if pair.difference is None:
        return "-"
    return with_interval(pair.difference, pair.ci, sign="+", absent=DEGENERATE if pair.degenerate else "")


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
