"""Speech of free synthesizers, embedded for trying predictors on real voices. Nobody rated it.

    python -m mosharness.tasks.demo.voices FOLDER

writes it as WAV files with a folder per system, for `predict`, `agree` and `gate`. It is no task: a task has labels to
be measured against, and these clips have none. Pseudo-labels, the mean of some predictors say, would rank predictors by
how close they are to each other; so scores stand side by side instead. ``card.md`` says what the clips are and is
written beside them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from mosharness.harness.core.files import atomic_write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "mosharness.tasks.demo.voices"
SAMPLE_RATE = 16_000
SHARED = 5
"""Sentences that every system says."""
RELEASED, AGAIN = "piper_joe", "piper_joe_again"
"""Two renderings of all sentences by one neural voice, which differ by the chance of its sampler alone."""
STEP_DB = 24.0
"""Of :func:`mosharness.tasks.demo.degrade.codec`: how far below the largest coefficient the steps of the broken voice
are."""


def clips() -> list[dict[str, str]]:
    """The rows of ``clips.csv``: ``clip`` (``<system>/<sentence>``), ``system_id``, ``engine``, ``text``."""
    text = (files(PACKAGE) / "clips.csv").read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def write(folder: str | Path) -> dict[str, int]:
    """Write the clips as 16-bit WAV files at 16 kHz.

    Args:
        folder: Made if absent; files of the same names are replaced. It gets ``systems/<system>/<sentence>.wav``, the
            same sentences by every system, and what a gate compares: ``released``, ``tonight`` (the same voice
            rendered again) and ``broken`` (the same clips through a codec that is too coarse), each
            ``<sentence>.wav``; and ``card.md``.

    Returns:
        How many clips each of the four folders has.

    Raises:
        OSError: If the folder cannot be written.
    """
    from ..render import wav_bytes

    place = Path(folder)
    counts: dict[str, int] = {}
    for name, samples in _rendered():
        path = place / f"{name}.wav"
        with atomic_write(path, "wb") as stream:
            stream.write(wav_bytes(samples))
        counts[name.partition("/")[0]] = counts.get(name.partition("/")[0], 0) + 1
    with atomic_write(place / "card.md", "wb") as stream:
        stream.write((files(PACKAGE) / "card.md").read_bytes())
    return counts


def _rendered() -> Iterator[tuple[str, NDArray[np.int16]]]:
    """Name below the folder and samples of everything that :func:`write` writes."""
    import numpy as np

    from ..degrade import FULL_SCALE, codec

    for row in clips():
        system, _, sentence = row["clip"].partition("/")
        samples = _read(row["clip"])
        if int(sentence[1:]) <= SHARED and system != AGAIN:
            yield f"systems/{row['clip']}", samples
        if system == RELEASED:
            yield f"released/{sentence}", samples
            coarse = codec(samples / FULL_SCALE, STEP_DB, np.random.RandomState(0))
            yield f"broken/{sentence}", np.rint(coarse.clip(-1, 1) * (FULL_SCALE - 1)).astype(np.int16)
        if system == AGAIN:
            yield f"tonight/{sentence}", samples


def _read(clip: str) -> NDArray[np.int16]:
    import numpy as np
    import soundfile

    data = (files(PACKAGE) / "clips" / f"{clip}.ogg").read_bytes()
    samples, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    return np.asarray(samples, np.int16)
