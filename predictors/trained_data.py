"""Which data weights have seen: a name such as ``folder/train`` says it only together with digests of labels and audio.

Two users' folders are both the task ``folder``, and labels get edited. So a checkpoint keeps the digests of what it was
trained on, and they are compared with the data at hand before anything is called in-domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..harness.core.contents import shared_content
from ..harness.core.errors import CheckpointError, MosharnessError

if TYPE_CHECKING:
    from ..harness.core.clip import Clip
    from ..tasks.base import MosTask, TaskSplit
    from .base import Predictor

Digests = Mapping[str, str]
"""``labels`` and ``audio``: digests of a split; an empty one is not known."""
TrainedData = Mapping[str, Digests]
"""``task/split`` to its digests."""

Match = Literal["same", "relabelled", "other audio", "other", "unknown"]


def data_digests(split: TaskSplit) -> dict[str, str]:
    """What to keep of a split that weights are trained on, or chosen by."""
    return {"labels": split.digest, "audio": split.audio_digest}


def match(name: str, digests: Digests | None, task: MosTask) -> Match:
    """Whether the data called ``name`` at hand is what weights were trained on.

    Args:
        name: ``task/split``.
        digests: Of the data that they were trained on; ``None`` where nothing is known.
        task: The task at hand, of that name.

    Returns:
        ``same``; ``relabelled``: the same audio with other labels; ``other audio``: the same labels; ``other``: another
        data set of that name; ``unknown``: one of the two cannot be told.
    """
    split = name.partition("/")[2]
    if not digests or not digests.get("labels"):
        return "unknown"
    if split not in task.card.splits:
        return "other"
    try:
        loaded = task.open(split)
    except MosharnessError:
        return "unknown"
    labels = loaded.digest == digests["labels"]
    if loaded.missing_audio or not digests.get("audio"):
        return "same" if labels else "other"
    audio = loaded.audio_digest == digests["audio"]
    if labels:
        return "same" if audio else "other audio"
    return "relabelled" if audio else "other"


def seen_data(predictor: Predictor, task: MosTask) -> tuple[tuple[str, ...], list[str]]:
    """What weights have seen, in names that hold for the task at hand.

    Args:
        predictor: With its ``trained_on`` and ``trained_data``.
        task: What it is about to score.

    Returns:
        ``task/split`` names; another data set of this task's name is called ``task@DIGEST/split``, so that nobody takes
        it for in-domain. And sentences on what differs.
    """
    names, sentences = [], []
    for name in predictor.trained_on:
        base, _, split = name.partition("/")
        found = match(name, predictor.trained_data.get(name), task) if base == task.card.name else "unknown"
        if found == "other":
            labels = predictor.trained_data[name]["labels"].removeprefix("sha256:")[:8]
            names.append(f"{base}@{labels}/{split}")
            sentences.append(f"the weights were trained on another data set that was called {name}: not in-domain")
            continue
        names.append(name)
        if found == "relabelled":
            sentences.append(f"the weights were trained on other labels of the same audio of {name}")
        elif found == "other audio":
            sentences.append(f"the weights were trained on other audio of {name} than is there now")
    return tuple(names), sentences


def heard_clips(seen: Sequence[str], task: MosTask, split: str, clips: Sequence[Clip]) -> list[str]:
    """Sentences on clips whose audio lies in a split that weights were trained on, whatever the files are called.

    Args:
        seen: What the weights have seen, as :func:`seen_data` gives it.
        task: The task at hand.
        split: What is about to be scored.
        clips: Its clips.
    """
    sentences = []
    for name in seen:
        base, _, other = name.partition("/")
        if base != task.card.name or other == split or other not in task.card.splits:
            continue
        try:
            heard = task.open(other)
        except MosharnessError:
            continue
        both = shared_content([row["audio_path"] for row in heard.rows], [clip.source for clip in clips])
        if both:
            count = f"{len(both)} of {len(clips)} clips have the audio of clips of {name}"
            first = clips[both[0]].utterance_id
            sentences.append(f"{count}, by content (first: {first}): the weights have heard them in training")
    return sentences


def refuse_other_data(folder: Path, known: TrainedData, task: MosTask, predictor: str) -> None:
    """Refuse to take a checkpoint for this task's own that was trained on another data set of that name.

    Args:
        folder: Of the checkpoint that lies where this task's would be.
        known: Its data.
        task: The task at hand.
        predictor: Registry name.

    Raises:
        CheckpointError: Naming the ways out.
    """
    name = task.card.name
    other = [one for one in known if one.partition("/")[0] == name and match(one, known[one], task) == "other"]
    if other:
        command = f"mosharness train --task {name} --predictor {predictor} --output FOLDER"
        raise CheckpointError(
            f"{folder} was trained on another data set called {name} than the one in {task.root()} "
            f"({', '.join(other)}: other labels and audio), so it is not this data's own. Score with it as weights "
            f"from elsewhere (--checkpoint {folder}), train on this data into another folder ({command}), or in its "
            "place with --overwrite"
        )
