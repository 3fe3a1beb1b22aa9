"""A table of scores that is written again: no row and no column of it is lost unasked, and changed scores are said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import DataError, UsageError
from ..core.numbers import counted
from ..tables.grid import read_grid
from .predict import FIRST, LAST

SAME = 1e-5
"""Scores of one predictor may differ by so much with the batches they were made in."""


@dataclass(frozen=True)
class EarlierTable:
    """What an earlier call wrote to the place where the next table goes.

    Attributes:
        path: The file.
        scores: Utterance id to score by column; ``NaN`` where it failed. Empty where there is no table of ours.
        columns: Its columns of scores.
    """

    path: Path
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
    columns: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path | None, *, overwrite: bool = False) -> EarlierTable:
        """The table at ``path``; an empty one where there is none, or what is there may be replaced."""
        if path is None or overwrite or not path.is_file() or not path.stat().st_size:
            return cls(path or Path())
        try:
            grid = read_grid(path)
            at = {name: place for place, name in enumerate(grid.header)}
            columns = tuple(name for name in grid.header if name not in (*FIRST, *LAST))
            scores = {row[at["utterance_id"]]: {name: _number(row[at[name]]) for name in columns} for row in grid.rows}
        except (DataError, KeyError, IndexError):
            return cls(path)
        return cls(path, scores, columns)

    def refuse_lost_clips(self, names: Sequence[str]) -> None:
        """Refuse to replace a table that has clips which are not scored now.

        Args:
            names: Ids of the clips that are.

        Raises:
            UsageError: Naming some, and the ways out.
        """
        gone = sorted({*self.scores} - {*names})
        if gone:
            shown = ", ".join(gone[:3]) + (", ..." if len(gone) > 3 else "")
            raise UsageError(
                f"-o {self.path}: holds scores of {counted(len(gone), 'clip')} that would not be in it any more "
                f"({shown}), so it is not replaced. Name another file, or pass --overwrite"
            )

    def refuse_lost_columns(self, columns: Sequence[str]) -> None:
        """Refuse to replace a table of other predictors or dimensions.

        Args:
            columns: Columns of scores that the new table has.

        Raises:
            UsageError: Naming those that would be lost, and the ways out.
        """
        gone = [name for name in self.columns if name not in columns]
        if gone:
            raise UsageError(
                f"-o {self.path}: holds {', '.join(gone)}, the new table would have {', '.join(columns)}, so it is not "
                "replaced. Name another file, or pass --overwrite"
            )

    def changes(self, names: Sequence[str], columns: Sequence[str], scores: Sequence[Sequence[float]]) -> list[str]:
        """A sentence on scores that are not what they were; none where all are.

        Args:
            names: Ids of the clips.
            columns: Columns of scores.
            scores: Of each clip, by column.
        """
        changed = [
            name
            for name, row in zip(names, scores, strict=True)
            if name in self.scores
            and any(
                _differ(self.scores[name].get(key, math.nan), value) for key, value in zip(columns, row, strict=True)
            )
        ]
        if not changed:
            return []
        return [
            f"{self.path} held other scores of {len(changed)} of {counted(len(names), 'clip')} (first: {changed[0]}): "
            "the audio, the predictor or its settings are not those of before"
        ]


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _differ(before: float, now: float) -> bool:
    if math.isnan(before) or math.isnan(now):
        return math.isnan(before) != math.isnan(now)
    return abs(before - now) > SAME
