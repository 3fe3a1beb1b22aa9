"""The report of a listening test, typed: systems, listeners, agreement, who stands apart, and how many ratings help."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from ..core.errors import DataError, UsageError
from ..core.typed import Typed, as_typed, plain
from ..stats import noise_ceiling
from ..stats.outliers import change_without, missed_references, outliers
from ..stats.panel import krippendorff_alpha, listener_scores, needed_ratings, system_scores
from ..stats.preferences import Vote, pair_scores
from ..stats.systems import has_systems
from ..tables.panel import SCALES, PairVotes, read_panel, scale_of
from ..tables.truth import Truth, read_truth
from .parts import Ceiling

SCHEMA: Literal["mosharness.ratings/1"] = "mosharness.ratings/1"
TARGETS = (0.9, 0.95)
"""Noise ceilings for which the number of ratings is suggested."""
EXACT = 1e-6
REFERENCES = ("reference", "ref", "hidden_reference", "hidden_ref", "hiddenref")
Bounds = tuple[float, float]
Form = Literal["acr", "cmos", "mushra", "preference", "other"]


class SystemRow(Typed, frozen=True, kw_only=True):
    """One system; fields as :class:`~mosharness.harness.stats.panel.SystemScore`."""

    system: str
    clips: int
    ratings: int
    listeners: int
    mean: float
    by_clip: Bounds | None
    by_listener: Bounds | None


class ListenerRow(Typed, frozen=True, kw_only=True):
    """One listener; fields as :class:`~mosharness.harness.stats.panel.ListenerScore`, and what is unusual."""

    listener: str
    ratings: int
    mean: float
    sd: float
    bias: float | None
    bias_error: float | None
    agreement: float | None
    shared: int
    unusual: tuple[str, ...] = ()


class ChangeRow(Typed, frozen=True, kw_only=True):
    """What would change without some listeners; fields as :class:`~mosharness.harness.stats.outliers.Change`."""

    without: tuple[str, ...]
    ratings: int
    clips: int
    alpha: tuple[float | None, float | None]
    ceiling: tuple[float | None, float | None]
    system: str
    shift: float
    turned: int


class Suggestion(Typed, frozen=True, kw_only=True):
    """How many ratings a clip a noise ceiling of ``ceiling`` at the utterance level takes; ``None`` where unknown."""

    ceiling: float
    ratings: int | None


class StatedMeans(Typed, frozen=True, kw_only=True):
    """Comparison with means that someone published.

    Attributes:
        clips: Clips of both files.
        differ: Of them, those whose mean is another.
        largest: Largest difference.
        exact_without: Listeners without any one of whom all means are as stated.
    """

    clips: int
    differ: int
    largest: float
    exact_without: tuple[str, ...] = ()


class Dimension(Typed, frozen=True, kw_only=True):
    """One rated dimension.

    Attributes:
        name, form, scale: What was rated, how, and on which scale (``None`` where that is unknown).
        clips, ratings, listeners: How many.
        ratings_per_clip: Number of ratings to the number of clips that have so many.
        mean: Mean of the clip means.
        systems: Best first; empty without systems.
        people: By id; empty where nobody says who rated.
        alpha: Krippendorff's alpha for interval data.
        ceiling: Noise ceiling by level, as in results.
        changes: What leaving out the unusual listeners would change: one at a time, then all.
        suggested: Ratings a clip by wanted ceiling.
        stated: Comparison with published means, where a file of them was given.
    """

    name: str
    form: Form
    scale: Bounds | None
    clips: int
    ratings: int
    listeners: int
    ratings_per_clip: dict[str, int]
    mean: float
    systems: tuple[SystemRow, ...]
    people: tuple[ListenerRow, ...]
    alpha: float | None
    ceiling: dict[str, Ceiling]
    changes: tuple[ChangeRow, ...] = ()
    suggested: tuple[Suggestion, ...] = ()
    stated: StatedMeans | None = None


class PairRow(Typed, frozen=True, kw_only=True):
    """Two systems; fields as :class:`~mosharness.harness.stats.preferences.PairScore`."""

    a: str
    b: str
    votes: int
    clips: int
    listeners: int
    mean: float
    by_listener: Bounds | None
    by_clip: Bounds | None
    for_a: int
    ties: int
    for_b: int
    p: float
    p_holm: float


class RatingsReport(Typed, frozen=True, kw_only=True):
    """What a listening test says, schema ``mosharness.ratings/1``.

    Attributes:
        file: The file of ratings, by name.
        understood: How it was read.
        notes: What is to be said about it.
        without: Listeners that the user left out.
        dimensions: By dimension; empty for comparisons.
        pairs: Compared systems; empty for ratings.
    """

    file: str
    understood: str
    notes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    dimensions: tuple[Dimension, ...] = ()
    pairs: tuple[PairRow, ...] = ()
    schema: Literal["mosharness.ratings/1"] = SCHEMA

    def as_plain(self) -> dict[str, Any]:
        """The JSON form."""
        value: dict[str, Any] = plain(self)
        return value


def report_ratings(
    path: object,
    *,
    columns: Mapping[str, str] | None = None,
    form: str = "",
    without: Collection[str] = (),
    means: object | None = None,
    system_pattern: str = "",
) -> RatingsReport:
    """Report a listening test; nobody and nothing is left out but what ``without`` names.

    Args:
        path: Table with a row a rating, a column a rating, counts of grades, or a row a comparison.
        columns: Field to heading, see :func:`~mosharness.harness.tables.panel.read_panel`.
        form: ``acr``, ``cmos``, ``mushra`` or ``preference``; empty: by the columns and the range of the ratings.
        without: Listeners to leave out.
        means: File of published means to compare with.
        system_pattern: Regular expression that finds the system in the id of a clip: its first group, else all of it.

    Raises:
        DataError: If the file holds no ratings, or they do not fit ``form``.
        UsageError: For options that do not go together.
        UnknownName: For a heading or listener that is not there.
    """
    from pathlib import Path

    read = read_panel(path, columns, without=without, form=form)
    name, gone = Path(str(path)).name, tuple(without)
    if isinstance(read, PairVotes):
        if means is not None:
            raise UsageError("--means: the file holds comparisons of systems, which have no means of clips")
        if system_pattern:
            raise UsageError("--system-pattern: the file holds comparisons, which name their systems")
        if form in ("acr", "mushra"):
            raise UsageError(f"--form {form}: {path} has two systems a row, which is a comparison (cmos or preference)")
        rows = [PairRow(**asdict(one)) for one in pair_scores([Vote(*row) for row in read.rows])]
        return RatingsReport(file=name, understood=read.understood, without=gone, pairs=tuple(rows))
    read = _with_systems(read, system_pattern, path) if system_pattern else read
    stated = read_truth(means) if means is not None else None
    return RatingsReport(
        file=name,
        understood=read.understood,
        notes=tuple(message for _, message in read.notes),
        without=gone,
        dimensions=tuple(_dimension(read, one, form, stated, path) for one in read.dimensions if one in read.ratings),
    )


def _with_systems(truth: Truth, pattern: str, path: object) -> Truth:
    """The labels with systems that were found in the ids of clips."""
    try:
        finder = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--system-pattern {pattern!r} is no regular expression: {error}") from error
    rows = []
    for clip, _, scores in truth.rows:
        match = finder.search(clip)
        if match is None:
            raise DataError(f"{path}: --system-pattern {pattern!r} finds nothing in {clip!r}")
        rows.append((clip, (match[1] or "") if finder.groups else match[0], scores))
    return replace(truth, rows=tuple(rows))


def _dimension(truth: Truth, name: str, form: str, stated: Truth | None, path: object) -> Dimension:
    clips = [clip for clip, _, _ in truth.rows]
    made = [system for _, system, _ in truth.rows]
    ratings = [list(truth.ratings[name][clip]) for clip in clips]
    people = [list(truth.listeners[clip]) for clip in clips] if truth.listeners else None
    every = [value for given in ratings for value in given]
    kind = form or scale_of(every) or "other"
    scale = SCALES.get(kind)
    off = [value for value in every if scale is not None and not scale[0] <= value <= scale[1]]
    if off:
        raise DataError(
            f"{path}: {name}: {len(off)} ratings lie outside {scale[0]:g} to {scale[1]:g}, the scale of "  # type: ignore[index]
            f"--form {kind} (first: {off[0]:g})"
        )
    systems = made if has_systems(made) else None
    rows = listener_scores(ratings, people) if people is not None else []
    odd = outliers(rows)
    if kind == "mushra" and systems is not None and people is not None:
        for reference in {one for one in systems if one.lower() in REFERENCES}:
            for who, (low, of) in missed_references(ratings, systems, people, reference).items():
                said = f"rated the hidden reference below 90 in {low} of {of} trials (ITU-R BS.1534-3: over 15 %)"
                odd.setdefault(who, []).append(said)
    groups = [[who] for who in odd] + ([list(odd)] if len(odd) > 1 else [])
    changes = [change_without(ratings, systems, people, who) for who in groups] if people is not None else []
    return Dimension(
        name=name,
        form=kind,  # type: ignore[arg-type]  # checked by the caller's choices
        scale=scale,
        clips=len(clips),
        ratings=len(every),
        listeners=len(rows),
        ratings_per_clip={str(size): count for size, count in sorted(Counter(map(len, ratings)).items())},
        mean=statistics.fmean(math.fsum(given) / len(given) for given in ratings),
        systems=tuple(SystemRow(**asdict(one)) for one in system_scores(ratings, systems, people)) if systems else (),
        people=tuple(ListenerRow(**asdict(one), unusual=tuple(odd.get(one.listener, ()))) for one in rows),
        alpha=krippendorff_alpha(ratings),
        ceiling=as_typed(plain(noise_ceiling(ratings, systems, people)), dict[str, Ceiling], "ceiling"),
        changes=tuple(ChangeRow(**asdict(one)) for one in changes),
        suggested=tuple(Suggestion(ceiling=goal, ratings=needed_ratings(ratings, goal)) for goal in TARGETS),
        stated=_compared(clips, ratings, people, name, stated) if stated is not None else None,
    )


def _compared(
    clips: Sequence[str],
    ratings: Sequence[Sequence[float]],
    people: Sequence[Sequence[str]] | None,
    name: str,
    stated: Truth,
) -> StatedMeans | None:
    """Means against stated ones, and who must be left out so that they are the same."""
    from ..tables.match import match_clips

    if name not in stated.dimensions:
        return None
    matched = match_clips(clips, [clip for clip, _, _ in stated.rows])
    means = {matched.clips[clip]: scores[name] for clip, _, scores in stated.rows if clip in matched.clips}
    at = [place for place, clip in enumerate(clips) if clip in means]
    if not at:
        raise DataError(
            f"--means: none of its clips is in the ratings: {', '.join(clip for clip, _, _ in stated.rows[:3])} there, "
            f"{', '.join(clips[:3])} here"
        )
    gaps = [abs(math.fsum(ratings[place]) / len(ratings[place]) - means[clips[place]]) for place in at]
    differ = sum(gap > EXACT for gap in gaps)
    exact = []
    for who in sorted({person for place in at for person in people[place]}) if people and differ else []:
        for place in at:
            rest = [value for value, person in zip(ratings[place], people[place], strict=True) if person != who]  # type: ignore[index]
            if not rest or abs(math.fsum(rest) / len(rest) - means[clips[place]]) > EXACT:
                break
        else:
            exact.append(who)
    return StatedMeans(clips=len(at), differ=differ, largest=max(gaps), exact_without=tuple(exact))
