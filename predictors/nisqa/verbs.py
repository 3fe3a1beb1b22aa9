"""``mosharness nisqa export``: a checkpoint in the layout of the original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...harness.cli import common
from ...harness.cli.show import print_json, say
from ...harness.core.errors import UsageError

app = typer.Typer(help="Verbs of the predictor nisqa.", no_args_is_help=True)


@app.callback()
def verbs() -> None:
    """Verbs of the predictor nisqa."""


@app.command("export")
def export(
    checkpoint: Annotated[str, typer.Argument(help="A folder of ours, or a file of NISQA.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write, NAME.tar.")],
    name: Annotated[str, typer.Option("--name", help="Of the model; the file's name by default.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Write a checkpoint as the original NISQA stores its models, for its run_predict.py and its trainer."""
    from .. import load_predictor
    from .export import export as write

    if output.exists() and not overwrite:
        raise UsageError(f"{output} is there already; name another file, or --overwrite")
    predictor = load_predictor("nisqa", checkpoint, "cpu")
    write(predictor, output, name)
    variant = predictor.config.variant
    if as_json:
        print_json({"file": str(output), "variant": variant, "trained_on": list(predictor.trained_on)})
    else:
        say(f"{output}: {variant}, as the original stores it; it loads here too (--checkpoint {output})")
