"""Statistics: pure functions on arrays, from single metrics to intervals. See ``docs/statistics.md``."""

from .anatomy import Anatomy, anatomy
from .bootstrap import Interval, intervals
from .ceiling import ceiling_from_summary, noise_ceiling, split_half
from .metrics import (
    METRICS,
    Metric,
    Value,
    ktau,
    lcc,
    mae,
    measure,
    metric_names,
    mse,
    register_metric,
    rmse,
    shown_metrics,
    srcc,
)
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
    "ceiling_from_summary",
    "describe",
    "extras",
    "group",
    "intervals",
    "ktau",
    "lcc",
    "mae",
    "measure",
    "metric_names",
    "mse",
    "noise_ceiling",
    "register_metric",
    "rmse",
    "running_means",
    "shown_metrics",
    "split_half",
    "srcc",
    "system_means",
]
