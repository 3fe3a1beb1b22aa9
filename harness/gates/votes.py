"""Votes of a blind listening page: read, counted text by text, tested exactly, and joined to the verdict of a gate."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..core.errors import DataError, UsageError
from ..core.files import file_sha256, read_csv
from ..core.printable import printable
from ..core.typed import UNSET, as_typed
from .listen import candidate_first, side_files
from .options import check_alpha
from .schema import BrokenShare, GateFinding, GateReport, Verdict
from .units import TextKey
from .voted import ListenPage, Votes

ACCEPTED = 0.65
"""Share of texts with the baseline preferred that is still accepted (our choice)."""
FEWEST = 10
"""Fewer texts never pass (our choice): three without a preference would, by the test alone."""
CHOICES = ("first", "tie", "second")
COLUMNS = ("page", "number", "choice", "listener")


class Vote(NamedTuple):
    """One vote: the pair from 0, what was chosen, by whom."""

    pair: int
    choice: str
    listener: str


class _Data(HTMLParser):
    """Collects the block of data of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self._inside = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and ("id", "page") in attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data


def read_page(path: Path) -> ListenPage:
    """What a listening page holds of itself.

    Raises:
        DataError: If the file is no such page.
    """
    try:
        return page_of(path.read_text("utf-8"), path)
    except (OSError, ValueError) as error:
        raise DataError(f"--page {printable(path)}: cannot be read ({error})") from error


def refuse_other_page(path: Path, text: str) -> None:
    """Refuse to replace a page by one of other pairs or another seed: votes on it would be lost.

    Raises:
        UsageError: Naming the ways out.
    """
    old, new = read_page(path), page_of(text, path)
    if old.page != new.page:
        raise UsageError(
            f"--output {printable(path)}: holds another page ({len(old.pairs)} pairs, seed {old.seed}), whose votes "
            "could no longer be counted. Name another file, or pass --overwrite"
        )


