"""Absolute limits: floors of the mean and of single scores, and the loss that a single text may have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .bounds import BOUNDARY
from .options import GateOptions
from .schema import DropFloor, Floor, MeanFloor, UtteranceFloor
from .statistics import mean_lower_bound
from .units import TextScores

TextPair = tuple[TextScores, TextScores]
"""One text on both sides: baseline and candidate."""


def sign(name: str, options: GateOptions) -> float:
    """-1 for scores where lower is better, else 1."""
    return -1.0 if name in options.lower_is_better else 1.0


def difference(pair: TextPair, name: str, options: GateOptions) -> float:
    """Candidate minus baseline in one score, turned so that higher is better."""
    return sign(name, options) * (pair[1].scores[name] - pair[0].scores[name])


def floors(texts: Sequence[TextScores], names: Sequence[str], options: GateOptions) -> list[Floor]:
    """Limits of the candidate's mean and of its single scores; ceilings where lower is better."""
    entries: list[Floor] = []
    for name in names if texts else ():
        turned = sign(name, options)
        scores = [turned * text.scores[name] for text in texts]
        floor = options.floor.of(name)
        if floor is not None:
            bound = mean_lower_bound(scores, options.alpha)
            entries.append(
                MeanFloor(
                    name=name,
                    floor=floor,
                    mean=turned * math.fsum(scores) / len(scores),
                    bound=None if math.isnan(bound) else turned * bound,
                    verdict="pass" if bound >= turned * floor else "fail",
                )
            )
        limit = options.utterance_floor.of(name)
        if limit is not None:
            bad = [str(text.key) for text, score in zip(texts, scores, strict=True) if score < turned * limit]
            entries.append(
                UtteranceFloor(
                    name=name,
                    floor=limit,
                    bad=tuple(bad),
                    max_bad=options.max_bad,
                    verdict="pass" if len(bad) <= options.max_bad else "fail",
                )
            )
    return entries


def drops(pairs: Sequence[TextPair], names: Sequence[str], options: GateOptions) -> list[Floor]:
    """Texts that lost more than a single one may."""
    entries: list[Floor] = []
    for name in names if pairs else ():
        limit = options.max_drop.of(name)
        if limit is not None:
            bad = [str(pair[0].key) for pair in pairs if difference(pair, name, options) < -limit - BOUNDARY]
            entries.append(DropFloor(name=name, floor=limit, bad=tuple(bad), verdict="fail" if bad else "pass"))
    return entries
