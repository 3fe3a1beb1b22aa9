"""Valid results with chosen properties, as ``schema.Result`` documents them, for the tests of the boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mosharness.harness.core.files import write_json
from mosharness.harness.results.schema import SCHEMA
from mosharness.tasks.base import SplitInfo, TaskCard

DIGEST = "sha256:" + "ab" * 32


def card(name: str = "speech", **changes: Any) -> TaskCard:
    """A card of an invented task."""
    given: dict[str, Any] = {
        "name": name,
        "version": 1,
        "title": "An invented listening test",
        "dimensions": ("mos",),
        "scale": (1.0, 5.0),
        "splits": {"train": SplitInfo(), "dev": SplitInfo(), "test": SplitInfo(100, 20, "8 ratings a clip")},
        "license": "CC BY 4.0",
        "citation": "Nobody, 2026",
        "obtain": "It cannot be obtained.",
    }
    return TaskCard(**{**given, **changes})


def systems(error: float, *, n: int = 20, seed: int = 0, dimension: str = "mos") -> list[dict[str, Any]]:
    """A per-system table whose predictions miss the truth (always the same) by ``error``, a standard deviation."""
    truth = 1.5 + 3 * np.random.default_rng(99).random(n)
    predicted = truth + error * np.random.default_rng(seed).normal(size=n)
    return [
        {
            "system_id": f"sys{at:02d}",
            "n_utterances": 5,
            dimension: float(predicted[at]),
            f"{dimension}_truth": float(truth[at]),
        }
        for at in range(n)
    ]


def result(
    name: str = "good", *, error: float = 0.1, seed: int = 0, table: list[dict[str, Any]] | None = None, **changes: Any
) -> dict[str, Any]:
    """A result of :func:`card`'s task, split test; a keyword such as ``task__version`` replaces that part."""
    from mosharness.harness.stats.metrics import measure

    entries = systems(error, seed=seed) if table is None else table
    predicted, truth = ([entry[key] for entry in entries] for key in ("mos", "mos_truth"))
    found = measure(predicted, truth)
    metrics = {
        key: {"value": one.value, "ci": [one.value - 0.02, one.value + 0.01], "method": "b", "resamples": 10, "seed": 0}
        for key, one in found.items()
    }
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "name": name,
        "task": {
            "name": "speech",
            "version": 1,
            "title": "An invented listening test",
            "split": "test",
            "dimensions": ["mos"],
            "scale": [1.0, 5.0],
            "human": True,
            "note": "",
            "license": "CC BY 4.0",
            "system_truth": "split-mean",
            "digest": DIGEST,
            "n_utterances": 100,
            "n_systems": 20,
            "primary_level": "system",
            "primary_metric": "srcc",
        },
        "predictor": {
            "name": "dsp",
            "title": "A baseline",
            "version": 1,
            "config": {},
            "config_digest": DIGEST,
            "weights": DIGEST,
            "checkpoint": None,
            "deterministic": True,
            "trained_on": ["speech/train"],
            "license_weights": "Apache-2.0",
            "dimensions": ["mos"],
            "outside": False,
            "note": "",
        },
        "counts": {"total": 100, "scored": 100, "missing": 0, "failed": 0, "warnings": 0, "extra": 0},
        "metrics": {"utterance": {"mos": metrics}, "system": {"mos": metrics}},
        "extras": {"utterance": {"mos": {}}, "system": {"mos": {}}},
        "ceiling": {
            "utterance": {"mos": {"value": 0.9, "method": "single ratings"}},
            "system": {"mos": {"value": None, "reason": "no listeners are named"}},
        },
        "systems": entries,
        "spread": {"mos": {"mean": float(np.mean(predicted)), "sd": float(np.std(predicted))}} if entries else {},
        "findings": [],
        "options": {"limit": None, "interval": "systems", "resamples": 10_000, "seed": 0},
        "provenance": {"mosharness": "0.1.0", "commit": "0123456789abcdef", "dirty": False, "device": "cpu"},
        "time": {"started": "2026-09-01T10:00:00+00:00", "total_s": 1.0},
    }
    for path, new in changes.items():
        *parents, last = path.split("__")
        place = value
        for parent in parents:
            place = place[parent]
        place[last] = new
    return value


def store(folder: Path, *results: dict[str, Any]) -> Path:
    """Write results as a run does; hostile row names get a numbered folder. Returns the folder of results."""
    for number, one in enumerate(results):
        name = one["name"] if one["name"].isascii() and one["name"].isalnum() else f"row{number}"
        write_json(folder / one["task"]["name"] / one["task"]["split"] / name / "result.json", one)
    folder.mkdir(exist_ok=True)
    return folder
