"""What a metric says about itself, and the one table of metrics that every other table is made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Literal, get_args

from ..core.choices import Level
from ..core.errors import MosharnessError, UsageError

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Function = Callable[[NDArray[float64], NDArray[float64]], float]

LEVELS: tuple[Level, ...] = get_args(Level)

Detail = Literal["summary", "compact", "main", "full", "hidden"]
"""Kinds of tables, from few columns to many: the summary of several results; by sampling rate; studies and LaTeX; one
result on the terminal and the leaderboards; and what stands in JSON and CSV only."""
DETAILS: tuple[Detail, ...] = get_args(Detail)

GROUP = "mosharness.metrics"
"""Entry-point group in which installed packages offer metrics."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .+-]{0,23}")


@dataclass(frozen=True)
class Metric:
    """One line of the table of metrics.

    Attributes:
        name: Key in results and on the command line: a small letter, then small letters, digits or ``_``.
        function: ``(predicted, human) -> float`` of two float64 vectors; the order of the items must not matter. NaN
            where the value does not exist.
        higher_is_better: Direction of "better".
        is_correlation: Whether it needs 3 items and two sides that vary, lies in ``[-1, 1]``, and stays the same when a
            side is shifted and stretched; paired tests then bring the predictors to one mean and deviation first.
        uses_ranks: Whether only the order counts; system means are then rounded first (``RANK_DECIMALS``).
        label: Heading of its column; the name in capitals by default.
        title: Its full name.
        unit: Empty for a number without one, else for instance ``points`` (of the scale).
        levels: Where it is defined.
        shown: The shortest kind of table that shows it, see :data:`Detail`.
        digits: Decimals in tables for people.

    Raises:
        UsageError: If a name, label, level or kind of table is not as described.
    """

    name: str
    function: Function
    higher_is_better: bool
    is_correlation: bool = False
    uses_ranks: bool = False
    label: str = ""
    title: str = ""
    unit: str = ""
    levels: tuple[Level, ...] = LEVELS
    shown: Detail = "main"
    digits: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.name.upper().replace("_", " "))
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"metric {self.name!r}: a name is a small letter, then small letters, digits or _")
        if not _LABEL.fullmatch(self.label):
            raise UsageError(f"metric {self.name}: label {self.label!r} has more than letters, digits and spaces")
        if not self.levels or not set(self.levels) <= set(LEVELS):
            raise UsageError(f"metric {self.name}: levels {self.levels!r}: choose from {', '.join(LEVELS)}")
        if self.shown not in DETAILS:
            raise UsageError(f"metric {self.name}: shown {self.shown!r}: choose one of {', '.join(DETAILS)}")

    @property
    def heading(self) -> str:
        """The label with the direction of "better": ``SRCC ↑``."""
        return f"{self.label} {'↑' if self.higher_is_better else '↓'}"


class MetricTable(Mapping[str, Metric]):
    """Metrics by name, in the order of results: ours, those of installed packages, those added in this process.

    It is a live view: what is added appears in every table made afterwards. Entry points are read when a name that is
    not ours is asked for, or all names.
    """

    def __init__(self, *metrics: Metric) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._origins = dict.fromkeys(self._metrics, "mosharness")
        self._scanned = False

    def _scan(self) -> dict[str, Metric]:
        if not self._scanned:
            self._scanned = True
            for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
                package = point.dist.name if point.dist is not None else point.value
                try:
                    metric = point.load()
                except Exception as error:
                    raise MosharnessError(
                        f'the metric "{point.name}" of the installed package {package} cannot be imported: '
                        f"{type(error).__name__}: {error}. Mend or uninstall that package."
                    ) from error
                if not isinstance(metric, Metric):
                    raise MosharnessError(
                        f'the metric "{point.name}" of the installed package {package} is no Metric but a '
                        f"{type(metric).__name__}. Mend or uninstall that package."
                    )
                self.add(metric, origin=package)
        return self._metrics

    def add(self, metric: Metric, *, origin: str = "this process") -> None:
        """Put a metric at the end of the table.

        Raises:
            UsageError: If the name or the label is taken.
        """
        for other in self._scan().values():
            if metric.name == other.name or metric.label == other.label:
                raise UsageError(
                    f"metric {metric.name} ({metric.label}, from {origin}): {other.name} ({other.label}, from "
                    f"{self._origins[other.name]}) has that name or label already"
                )
        self._metrics[metric.name], self._origins[metric.name] = metric, origin

    @contextmanager
    def added(self, metric: Metric) -> Iterator[Metric]:
        """The table with ``metric`` inside the ``with`` block only."""
        self.add(metric)
        try:
            yield metric
        finally:
            del self._metrics[metric.name], self._origins[metric.name]

    def __getitem__(self, name: str) -> Metric:
        metric = self._metrics.get(name)
        return self._scan()[name] if metric is None else metric

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._scan()))

    def __len__(self) -> int:
        return len(self._scan())
