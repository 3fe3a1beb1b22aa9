"""mosharness: measure predictors of mean opinion scores on human-rated data, and gate synthetic speech with them.

The names below are imported on first use. ``docs/python.md`` shows each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mosharness.harness.api.compare import compare
    from mosharness.harness.api.evaluate import evaluate
    from mosharness.harness.api.gate import gate
    from mosharness.harness.api.leaderboard import leaderboard
    from mosharness.harness.api.names import list_predictors, list_tasks, register
    from mosharness.harness.api.predict import predict
    from mosharness.harness.api.results import read_result, verify
    from mosharness.harness.api.run import run, train
    from mosharness.harness.core.errors import MosharnessError
    from mosharness.predictors import load_predictor
    from mosharness.predictors.base import Predictor
    from mosharness.predictors.trainable import Trainable
    from mosharness.tasks import load_task
    from mosharness.tasks.base import MosTask as Task

    __version__: str

__all__ = [
    "MosharnessError",
    "Predictor",
    "Task",
    "Trainable",
    "__version__",
    "compare",
    "evaluate",
    "gate",
    "leaderboard",
    "list_predictors",
    "list_tasks",
    "load_predictor",
    "load_task",
    "predict",
    "read_result",
    "register",
    "run",
    "train",
    "verify",
]

_HOMES = {
    "MosharnessError": "harness.core.errors:MosharnessError",
    "Predictor": "predictors.base:Predictor",
    "Task": "tasks.base:MosTask",
    "Trainable": "predictors.trainable:Trainable",
    "compare": "harness.api.compare:compare",
    "evaluate": "harness.api.evaluate:evaluate",
    "gate": "harness.api.gate:gate",
    "leaderboard": "harness.api.leaderboard:leaderboard",
    "list_predictors": "harness.api.names:list_predictors",
    "list_tasks": "harness.api.names:list_tasks",
    "load_predictor": "predictors:load_predictor",
    "load_task": "tasks:load_task",
    "predict": "harness.api.predict:predict",
    "read_result": "harness.api.results:read_result",
    "register": "harness.api.names:register",
    "run": "harness.api.run:run",
    "train": "harness.api.run:train",
    "verify": "harness.api.results:verify",
}

_DEPRECATED = {
    "compare_results": ("compare", "harness.comparison.compare:compare_results"),
    "evaluate_predictions": ("evaluate", "harness.results.evaluate:evaluate_predictions"),
    "measure_rows": ("mosharness.harness.results.measure.measure_rows", "harness.results.measure:measure_rows"),
    "run_split": ("run", "harness.run:run_split"),
    "train_predictor": ("train", "harness.training:train_predictor"),
    "verify_result": ("verify", "harness.results.verify:verify_result"),
}
"""Older names: what to use instead, and where the old one still lives."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from mosharness.harness.core.provenance import own_version

        return own_version()
    home = _HOMES.get(name)
    if home is None and name in _DEPRECATED:
        import warnings

        instead, home = _DEPRECATED[name]
        instead = instead if "." in instead else f"mosharness.{instead}"
        warnings.warn(f"mosharness.{name} is deprecated; use {instead}", DeprecationWarning, stacklevel=2)
    if home is None:
        raise AttributeError(f"module 'mosharness' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = home.partition(":")
    return getattr(import_module(f"mosharness.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted({*__all__, "harness", "predictors", "tasks"})
