"""The result of a run: one JSON file, schema ``mosharness.run/1``, from which a leaderboard is made.

``<output>/<task>/<split>/<name>/result.json`` holds:

==============  =====================================================================================================
``schema``      ``mosharness.run/1``
``name``        name of the row: the predictor, or what ``--name`` gave
``task``        ``name version title split dimensions scale human note license system_truth digest n_utterances
                n_systems primary_level primary_metric``
``predictor``   ``name title version config config_digest weights checkpoint deterministic trained_on license_weights
                dimensions stated outside note``; ``stated`` is what a score must be quoted with; ``outside`` is true
                for predictions made elsewhere, then most are ``null``
``counts``      ``total scored missing failed warnings extra``
``metrics``     ``<level>.<dimension>.<metric>`` = ``{value, ci, method, resamples, seed}`` and a ``reason`` where a
                value or interval is ``null``
``extras``      ``<level>.<dimension>``: MSE anatomy, mapped RMSE, RMSE* (see ``stats/``)
``ceiling``     ``<level>.<dimension>`` = ``{value, method}`` or ``{value: null, reason}``: the correlation that a
                perfect predictor would reach against these noisy labels
``systems``     one entry per system: ``system_id n_utterances`` and per dimension ``<dim>`` (mean prediction),
                ``<dim>_truth`` (the truth that was used); with ``spread`` = ``{dim: {mean, sd}}`` of the scored
                utterances' predictions, this is enough to recompute and to compare the system level
``multirate``   only of tasks whose clips have several sampling rates: ``rates``, ``drift`` (see ``multirate.py``)
``findings``    ``[{code, message}]`` of the loader
``options``     what the user chose: ``seed precision limit system_truth allow_missing allow_failed interval ...``
``provenance``  ``mosharness commit dirty python packages device``
``time``        everything that differs between two equal runs: ``started finished decode_and_score_s total_s``
==============  =====================================================================================================

``predictions.csv`` (parquet above 100,000 rows) lies beside it; results of outside predictions may go without.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.files import check_name, read_json, write_json

SCHEMA = "mosharness.run/1"
LEVELS = ("utterance", "system")
KEYS = (
    "schema",
    "name",
    "task",
    "predictor",
    "counts",
    "metrics",
    "extras",
    "ceiling",
    "systems",
    "spread",
    "findings",
    "options",
    "provenance",
    "time",
)
Result = dict[str, Any]


def result_folder(output: str | Path, task: str, split: str, name: str) -> Path:
    """``<output>/<task>/<split>/<name>``, each part checked to be safe as a folder name."""
    check_name(name, "--name")
    return Path(output) / check_name(task, "task name") / check_name(split, "split") / name


def write_result(folder: Path, result: Result) -> Path:
    """Write ``result.json`` into ``folder``, atomically."""
    write_json(folder / "result.json", result)
    return folder / "result.json"


def read_result(path: str | Path) -> Result:
    """Read a result from its file or its folder.

    Raises:
        DataError: If it is absent, no JSON, of another schema, or lacks a part.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "result.json"
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        schema = value.get("schema") if isinstance(value, dict) else None
        raise DataError(f"{path}: schema is {schema!r}, this version reads {SCHEMA}")
    missing = [key for key in KEYS if key not in value]
    if missing:
        raise DataError(f"{path}: no {', '.join(missing)}; the result is incomplete")
    return value


def find_results(folder: str | Path) -> Iterator[tuple[Path, Result]]:
    """Every result below ``folder``, sorted by path; a malformed one raises ``DataError``."""
    for path in sorted(Path(folder).rglob("result.json")):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path, read_result(path)
