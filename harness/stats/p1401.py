"""The measures of ITU-T P.1401 (01/2020): intervals of a MOS, outliers, RMSE and RMSE* with and without a mapping.

The standard's text was not at hand: its clause titles and two implementations were. Where these are silent or disagree
the choice is ours and stated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.errors import DataError
from .metrics import paired

FloatArray = NDArray[np.float64]

MAPPINGS: dict[str, int] = {"none": 0, "first": 1, "second": 2, "third": 3}
"""Name of a mapping to the order of its polynomial; 0 maps nothing."""

DEGREES: dict[str, dict[str, int]] = {
    "fitted": {"none": 0, "first": 2, "second": 3, "third": 4},
    "nisqa": {"none": 0, "first": 1, "second": 3, "third": 4},
}
"""Degrees of freedom d that a mapping uses up: the number of fitted coefficients (our choice), or NISQA's numbers."""

NORMAL_QUANTILE = 1.96
FEW_RATINGS = 30


class TooFewPredictions(DataError):
    """Fewer distinct predictions than a mapping has coefficients."""


def mos_half_width(deviation: float, n: int) -> float:
    """Half width of the 95 % interval of a MOS: Student's t below 30 ratings, 1.96 s / sqrt(n) from 30 on.

    Args:
        deviation: Sample standard deviation of the ratings (divisor n - 1), at least 0.
        n: Number of ratings, at least 2.

    Raises:
        DataError: If n is below 2 or the deviation is negative or not finite.

    Example:
        >>> round(mos_half_width(1.0, 8), 4)
        0.836
    """
    if n < 2:
        raise DataError(f"{n} rating(s): the interval of a MOS needs at least 2")
    if not 0 <= deviation < math.inf:
        raise DataError(f"standard deviation {deviation}: expected a finite number, at least 0")
    if n >= FEW_RATINGS:
        return NORMAL_QUANTILE * deviation / math.sqrt(n)
    from scipy.stats import t as student

    return float(student.ppf(0.975, n - 1)) * deviation / math.sqrt(n)


