"""``mosharness nisqa export``: a checkpoint in the layout of the original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...harness.cli import common
from ...harness.cli.show import print_json, say
from ...harness.core.guard import guard_output

app = typer.Typer(help="Verbs of the predictor nisqa.", no_args_is_help=True)


@app.callback()
def verbs() -> None:
    """Verbs of the predictor nisqa."""


@app.command("export")
def export(
    checkpoint: Annotated[str, typer.Argument(help="A folder of ours, or a file of NISQA.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, NAME.tar.")],
    name: Annotated[str, typer.Option("--name", help="Of the model; the file's name by default.")] = "",
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Write a checkpoint as the original NISQA stores its models, for its run_predict.py and its trainer."""
    from .. import load_predictor
    from .export import export as write

    inputs = [("the checkpoint", checkpoint)]  # weights of another time are no output to be renewed unasked
    guard_output(output, "--output", lambda _: False, inputs=inputs, overwrite=overwrite)
    predictor = load_predictor("nisqa", checkpoint, "cpu")
    write(predictor, output, name)
    variant = predictor.config.variant
    if as_json:
        print_json({"file": str(output), "variant": variant, "trained_on": list(predictor.trained_on)})
    else:
        say(f"{output}: {variant}, as the original stores it; it loads here too (--checkpoint {output})")
