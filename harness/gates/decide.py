"""From scores of both sides to a verdict with everything that explains it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..core.errors import DataError, UsageError
from ..core.provenance import utc_now
from .comparisons import compare_scores, compare_unpaired
from .floors import TextPair, difference, drops, floors, sign
from .options import GateOptions
from .schema import (
    BrokenShare,
    GateFinding,
    GateReport,
    Pair,
    PairScores,
    SignalComparison,
    Skipped,
    Verdict,
    Worst,
    WorstText,
)
from .signals import broken_texts, compare_signals
from .slices import check_slices, said_of_slices, slice_value, unnamed_slices
from .statistics import combine
from .units import TextKey, TextScores

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
LIMITATION = (
    "The bounds describe the predictor's mean, not listeners: a regression alarm, not a listening test. It does not "
    "hear wrong words; run an intelligibility check beside it."
)


@dataclass(frozen=True)
class Matched:
    """TextKeys of both sides, matched: the common ones in order, and what was noticed."""

    common: tuple[TextKey, ...]
    findings: tuple[GateFinding, ...]


def match_keys(baseline: Collection[TextKey], candidate: Collection[TextKey], options: GateOptions) -> Matched:
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


def _some(keys: Collection[TextKey], most: int = 3) -> str:
    shown = ", ".join(str(key) for key in sorted(keys)[:most])
    return shown + (f" and {len(keys) - most} more" if len(keys) > most else "")


def decide(
    baseline: Sequence[TextScores],
    candidate: Sequence[TextScores],
    names: Sequence[str],
    options: GateOptions,
    *,
    findings: Sequence[GateFinding] = (),
    skipped: Sequence[Skipped] = (),
    expected: Collection[TextKey] | None = None,
) -> GateReport:
    """Compare two sides score by score and voice by voice.

    Each voice and each slice has to pass by itself; with several voices the pooled figures (voices of one text averaged
    first) are reported as an extra that does not decide.

    Args:
        baseline: One entry per text and voice.
        candidate: The same; with the method ``unpaired`` texts need not agree.
        names: Scores to gate.
        options: How to decide.
        findings: What was noticed before; an ``error`` fails the gate whatever the scores are.
        skipped: What was skipped, for the report.
        expected: Keys that there should have been, where some were lost to errors; checked against ``min_n``.

    Returns:
        The report.

    Raises:
        UsageError: For options that make no sense, or fewer texts than ``min_n``.
        DataError: If no key is common.
    """
    options.check(names)
    old, new = {text.key: text for text in baseline}, {text.key: text for text in candidate}
    broken = any(finding.level == "error" for finding in findings)
    pairs: list[TextPair] = []
    if options.method == "unpaired":
        _check_counts([old, new], options, broken)
        comparisons = compare_unpaired(names, old.values(), new.values(), options)
    else:
        _check_counts([expected if expected is not None else old], options, False)
        keys = sorted(set(old) & set(new))
        _check_counts([keys], options, broken)
        pairs = [(old[key], new[key]) for key in keys]
        if pairs and not broken:
            check_slices(pairs, options)
        comparisons = compare_scores(pairs, names, options)
        findings = [*findings, *unnamed_slices(pairs, names, options), *said_of_slices(pairs, options)]
    limits = floors([text for _, text in pairs] if pairs else list(new.values()), names, options)
    limits += drops(pairs, names, options)
    signals: list[SignalComparison] = []
    if any(text.signals for text in candidate):
        limits += broken_texts(pairs, names, options)
        if pairs:
            signals = compare_signals([old for old, _ in pairs], [new for _, new in pairs], options)
        elif options.method == "unpaired":
            signals = compare_signals(list(baseline), list(candidate), options)
    deciding: list[Verdict] = [entry.verdict for entry in comparisons if entry.scope != "pooled"]
    deciding += [entry.verdict for entry in signals]
    deciding += [floor.verdict for floor in limits if isinstance(floor, BrokenShare)]
    if broken or any(floor.verdict == "fail" for floor in limits):
        deciding.append("fail")
    outcome = combine(deciding)
    return GateReport(
        time=utc_now(),
        verdict=outcome,
        exit_code=0 if outcome == "inconclusive" and options.allow_inconclusive else EXIT_CODES[outcome],
        options=options,
        predictors=tuple(comparisons),
        signals=tuple(signals),
        floors=tuple(limits),
        findings=tuple(findings),
        skipped=tuple(skipped),
        pairs=tuple(_pair(pair, names, options) for pair in pairs),
        worst={name: _worst(pairs, name, options) for name in names},
        limitation=LIMITATION,
    )


def _check_counts(groups: Sequence[Collection[TextKey]], options: GateOptions, broken: bool) -> None:
    for keys in groups:
        counts: dict[str, int] = defaultdict(int)
        for key in keys:
            counts[key.voice] += 1
        for voice, count in sorted(counts.items()) or [("", 0)]:
            if count < options.min_n and not broken:
                whose = f" of voice {voice}" if voice else ""
                raise UsageError(
                    f"{count} texts{whose}, fewer than the {options.min_n} of --min-n. Add texts (40 are recommended), "
                    "or lower --min-n and expect inconclusive verdicts"
                )


def _pair(pair: TextPair, names: Sequence[str], options: GateOptions) -> Pair:
    old, new = pair
    return Pair(
        key=old.text,
        voice=old.voice,
        baseline=old.source,
        candidate=new.source,
        scores={name: PairScores(old.scores[name], new.scores[name]) for name in names},
        diff={name: difference(pair, name, options) for name in names},
        text=new.sentence or old.sentence,
        slices={name: slice_value(pair, name) for name in options.slice_by},
        baseline_audio=old.audio,
    )


def _worst(pairs: Sequence[TextPair], name: str, options: GateOptions) -> Worst:
    """The worst texts by difference and by the candidate's score."""

    def line(pair: TextPair) -> WorstText:
        old, new = pair
        return WorstText(
            key=str(old.key),
            baseline=old.source,
            candidate=new.source,
            score_baseline=old.scores[name],
            score_candidate=new.scores[name],
            diff=difference(pair, name, options),
        )

    def drop(pair: TextPair) -> tuple[float, TextKey]:
        return difference(pair, name, options), pair[0].key

    def score(pair: TextPair) -> tuple[float, TextKey]:
        return sign(name, options) * pair[1].scores[name], pair[0].key

    by_drop, by_score = (sorted(pairs, key=order)[: options.worst] for order in (drop, score))
    return Worst(by_diff=tuple(map(line, by_drop)), by_score=tuple(map(line, by_score)))
