"""Which rows may stand in one table: same task version, same labels, same system truth, same number of scored clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..results.schema import Result


@dataclass(frozen=True)
class Comparable:
    """What all rows of a table share."""

    version: int
    digest: str
    system_truth: str
    scored: int
    variant: int = 0
    """Counts up when the same key stands for different values of the system truth (see :func:`comparable_groups`)."""


def comparable_groups(rows: Sequence[Result], dimension: str) -> list[tuple[Comparable, str, list[Result]]]:
    """Cut the rows of one split into tables that may be ranked.

    The first table is the one of the newest task version; then of most scored clips; then the convention
    ``split-mean``; then of most rows. Rows whose key is the same but whose per-system truth differs (other clips were
    scored, or files of one name with other contents) are parted as well; rows without a per-system table stay with the
    larger part.

    Args:
        rows: Rows of one task and split.
        dimension: For which the tables are made.

    Returns:
        Tables in order: what the rows share, why they are apart from the first table (empty for the first), rows.
    """
    parted: dict[Comparable, list[Result]] = {}
    for key, members in _by_key(rows).items():
        for variant, part in enumerate(_by_truth(members, dimension)):
            parted[Comparable(key.version, key.digest, key.system_truth, key.scored, variant)] = part
    order = sorted(
        parted,
        key=lambda key: (
            -key.version,
            -key.scored,
            key.system_truth != "split-mean",
            -len(parted[key]),
            key.system_truth,
            key.digest,
            key.variant,
        ),
    )
    return [(key, "" if key == order[0] else _difference(order[0], key), parted[key]) for key in order]


def comparable_key(result: Result) -> Comparable:
    """What a result shares with those that it may be compared with."""
    task = result.task
    return Comparable(task.version, task.digest, task.system_truth, result.counts.scored)


def _by_key(rows: Sequence[Result]) -> dict[Comparable, list[Result]]:
    keyed: dict[Comparable, list[Result]] = {}
    for row in rows:
        keyed.setdefault(comparable_key(row), []).append(row)
    return keyed


def _by_truth(rows: list[Result], dimension: str) -> list[list[Result]]:
    tables = [row.system_scores(dimension) for row in rows]
    keys = [table.truth_key if table is not None else None for table in tables]
    counted = Counter(key for key in keys if key is not None)
    if len(counted) <= 1:
        return [rows]
    largest, *others = sorted(counted, key=lambda key: (-counted[key], key))
    parts = [[row for row, key in zip(rows, keys, strict=True) if key is None or key == largest]]
    return parts + [[row for row, key in zip(rows, keys, strict=True) if key == other] for other in others]


def _difference(main: Comparable, other: Comparable) -> str:
    """What keeps ``other`` from the main table: the end of a sentence "Not comparable with the first table: ..."."""
    unseen = "the truth of some systems differs, so other clips were scored or another system file was used"
    return "; ".join(differences(main, other) or [unseen])


def differences(main: Comparable, other: Comparable) -> list[str]:
    """What ``other`` has that ``main`` has not, one phrase a difference; ``variant`` is not looked at."""
    reasons = []
    if other.version != main.version:
        reasons.append(f"task version {other.version}, not {main.version}")
    if other.digest != main.digest:
        reasons.append(f"other labels (digest {short(other.digest)}, not {short(main.digest)})")
    if other.system_truth != main.system_truth:
        reasons.append(f"system truth is {other.system_truth}, not {main.system_truth}")
    if other.scored != main.scored:
        reasons.append(f"{other.scored} clips scored, not {main.scored}")
    return reasons


def short(digest: str) -> str:
    """The start of a digest, enough to tell two apart."""
    return digest.removeprefix("sha256:")[:12]
