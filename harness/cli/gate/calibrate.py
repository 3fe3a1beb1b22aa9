"""``mosharness gate calibrate``: margins without false alarms, from renderings of one system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...core.errors import UsageError
from .. import common
from ..show import print_json, print_table, say
from .options import Limits, Scoring

HEADER = (
    "score",
    "SD",
    "needs",
    "default",
    "alarms",
    "suggested",
    "alarms",
    "largest drop",
    "drop limit",
    "seeds",
)


def calibrate(
    scoring: Scoring,
    limits: Limits,
    render: Annotated[
        list[str] | None,
        typer.Option("--render", help="A rendering of the system, a folder or a manifest. Repeat it: two at least."),
    ] = None,
    texts: Annotated[
        int | None, typer.Option("--texts", min=2, help="How many texts a gate will have; as many as here by default.")
    ] = None,
    write: Annotated[
        str, typer.Option("--write", help="Settings file that gets margins and drop limits; - for none.")
    ] = "mosharness.yaml",
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Margins at which renderings of one system raise a false alarm in 1 % of gates, written to the settings."""
    from ...core.typed import plain
    from ...gates.calibrate import calibrate as measure
    from ...gates.calibrate import settings_text
    from ...gates.run import score_side
    from ...gates.screen import text_scores
    from ...gates.settings import write_settings

    renders = list(render or ())
    if len({str(Path(one).resolve()) for one in renders}) < 2:
        raise UsageError("gate calibrate needs --render at least twice: renderings of one system; three are better")
    options, audio = limits.options(min_n=2), scoring.audio()
    predictors = scoring.loader()()
    options.check(list(predictors))
    sides = {one: score_side(one, predictors, "--render", audio, options) for one in renders}
    scored = {name: text_scores(side.renderings, several=True) for name, side in sides.items()}
    found = measure(scored, list(predictors), options, texts)
    if as_json:
        print_json(plain(found))
    else:
        rows = [
            [
                f"{one.name} ({one.unit})" if one.unit else one.name,
                f"{one.sd_diff:.3g}",
                f"{one.margin_for_99:.3g}",
                f"{one.default:g}",
                f"{one.alarms_default:.1%}",
                f"{one.suggested:g}",
                f"{one.alarms_suggested:.1%}",
                "-" if one.largest_drop is None else f"{one.largest_drop:.2f}",
                "-" if one.drop_limit is None else f"{one.drop_limit:g}",
                one.seeds or "-",
            ]
            for one in found.scores
        ]
        print_table(HEADER, rows, right=1)
        print(
            "needs: the margin at which 99 % pass. "
            f"{len(renders)} renderings, {found.texts} texts, {found.gates} drawn gates of {found.gate_texts} texts: a "
            f"whole gate does not pass in {found.alarms_default:.1%} at the default margins, in "
            f"{found.alarms_suggested:.1%} at the suggested ones"
        )
        if fixed := [one.name for one in found.scores if one.sd_diff == 0]:
            print(f"no spread at all in {', '.join(fixed)}: the renderings do not differ there, so defaults stay")
    if write != "-":
        say(write_settings(Path(write), settings_text(found), overwrite=overwrite))
