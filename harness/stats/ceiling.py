"""The noise ceiling: how well a perfect predictor could correlate with scores that a finite panel gave.

rho_max = sqrt(1 - mean squared standard error of the scores / variance of the scores). Its square is the test-retest
correlation. Same idea as rho-Perfect (Cumlin et al.; derived here). It needs single ratings, or their deviation and
count; otherwise the ceiling is unknown and says why.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import DataError
from .metrics import FEWEST, lcc
from .systems import Grouping, group, has_systems, system_means

FloatArray = NDArray[np.float64]


def ceiling(scores: ArrayLike, squared_errors: ArrayLike) -> dict[str, Any]:
    """Ceiling of the correlation with ``scores``, given the squared standard error of each.

    Args:
        scores: Observed means, shape ``(n,)``.
        squared_errors: Squared standard error of each mean, shape ``(n,)``.

    Returns:
        ``{"value": rho_max}`` with rho_max in ``[0, 1]``, or ``{"value": None, "reason": ...}``.
    """
    y, errors = np.asarray(scores, dtype=np.float64), np.asarray(squared_errors, dtype=np.float64)
    if y.shape != errors.shape or y.ndim != 1:
        raise DataError("ceiling: expected one squared standard error a score")
    if y.size < FEWEST:
        return _unknown(f"a ceiling needs at least {FEWEST} scores, there are {y.size}")
    variance, noise = float(y.var(ddof=1)), float(errors.mean())
    if y.min() == y.max():
        return _unknown("every score is the same, so nothing can correlate with them")
    if noise >= variance:
        return _unknown(f"the noise of the scores ({noise:.3g}) is not below their variance ({variance:.3g})")
    return {"value": math.sqrt(1.0 - noise / variance)}


def _unknown(reason: str) -> dict[str, Any]:
    return {"value": None, "reason": reason}


def noise_ceiling(
    ratings: Sequence[Sequence[float]],
    systems: Sequence[str | None] | None,
    listeners: Sequence[Sequence[str]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Noise ceiling at both levels from single ratings.

    Utterance level: the squared error of a MOS is s_i^2 / n_i. An utterance with a single rating takes the pooled
    variance of the others (our choice).

    System level: the score is the mean of the system's utterance MOS, and its squared error is *clustered by
    listener*: the deviations of one listener from the MOS of the utterances are added up before squaring, so a
    generous listener who rated many utterances of a system counts as one deviation and not as many. Every deviation is
    scaled by sqrt(n_i / (n_i - 1)), which makes the estimate unbiased both when each utterance has listeners of its
    own and when one panel rates everything. Without listener ids ratings are taken as independent, which is stated in
    ``method`` and gives a ceiling that is too high when listeners rate several utterances.

    Args:
        ratings: Ratings of each utterance, in scale points; lengths may differ.
        systems: System id of each utterance; ``None`` or all empty gives no system level.
        listeners: Listener of each rating, same lengths as ``ratings``.

    Returns:
        ``{"utterance": entry, "system": entry}``, an entry being ``{"value": rho_max, "method": text}`` or
        ``{"value": None, "reason": text}``.

    Raises:
        DataError: If lengths differ, a rating is not finite, or an utterance has no rating.
    """
    table = _table(ratings, listeners)
    if systems is not None and len(systems) != len(table):
        raise DataError(f"{len(table)} utterances with ratings but {len(systems)} system ids")
    means, counts, variances = _moments(table)
    rated_twice = counts > 1
    if not rated_twice.any():
        reason = "no utterance has two ratings, so their noise is unknown"
        return {"utterance": _unknown(reason), "system": _unknown(reason)}
    pooled = float(np.sum((counts - 1) * variances) / np.sum(counts - 1))
    variances = np.where(rated_twice, variances, pooled)
    singles = int((~rated_twice).sum())
    note = f"; pooled variance for {singles} utterances with one rating" if singles else ""
    found = {"utterance": ceiling(means, variances / counts)}
    if found["utterance"]["value"] is not None:
        found["utterance"]["method"] = "single ratings" + note
    if not has_systems(systems) or systems is None:
        found["system"] = _unknown("the utterances have no systems")
        return found
    grouping = group(systems)
    if listeners is None:
        errors, method = _independent(variances / counts, grouping), "single ratings, taken as independent" + note
    else:
        errors, method = _clustered(table, listeners, means, pooled, grouping), "clustered by listener" + note
    found["system"] = ceiling(system_means(means, grouping), errors)
    if found["system"]["value"] is not None:
        found["system"]["method"] = method
    return found


def ceiling_from_summary(
    scores: ArrayLike, deviations: ArrayLike, counts: ArrayLike, systems: Sequence[str | None] | None = None
) -> dict[str, dict[str, Any]]:
    """Noise ceiling from (MOS, s_i, n_i) of each utterance, where single ratings are not published.

    System level: ratings taken as independent, stated in ``method``.

    Args:
        scores: MOS of each utterance, shape ``(n,)``.
        deviations: Sample standard deviation of its ratings (divisor n_i - 1), shape ``(n,)``.
        counts: Number of its ratings, shape ``(n,)``.
        systems: System id of each utterance.
    """
    y, s, n = (np.asarray(column, dtype=np.float64) for column in (scores, deviations, counts))
    if not (y.shape == s.shape == n.shape) or y.ndim != 1 or (n < 1).any():
        raise DataError("ceiling: expected a score, a deviation and a count of at least 1 for each utterance")
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s >= 0).all()):
        reason = "some utterances have no finite standard deviation of their ratings"
        return {"utterance": _unknown(reason), "system": _unknown(reason)}
    errors = s**2 / n
    found = {"utterance": ceiling(y, errors), "system": _unknown("the utterances have no systems")}
    if has_systems(systems) and systems is not None:
        grouping = group(systems)
        found["system"] = ceiling(system_means(y, grouping), _independent(errors, grouping))
    for level, method in (("utterance", "deviation and count"), ("system", "deviation and count, independent ratings")):
        if found[level]["value"] is not None:
            found[level]["method"] = method
    return found