def pooled_deviation(deviations: Sequence[float], counts: Sequence[int]) -> float:
    """Standard deviation of a condition, pooled over its files: sqrt(sum (n_i - 1) s_i^2 / sum (n_i - 1)).

    Raises:
        DataError: If the lengths differ, or no file has two ratings.
    """
    s, n = np.asarray(deviations, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if s.shape != n.shape or (n < 1).any() or not (n > 1).any():
        raise DataError("pooled deviation: expected one deviation and one count a file, and a file with 2 ratings")
    return float(np.sqrt(np.sum((n - 1) * np.where(n > 1, s, 0.0) ** 2) / np.sum(n - 1)))


def rmse_lost(predicted: ArrayLike, human: ArrayLike, degrees: int = 0) -> float:
    """Root of sum (y - x)^2 / (N - d), clause 7.5.1; NaN when N is not above d."""
    x, y = paired(predicted, human)
    return _root_of_mean((y - x) ** 2, degrees)


def rmse_star(predicted: ArrayLike, human: ArrayLike, half_widths: ArrayLike, degrees: int = 0) -> float:
    """Epsilon-insensitive RMSE* (equations 7-27 and 7-29): errors inside the interval of the MOS count as none.

    Args:
        predicted: Scores, shape ``(n,)``.
        human: MOS, shape ``(n,)``.
        half_widths: Half width of the 95 % interval of each MOS, shape ``(n,)``, at least 0.
        degrees: d of the mapping, see :data:`DEGREES`.

    Returns:
        RMSE* in scale points; NaN when n is not above d.
    """
    x, y = paired(predicted, human)
    excess = np.maximum(0.0, np.abs(y - x) - _half_widths(half_widths, x.size))
    return _root_of_mean(excess**2, degrees)


@dataclass(frozen=True)
class OutlierRatio:
    """Share of items whose error exceeds the interval of their MOS, in ``[0, 1]``, and its standard error."""

    ratio: float
    standard_error: float


def outlier_ratio(predicted: ArrayLike, human: ArrayLike, half_widths: ArrayLike) -> OutlierRatio:
    """Outlier ratio and sqrt(OR (1 - OR) / N), clause 7.5.2. An error equal to the half width is no outlier.

    Example:
        >>> outlier_ratio([1.0, 2.0, 3.0, 4.0], [1.2, 2.9, 3.0, 4.0], [0.5] * 4).ratio
        0.25
    """
    x, y = paired(predicted, human)
    ratio = float(np.mean(np.abs(y - x) > _half_widths(half_widths, x.size)))
    return OutlierRatio(ratio, math.sqrt(ratio * (1 - ratio) / x.size))


def _half_widths(half_widths: ArrayLike, n: int) -> FloatArray:
    widths = np.asarray(half_widths, dtype=np.float64)
    if widths.shape != (n,) or not (np.isfinite(widths) & (widths >= 0)).all():
        raise DataError(f"half widths: expected {n} finite numbers, at least 0")
    return widths


def _root_of_mean(squares: FloatArray, degrees: int) -> float:
    return math.sqrt(float(squares.sum()) / (squares.size - degrees)) if squares.size > degrees else math.nan


@dataclass(frozen=True)
class Mapping:
    """A fitted mapping from predictions to the scale of one listening test.

    Attributes:
        order: Key of :data:`MAPPINGS`.
        coefficients: a, b, c, ... of ``a + b t + c t^2 + ...`` with ``t = (x - centre) / half_range``.
        centre: Middle of the range of the predictions it was fitted on.
        half_range: Half of that range.
    """

    order: str
    coefficients: tuple[float, ...]
    centre: float
    half_range: float

    def __call__(self, predicted: ArrayLike) -> FloatArray:
        """Mapped scores, same shape; monotone only inside the range of the fit."""
        x = np.asarray(predicted, dtype=np.float64)
        if self.order == "none":
            return x
        t = (x - self.centre) / self.half_range
        return np.asarray(np.polynomial.polynomial.polyval(t, self.coefficients), dtype=np.float64)


def fit_mapping(predicted: ArrayLike, human: ArrayLike, order: str = "third") -> Mapping:
    """Least-squares polynomial from predicted to human scores, fitted on one test set.

    Second and third order never fall on the range of the data, as P.1401 asks. The constrained optimum is exact: when
    the free fit falls somewhere, the best one has a derivative that touches zero, so it is the best of three families
    (derivative zero at the left end, at the right end, or twice inside), two of them non-negative least squares and
    one a search over the place. First order is the free line, also when it falls (our choice: a falling line says
    that the predictor is upside down, and hiding that would not help).

    Args:
        predicted: Scores, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        order: Key of :data:`MAPPINGS`.

    Raises:
        DataError: If the order is unknown; TooFewPredictions if they are fewer than the coefficients.
    """
    if order not in MAPPINGS:
        raise DataError(f"mapping {order!r}: choose one of {', '.join(MAPPINGS)}")
    x, y = paired(predicted, human)
    degree = MAPPINGS[order]
    if degree == 0:
        return Mapping(order, (0.0, 1.0), 0.0, 1.0)
    distinct = np.unique(x).size
    if distinct <= degree:
        raise TooFewPredictions(
            f"a {order}-order mapping needs {degree + 1} distinct predictions, there are {distinct}"
        )
    centre, half_range = float(x.max() + x.min()) / 2, float(x.max() - x.min()) / 2
    t = (x - centre) / half_range
    free = np.asarray(np.linalg.lstsq(np.vander(t, degree + 1, increasing=True), y, rcond=None)[0], np.float64)
    if degree == 1 or _rises(free):
        chosen = free
    else:
        chosen = min(
            _touching(t, y, degree), key=lambda c: float(np.sum((y - np.polynomial.polynomial.polyval(t, c)) ** 2))
        )
    return Mapping(order, tuple(float(c) for c in chosen), centre, half_range)


def _rises(coefficients: FloatArray) -> bool:
    """Whether the polynomial has a derivative of at least 0 everywhere on [-1, 1]."""
    slope = np.polynomial.polynomial.polyder(coefficients)
    places = [-1.0, 1.0]
    if slope.size == 3 and slope[2] != 0 and abs(slope[1]) < 2 * abs(slope[2]):
        places.append(-slope[1] / (2 * slope[2]))
    return bool(np.polynomial.polynomial.polyval(np.array(places), slope).min() >= 0)


def _touching(t: FloatArray, y: FloatArray, degree: int) -> list[FloatArray]:
    """The best polynomial of each family whose derivative is non-negative on [-1, 1] and zero somewhere."""
    from scipy.optimize import minimize_scalar, nnls

    integrate = np.polynomial.polynomial.polyint
    left, right, both = np.array([1.0, 1.0]), np.array([1.0, -1.0]), np.array([1.0, 0.0, -1.0])

    def best(slopes: list[FloatArray]) -> FloatArray:
        parts = [np.pad(integrate(slope), (0, degree + 1))[: degree + 1] for slope in slopes]
        columns = np.stack([np.polynomial.polynomial.polyval(t, part) for part in parts], axis=1)
        centred = columns - columns.mean(axis=0)
        weights, _ = nnls(centred, y - y.mean())
        total = np.sum([weight * part for weight, part in zip(weights, parts, strict=True)], axis=0)
        total[0] = y.mean() - float(weights @ columns.mean(axis=0))
        return np.asarray(total, dtype=np.float64)

    if degree == 2:
        return [best([left]), best([right])]
    found = [
        best([np.polynomial.polynomial.polymul(left, left), both]),
        best([np.polynomial.polynomial.polymul(right, right), both]),
    ]

    def inside(place: float) -> FloatArray:
        return best([np.array([place * place, -2 * place, 1.0])])

    def loss(place: float) -> float:
        return float(np.sum((y - np.polynomial.polynomial.polyval(t, inside(place))) ** 2))

    grid = np.linspace(-1.0, 1.0, 81)
    start = int(np.argmin([loss(float(place)) for place in grid]))
    low, high = grid[max(0, start - 1)], grid[min(grid.size - 1, start + 1)]
    refined = minimize_scalar(loss, bounds=(float(low), float(high)), method="bounded", options={"xatol": 1e-9})
    found.append(inside(float(refined.x)))
    return found


@dataclass(frozen=True)
class MappedError:
    """RMSE after a mapping, in scale points; ``rmse_star`` is NaN without half widths. ``degrees`` is the d used."""

    rmse: float
    rmse_star: float
    degrees: int
    mapping: Mapping


def mapped_error(
    predicted: ArrayLike,
    human: ArrayLike,
    order: str = "third",
    *,
    half_widths: ArrayLike | None = None,
    degrees: str = "fitted",
) -> MappedError:
    """Map the predictions to the test set, then RMSE and, with half widths, RMSE*.

    Args:
        predicted: Scores, shape ``(n,)``.
        human: Human scores, shape ``(n,)``.
        order: Key of :data:`MAPPINGS`.
        half_widths: Half width of the 95 % interval of each human score, shape ``(n,)``.
        degrees: ``"fitted"`` takes the number of fitted coefficients (0, 2, 3, 4) off N, ``"nisqa"`` 0, 1, 3, 4.

    Raises:
        DataError: As :func:`fit_mapping`, or if ``degrees`` is neither.
    """
    if degrees not in DEGREES:
        raise DataError(f"degrees {degrees!r}: choose one of {', '.join(DEGREES)}")
    mapping = fit_mapping(predicted, human, order)
    lost = DEGREES[degrees][order]
    mapped = mapping(predicted)
    star = math.nan if half_widths is None else rmse_star(mapped, human, half_widths, lost)
    return MappedError(rmse_lost(mapped, human, lost), star, lost, mapping)
