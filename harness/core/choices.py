"""Every choice that an option, a setting or a file offers, in one place.

The command line takes these types as they are, so that ``--help`` lists the values and a wrong one ends with exit
code 2 and the list.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

Precision = Literal["float32", "bfloat16", "float16"]
"""Arithmetic of a network; ``float32`` is the reference."""
Interval = Literal["systems", "two-level", "utterances"]
"""What the bootstrap of an interval resamples."""
Level = Literal["utterance", "system"]
"""What a metric is computed over."""
Method = Literal["paired-t", "skew-t", "bootstrap", "wilcoxon", "unpaired"]
"""How a gate compares two sides; ``harness/gates/methods.py`` has the function of each."""
OnError = Literal["fail", "skip"]
"""What a gate does about a file that cannot be used: fail, or leave its text out."""
Batching = Literal["single", "equal_length", "padded"]
"""Which clips of a predictor go through it together."""
ScheduleName = Literal["constant", "linear", "cosine"]
"""How the learning rate goes on after its warm-up."""
MonitorMode = Literal["auto", "max", "min"]
"""Whether training keeps the highest or the lowest value; ``auto``: what is better for the metric."""
SplitBy = Literal["system", "sentence"]
"""What never lies on both sides of a fold."""
RatingForm = Literal["acr", "cmos", "mushra", "preference"]
"""How a listening test was asked."""
CutBy = Literal["system", "clip"]
"""What never lies on both sides of a folder that is cut into splits."""
Listing = Literal["tasks", "predictors", "studies", "results", "metrics"]
"""What ``mosharness ls`` lists."""
Written = Literal["predictor", "task"]
"""What ``mosharness new`` writes a package of."""
PackageKind = Literal["formula", "onnx", "torchscript", "package", "endpoint"]
"""What a predictor's package computes its scores by."""
BoardFormat = Literal["md", "csv", "json", "latex"]
"""Forms of a leaderboard."""


def choices(kind: Any) -> tuple[str, ...]:
    """The values of one of these types, in their order.

    Example:
        >>> choices(OnError)
        ('fail', 'skip')
    """
    return get_args(kind)
