"""Predictions that are no scores of the task's scale: fractions, percents, z-scores, logits. Said, never mended."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .parts import Finding

CODE = "off_scale"
OUTSIDE = 0.5
"""Share of the predictions outside the range from which on it is said."""
FAR = 0.05
"""The same for predictions that lie more than the whole width of the range outside it."""
MARGIN = 0.1
"""By how much of its width the range of the labels is widened, where the task names no scale."""


def off_scale(
    dimension: str, predicted: Sequence[float], labels: Sequence[float], scale: tuple[float, float]
) -> Finding | None:
    """A note when predictions lie far off the scale that the labels are on.

    Errors (MSE, RMSE, MAE) of such predictions say how far apart two scales are, not how good a predictor is. The
    thresholds are ours: half of the predictions outside the scale, or one in twenty further outside than the scale is
    wide.

    Args:
        dimension: What was predicted, for the sentence.
        predicted: Finite scores, at least one.
        labels: Human scores of the same clips.
        scale: Ends of the task's scale; infinite where it has none, then the range of the labels counts.

    Example:
        >>> off_scale("mos", [320.0, 410.0], [3.2, 4.1], (1.0, 5.0)).message[:57]
        '2 of 2 predictions of mos lie outside the scale 1 to 5; t'
        >>> off_scale("mos", [3.1, 4.4, 5.2], [3.2, 4.1, 4.5], (1.0, 5.0)) is None
        True
    """
    low, high = scale
    said = f"the scale {low:g} to {high:g}"
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = min(labels), max(labels)
        said = f"the range of the labels ({low:.4g} to {high:.4g})"
        low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    width = high - low
    if width <= 0:
        return None
    outside = sum(not low <= value <= high for value in predicted)
    far = sum(not low - width <= value <= high + width for value in predicted)
    count = len(predicted)
    if outside <= OUTSIDE * count and far <= FAR * count:
        return None
    shown, how = (outside, "outside") if outside > OUTSIDE * count else (far, "far outside")
    return Finding(
        code=CODE,
        message=(
            f"{shown} of {count} predictions of {dimension} lie {how} {said}; they run from {min(predicted):.4g} to "
            f"{max(predicted):.4g} (median {sorted(predicted)[count // 2]:.4g}). MSE, RMSE and MAE then compare two "
            "scales; correlations do not depend on it. Bring predictions to the scale of the labels if errors matter"
        ),
    )