def page_of(text: str, path: Path) -> ListenPage:
    """What the text of a page holds of itself; ``path`` is for messages.

    Raises:
        DataError: If it is no such page.
    """
    parser = _Data()
    parser.feed(text)
    try:
        content = json.loads(parser.text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("kind") != "gate-listen":
        raise DataError(f"--page {printable(path)}: no listening page; `mosharness gate listen` writes one")
    return as_typed(content, ListenPage, path)


def read_votes(paths: Sequence[Path], page: ListenPage) -> list[Vote]:
    """The votes of files that the page saved.

    A listener is named by the file where the listener gave no name.

    Raises:
        DataError: For a file of another page, a pair that is not on it, an unknown choice, or one listener voting twice
            on a pair.
    """
    votes: list[Vote] = []
    seen: dict[tuple[str, int], str] = {}
    for path in paths:
        for number, row in enumerate(read_csv(path, COLUMNS), start=2):
            where = f"{printable(path)}: row {number}"
            if row["page"].strip() != page.page:
                raise DataError(f"{where}: a vote on page {printable(row['page'])}, not on {page.page} of --page")
            text, choice = row["number"].strip(), row["choice"].strip()
            if not (text.isascii() and text.isdigit() and 1 <= int(text) <= len(page.pairs)):
                raise DataError(f"{where}: pair {printable(text)!r}; the page has 1 to {len(page.pairs)}")
            if choice not in CHOICES:
                raise DataError(f"{where}: choice {printable(choice)!r}; it is first, tie or second")
            vote = Vote(int(text) - 1, choice, printable(row["listener"].strip()) or path.stem)
            earlier = seen.setdefault((vote.listener, vote.pair), where)
            if earlier != where:
                raise DataError(f"{where}: {vote.listener} voted on pair {text} before ({earlier}); keep one vote")
            votes.append(vote)
    if not votes:
        raise DataError("no votes: " + ", ".join(printable(path) for path in paths))
    return votes


def count_votes(votes: Sequence[Vote], page: ListenPage, *, alpha: float = 0.05, accepted: float = ACCEPTED) -> Votes:
    """The votes judged: of several listeners the majority counts for a text, so that texts are independent.

    Args:
        votes: At least one.
        page: What they heard.
        alpha: One-sided level.
        accepted: Share of texts with the baseline preferred that is still accepted, between 0.5 and 1.

    Raises:
        UsageError: For a level or share out of range.
    """
    from scipy import stats

    check_alpha(alpha)
    if not 0.5 < accepted < 1:
        raise UsageError(f"--accept {accepted:g}: above 0.5 (no preference) and below 1; {ACCEPTED:g} is the default")
    first = candidate_first(page.seed, len(page.pairs))
    balance: dict[int, int] = defaultdict(int)
    for vote in votes:
        turned = 1 if first[vote.pair] else -1
        balance[vote.pair] += {"first": turned, "tie": 0, "second": -turned}[vote.choice]
    outcome = Counter((value > 0) - (value < 0) for value in balance.values())
    new, old, texts = outcome[1], outcome[-1], len(balance)
    p_worse, p_better = (float(stats.binom.sf(wins - 1, old + new, 0.5)) for wins in (old, new))
    p_accepted = float(stats.binom.cdf(old, texts, accepted))
    verdict: Verdict = "inconclusive"
    if p_worse < alpha:
        verdict = "fail"
    elif p_accepted < alpha and texts >= FEWEST:
        verdict = "pass"
    keys = {at: str(TextKey(page.pairs[at].key, page.pairs[at].voice)) for at in sorted(balance)}
    return Votes(
        page=page.page,
        listeners=tuple(sorted({vote.listener for vote in votes})),
        votes=len(votes),
        texts=texts,
        baseline=old,
        candidate=new,
        ties=outcome[0],
        accepted=accepted,
        alpha=alpha,
        p_worse=p_worse,
        p_better=p_better,
        p_accepted=p_accepted,
        verdict=verdict,
        worse=tuple(keys[at] for at in keys if balance[at] < 0),
        heard=tuple(keys.values()),
    )


def votes_sentence(votes: Votes) -> str:
    """The outcome for people."""
    who = "1 listener" if len(votes.listeners) == 1 else f"{len(votes.listeners)} listeners"
    return (
        f"{who} on {votes.texts} texts: {votes.candidate} times the candidate, {votes.baseline} times the baseline, "
        f"{votes.ties} without a preference; p {votes.p_worse:.3g} that the candidate is worse (sign test), "
        f"p {votes.p_accepted:.3g} against {votes.accepted:.0%} of texts for the baseline: {votes.verdict}"
    )


def check_heard(page: ListenPage, baseline: str | Path, candidate: str | Path) -> None:
    """Whether the page was made of the audio at hand; a saved baseline without audio cannot be compared.

    Raises:
        UsageError: For other audio, naming the texts.
    """
    saved = Path(baseline).suffix.lower() == ".json"
    sides = [("candidate", side_files(candidate, "--candidate"))]
    sides += [] if saved else [("baseline", side_files(baseline, "--baseline"))]
    for name, files in sides:
        other = [
            str(key)
            for pair in page.pairs
            if (key := TextKey(pair.key, pair.voice)) not in files
            or file_sha256(files[key][0]) != getattr(pair, f"{name}_sha256")
        ]
        if other:
            raise UsageError(
                f"--page: {len(other)} of {len(page.pairs)} texts were heard with other audio of the {name}: "
                f"{', '.join(other[:5])}{' ...' if len(other) > 5 else ''}. Make a page of what is gated "
                "(mosharness gate listen) and vote again"
            )


@dataclass(frozen=True)
class Listeners:
    """What people said, as a gate is given it.

    Attributes:
        votes: Files that a page of ``gate listen`` saved.
        page: That page.
        required: Without votes that pass, nothing passes.
        accepted: Share of texts with the baseline preferred that is still accepted.
    """

    votes: Sequence[str | Path] = ()
    page: str | Path | None = None
    required: bool = False
    accepted: float = ACCEPTED


def joined_votes(
    said: Listeners, baseline: str | Path | None, candidate: str | Path | None, alpha: float = 0.05
) -> Callable[[GateReport], GateReport]:
    """Read and check the votes on a gate at once; what comes back joins them to its report.

    Raises:
        UsageError: For votes without their page, a page without votes, or one of other audio.
        DataError: For files that cannot be used.
    """
    files, page = said.votes, said.page
    if bool(files) != (page is not None):
        raise UsageError("--vote and --page go together: the votes, and the page that they are about")
    votes = None
    if page is not None:
        heard = read_page(Path(page))
        votes = count_votes(
            read_votes([Path(file) for file in files], heard), heard, alpha=alpha, accepted=said.accepted
        )
        if baseline is not None and candidate is not None:
            check_heard(heard, baseline, candidate)
    return lambda report: with_votes(report, votes, said.required)


def with_votes(report: GateReport, votes: Votes | None, required: bool) -> GateReport:
    """The report with what listeners said.

    A gate that fails stays failed. Votes that fail make it fail; votes that pass settle an inconclusive gate, unless a
    text that it names as broken was not heard or was lost. ``required``: without votes that pass, nothing passes.

    Args:
        report: As the scores decide it.
        votes: What listeners said; ``None`` where nobody has voted.
        required: Whether a pass needs votes.
    """
    outcome, note = _joined(report, votes, required)
    finding = GateFinding("warning" if outcome == "inconclusive" else "note", "votes", note)
    exit_codes: Mapping[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 3}
    allowed = outcome == "inconclusive" and report.options.allow_inconclusive and not required
    return msgspec.structs.replace(
        report,
        verdict=outcome,
        exit_code=0 if allowed else exit_codes[outcome],
        findings=(*report.findings, finding),
        votes=UNSET if votes is None else msgspec.structs.replace(votes, required=required),
    )


def _joined(report: GateReport, votes: Votes | None, required: bool) -> tuple[Verdict, str]:
    if votes is None:
        outcome: Verdict = "inconclusive" if required and report.verdict == "pass" else report.verdict
        return outcome, "votes of listeners are required and none are given: make a page with `mosharness gate listen`"
    said = votes_sentence(votes)
    if report.verdict == "fail" or votes.verdict == "fail":
        return "fail", said
    if report.verdict == "pass":
        return ("inconclusive" if required and votes.verdict != "pass" else "pass"), said
    missed = [
        key
        for floor in report.floors
        if isinstance(floor, BrokenShare) and floor.verdict == "inconclusive"
        for key in floor.bad
        if key not in votes.heard or key in votes.worse
    ]
    if votes.verdict == "pass" and missed:
        return "inconclusive", f"{said}; but these broken texts were not heard or were lost: {', '.join(missed[:5])}"
    return votes.verdict, said
