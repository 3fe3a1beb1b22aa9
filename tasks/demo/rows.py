"""The rows of the demo task: which clip goes through which system, what was said, and the measured label."""

from __future__ import annotations

import csv
import io
from functools import cache
from importlib.resources import files

from mosharness.harness.core.errors import UnknownName
from mosharness.tasks.demo.systems import PACKAGE, SPLITS

NOTE = (
    "The labels of demo are not human ratings: they are PESQ MOS-LQO (ITU-T P.862.2, wideband) measured between "
    "each degraded clip and its clean original."
)
SAMPLE_RATE = 16_000


@cache
def clips() -> tuple[dict[str, str], ...]:
    """The clean clips as ``clips.csv`` lists them: ``clip``, ``speaker``, ``engine``, ``text``."""
    return tuple(_table("clips.csv"))


@cache
def labels() -> dict[str, float]:
    """Measured MOS-LQO of every utterance id, from ``labels.csv``; 1.0 to 4.64, higher is better."""
    return {row["utterance_id"]: float(row["mos"]) for row in _table("labels.csv")}


def _table(name: str) -> list[dict[str, str]]:
    text = (files(PACKAGE) / name).read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def utterances(split: str) -> list[dict[str, str]]:
    """Every clip of the split's speakers in every system of the split, clip by clip.

    Returns:
        Dicts with ``utterance_id`` (``<clip>-<system>``, where a clip is named ``<speaker>-<number>``), ``clip``,
        ``system_id`` and ``text``.

    Raises:
        UnknownName: If ``split`` is not train, dev or test.
    """
    if split not in SPLITS:
        raise UnknownName("split of demo", split, SPLITS)
    speakers, systems = SPLITS[split]
    return [
        {
            "utterance_id": f"{clip['clip']}-{system}",
            "clip": clip["clip"],
            "system_id": system,
            "text": clip["text"],
        }
        for clip in clips()
        if clip["speaker"] in speakers
        for system in systems
    ]
