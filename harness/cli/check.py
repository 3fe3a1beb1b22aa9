"""``mosharness check``: prove that a predictor keeps the promises of the harness."""

from __future__ import annotations

from typing import Annotated

import typer

from ..core.errors import CheckFailed
from . import common
from .show import print_json


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("check")(check)


def check(
    predictor: Annotated[str, typer.Argument(help="Predictor to check.")],
    checkpoint: common.Checkpoint = None,
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    set_: common.PredictorSettings = None,
    as_json: common.AsJson = False,
) -> None:
    """Check that scores never depend on batch, order, padding or workers, that weights round-trip, and more."""
    from ...predictors import load_predictor
    from ...predictors.conformance import check_predictor

    settings = common.predictor_settings(set_)
    loaded = load_predictor(predictor, checkpoint, device, precision=precision, **settings)
    results = check_predictor(loaded)
    failed = [one.name for one in results if not one.passed]
    if as_json:
        listed = [{"name": one.name, "passed": one.passed, "detail": one.detail} for one in results]
        print_json({"predictor": predictor, "passed": not failed, "checks": listed})
    else:
        for one in results:
            print(f"{'ok    ' if one.passed else 'FAULT '} {one.name}: {one.detail}")
    if failed:
        raise CheckFailed(f"{predictor}: {len(failed)} of {len(results)} checks failed: {', '.join(failed)}")
