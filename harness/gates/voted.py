"""What a blind listening page remembers of itself, and what its votes came to: typed, for files and reports."""

from __future__ import annotations

from typing import Literal

from ..core.typed import Typed


class PagePair(Typed, frozen=True, kw_only=True):
    """One text of a page, in the order it is heard: its key, and the files that stand for both sides."""

    key: str
    voice: str
    baseline_sha256: str
    candidate_sha256: str


class ListenPage(Typed, frozen=True, kw_only=True):
    """The block of data inside a listening page. Which side came first follows from ``seed`` and the number of pairs.

    Attributes:
        page: Digest of everything else; a vote names it.
        seed: Of the order.
        pairs: In the order they are heard.
    """

    schema_version: Literal[1] = 1
    kind: Literal["gate-listen"] = "gate-listen"
    page: str
    seed: int
    pairs: tuple[PagePair, ...]


class Votes(Typed, frozen=True, kw_only=True):
    """What listeners said, judged text by text.

    Attributes:
        page: The page they heard.
        listeners: Who voted; a file without a name is one listener.
        votes: Single votes.
        texts: Texts that were voted on; the figures below are of these. Several listeners count as their majority.
        baseline, candidate, ties: Texts where that side was preferred, and those without a preference.
        accepted: Share of texts with the baseline preferred that would still be accepted.
        alpha: One-sided level.
        p_worse: Exact sign test that the baseline is preferred; ties are left out.
        p_better: The same for the candidate.
        p_accepted: Exact binomial p of H0: the baseline is preferred in ``accepted`` of the texts or more; ties count
            as not preferred.
        verdict: ``fail`` when ``p_worse`` is below alpha; else ``pass`` when ``p_accepted`` is, on
            10 texts or more; else ``inconclusive``.
        worse: Keys of the texts where the baseline was preferred.
        heard: Keys of all texts that were voted on.
        required: Whether a gate was told that it may not pass without votes that pass.
    """

    schema_version: Literal[1] = 1
    kind: Literal["gate-votes"] = "gate-votes"
    page: str
    listeners: tuple[str, ...]
    votes: int
    texts: int
    baseline: int
    candidate: int
    ties: int
    accepted: float
    alpha: float
    p_worse: float
    p_better: float
    p_accepted: float
    verdict: Literal["pass", "fail", "inconclusive"]
    worse: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    required: bool = False
