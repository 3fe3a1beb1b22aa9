"""How much of what is scored the weights have seen in training, by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from ..core.typed import Typed

if TYPE_CHECKING:
    from ..core.clip import Clip

Number = Annotated[int, msgspec.Meta(ge=0)]


class Overlap(Typed):
    """How much of what was scored the weights have seen in training: clips by content, ids and systems by name, texts.

    Attributes:
        clips, ids, systems, texts: How many of ``of_clips`` clips, ``of_systems`` systems and ``of_texts`` texts.
        data: The ``task/split`` names that hold these clips.
        at_least: Not all digests of the training data were kept, so there may be more.
    """

    clips: Number
    ids: Number
    systems: Number
    texts: Number
    of_clips: Number
    of_systems: Number = 0
    of_texts: Number = 0
    data: tuple[str, ...] = ()
    at_least: bool = False


def overlap(
    trained_data: Mapping[str, Mapping[str, str]], clips: Sequence[Clip], contents: Sequence[str]
) -> Overlap | None:
    """How much of what is scored the weights have heard; ``None`` where nothing was kept of their training.

    Args:
        trained_data: ``task/split`` names to what a checkpoint keeps of them.
        clips: What is scored.
        contents: Digest of the decoded audio of each clip; empty where it could not be decoded.
    """
    from ...predictors.seen_content import CLIPS, IDS, KINDS, MOST, SYSTEMS, TEXTS, plain_id, plain_text, short, unpack

    kept = {name: one for name, one in trained_data.items() if one.get(CLIPS) or one.get(IDS)}
    if not kept:
        return None
    known = {kind: set().union(*(unpack(one.get(kind, "")) for one in kept.values())) for kind in KINDS}
    heard = [bool(content) and short(content) in known[CLIPS] for content in contents]
    systems = {clip.system_id for clip in clips} - {""}
    texts = {plain_text(clip.text) for clip in clips} - {""}
    found = {content for content, one in zip(contents, heard, strict=True) if one}
    data = [name for name, one in kept.items() if found and {short(c) for c in found} & unpack(one.get(CLIPS, ""))]
    full = any(len(unpack(one.get(kind, ""))) >= MOST for one in kept.values() for kind in KINDS)
    return Overlap(
        clips=sum(heard),
        ids=sum(short(plain_id(clip.utterance_id)) in known[IDS] for clip in clips),
        systems=sum(short(one) in known[SYSTEMS] for one in systems),
        texts=sum(short(one) in known[TEXTS] for one in texts),
        of_clips=len(clips),
        of_systems=len(systems),
        of_texts=len(texts),
        data=tuple(sorted(data)),
        at_least=full,
    )


def overlap_text(found: Overlap) -> str:
    """The sentence about an overlap; empty where there is none by content, id or text."""
    parts = []
    if found.clips:
        parts.append(f"{found.clips} of {found.of_clips} clips by content (in {', '.join(found.data)})")
    if found.ids:
        parts.append(f"{found.ids} ids")
    if found.texts:
        parts.append(f"{found.texts} of {found.of_texts} texts")
    if found.systems and parts:
        parts.append(f"{found.systems} of {found.of_systems} systems by name")
    least = "at least " if found.at_least else ""
    return f"the weights have seen in training {least}{', '.join(parts)}" if parts else ""
