"""Scores and signals of both sides compared, over all texts, voice by voice and slice by slice."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .floors import TextPair, sign
from .options import GateOptions
from .ratios import compare_ratio
from .schema import Comparison, Scope, ScoreComparison
from .slices import named_failures, slice_pairs
from .statistics import compare
from .units import TextScores


@dataclass(frozen=True)
class Group:
    """Texts that are compared together: both sides, in the same order unless they are not paired."""

    old: Sequence[TextScores]
    new: Sequence[TextScores]
    scope: Scope = "all"
    voice: str = ""
    slice: str = ""


def groups_of(pairs: Sequence[TextPair], options: GateOptions, *, pooled: bool = True) -> list[Group]:
    """All texts of the only voice, or every voice and the voices pooled; then every slice.

    Args:
        pairs: Texts on both sides.
        options: ``slice_by``.
        pooled: Whether several voices are also pooled.
    """
    voices = sorted({old.voice for old, _ in pairs})
    if "voice" in options.slice_by:
        groups = [_group(merged(pairs), "all")]
    else:
        scope: Scope = "voice" if len(voices) > 1 else "all"
        groups = [_group([pair for pair in pairs if pair[0].voice == voice], scope, voice) for voice in voices]
        if pooled and len(voices) > 1:
            groups.append(_group(merged(pairs), "pooled"))
    for name in options.slice_by:
        for value, chosen in slice_pairs(pairs, name).items():
            groups.append(_group(merged(chosen), "slice", value, name))
    return groups


def _group(pairs: Sequence[TextPair], scope: Scope, voice: str = "", slice_: str = "") -> Group:
    return Group([old for old, _ in pairs], [new for _, new in pairs], scope, voice, slice_)


def merged(pairs: Sequence[TextPair]) -> list[TextPair]:
    """Voices of one text averaged: the text is the unit of analysis."""
    texts: dict[str, list[TextPair]] = defaultdict(list)
    for pair in pairs:
        texts[pair[0].text].append(pair)
    return [
        (_averaged([old for old, _ in group]), _averaged([new for _, new in group])) if len(group) > 1 else group[0]
        for group in texts.values()
    ]


def _averaged(group: Sequence[TextScores]) -> TextScores:
    scores = {name: math.fsum(one.scores[name] for one in group) / len(group) for name in group[0].scores}
    names = [name for name in group[0].signals if all(name in one.signals for one in group)]
    signals = {name: math.fsum(one.signals[name] for one in group) / len(group) for name in names}
    parts = {
        name: (math.fsum(one.parts[name][0] for one in group), math.fsum(one.parts[name][1] for one in group))
        for name in group[0].parts
    }
    return TextScores(group[0].text, group[0].source, scores, "", signals, parts)


def compare_scores(pairs: Sequence[TextPair], names: Sequence[str], options: GateOptions) -> list[ScoreComparison]:
    """Every score over every group."""
    groups = groups_of(pairs, options) if pairs else []
    return [
        entry for name in names for entry in named_failures([_score(name, one, options) for one in groups], options)
    ]


def compare_unpaired(
    names: Sequence[str], old: Collection[TextScores], new: Collection[TextScores], options: GateOptions
) -> list[ScoreComparison]:
    """Every score of two sides whose texts do not pair."""
    return [_score(name, Group([*old], [*new]), options) for name in names]


def _score(name: str, group: Group, options: GateOptions) -> ScoreComparison:
    turned, margin = sign(name, options), options.margin.of(name)
    assert margin is not None  # GateOptions.check has seen to it
    column = options.column(name)
    ratio = column is not None and bool(column.over)
    if ratio:
        compared = compare_ratio(
            [text.parts[name] for text in group.old],
            [text.parts[name] for text in group.new],
            turned,
            margin,
            options,
        )
    else:
        compared = compare(
            [turned * text.scores[name] for text in group.old],
            [turned * text.scores[name] for text in group.new],
            margin=margin,
            alpha=options.alpha,
            method=options.method,
            seed=options.seed,
        )
    figures = {field: getattr(compared, field) for field in Comparison.__struct_fields__}
    figures["mean_baseline"] *= turned
    figures["mean_candidate"] *= turned
    return ScoreComparison(
        **figures,
        name=name,
        scope=group.scope,
        voice=group.voice,
        slice=group.slice,
        margin=margin,
        lower_is_better=turned < 0,
        kind="predictor" if column is None or column.measured else "column",
        ratio=ratio,
    )
