"""The harness: nothing here knows one particular data set or model. Public names are imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

PUBLIC = {
    "MosharnessError": "mosharness.harness.core.errors",
    "compare_results": "mosharness.harness.comparison.compare",
    "evaluate_predictions": "mosharness.harness.results.evaluate",
    "load_predictor": "mosharness.predictors",
    "load_task": "mosharness.tasks",
    "measure_rows": "mosharness.harness.results.measure",
    "read_result": "mosharness.harness.results.store",
    "run_split": "mosharness.harness.run",
    "train_predictor": "mosharness.harness.training",
    "verify_result": "mosharness.harness.results.verify",
}

if TYPE_CHECKING:
    from ..predictors import load_predictor
    from ..tasks import load_task
    from .comparison.compare import compare_results
    from .core.errors import MosharnessError
    from .results.evaluate import evaluate_predictions
    from .results.measure import measure_rows
    from .results.store import read_result
    from .results.verify import verify_result
    from .run import run_split
    from .training import train_predictor

__all__ = [
    "MosharnessError",
    "compare_results",
    "evaluate_predictions",
    "load_predictor",
    "load_task",
    "measure_rows",
    "read_result",
    "run_split",
    "train_predictor",
    "verify_result",
]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(PUBLIC[name]), name)
