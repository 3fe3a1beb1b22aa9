"""``mosharness check``: prove that a predictor keeps the promises of the harness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..core import choices
from ..core.errors import CheckFailed
from . import common
from .show import print_json, say

if TYPE_CHECKING:
    from ...predictors.conformance import CheckResult
    from ...predictors.selection import Chosen


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("check")(check)


def check(
    predictor: Annotated[
        list[str], typer.Argument(help="Predictors to check: NAME or NAME=CHECKPOINT, several apart or with commas.")
    ],
    checkpoint: common.Checkpoint = None,
    device: common.Device = "auto",
    precision: common.Precision = "float32",
    set_: common.PredictorSettings = None,
    as_json: common.AsJson = False,
) -> None:
    """Check that scores never depend on batch, order, padding or workers, and more; results say what was found."""
    from ...predictors.selection import choose_predictors

    chosen = choose_predictors(predictor, common.predictor_settings(set_), checkpoint)
    common.refuse_training(f"train.{key}" for one in chosen for key in one.training)
    reports, faults = [], []
    for one in chosen:
        results, why_not = _check_one(one, device, precision)
        failed = [result.name for result in results if not result.passed]
        listed = [{"name": each.name, "passed": each.passed, "detail": each.detail} for each in results]
        reports.append({"predictor": one.label, "passed": not failed, "checks": listed})
        if not as_json:
            if len(chosen) > 1:
                print(one.label)
            for result in results:
                print(f"{'ok    ' if result.passed else 'FAULT '} {result.name}: {result.detail}")
        if why_not:
            say(f"note: {one.label}: the outcome is not stored: {why_not}")
        if failed:
            faults.append(f"{one.label}: {len(failed)} of {len(results)} checks failed: {', '.join(failed)}")
    if as_json:
        print_json(reports if len(reports) > 1 else reports[0])
    if faults:
        raise CheckFailed("\n".join(faults))


def _check_one(chosen: Chosen, device: str, precision: choices.Precision) -> tuple[list[CheckResult], str]:
    """What was found, and why it could not be stored."""
    from ...predictors import load_predictor
    from ...predictors.checked import store_check
    from ...predictors.conformance import check_predictor

    loaded = load_predictor(chosen.name, chosen.checkpoint, device, precision=precision, **chosen.config)
    results = check_predictor(loaded)
    return results, store_check(loaded, results)
