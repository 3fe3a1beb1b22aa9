"""Which predictors a command is about: ``NAME``, ``NAME=CHECKPOINT``, several with commas; settings of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..harness.core.errors import UsageError
from . import PREDICTORS

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


TRAIN = "train."
"""Begins the name of a setting of training."""


@dataclass(frozen=True)
class Chosen:
    """One predictor of a command.

    Attributes:
        name: Registry name.
        label: What its row and columns are called: the name; with several checkpoints of one predictor the name and
            that of the checkpoint.
        checkpoint: A folder, a file or a hub id; ``None``: what is trained here, else the published default.
        config: Its settings.
        training: Settings of its training alone, given as ``NAME.train.KEY``.
    """

    name: str
    label: str
    checkpoint: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def choose_predictors(
    specs: Sequence[str], settings: Mapping[str, Any] | None = None, checkpoint: str | None = None
) -> list[Chosen]:
    """The predictors that options name.

    Args:
        specs: Each ``NAME`` or ``NAME=CHECKPOINT``, or several of these with commas between them.
        settings: By name: ``KEY`` of all predictors, ``NAME.KEY`` of one, by its name or its label, and
            ``NAME.train.KEY`` of the training of one.
        checkpoint: Of ``--checkpoint``: goes with one predictor.

    Raises:
        UnknownName: For a predictor that does not exist.
        UsageError: For an empty name, the same twice, a checkpoint given twice, a setting of a predictor that is not
            among them.

    Example:
        >>> [(one.label, one.checkpoint) for one in choose_predictors(["nisqa=a/x.tar,nisqa=b/y.tar", "dsp"])]
        [('nisqa-x', 'a/x.tar'), ('nisqa-y', 'b/y.tar'), ('dsp', None)]
    """
    parts = [_pair(part) for spec in specs for part in _split(spec)]
    if checkpoint is not None:
        if len(parts) > 1:
            raise UsageError("--checkpoint goes with one predictor; of several, write --predictor NAME=CHECKPOINT")
        if parts and parts[0][1] is not None:
            raise UsageError("--checkpoint and --predictor NAME=CHECKPOINT name two checkpoints: give one")
        parts = [(name, checkpoint) for name, _ in parts]
    names = [name for name, _ in parts]
    chosen: list[Chosen] = []
    for name, given in parts:
        label = f"{name}-{_stem(given)}" if names.count(name) > 1 and given is not None else name
        if label in [one.label for one in chosen]:
            raise UsageError(f"--predictor {label} is given twice")
        chosen.append(Chosen(name, label, given))
    return _with_settings(chosen, settings or {})


def _split(spec: str) -> list[str]:
    """Parts at commas, save where a comma belongs to a path: what follows is no name of a predictor."""
    parts: list[str] = []
    for piece in spec.split(","):
        known = piece.partition("=")[0].strip() in PREDICTORS
        if parts and not known and "=" in parts[-1] and piece.strip():
            parts[-1] += f",{piece}"
        else:
            parts.append(piece)
    return parts


def _pair(part: str) -> tuple[str, str | None]:
    name, equals, checkpoint = part.strip().partition("=")
    name, checkpoint = name.strip(), checkpoint.strip()
    if not name or (equals and not checkpoint):
        raise UsageError("--predictor: write NAME or NAME=CHECKPOINT, several with commas between them")
    refuse_score(name)
    _ = PREDICTORS[name]  # an unknown one is said now
    return name, checkpoint or None


def refuse_score(name: str) -> None:
    """Refuse ``P:DIMENSION``, as gates take it, where a predictor gives all of its scores.

    Raises:
        UsageError: Naming the way.
    """
    owner, colon, dimension = name.partition(":")
    if colon and owner in PREDICTORS:
        known = PREDICTORS[owner].card.dimensions
        what = "is one of its scores" if dimension in known else "is none of its scores"
        raise UsageError(
            f"--predictor {name}: {dimension or 'nothing'} {what} ({', '.join(known)}). Name the predictor alone, "
            f"--predictor {owner}: it gives all of them, a column each. Only `mosharness gate` decides by one"
        )


def _stem(checkpoint: str) -> str:
    """The last part of a checkpoint's path, or a hub id, as part of a row's name; of our own folders the one above."""
    path = Path(checkpoint)
    last = path.parent.name if path.name == "checkpoint" and path.parent.name else path.name
    bare = Path(last).stem if path.suffix and not path.is_dir() else last
    return UNSAFE.sub("-", bare).strip("-.") or "checkpoint"


def _with_settings(chosen: Sequence[Chosen], settings: Mapping[str, Any]) -> list[Chosen]:
    configs: list[dict[str, Any]] = [{} for _ in chosen]
    of_one: list[dict[str, Any]] = [{} for _ in chosen]
    for key, value in settings.items():
        owner, dot, rest = key.partition(".")
        # a label may hold dots: the longest that fits wins
        owners = [one.label for one in chosen if key.startswith(f"{one.label}.")]
        if owners:
            owner = max(owners, key=len)
            rest = key.removeprefix(f"{owner}.")
        places = [at for at, one in enumerate(chosen) if owner in (one.label, one.name)]
        if dot and not places:
            listed = ", ".join(one.label for one in chosen)
            raise UsageError(f"--set {key}: {owner} is not among the predictors ({listed})")
        for at in places if dot else range(len(chosen)):
            (of_one if dot else configs)[at][rest if dot else key] = value
    return [
        Chosen(
            one.name,
            one.label,
            one.checkpoint,
            {**common, **{key: value for key, value in own.items() if not key.startswith(TRAIN)}},
            {key.removeprefix(TRAIN): value for key, value in own.items() if key.startswith(TRAIN)},
        )
        for one, common, own in zip(chosen, configs, of_one, strict=True)
    ]
