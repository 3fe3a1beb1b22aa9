"""``mosharness inspect``: what a predictor sees and does on a clip, as arrays and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import ClipsFailed, UsageError
from ..core.extras import installing
from . import common
from .show import clean, print_json, say


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("inspect")(inspect)


def inspect(
    paths: Annotated[list[str], typer.Argument(help="Audio files, folders, or manifests (.csv with a path column).")],
    predictor: common.PredictorName,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the .npz and .png files.")],
    checkpoint: common.Checkpoint = None,
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Write the arrays only.")] = False,
    allow_failed: common.AllowFailed = 0,
    set_: common.PredictorSettings = None,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Show what a predictor sees and does: its input pictures, attention and the like, one .npz and .png per clip."""
    from ...predictors import PREDICTORS, load_predictor
    from ..engine.predict import collect
    from ..inspection.run import can_inspect, inspect_entries

    if not can_inspect(PREDICTORS[predictor]):  # said before any weights are fetched
        raise UsageError(f"predictor {predictor} has nothing to show: it does not implement inspect")
    if output.exists() and not output.is_dir():
        raise UsageError(f"-o {output}: this is a file; name a folder")
    collected = collect(paths)
    for line in collected.lines:
        say(line)
    settings = common.predictor_settings(set_)
    loaded = load_predictor(predictor, checkpoint, device, precision=precision, **settings)
    figures = not no_figures and _can_draw()
    rows = inspect_entries(loaded, collected.entries, output, figures=figures, overwrite=overwrite)
    if as_json:
        print_json([{key: value for key, value in vars(row).items() if value is not None} for row in rows])
    else:
        for row in rows:
            if row.arrays is None:
                continue
            print(clean(f"{row.utterance_id}: {row.arrays}" + (f" {row.figure}" if row.figure else "")))
            if row.values:
                print(clean("  " + ", ".join(f"{name} {_shown(value)}" for name, value in row.values.items())))
            for name, shape in (row.shapes or {}).items():
                print(f"  {name} ({', '.join(map(str, shape))})")
    if not no_figures and not figures:
        say(f"note: no figures: matplotlib is not installed, {installing('plots')}; the arrays are there")
    failed = [row for row in rows if row.reason]
    for row in failed[:5]:
        say(f"  {row.utterance_id}: {row.reason}")
    if len(failed) > allow_failed:
        raise ClipsFailed(f"{len(failed)} of {len(rows)} clips failed ({allow_failed} allowed)")


def _shown(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _can_draw() -> bool:
    from ..boards.plots import can_draw

    return can_draw()
