"""A gate from plain Python values: what the pytest plugin and other programs call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...predictors import GATE_PREDICTORS, Predictor
from ..core.errors import UnknownName, UsageError
from .columns import parse_scores
from .options import AudioOptions, Column, GateOptions, PerScore
from .outputs import Outputs
from .run import gate_audio
from .schema import GateReport
from .scoring import load_predictors
from .signals import chosen_signals
from .table import gate_table
from .votes import Listeners, joined_votes

PER_SCORE = ("margin", "floor", "utterance_floor", "max_drop")
Loaded = dict[Any, Mapping[str, Predictor]]
"""Predictors kept between gates by what was asked for: weights are read once."""


@dataclass(frozen=True)
class ScoreTable:
    """Outside scores, instead of audio and predictors.

    Attributes:
        path: Long CSV table, a row per system and text.
        scores: Columns to gate.
        system_column: Column with the system.
        key_column: Column that pairs rows.
    """

    path: str | Path
    scores: Sequence[str]
    system_column: str = "system"
    key_column: str = "key"


def gate(
    baseline: str | Path,
    candidate: str | Path,
    predictors: Sequence[str] | Mapping[str, Predictor] = (),
    *,
    table: ScoreTable | None = None,
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    report: str | Path | None = None,
    history: str | Path | None = None,
    loaded: Loaded | None = None,
    listeners: Listeners | None = None,
    **options: Any,
) -> GateReport:
    """Gate a candidate against a baseline; paths are relative to the current folder.

    Args:
        baseline: Folder, manifest or saved baseline; with ``table`` the name of a system.
        candidate: Folder or manifest; with ``table`` the name of a system.
        predictors: ``"NAME"``, ``"NAME:DIMENSION"``, either with ``"=CHECKPOINT"``, or loaded predictors by name. By
            default :data:`~mosharness.predictors.GATE_PREDICTORS`, which need no download.
        table: Outside scores.
        device: Where predictors run.
        settings: Settings of the predictors, as ``--set`` gives them.
        report: Folder for the report, made when absent.
        history: File that gets a line with the figures.
        loaded: Predictors kept between gates.
        listeners: What people said who heard a blind page.
        **options: Fields of :class:`~mosharness.harness.gates.options.GateOptions` and
            :class:`~mosharness.harness.gates.options.AudioOptions`; a limit is a number, or a number by score name (the
            name ``""`` stands for every other score).

    Returns:
        The report.

    Raises:
        MosharnessError: For what the command ``gate`` refuses with exit code 2.
    """
    decision, audio = split_options(options)
    outputs = Outputs(None if report is None else Path(report), None if history is None else Path(history))
    outputs.check([str(baseline), str(candidate), None if table is None else table.path])
    join = None if listeners is None else joined_votes(listeners, baseline, candidate, decision.alpha)
    if table is not None:
        if predictors or settings or any(name in AudioOptions.__struct_fields__ for name in options):
            raise UsageError("scores_csv brings its scores: predictors, settings and options of audio do not apply")
        names = parse_scores(list_of_names(table.scores, "scores"))
        if not names:
            raise UsageError("scores_csv needs scores=[...]: the columns to gate")
        columns = {"system_column": table.system_column, "key_column": table.key_column}
        found = gate_table(Path(table.path), str(baseline), str(candidate), names, decision, **columns)
    else:

        def load() -> Mapping[str, Predictor]:
            return _load(predictors or GATE_PREDICTORS, device, settings or {}, {} if loaded is None else loaded)

        found = gate_audio(baseline, candidate, load, decision, audio).report
    found = found if join is None else join(found)
    outputs.write(found)
    return found


def split_options(options: Mapping[str, Any]) -> tuple[GateOptions, AudioOptions]:
    """Keywords as the options of the decision and those of reading audio.

    Raises:
        UnknownName: For a keyword that is neither.
        UsageError: For a limit that is no number.
    """
    known = {*GateOptions.__struct_fields__, *AudioOptions.__struct_fields__}
    chosen: dict[str, Any] = {}
    for name, value in options.items():
        if name not in known:
            raise UnknownName("argument of mos_gate", name, known)
        chosen[name] = value
        if name in PER_SCORE and not isinstance(value, PerScore):
            limits = dict(value) if isinstance(value, Mapping) else {"": value}
            try:
                numbers = {str(score): float(limit) for score, limit in limits.items()}
            except (TypeError, ValueError):
                raise UsageError(f"{name}={value!r}: give a number, or numbers by score name") from None
            default = numbers.pop("", 0.2 if name == "margin" else None)
            chosen[name] = PerScore(default, numbers)
        elif name == "columns":
            given = [] if isinstance(value, str) else list(value)
            chosen[name] = tuple(one for one in given if isinstance(one, Column)) or parse_scores(
                list_of_names(value, name)
            )
        elif name in ("slice_by", "tables"):
            chosen[name] = tuple(list_of_names(value, name))
        elif name == "signals":
            chosen[name] = chosen_signals(value)
        elif name == "lower_is_better":
            chosen[name] = tuple(list_of_names(value, name))
    if chosen.get("max_skipped") is None and chosen.get("skip_broken"):
        chosen["max_skipped"] = 0
    decision = {name: value for name, value in chosen.items() if name in GateOptions.__struct_fields__}
    audio = {name: value for name, value in chosen.items() if name in AudioOptions.__struct_fields__}
    return GateOptions(**decision), AudioOptions(**audio)


def list_of_names(value: Sequence[str], name: str) -> list[str]:
    """``value`` as a list of text.

    Raises:
        UsageError: For one text instead of a list.
    """
    if isinstance(value, str):
        raise UsageError(f"{name}={value!r}: give a list of names")
    return [str(entry) for entry in value]


def _load(
    predictors: Sequence[str] | Mapping[str, Predictor], device: str, settings: Mapping[str, Any], loaded: Loaded
) -> Mapping[str, Predictor]:
    if isinstance(predictors, Mapping):
        return predictors
    specs = list_of_names(predictors, "predictors")
    asked = (tuple(specs), device, repr(sorted(settings.items())))
    if asked not in loaded:
        loaded[asked] = load_predictors(specs, device=device, **settings)
    return loaded[asked]
