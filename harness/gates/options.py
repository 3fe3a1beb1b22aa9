"""What a gate is told: how it decides (limits, method, level) and how it reads audio."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ..core.choices import Method, choices
from ..core.errors import UnknownName, UsageError
from ..core.typed import Typed

SIGNAL_NAMES = (
    "duration",
    "lead_silence",
    "trail_silence",
    "longest_pause",
    "level",
    "bandwidth",
    "clipping",
    "broken",
    "duplicates",
)
"""Signals in the order of a report; ``signals.py`` says what each is."""
ERROR_RATES = ("wer", "cer", "per", "ter", "mer", "wil", "errors", "latency", "rtf")
"""Words in the name of a column by which a loss would pass as a gain if nobody said that lower is better."""


class Column(Typed, frozen=True, kw_only=False):
    """A score that is joined from a table, or that a predictor measures in units of its own.

    Attributes:
        name: What the report calls it.
        value: Heading of its column; of a ratio, the sum above (errors).
        over: Of a ratio, heading of the sum below (words); empty for a mean over texts.
        measured: Whether a predictor gives it, not a table.
    """

    name: str
    value: str
    over: str = ""
    measured: bool = False

    @property
    def headings(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return (self.value, self.over) if self.over else (self.value,)


class PerScore(Typed, frozen=True, kw_only=False):
    """A limit for every score, and others for some by name."""

    default: float | None = None
    named: Mapping[str, float] = {}

    def of(self, name: str) -> float | None:
        """The limit of one score, ``None`` where there is none."""
        return self.named.get(name, self.default)

    def check_names(self, names: Sequence[str], option: str) -> None:
        """Refuse names that are no score of this gate.

        Raises:
            UnknownName: For the first such name.
        """
        for name in self.named:
            if name not in names:
                raise UnknownName(f"score of this gate (in {option})", name, names)

    def check_finite(self, option: str) -> None:
        """Refuse limits that are no finite number.

        Raises:
            UsageError: For the first such limit.
        """
        for name, value in (("", self.default), *self.named.items()):
            if value is not None and not math.isfinite(value):
                given = f"{name}={value:g}" if name else f"{value:g}"
                raise UsageError(f"{option} {given}: write a finite number")


DEFAULT_MARGIN = 0.2


def with_default(margin: PerScore, columns: Iterable[Column] = ()) -> PerScore:
    """The margin of points stays the default one where only signals and joined columns are given their own."""
    own = {*SIGNAL_NAMES, *(column.name for column in columns)}
    if margin.default is None and own.issuperset(margin.named):
        return PerScore(DEFAULT_MARGIN, margin.named)
    return margin


def parse_per_score(values: Iterable[str], option: str) -> PerScore:
    """``["0.2", "wer=0.02"]`` as a limit for every score and one by name.

    Raises:
        UsageError: For what is no finite number, or two limits for the same score.

    Example:
        >>> limit = parse_per_score(["0.2", "wer=0.02"], "--margin")
        >>> limit.of("mos"), limit.of("wer")
        (0.2, 0.02)
    """
    default: float | None = None
    named: dict[str, float] = {}
    for value in values:
        name, _, text = str(value).rpartition("=")
        try:
            number = float(text)
        except ValueError:
            raise UsageError(f"{option} {value}: write a number, or NAME=number for one score") from None
        if name in named or (not name and default is not None):
            raise UsageError(f"{option}: two values for {name or 'every score'}; NAME=number sets one score's own")
        if name:
            named[name] = number
        else:
            default = number
    limits = PerScore(default, named)
    limits.check_finite(option)
    return limits


class GateOptions(Typed, frozen=True, kw_only=True):
    """How a gate decides. The defaults are those of the command line.

    Attributes:
        margin: Loss that is still accepted, in score units, above 0.
        alpha: One-sided level.
        method: See :data:`~mosharness.harness.gates.methods.METHODS`.
        min_n: Fewest texts per voice.
        floor: The lower bound of the candidate's mean must reach this; off by default.
        utterance_floor: Candidate scores below this count as bad; off by default.
        max_bad: How many bad ones are accepted.
        max_drop: No single text may lose more than this; off by default.
        allow_inconclusive: Whether inconclusive ends with exit code 0.
        allow_missing: How many of the baseline's texts the candidate may lack.
        max_skipped: How many broken files may be skipped; ``None`` when a broken file fails the gate.
        worst: How many of the worst utterances are listed.
        seed: Of the bootstrap.
        lower_is_better: Scores whose sign is turned (error rates).
        signals: Built-in signals of the audio that decide beside the scores; see
            :data:`~mosharness.harness.gates.signals.SIGNALS`. Outside scores have none.
        columns: Scores in units of their own, which need margins of their own and have no default drop limit.
        slice_by: What cuts slices that have to pass one by one: a column of a manifest, ``voice``, or ``folder``, the
            first folder below the root.
    """

    margin: PerScore = PerScore(DEFAULT_MARGIN)
    alpha: float = 0.05
    method: Method = "paired-t"
    min_n: int = 20
    floor: PerScore = PerScore()
    utterance_floor: PerScore = PerScore()
    max_bad: int = 0
    max_drop: PerScore = PerScore()
    allow_inconclusive: bool = False
    allow_missing: int = 0
    max_skipped: int | None = None
    worst: int = 5
    seed: int = 0
    lower_is_better: tuple[str, ...] = ()
    signals: tuple[str, ...] = SIGNAL_NAMES
    columns: tuple[Column, ...] = ()
    slice_by: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of a score; ``None`` where a predictor gives points."""
        return next((column for column in self.columns if column.name == name), None)

    def check(self, names: Sequence[str]) -> None:
        """Refuse options that make no sense for scores of these names.

        Raises:
            UsageError: For a value out of range.
            UnknownName: For a limit of a score that is not there.
        """
        check_alpha(self.alpha)
        if self.method not in choices(Method):
            raise UsageError(f"--method {self.method}: use one of {', '.join(choices(Method))}")
        for name in names:
            margin = self.margin.of(name)
            if margin is None:
                raise UsageError(f"no --margin for {name}; give one for every score, or {name}=number")
            check_margin(margin, f"--margin ({name})")
            if self.column(name) is not None and name not in self.margin.named:
                raise UsageError(f"no margin for {name}, which has units of its own; give --margin {name}=number")
        self._check_directions()
        self.margin.check_names([*names, *SIGNAL_NAMES], "--margin")
        self.margin.check_finite("--margin")
        for name in (one for one in self.margin.named if one in SIGNAL_NAMES):
            check_margin(self.margin.named[name], f"--margin ({name})")
        for limits, option in (
            (self.floor, "--floor"),
            (self.utterance_floor, "--utt-floor"),
            (self.max_drop, "--max-utt-drop"),
        ):
            limits.check_names(names, option)
            limits.check_finite(option)
        for name, value in (*self.max_drop.named.items(), ("every score", self.max_drop.default)):
            if value is not None and not value >= 0:
                raise UsageError(f"--max-utt-drop ({name}) {value:g}: the loss that a single text may have, 0 or more")
        if self.method == "unpaired" and self.max_drop != PerScore():
            raise UsageError("--max-utt-drop needs pairs: the loss of a text is not known without them")
        for name in self.lower_is_better:
            if name not in names:
                raise UnknownName("score of this gate (in --lower-is-better)", name, names)

    def _check_directions(self) -> None:
        for column in self.columns:
            words = column.name.lower().replace("-", "_").split("_")
            if column.name not in self.lower_is_better and any(word in ERROR_RATES for word in words):
                raise UsageError(
                    f"--score {column.name}: lower looks better; say so with --lower-is-better {column.name}, or call "
                    "it something else (--score NAME=COLUMN)"
                )


