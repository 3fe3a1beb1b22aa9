"""The rows of one split of the demo task, its clips rendered where they are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mosharness.harness.core.errors import DataError
from mosharness.tasks.demo.render import render
from mosharness.tasks.demo.rows import SAMPLE_RATE, labels, utterances


def rows(split: str, audio: bool = True, cache_dir: Path | None = None) -> list[dict[str, Any]]:
    """The rows of one split.

    Args:
        split: ``"train"``, ``"dev"`` or ``"test"``.
        audio: Render the clips that are not in the cache yet and fill in ``audio_path``.
        cache_dir: Where rendered clips lie; by default ``render.default_cache()``.

    Returns:
        Dicts with ``utterance_id``, ``system_id``, ``audio_path`` (empty without ``audio``), ``mos``, ``text``,
        ``sample_rate`` and ``split``.

    Raises:
        UnknownName: If there is no such split.
        DataError: If a label is missing, or the cache folder cannot be written.
    """
    planned = utterances(split)
    missing = [item["utterance_id"] for item in planned if item["utterance_id"] not in labels()]
    if missing:
        raise DataError(
            f"labels.csv of the demo task has no label for {len(missing)} utterances (first: {missing[0]}); "
            "run `python -m mosharness.tasks.demo.measure`"
        )
    paths: dict[str, Path] = {}
    if audio:
        paths = render(cache_dir, splits=(split,))
    return [
        {
            "utterance_id": item["utterance_id"],
            "system_id": item["system_id"],
            "audio_path": str(paths[item["utterance_id"]]) if audio else "",
            "mos": labels()[item["utterance_id"]],
            "text": item["text"],
            "sample_rate": SAMPLE_RATE,
            "split": split,
        }
        for item in planned
    ]
