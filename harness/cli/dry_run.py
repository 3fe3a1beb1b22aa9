"""``mosharness run --dry-run``: what would run, with which weights and clips, and where it would be written."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import DataError, MosharnessError
from .show import print_json, print_table, say

if TYPE_CHECKING:
    from ...predictors.selection import Chosen
    from ...tasks.base import MosTask
    from ..combinations import RunRequest

PER_CLIP = 160
"""Bytes of a row of ``predictions.csv``, roughly."""


def show_dry_run(
    tasks: Sequence[str],
    absent: Mapping[str, Any] | Sequence[Any],
    predictors: Sequence[str],
    request: RunRequest,
    as_json: bool,
) -> None:
    """Print the plan; nothing is scored, trained, fetched or written.

    Args:
        tasks: Those whose data is at hand.
        absent: Those of a group that are not.
        predictors: As ``--predictor`` gave them.
        request: What they share.
        as_json: Print JSON instead of a table.

    Raises:
        DataError: If a combination could not run; the table says which and why.
    """
    from ...predictors.selection import choose_predictors

    chosen = choose_predictors(predictors, request.config, request.checkpoint)
    rows = [row for task in tasks for row in _of_task(task, chosen, request)]
    place = next((one for one in (request.output, *request.output.absolute().parents) if one.is_dir()), Path())
    free = shutil.disk_usage(place).free
    needed = sum(row["clips"] * PER_CLIP for row in rows)
    plan = {"rows": rows, "not_at_hand": [str(one) for one in absent], "disk_free": free, "disk_needed": needed}
    if as_json:
        print_json(plan)
    else:
        _print(plan)
    stopped = [row for row in rows if row["problem"]]
    if stopped:
        raise DataError(f"{len(stopped)} of {len(rows)} would not run; their reasons stand above")


def _of_task(name: str, predictors: Sequence[Chosen], request: RunRequest) -> list[dict[str, Any]]:
    try:
        task = request.load(name)
        if task.fetched_from and not task.at_hand():
            place = f"would be fetched from {task.fetched_from}"
            unknown = {"split": request.split, "clips": 0, "systems": 0, "hours": 0.0, "data": place, "dimensions": ()}
            return [_row(name, one, unknown, request) for one in predictors]
        splits = [_of_split(task, split, request) for split in task.resolve_split(request.split)]
    except MosharnessError as error:
        nothing = {"split": request.split, "clips": 0, "systems": 0, "hours": 0.0, "data": "", "dimensions": ()}
        return [_row(name, one, nothing, request, problem=str(error)) for one in predictors]
    return [_row(name, one, split, request) for split in splits for one in predictors]


def _of_split(task: MosTask, split: str, request: RunRequest) -> dict[str, Any]:
    from ..run import limited_clips

    loaded = task.open(split)
    options = request.options.of_split(len(loaded.rows))
    clips = limited_clips(loaded.clips(), options.limit, options.limit_share)
    seconds = sum(loaded.headers[clip.utterance_id].duration_s for clip in clips if clip.utterance_id in loaded.headers)
    missing = sum(clip.source is None for clip in clips)
    lacking = f"{missing} of {len(clips)} clips have no audio (--allow-missing {missing})"
    return {
        "split": split,
        "clips": len(clips),
        "systems": len({clip.system_id for clip in clips} - {""}),
        "hours": round(seconds / 3600, 3),
        "data": str(task.root()),
        "dimensions": loaded.card.dimensions,
        "problem": lacking if missing > request.options.allow_missing else "",
    }


def _row(
    task: str, predictor: Chosen, split: Mapping[str, Any], request: RunRequest, problem: str = ""
) -> dict[str, Any]:
    from ...predictors.at_hand import weights_at_hand
    from ..results.store import FILE, result_folder

    weights = weights_at_hand(
        predictor.name, task, checkpoint=predictor.checkpoint, output=request.output, config=predictor.config
    )
    name = request.name or predictor.label
    folder = result_folder(request.output, task, split["split"], name)
    trained = request.train is not None
    problem = problem or split.get("problem", "")
    if not weights.here and weights.kind in ("none", "given") and not trained:
        problem = problem or weights.reason
    problem = problem or _dimensions(predictor.name, split["dimensions"])
    return {
        "task": task,
        "split": split["split"],
        "predictor": predictor.label,
        "weights": "trained first" if trained else weights.kind,
        "weights_at": weights.where,
        "download": "" if weights.here or trained or weights.kind in ("none", "given") else weights.reason,
        "clips": split["clips"],
        "systems": split["systems"],
        "hours": split["hours"],
        "data": split["data"],
        "finished": _finished(folder),
        "cached": None if trained or problem or not weights.here else _cached(predictor, task, request),
        "stored": (folder / FILE).is_file(),
        "output": str(folder),
        "problem": problem,
    }


def _dimensions(name: str, rated: Sequence[str]) -> str:
    from ...predictors import PREDICTORS

    given = PREDICTORS[name].card.dimensions
    if not rated or not given or rated[0] in given:
        return ""
    return f"{name} predicts {', '.join(given)}; the data is rated for {', '.join(rated)}"


def _finished(folder: Path) -> int:
    """Clips in the journal of an interrupted run."""
    from ..engine.journal import finished_clips

    return finished_clips(folder / ".progress.jsonl")


def _cached(predictor: Chosen, task: str, request: RunRequest) -> int | None:
    """Scores of exactly this predictor in the prediction cache, of whatever audio; ``None`` where it does not load."""
    from ...predictors.trained import resolve_predictor
    from ..engine.cache import PredictionCache

    try:
        ready = resolve_predictor(
            predictor.name,
            task,
            checkpoint=predictor.checkpoint,
            output=request.output,
            device="cpu",
            precision=request.precision,
            config=predictor.config,
        )
        return len(PredictionCache(ready.fingerprint())) if request.options.use_cache else 0
    except MosharnessError as error:
        say(f"note: {predictor.label}: {error}")
        return None


def _print(plan: Mapping[str, Any]) -> None:
    header = ["task/split", "predictor", "weights", "clips", "systems", "hours", "finished", "cached", "written to"]
    cells = [
        [
            f"{row['task']}/{row['split']}",
            row["predictor"],
            row["weights"] + (" (download)" if row["download"] else ""),
            row["clips"],
            row["systems"],
            f"{row['hours']:.2f}",
            row["finished"],
            "-" if row["cached"] is None else row["cached"],
            row["output"] + (" (a result is there)" if row["stored"] else ""),
        ]
        for row in plan["rows"]
    ]
    print_table(header, cells, title="dry run: nothing is scored, trained, fetched or written")
    for row in plan["rows"]:
        where = f"{row['task']}/{row['split']}, {row['predictor']}"
        if row["weights_at"]:
            print(f"  {where}: weights {row['weights_at']}")
        if row["download"]:
            print(f"  {where}: {row['download']}")
        if row["problem"]:
            print(f"  {where}: would not run: {row['problem']}")
    for root in dict.fromkeys(row["data"] for row in plan["rows"] if row["data"]):
        print(f"  data: {root}")
    if plan["not_at_hand"]:
        print(f"  not at hand: {', '.join(plan['not_at_hand'])}")
    needed, free = plan["disk_needed"] / 1e6, plan["disk_free"] / 1e9
    print(f"  disk: about {needed:.1f} MB of results; {free:.1f} GB free")
    print(
        "  finished: clips of an interrupted run, which goes on; cached: scores of exactly this predictor, of any audio"
    )
