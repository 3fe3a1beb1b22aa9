"""Statistics: pure functions on arrays, from single metrics to intervals. See ``docs/statistics.md``."""

from .anatomy import Anatomy, anatomy
from .bootstrap import (
    Interval,
    bootstrap_difference,
    bootstrap_systems,
    bootstrap_two_level,
    bootstrap_utterances,
)
from .ceiling import ceiling_from_summary, noise_ceiling, split_half
from .metrics import METRICS, Metric, Value, ktau, lcc, mae, measure, mse, rmse, srcc
from .summary import describe, extras
from .systems import Grouping, group, running_means, system_means

__all__ = [
    "METRICS",
    "Anatomy",
    "Grouping",
    "Interval",
    "Metric",
    "Value",
    "anatomy",
    "bootstrap_difference",
    "bootstrap_systems",
    "bootstrap_two_level",
    "bootstrap_utterances",
    "ceiling_from_summary",
    "describe",
    "extras",
    "group",
    "ktau",
    "lcc",
    "mae",
    "measure",
    "mse",
    "noise_ceiling",
    "rmse",
    "running_means",
    "split_half",
    "srcc",
    "system_means",
]