class AudioOptions(Typed, frozen=True, kw_only=True):
    """How audio is read and scored.

    Attributes:
        allow_same: Accept one folder on both sides.
        allow_mixed_rates: Accept different sampling rates and resample to one.
        skip_broken: Leave a text out when one of its files cannot be used; ``GateOptions.max_skipped`` limits it.
        max_seconds: Longer clips cannot be used.
        use_cache: Whether the prediction cache is used.
        workers: Decoding threads.
        show: Progress on stderr.
        candidate_option, baseline_option: What the options that name the two sides are called, for messages.
        tables: Tables whose columns are joined to the files: ``FILE``, ``baseline=FILE`` or ``candidate=FILE``.
    """

    allow_same: bool = False
    allow_mixed_rates: bool = False
    skip_broken: bool = False
    max_seconds: float = 60.0
    use_cache: bool = True
    workers: int | None = None
    show: bool = False
    candidate_option: str = "--candidate"
    baseline_option: str = "--baseline"
    tables: tuple[str, ...] = ()


def check_margin(margin: float, what: str = "--margin") -> float:
    """``margin`` if it is a finite number above 0.

    Raises:
        UsageError: Otherwise.
    """
    if not (math.isfinite(margin) and margin > 0):
        raise UsageError(f"{what} {margin:g}: the margin must be above 0; it is the loss that would still be accepted")
    return margin


def check_alpha(alpha: float) -> float:
    """``alpha`` if it is between 0 and 0.5.

    Raises:
        UsageError: Otherwise.
    """
    if not 0 < alpha < 0.5:
        raise UsageError(f"--alpha {alpha:g}: must be between 0 and 0.5 (one-sided); 0.05 is usual")
    return alpha
