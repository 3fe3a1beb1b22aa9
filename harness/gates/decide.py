"""From scores of both sides to a verdict with everything that explains it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import DataError, UsageError
from ..core.files import json_ready
from .baseline import now
from .model import SCHEMA_VERSION, GateFinding, GateOptions, Key, Unit, show_key
from .statistics import BOUNDARY, Comparison, Verdict, combine, compare, mean_lower_bound

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
LIMITATION = (
    "The bounds describe the predictor's mean, not listeners: a regression alarm, not a listening test. It does not "
    "hear wrong words; run an intelligibility check beside it."
)
POOLED = "pooled"


@dataclass(frozen=True)
class Matched:
    """Keys of both sides, matched: the common ones in order, and what was noticed."""

    common: tuple[Key, ...]
    findings: tuple[GateFinding, ...]


def match_keys(baseline: Collection[Key], candidate: Collection[Key], options: GateOptions) -> Matched:
    """Which texts are on both sides. What the candidate lacks is an error, what it has beyond is a warning.

    Raises:
        DataError: If no key is common; the message shows examples of both sides.
    """
    common = sorted(set(baseline) & set(candidate))
    if not common:
        raise DataError(
            "no text is on both sides. Baseline: " + _some(baseline) + ". Candidate: " + _some(candidate) + ". Files "
            "pair by their path below the folder, without suffix; a manifest with columns path,id pairs others"
        )
    findings = []
    missing, extra = sorted(set(baseline) - set(candidate)), sorted(set(candidate) - set(baseline))
    if missing:
        allowed = len(missing) <= options.allow_missing
        message = f"the candidate lacks {len(missing)} of {len(baseline)} texts: {_some(missing, 20)}"
        if not allowed:
            message += f" ({options.allow_missing} allowed, --allow-missing)"
        findings.append(GateFinding("warning" if allowed else "error", "missing", message, "candidate"))
    if extra:
        message = f"{len(extra)} texts of the candidate are not in the baseline and are left out: {_some(extra, 20)}"
        findings.append(GateFinding("warning", "extra", message, "candidate"))
    return Matched(tuple(common), tuple(findings))


def _some(keys: Collection[Key], most: int = 3) -> str:
    shown = ", ".join(show_key(key) for key in sorted(keys)[:most])
    return shown + (f" and {len(keys) - most} more" if len(keys) > most else "")


def decide(
    baseline: Sequence[Unit],
    candidate: Sequence[Unit],
    names: Sequence[str],
    options: GateOptions,
    *,
    findings: Sequence[GateFinding] = (),
    skipped: Sequence[Mapping[str, Any]] = (),
    expected: Collection[Key] | None = None,
) -> dict[str, Any]:
    """Compare two sides score by score and voice by voice.

    Each voice has to pass by itself; with several voices the pooled figures (voices of one text averaged first) are
    reported as an extra that does not decide.

    Args:
        baseline: One unit per text and voice.
        candidate: The same; with the method ``unpaired`` keys need not agree.
        names: Scores to gate.
        options: How to decide.
        findings: What was noticed before; an ``error`` fails the gate whatever the scores are.
        skipped: What was skipped, for the report.
        expected: Keys that there should have been, where some were lost to errors; checked against ``min_n``.

    Returns:
        The result: JSON types, ``None`` for figures that do not exist; see ``docs/gate.md`` for every key.

    Raises:
        UsageError: For options that make no sense, or fewer texts than ``min_n``.
        DataError: If no key is common.
    """
    options.check(names)
    notes = list(findings)
    old, new = {unit.key: unit for unit in baseline}, {unit.key: unit for unit in candidate}
    broken = any(finding.level == "error" for finding in notes)
    if options.method == "unpaired":
        _check_counts([old, new], options, broken)
        pairs: list[tuple[Unit, Unit]] = []
        comparisons = [_unpaired(name, old.values(), new.values(), options) for name in names]
    else:
        _check_counts([expected if expected is not None else old], options, False)
        keys = sorted(set(old) & set(new))
        _check_counts([keys], options, broken)
        pairs = [(old[key], new[key]) for key in keys]
        comparisons = _by_voice(pairs, names, options) if pairs else []
    floors = _floors(list(new.values()) if not pairs else [unit for _, unit in pairs], names, options)
    floors += _drops(pairs, names, options)
    deciding: list[Verdict] = [entry["verdict"] for entry in comparisons if entry["scope"] != POOLED]
    if broken or any(floor["verdict"] == "fail" for floor in floors):
        deciding.append("fail")
    outcome = combine(deciding)
    result: dict[str, Any] = json_ready(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "gate",
            "time": now(),
            "verdict": outcome,
            "exit_code": 0 if outcome == "inconclusive" and options.allow_inconclusive else EXIT_CODES[outcome],
            "options": options.as_dict(),
            "predictors": comparisons,
            "floors": floors,
            "findings": [asdict(finding) for finding in notes],
            "skipped": [dict(entry) for entry in skipped],
            "pairs": [_pair(old_unit, new_unit, names, options) for old_unit, new_unit in pairs],
            "worst": {name: _worst(pairs, name, options) for name in names},
            "limitation": LIMITATION,
        }
    )
    return result


def _check_counts(groups: Sequence[Collection[Key]], options: GateOptions, broken: bool) -> None:
    for keys in groups:
        counts: dict[str, int] = defaultdict(int)
        for key in keys:
            counts[key[1]] += 1
        for voice, count in sorted(counts.items()) or [("", 0)]:
            if count < options.min_n and not broken:
                whose = f" of voice {voice}" if voice else ""
                raise UsageError(
                    f"{count} texts{whose}, fewer than the {options.min_n} of --min-n. Add texts (40 are recommended), "
                    "or lower --min-n and expect inconclusive verdicts"
                )


def _sign(name: str, options: GateOptions) -> float:
    return -1.0 if name in options.lower_is_better else 1.0


def _by_voice(pairs: Sequence[tuple[Unit, Unit]], names: Sequence[str], options: GateOptions) -> list[dict[str, Any]]:
    voices = sorted({old.key[1] for old, _ in pairs})
    entries = []
    for name in names:
        for voice in voices:
            chosen = [(old.scores[name], new.scores[name]) for old, new in pairs if old.key[1] == voice]
            scope = "voice" if len(voices) > 1 else "all"
            entries.append(_entry(name, chosen, options, scope=scope, voice=voice))
        if len(voices) > 1:
            texts: dict[str, list[tuple[float, float]]] = defaultdict(list)
            for old, new in pairs:
                texts[old.key[0]].append((old.scores[name], new.scores[name]))
            averaged = [
                (math.fsum(one[0] for one in group) / len(group), math.fsum(one[1] for one in group) / len(group))
                for group in texts.values()
            ]
            entries.append(_entry(name, averaged, options, scope=POOLED, voice=""))
    return entries


def _entry(
    name: str, scores: Sequence[tuple[float, float]], options: GateOptions, *, scope: str, voice: str
) -> dict[str, Any]:
    sign = _sign(name, options)
    found = compare(
        [sign * old for old, _ in scores],
        [sign * new for _, new in scores],
        margin=_margin(name, options),
        alpha=options.alpha,
        method=options.method,
        seed=options.seed,
    )
    return _as_entry(name, found, options, scope, voice)


def _unpaired(name: str, old: Collection[Unit], new: Collection[Unit], options: GateOptions) -> dict[str, Any]:
    sign = _sign(name, options)
    found = compare(
        [sign * unit.scores[name] for unit in old],
        [sign * unit.scores[name] for unit in new],
        margin=_margin(name, options),
        alpha=options.alpha,
        method="unpaired",
    )
    return _as_entry(name, found, options, "all", "")


def _margin(name: str, options: GateOptions) -> float:
    margin = options.margin.of(name)
    assert margin is not None  # GateOptions.check has seen to it
    return margin


def _as_entry(name: str, found: Comparison, options: GateOptions, scope: str, voice: str) -> dict[str, Any]:
    sign = _sign(name, options)
    entry = {"name": name, "scope": scope, "voice": voice, "margin": _margin(name, options), **asdict(found)}
    entry["mean_baseline"] *= sign
    entry["mean_candidate"] *= sign
    entry["lower_is_better"] = sign < 0
    return entry


def _floors(units: Sequence[Unit], names: Sequence[str], options: GateOptions) -> list[dict[str, Any]]:
    """Absolute limits; for scores where lower is better they are ceilings."""
    entries: list[dict[str, Any]] = []
    for name in names:
        if not units:
            break
        sign = _sign(name, options)
        scores = [sign * unit.scores[name] for unit in units]
        floor = options.floor.of(name)
        if floor is not None:
            bound = mean_lower_bound(scores, options.alpha)
            entries.append(
                {
                    "name": name,
                    "kind": "mean",
                    "floor": floor,
                    "mean": sign * math.fsum(scores) / len(scores),
                    "bound": sign * bound,
                    "verdict": "pass" if bound >= sign * floor else "fail",
                }
            )
        limit = options.utterance_floor.of(name)
        if limit is not None:
            bad = [unit for unit, score in zip(units, scores, strict=True) if score < sign * limit]
            entries.append(
                {
                    "name": name,
                    "kind": "utterance",
                    "floor": limit,
                    "bad": [show_key(unit.key) for unit in bad],
                    "max_bad": options.max_bad,
                    "verdict": "pass" if len(bad) <= options.max_bad else "fail",
                }
            )
    return entries


def _drops(pairs: Sequence[tuple[Unit, Unit]], names: Sequence[str], options: GateOptions) -> list[dict[str, Any]]:
    """Texts that lost more than a single one may."""
    entries: list[dict[str, Any]] = []
    for name in names:
        limit = options.max_drop.of(name)
        if limit is not None and pairs:
            bad = [show_key(old.key) for old, new in pairs if _difference(old, new, name, options) < -limit - BOUNDARY]
            kind = {"name": name, "kind": "drop", "floor": limit, "bad": bad, "max_bad": 0}
            entries.append({**kind, "verdict": "fail" if bad else "pass"})
    return entries


def _difference(old: Unit, new: Unit, name: str, options: GateOptions) -> float:
    return _sign(name, options) * (new.scores[name] - old.scores[name])


def _pair(old: Unit, new: Unit, names: Sequence[str], options: GateOptions) -> dict[str, Any]:
    return {
        "key": old.key[0],
        "voice": old.key[1],
        "baseline": old.source,
        "candidate": new.source,
        "scores": {name: {"baseline": old.scores[name], "candidate": new.scores[name]} for name in names},
        "diff": {name: _difference(old, new, name, options) for name in names},
    }


def _worst(pairs: Sequence[tuple[Unit, Unit]], name: str, options: GateOptions) -> dict[str, Any]:
    """The worst utterances by difference and by the candidate's score."""

    def line(pair: tuple[Unit, Unit]) -> dict[str, Any]:
        old, new = pair
        return {
            "key": show_key(old.key),
            "baseline": old.source,
            "candidate": new.source,
            "score_baseline": old.scores[name],
            "score_candidate": new.scores[name],
            "diff": _difference(old, new, name, options),
        }

    def drop(pair: tuple[Unit, Unit]) -> tuple[float, Key]:
        return _difference(pair[0], pair[1], name, options), pair[0].key

    def score(pair: tuple[Unit, Unit]) -> tuple[float, Key]:
        return _sign(name, options) * pair[1].scores[name], pair[0].key

    by_drop, by_score = (sorted(pairs, key=order)[: options.worst] for order in (drop, score))
    return {"by_diff": [line(pair) for pair in by_drop], "by_score": [line(pair) for pair in by_score]}
