"""The per-system table of a result: one row a system, columns named after the dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ..core.errors import DataError
from ..core.typed import OpenForm, Typed

FIXED = ("system_id", "n_utterances")


class Spread(Typed):
    """Mean and deviation (population) of the predictions of all scored utterances in one dimension."""

    mean: float | None = None
    sd: float | None = None


class SystemRow(OpenForm):
    """One system: ``{system_id, n_utterances, <dimension>, <dimension>_truth, ...}`` in the file.

    Attributes:
        system_id: Its id.
        n_utterances: Its scored utterances.
        predicted: Dimension to mean prediction.
        truth: Dimension to the truth that was used.
    """

    __slots__ = ("n_utterances", "predicted", "system_id", "truth")

    def __init__(
        self,
        system_id: str,
        n_utterances: int,
        predicted: Mapping[str, float | None],
        truth: Mapping[str, float | None],
    ) -> None:
        self.system_id, self.n_utterances = system_id, n_utterances
        self.predicted, self.truth = dict(predicted), dict(truth)

    def __repr__(self) -> str:
        return f"SystemRow({self.system_id!r}, {self.n_utterances}, {self.predicted!r}, {self.truth!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SystemRow) and self.as_plain() == other.as_plain()

    def __hash__(self) -> int:
        return hash((self.system_id, self.n_utterances))

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """The row from its JSON form; not finite numbers are ``None``."""
        if not isinstance(value, Mapping):
            raise ValueError(f"expected an object, got {type(value).__name__}")
        for key in FIXED:
            if key not in value:
                raise ValueError(f"object missing required field `{key}`")
        name, count = value["system_id"], value["n_utterances"]
        if not isinstance(name, str):
            raise ValueError(f"system_id is {name!r}, expected text")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"n_utterances is {count!r}, expected a whole number of at least 0")
        columns = {str(key): _number(cell, str(key)) for key, cell in value.items() if key not in FIXED}
        truth = {key for key in columns if key.endswith("_truth") and key.removesuffix("_truth") in columns}
        return cls(
            name,
            count,
            {key: cell for key, cell in columns.items() if key not in truth},
            {key.removesuffix("_truth"): columns[key] for key in sorted(truth)},
        )

    def as_plain(self) -> dict[str, Any]:
        """The JSON form."""
        truth = {f"{name}_truth": value for name, value in self.truth.items()}
        return {"system_id": self.system_id, "n_utterances": self.n_utterances, **self.predicted, **truth}

    @classmethod
    def form_schema(cls) -> dict[str, Any]:
        """Text, a count, and numbers named after the dimensions."""
        return {
            "type": "object",
            "description": "One system; per dimension `<dimension>` (mean prediction) and `<dimension>_truth`.",
            "properties": {"system_id": {"type": "string"}, "n_utterances": {"type": "integer", "minimum": 0}},
            "required": list(FIXED),
            "additionalProperties": {"type": ["number", "null"]},
        }


def _number(cell: Any, key: str) -> float | None:
    if cell is None:
        return None
    if isinstance(cell, bool) or not isinstance(cell, (int, float)):
        raise ValueError(f"{key} is {cell!r}, expected a number or null")
    return float(cell) if math.isfinite(cell) else None


@dataclass(frozen=True)
class SystemScores:
    """The system level of one result in one dimension, sorted by system id.

    Attributes:
        names: System ids.
        sizes: Scored utterances of each.
        predicted, truth: Mean prediction and the truth that was used, in scale points.
        mean, sd: Of all scored utterances' predictions; ``None`` where the file does not say.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    predicted: tuple[float, ...]
    truth: tuple[float, ...]
    mean: float | None
    sd: float | None

    @property
    def truth_key(self) -> tuple[tuple[str, float], ...]:
        """Equal for results that were judged by the same truth of the same systems."""
        return tuple((name, round(value, 6)) for name, value in zip(self.names, self.truth, strict=True))


def system_scores(rows: Sequence[SystemRow], spread: Mapping[str, Spread], dimension: str) -> SystemScores | None:
    """One dimension of a per-system table, or ``None`` where a value of it is not there.

    Raises:
        DataError: If the table names a system twice.
    """
    members = sorted((row for row in rows if dimension in row.predicted), key=lambda row: row.system_id)
    names = tuple(row.system_id for row in members)
    if len(set(names)) != len(names):
        raise DataError("the per-system table names a system twice")
    predicted = tuple(value for row in members if (value := row.predicted[dimension]) is not None)
    truth = tuple(value for row in members if (value := row.truth.get(dimension)) is not None)
    if not members or not len(predicted) == len(truth) == len(members):
        return None
    own = spread.get(dimension, Spread())
    return SystemScores(names, tuple(row.n_utterances for row in members), predicted, truth, own.mean, own.sd)
