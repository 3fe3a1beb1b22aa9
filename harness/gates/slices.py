"""Slices of a gate: speakers, languages, styles. Every slice has to pass, and those that fail are named by Holm's test.

"All slices pass" is an intersection-union test: each slice at level alpha keeps the whole at alpha, without correction.
To say *which* slice is worse is another question, asked once per slice; there p-values are adjusted by Holm over the
slices of one score, and a slice that fails without surviving that is inconclusive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from ..core.errors import DataError, UnknownName, UsageError
from ..stats.paired import holm
from .floors import TextPair, difference
from .options import GateOptions
from .schema import GateFinding, ScoreComparison
from .statistics import compare
from .units import TextScores

FOLDER, VOICE = "folder", "voice"
TOP, EMPTY = "(top)", "(empty)"
FEWEST_TEXTS = 3
"""Folders with fewer texts do not look like speakers (our choice)."""
MOST_FOLDERS = 200
SHOWN = 12
Entry = TypeVar("Entry", bound=ScoreComparison)


def slice_value(pair: TextPair, name: str) -> str:
    """The value of one text in what cuts slices."""
    old, new = pair
    if name == VOICE:
        return old.voice
    if name == FOLDER:
        return folder_of(old)
    return new.slices.get(name) or old.slices.get(name) or EMPTY


def folder_of(text: TextScores) -> str:
    """The first folder below the root."""
    first, slash, _ = text.text.partition("/")
    return first if slash else TOP


def slice_pairs(pairs: Sequence[TextPair], name: str) -> dict[str, list[TextPair]]:
    """Pairs by value, in the order of the values."""
    found: dict[str, list[TextPair]] = defaultdict(list)
    for pair in pairs:
        found[slice_value(pair, name)].append(pair)
    return dict(sorted(found.items()))


def check_slices(pairs: Sequence[TextPair], options: GateOptions) -> None:
    """Refuse what cuts nothing, and slices with too few texts.

    Raises:
        UnknownName: For a column that no side has.
        DataError: If both sides say different things of one text.
        UsageError: For a single slice, or fewer texts than ``min_n`` in one.
    """
    for name in options.slice_by:
        known = {VOICE, FOLDER, *(one for old, new in pairs for one in (*old.slices, *new.slices))}
        if name not in known:
            raise UnknownName("column of a manifest (in --slice)", name, known)
        for old, new in pairs:
            if name in old.slices and name in new.slices and old.slices[name] != new.slices[name]:
                raise DataError(
                    f"--slice {name}: {old.key} is {old.slices[name]!r} in the baseline, {new.slices[name]!r} in the "
                    "candidate; mend one of the manifests"
                )
        found = slice_pairs(pairs, name)
        if len(found) < 2:
            raise UsageError(f"--slice {name}: every text is in one slice ({next(iter(found), 'none')}); leave it out")
        few = {value: len({old.text for old, _ in group}) for value, group in found.items()}
        few = {value: count for value, count in few.items() if count < options.min_n}
        if few:
            shown = ", ".join(f"{value} ({count})" for value, count in [*few.items()][:SHOWN])
            raise UsageError(
                f"--slice {name}: fewer texts than the {options.min_n} of --min-n in {shown}. Add texts, or lower "
                "--min-n and expect inconclusive verdicts"
            )


def said_of_slices(pairs: Sequence[TextPair], options: GateOptions) -> list[GateFinding]:
    """What several slices mean for the level, as a note."""
    found = []
    for name in options.slice_by:
        count = len(slice_pairs(pairs, name))
        message = (
            f"{count} slices by {name}: each has to pass at level {options.alpha:g} (intersection-union test, no "
            "correction needed); one that fails is named only where Holm's test over the slices of a score shows it"
        )
        found.append(GateFinding("note", "slices", message))
    return found


def named_failures(entries: Sequence[Entry], options: GateOptions) -> list[Entry]:
    """Entries of one score with ``p_worse`` of its slices; failures that do not survive Holm become inconclusive."""
    done = list(entries)
    for name in options.slice_by:
        places = [at for at, entry in enumerate(entries) if entry.scope == "slice" and entry.slice == name]
        raw = [1.0 if (p := worse_p(entries[at])) is None else p for at in places]
        for at, p in zip(places, holm(raw) if raw else [], strict=True):
            entry = replace(done[at], p_worse=p)
            if entry.verdict == "fail" and p >= options.alpha:
                note = f"worse by itself, but not shown among {len(places)} slices (Holm p {p:.2g})"
                entry = replace(entry, verdict="inconclusive", notes=(*entry.notes, note))
            done[at] = entry
    return done


def worse_p(entry: ScoreComparison) -> float | None:
    """One-sided p of "at or above -margin"; of entries that carry one already (signals), that one."""
    if entry.p_worse is not None:
        return entry.p_worse
    return None if entry.p_noninf is None else min(1.0, max(0.0, 1.0 - entry.p_noninf))


def unnamed_slices(pairs: Sequence[TextPair], names: Sequence[str], options: GateOptions) -> list[GateFinding]:
    """A warning where folders look like speakers and nobody asked to gate them one by one."""
    if options.slice_by or any(old.voice for old, _ in pairs):
        return []
    folders = slice_pairs(pairs, FOLDER)
    if not 2 <= len(folders) <= MOST_FOLDERS or min(map(len, folders.values())) < FEWEST_TEXTS:
        return []
    shown = ", ".join([*folders][:SHOWN]) + (f" and {len(folders) - SHOWN} more" if len(folders) > SHOWN else "")
    message = (
        f"the texts lie in {len(folders)} folders ({shown}), which are judged together: if these are speakers or "
        "languages, one of them may be lost in the mean; --slice folder gates each"
    )
    losers = _losers(folders, names, options)
    if losers:
        message += ". By themselves these would not pass: " + ", ".join(losers[:SHOWN])
    return [GateFinding("warning", "unnamed_slices", message)]


def _losers(folders: dict[str, list[TextPair]], names: Sequence[str], options: GateOptions) -> list[str]:
    found = []
    for name in names:
        margin = options.margin.of(name)
        for folder, pairs in folders.items():
            changes = [difference(pair, name, options) for pair in pairs]
            compared = compare([0.0] * len(changes), changes, margin=margin or 1.0, alpha=options.alpha)
            if compared.upper is not None and compared.upper < 0 and compared.mean_diff < -(margin or 1.0):
                found.append((compared.mean_diff, f"{folder} ({name} {compared.mean_diff:+.2f})"))
    return [text for _, text in sorted(found)]
