"""Has a predictor seen the clips that it is judged on? From ``trained_on``, as far as that is stated."""

from __future__ import annotations

from collections.abc import Sequence

from ...tasks import TASKS
from ..core.typed import UNSET, UnsetType
from ..results.overlap import Overlap

SEEN, IN_DOMAIN, OTHER, NOTHING, UNKNOWN = "seen", "in-domain", "other data", "none", "not stated"


def contamination(
    task: str, split: str, trained_on: Sequence[str] | None, overlap: Overlap | UnsetType = UNSET
) -> tuple[str, str]:
    """The mark of a row and a sentence fragment for people.

    Args:
        task: The task of the board.
        split: The split of the table.
        trained_on: ``task/split`` names; a name without a split stands for every split. ``None`` when nobody said.
        overlap: What of the clips was heard in training by content, where that is known.

    Returns:
        The mark and its text. ``seen``: this very split, or clips of it by content, ``in-domain``: another split of
        this task, ``other data``: only other tasks, ``none``: no rated data is stated, ``not stated``: predictions from
        outside without a word about their training.

    Example:
        >>> contamination("bvcc", "test", ["bvcc/train", "somos/train"])
        ('in-domain', 'in-domain: bvcc/train; also somos/train')
    """
    if not isinstance(overlap, UnsetType) and overlap.clips:
        least = "at least " if overlap.at_least else ""
        heard = f"{least}{overlap.clips} of {overlap.of_clips} clips heard in training, by content"
        return SEEN, f"{heard}: {', '.join(overlap.data)}"
    if trained_on is None:
        return UNKNOWN, "not stated"
    if not trained_on:
        return NOTHING, "no rated data stated"
    seen, near, others = [], [], []
    for name in sorted(trained_on):
        other_task, _, other_split = name.partition("/")
        if _corpus(other_task) != _corpus(task):
            others.append(name)
        elif other_split in {split, ""}:
            seen.append(name)
        else:
            near.append(name)
    also = "; also " + ", ".join([*near, *others] if seen else others) if (near + others if seen else others) else ""
    if seen:
        return SEEN, f"seen in training: {', '.join(seen)}{also}"
    if near:
        return IN_DOMAIN, f"in-domain: {', '.join(near)}{also}"
    return OTHER, ", ".join(others)


def _corpus(task: str) -> str:
    """The corpus whose clips a task has, by its card; of a name that is no task here, the name."""
    return (TASKS.card(task).corpus or task) if task in TASKS else task
