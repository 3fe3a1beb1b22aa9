"""Clips without labels that a stage trains on: a folder, or the clean speech of the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..audio.read import read_header
from ..audio.unlabelled import unlabelled_clips
from ..core.errors import AudioError
from ..recipes.recipe import Source
from .example import Example

EMBEDDED = "embedded"
"""As ``audio:``, the clean speech that is part of the package."""


def unlabelled(source: Source, dimensions: int) -> list[Example]:
    """The clips of a source without labels."""
    known = embedded_speech() if source.audio == EMBEDDED else unlabelled_clips(source.audio)
    nothing = (math.nan,) * dimensions
    domain = source.domain or Path(source.audio).expanduser().name

    def one(item: tuple[str, Any]) -> Example:
        name, audio = item
        header = None
        with suppress(AudioError):
            header = read_header(audio() if callable(audio) else audio)
        return Example(name, source.name, audio, nothing, domain=domain, header=header)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, known))


def embedded_speech() -> list[tuple[str, Callable[[], bytes]]]:
    """The clean clips that tasks of this package bring, as name and reader."""
    from ...tasks import TASKS

    # those of other packages are left out: they must not change what a recipe trains on
    ours = [name for name in TASKS if TASKS.origin(name) == TASKS.OURS]
    return [clip for name in ours for clip in TASKS[name].clean_speech()]
