"""What weights have heard, by content: short digests of decoded audio, ids, texts and systems, in a checkpoint.

A name such as ``bvcc/train`` does not tell that a clip of one data set is a copy of one in another: a checkpoint keeps,
for every split that its weights have seen, sorted eight-byte digests, and a run compares them with the clips it scores.
At most :data:`MOST` of a kind are kept, the smallest: of larger sets an overlap is counted among those only.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..harness.core.errors import AudioError
from ..harness.tables.match import bare_path, without_suffix

if TYPE_CHECKING:
    from ..tasks.base import TaskSplit

SIZE = 8
MOST = 50_000
CLIPS, IDS, TEXTS, SYSTEMS = "heard_clips", "heard_ids", "heard_texts", "heard_systems"
"""Names beside ``labels`` and ``audio`` in what a checkpoint keeps of a split."""


def heard_content(split: TaskSplit) -> dict[str, str]:
    """What to keep of a split that weights are trained on, or chosen by; every file is decoded once.

    Clips that cannot be decoded are passed over: training could not use them either.
    """
    return {
        CLIPS: pack(one for one in decoded_digests([row["audio_path"] for row in split.rows]) if one),
        IDS: pack(plain_id(row["utterance_id"]) for row in split.rows),
        TEXTS: pack(plain_text(row["text"]) for row in split.rows),
        SYSTEMS: pack(row["system_id"] for row in split.rows),
    }


def decoded_digests(sources: Sequence[Any]) -> list[str]:
    """Digest of the decoded audio of each source; empty where there is none, or it cannot be decoded."""
    from ..harness.audio.read import read_audio

    def one(source: Any) -> str:
        try:
            return read_audio(source).content_sha256 if source else ""
        except AudioError:
            return ""

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, sources))


def plain_id(name: str) -> str:
    """An id without folders and suffix, in small letters.

    Example:
        >>> plain_id("wav/Sys01-Utt2.WAV")
        'sys01-utt2'
    """
    return without_suffix(bare_path(name)).rpartition("/")[2].lower()


def plain_text(text: str) -> str:
    """A text as it is compared: words in small letters with one blank between them.

    Example:
        >>> plain_text("  Hello,  World! ")
        'hello world'
    """
    return " ".join(re.findall(r"\w+", text.casefold()))


def short(value: str) -> bytes:
    """The eight bytes that are kept of a value."""
    return hashlib.sha256(value.encode()).digest()[:SIZE]


def pack(values: Iterable[str]) -> str:
    """Digests of the values that are not empty, each once, sorted, as text; at most :data:`MOST`.

    Example:
        >>> len(pack(["a", "b", "a", ""])), pack([])
        (24, '')
    """
    digests = sorted({short(value) for value in values if value})[:MOST]
    return base64.b64encode(b"".join(digests)).decode()


def unpack(text: str) -> set[bytes]:
    """The digests of :func:`pack`; nothing of a text that is none."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return set()
    return {data[at : at + SIZE] for at in range(0, len(data) - SIZE + 1, SIZE)}


KINDS = (CLIPS, IDS, TEXTS, SYSTEMS)