def split_half(
    ratings: Sequence[Sequence[float]],
    systems: Sequence[str | None] | None,
    listeners: Sequence[Sequence[str]] | None = None,
    *,
    repeats: int = 100,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Cross-check of the ceiling: correlate two halves of the panel and step up by Spearman-Brown, 2r / (1 + r).

    That is a test-retest correlation, the square of the ceiling, so the value is its root. Each repeat puts the
    listeners in a random order (without ids: the ratings of each utterance) and gives the first half of an utterance's
    ratings to one side, so panels that rate together stay together. Of an odd number one random rating is left out.

    Args:
        ratings: Ratings of each utterance, at least 2 each.
        systems: System id of each utterance, or ``None``.
        listeners: Listener of each rating.
        repeats: Random splits; their correlations are averaged.
        seed: Of the numpy generator.

    Returns:
        As :func:`noise_ceiling`.
    """
    table = _table(ratings, listeners)
    if min(row.size for row in table) < 2:
        reason = "an utterance with one rating cannot be split"
        return {"utterance": _unknown(reason), "system": _unknown(reason)}
    generator = np.random.default_rng(seed)
    grouping = group(systems) if has_systems(systems) and systems is not None else None
    codes = _listener_codes(listeners) if listeners is not None else None
    levels: dict[str, list[float]] = {"utterance": [], "system": []}
    for _ in range(repeats):
        halves = _halves(table, codes, generator)
        levels["utterance"].append(lcc(*halves))
        if grouping is not None and len(grouping.names) >= FEWEST:
            levels["system"].append(lcc(*(system_means(half, grouping) for half in halves)))
    found = {}
    for level, correlations in levels.items():
        r = float(np.mean(correlations)) if correlations else math.nan
        if not r > 0:
            found[level] = _unknown(
                "the two halves of the panel do not correlate" if correlations else "too few systems"
            )
        else:
            found[level] = {
                "value": math.sqrt(2 * r / (1 + r)),
                "method": f"split halves, {repeats} splits, seed {seed}",
            }
    return found


def _table(ratings: Sequence[Sequence[float]], listeners: Sequence[Sequence[str]] | None) -> list[FloatArray]:
    table = [np.asarray(row, dtype=np.float64) for row in ratings]
    if not table:
        raise DataError("no ratings were given")
    for number, row in enumerate(table):
        if row.ndim != 1 or not row.size or not np.isfinite(row).all():
            raise DataError(f"ratings of utterance {number}: expected at least one finite number")
    if listeners is not None and [len(row) for row in listeners] != [row.size for row in table]:
        raise DataError("listeners: expected one id for every rating")
    return table


def _moments(table: list[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, count and sample variance (0 for a single rating) of each row."""
    means = np.array([row.mean() for row in table])
    counts = np.array([float(row.size) for row in table])
    variances = np.array([row.var(ddof=1) if row.size > 1 else 0.0 for row in table])
    return means, counts, variances


def _independent(squared_errors: FloatArray, grouping: Grouping) -> FloatArray:
    return np.bincount(grouping.index, squared_errors, len(grouping.names)) / grouping.sizes**2


def _clustered(
    table: list[FloatArray],
    listeners: Sequence[Sequence[str]],
    means: FloatArray,
    pooled: float,
    grouping: Grouping,
) -> FloatArray:
    errors = np.zeros(len(grouping.names))
    sums: dict[tuple[int, str], float] = defaultdict(float)
    for utterance, (row, names) in enumerate(zip(table, listeners, strict=True)):
        system = int(grouping.index[utterance])
        share = 1.0 / (grouping.sizes[system] * row.size)
        if row.size == 1:
            errors[system] += share**2 * pooled
            continue
        scaled = (row - means[utterance]) * math.sqrt(row.size / (row.size - 1)) * share
        for name, deviation in zip(names, scaled, strict=True):
            sums[system, str(name)] += float(deviation)
    for (system, _), total in sums.items():
        errors[system] += total**2
    return errors


def _listener_codes(listeners: Sequence[Sequence[str]]) -> list[NDArray[np.int64]]:
    codes: Mapping[str, int] = {
        name: code for code, name in enumerate(sorted({str(n) for row in listeners for n in row}))
    }
    return [np.array([codes[str(name)] for name in row], dtype=np.int64) for row in listeners]


def _halves(
    table: list[FloatArray], codes: list[NDArray[np.int64]] | None, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    if codes is None:
        orders = [generator.permutation(row.size) for row in table]
    else:
        priority = generator.random(1 + max(int(row.max()) for row in codes))
        orders = [np.argsort(priority[row], kind="stable") for row in codes]
    first = np.empty(len(table))
    second = np.empty(len(table))
    for number, (row, order) in enumerate(zip(table, orders, strict=True)):
        used = np.delete(order, generator.integers(row.size)) if row.size % 2 else order
        middle = used.size // 2
        first[number], second[number] = row[used[:middle]].mean(), row[used[middle:]].mean()
    return first, second
