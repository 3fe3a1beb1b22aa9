"""The JSON schemas of every file format, written from the classes that read and write them.

``python -m mosharness.harness.schemas docs/schemas`` writes one file a format; ``--check`` writes nothing and ends with
exit code 1 where a file is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .core.files import atomic_write, dump_json

FORMATS = {
    "run": "results.schema:Result",
    "task-file": "mosharness.tasks.taskfile:TaskFile",
    "task-manifest": "mosharness.tasks.manifest:TaskManifest",
    "study": "study.schema:StudyReport",
    "study-row": "study.schema:RowRecord",
    "gate": "gates.schema:GateReport",
    "gate-approval": "gates.records:ApprovalOutput",
    "gate-baseline": "gates.saved:SavedBaseline",
    "gate-votes": "gates.voted:Votes",
    "gate-plan": "gates.records:GatePlan",
    "gate-calibration": "gates.records:Calibration",
    "ratings": "results.listening:RatingsReport",
    "compare": "comparison.model:Comparison",
    "check": "mosharness.predictors.checked:CheckRecord",
    "checkpoint-config": "mosharness.predictors.saved:CheckpointConfig",
    "checkpoint-card": "mosharness.predictors.saved:CheckpointCard",
    "training-plan": "training.schema:TrainingPlan",
}
"""Format name to the module below ``mosharness.harness`` (or a full module name) and the class in it."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of one format."""
    from .core.typed import json_schema

    module, _, cls = FORMATS[name].partition(":")
    place = module if module.startswith("mosharness.") else f"mosharness.harness.{module}"
    return json_schema(getattr(import_module(place), cls), f"mosharness/{name}.json")


def schema_text(name: str) -> str:
    """The file of one format."""
    return dump_json(schema_of(name)) + "\n"


def stale(folder: Path) -> list[str]:
    """Names of files in ``folder`` that are not as the classes say, or that no format has."""
    wanted = {f"{name}.json": schema_text(name) for name in FORMATS}
    there = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: Sequence[str]) -> int:
    """Write (or with ``--check`` compare) the schemas of a folder, ``docs/schemas`` by default."""
    check = "--check" in arguments
    folder = Path(next((word for word in arguments if word != "--check"), "docs/schemas"))
    if check:
        names = stale(folder)
        for name in names:
            print(f"stale: {folder / name}; run python -m mosharness.harness.schemas {folder}", file=sys.stderr)
        return 1 if names else 0
    for name in FORMATS:
        with atomic_write(folder / f"{name}.json") as stream:
            stream.write(schema_text(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
