"""Built-in signals of a gate: paired figures of the audio itself, and counts of broken and duplicate texts.

Predictors give babble, silence and missing words a middle score. Each signal is compared text by text as a score is,
with a margin in its own unit; those that may err in both directions have to be shown to lie within it on both sides.
Margins are our choice: ``benchmarks/gate_signals.py`` shows the room that renderings of one system leave them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..core.errors import UnknownName
from .comparisons import Group, groups_of
from .floors import TextPair, difference
from .options import SIGNAL_NAMES, GateOptions
from .schema import BrokenShare, Comparison, Floor, GateFinding, SignalComparison, Verdict
from .sides import Rendering
from .slices import named_failures
from .statistics import combine, compare
from .units import TextKey, TextScores

Worse = Literal["higher", "lower", "both"]
BROKEN, DUPLICATES = "broken", "duplicates"
BROKEN_DROP = 1.5
"""Loss of one text, in points, that counts as broken where ``--max-utt-drop`` says nothing: twice the most that
renderings of one neural voice lost (0.76 in nisqa_tts)."""
BROKEN_SHARE = 0.002
"""Share of broken texts that is still accepted: 2 in 1,000."""


@dataclass(frozen=True)
class Signal:
    """A paired signal: its unit, the margin that holds unless ``--margin NAME=`` says otherwise, and what is worse."""

    unit: str
    margin: float
    worse: Worse
    title: str


SIGNALS: Mapping[str, Signal] = {
    "duration": Signal("log ratio", 0.05, "both", "longer or shorter speech: babble, missing words, another tempo"),
    "lead_silence": Signal("s", 0.15, "higher", "silence before the first sound"),
    "trail_silence": Signal("s", 0.15, "higher", "silence after the last sound"),
    "longest_pause": Signal("s", 0.1, "higher", "the longest pause between sounds"),
    "level": Signal("dB", 2.0, "both", "level of the speech"),
    "bandwidth": Signal("octaves", 0.07, "lower", "highest frequencies that are there"),
    "clipping": Signal("share", 0.002, "higher", "samples at full scale"),
}
NAMES = SIGNAL_NAMES


def chosen_signals(given: str | Sequence[str]) -> tuple[str, ...]:
    """``off``, or names apart or with commas, as a tuple in the order of the table.

    Raises:
        UnknownName: For what is no signal.

    Example:
        >>> chosen_signals("level,duration"), chosen_signals("off")
        (('duration', 'level'), ())
    """
    words = given.split(",") if isinstance(given, str) else [word for one in given for word in str(one).split(",")]
    names = [word.strip() for word in words if word.strip()]
    if names == ["off"]:
        return ()
    for name in names:
        if name not in NAMES:
            raise UnknownName("signal", name, [*NAMES, "off"])
    return tuple(name for name in NAMES if name in names)


def compare_signals(
    baseline: Sequence[TextScores], candidate: Sequence[TextScores], options: GateOptions
) -> list[SignalComparison]:
    """Every chosen signal that both sides have, voice by voice and slice by slice.

    Args:
        baseline, candidate: Texts of both sides, in the same order unless the method is ``unpaired``.
        options: Signals, margins, level, method and slices.
    """
    found = []
    if options.method == "unpaired":
        groups = [Group(baseline, candidate)]
    else:
        groups = groups_of(list(zip(baseline, candidate, strict=True)), options, pooled=False)
    for name in (one for one in options.signals if one in SIGNALS):
        if any(name not in text.signals for group in groups for text in (*group.old, *group.new)):
            continue  # a baseline that was saved without; the run says so
        entries = [_compared(name, group, options) for group in groups if group.old and group.new]
        found += named_failures(entries, options)
    return found


def _compared(name: str, group: Group, options: GateOptions) -> SignalComparison:
    signal = SIGNALS[name]
    margin = margin_of(name, options)
    sides: dict[float, Comparison] = {}
    for turned in {"lower": (1.0,), "higher": (-1.0,), "both": (1.0, -1.0)}[signal.worse]:
        sides[turned] = compare(
            [turned * text.signals[name] for text in group.old],
            [turned * text.signals[name] for text in group.new],
            margin=margin,
            alpha=options.alpha,
            method=options.method,
            seed=options.seed,
        )
    turned, main = next(iter(sides.items()))
    figures = {field: getattr(main, field) for field in Comparison.__struct_fields__}
    figures["mean_baseline"] *= turned
    figures["mean_candidate"] *= turned
    figures["verdict"] = combine([one.verdict for one in sides.values()])
    figures["improved"] = False
    figures["notes"] = tuple(note for note in main.notes if note != "identical scores")
    beyond = [1.0 - one.p_noninf for one in sides.values() if one.p_noninf is not None]
    return SignalComparison(
        **figures,
        name=name,
        scope=group.scope,
        voice=group.voice,
        slice=group.slice,
        p_worse=min(beyond) if beyond and group.scope == "slice" else None,
        margin=margin,
        lower_is_better=turned < 0,
        unit=signal.unit,
        kind="signal",
        two_sided=signal.worse == "both",
    )


def margin_of(name: str, options: GateOptions) -> float:
    """The margin of a signal, or the share of broken texts that is accepted: what ``--margin NAME=`` says, or ours."""
    default = BROKEN_SHARE if name == BROKEN else SIGNALS[name].margin
    return options.margin.named.get(name, default)


def broken_texts(pairs: Sequence[TextPair], names: Sequence[str], options: GateOptions) -> list[Floor]:
    """Texts that lost more than the drop limit in any score, against the share of them that is accepted.

    The verdict is an exact binomial test at level alpha: ``fail`` when so many would hardly happen at the accepted
    share, ``pass`` without any, ``inconclusive`` between.
    """
    from ..stats import distributions as special

    if BROKEN not in options.signals or not pairs:
        return []
    names = [name for name in names if options.column(name) is None or name in options.max_drop.named]
    limits = {name: options.max_drop.of(name) for name in names}
    if not names:
        return []
    lowest = {name: BROKEN_DROP if limit is None else limit for name, limit in limits.items()}
    bad = [str(pair[0].key) for pair in pairs if any(difference(pair, name, options) < -lowest[name] for name in names)]
    share, count = margin_of(BROKEN, options), len(bad)
    p = float(special.bdtrc(count - 1, len(pairs), share)) if count else 1.0
    verdict: Verdict = "pass" if not count else "fail" if p <= options.alpha else "inconclusive"
    return [
        BrokenShare(
            name=BROKEN, floor=min(lowest.values()), bad=tuple(bad), n=len(pairs), share=share, p=p, verdict=verdict
        )
    ]


def duplicate_findings(
    baseline: Sequence[Rendering], candidate: Sequence[Rendering], options: GateOptions
) -> list[GateFinding]:
    """Different texts with the same audio, where the baseline's audio differs: an error of the candidate."""
    if DUPLICATES not in options.signals:
        return []
    before: dict[TextKey, set[str]] = defaultdict(set)
    for file in baseline:
        before[file.key].add(file.content)
    groups: dict[str, dict[TextKey, Rendering]] = defaultdict(dict)
    for file in candidate:
        groups[file.content].setdefault(file.key, file)
    findings = []
    for group in groups.values():
        known = [before[key] for key in group if before[key]]
        if len(group) < 2 or (known and all(one == known[0] for one in known)):
            continue
        files = [file.name for file in group.values()]
        shown = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        message = f"{len(files)} different texts have the same audio: {shown}"
        first = next(iter(group))
        findings.append(GateFinding("error", DUPLICATES, message, "candidate", str(first), files[0]))
    return findings


def absent_signals(files: Collection[Rendering], options: GateOptions) -> list[GateFinding]:
    """A note where a saved baseline has no signals: saved by an older version."""
    wanted = [name for name in options.signals if name in SIGNALS]
    if wanted and any(not file.signals for file in files if not file.code):
        message = "the baseline was saved without signals, which are not compared; save it again"
        return [GateFinding("warning", "no_signals", message, "baseline")]
    return []


def mean_signals(group: Sequence[Rendering]) -> dict[str, float]:
    """Signals of the repeats of a text, averaged."""
    names = [name for name in SIGNALS if all(name in file.signals for file in group)]
    return {name: math.fsum(file.signals[name] for file in group) / len(group) for name in names}
