"""A trained checkpoint is kept: no training on other data, or with other settings, takes its place unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.files import read_json
from ..core.guard import guard_folder, guard_output
from ..core.kept import refuse_replacing, shown

RECORD = "training.json"
WORDS = {
    "data": "labels",
    "config": "settings of the predictor",
    "start": "weights to start from",
    "files": "start weights or noises",
}
"""Parts of an identity whose names do not say it to people."""


def refuse_other_training(checkpoint: Path, identity: Mapping[str, Any], *, overwrite: bool) -> None:
    """Refuse to train over a checkpoint that was made otherwise; the same training again replaces it.

    Args:
        checkpoint: Folder of the checkpoint; it need not exist.
        identity: What the training depends on, in JSON types.
        overwrite: The user wants it replaced.

    Raises:
        UsageError: Naming what differs, or a file that is none of a checkpoint.
    """
    guard_folder(checkpoint, "--output")
    if overwrite or not checkpoint.is_dir():
        return
    guard_output(checkpoint / "config.json", "--output", _is_config)
    guard_output(checkpoint / RECORD, "--output", _is_record)
    if not (checkpoint / "config.json").is_file():
        guard_output(checkpoint / "model.safetensors", "--output", lambda path: False)
        return
    refuse_replacing(checkpoint, "checkpoint", checkpoint_differences(checkpoint, identity), "--output FOLDER")


def checkpoint_differences(checkpoint: Path, identity: Mapping[str, Any]) -> list[str]:
    """What differs between the training of a stored checkpoint and another one, in words."""
    path = checkpoint / RECORD
    stored = read_json(path) if path.is_file() else {}
    if "identity" not in stored:
        return ["it does not say on which data and with which settings it was trained"]
    return differences(stored["identity"], identity)


def differences(then: Mapping[str, Any], now: Mapping[str, Any], of: str = "") -> list[str]:
    """What differs between two identities, in words; nested ones by their names."""
    found = []
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        name = f"{WORDS.get(key, key)}{of}"
        if key == "stages" and isinstance(before, dict) and isinstance(after, dict):
            for stage in after:
                found += differences(before.get(stage, {}), after[stage], f" of stage {stage}")
            gone = sorted({*before} - {*after})
            found += [f"stage {stage} is no longer there" for stage in gone]
        elif isinstance(before, dict) and isinstance(after, dict):
            names = [part for part in sorted({*before, *after}) if before.get(part) != after.get(part)]
            found.append(f"other {name} of {', '.join(names)}")
        else:
            found.append(f"other {name}, {shown(before)} then and {shown(after)} now")
    return found


def stage_differences(folder: Path, done: str, state: str, identity: Mapping[str, Any]) -> list[str]:
    """What differs between what is left of a stage in ``folder`` and a new training of it, in words.

    Args:
        folder: Of the stage.
        done, state: Names of the record of a finished stage, and of the state of an unfinished one.
        identity: What the stage depends on.
    """
    stored: Any = None
    if (folder / done).is_file():
        stored = read_json(folder / done).get("identity")
    elif (folder / state).is_file():
        stored = _state_identity(folder / state)
    if not isinstance(stored, dict):
        return []
    left_out = {"audio", "files"} - {*stored}  # states of older versions do not say
    now = {key: value for key, value in identity.items() if key not in left_out}
    return differences(stored, json.loads(json.dumps(now)), f" of stage {folder.name}")


def _state_identity(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as stream:
            return json.loads((stream.metadata() or {}).get("training", "{}")).get("identity")
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable training state ({error}); remove it to train anew") from error


def _is_config(path: Path) -> bool:
    return "predictor" in json.loads(path.read_text("utf-8"))


def _is_record(path: Path) -> bool:
    content = json.loads(path.read_text("utf-8"))
    return "report" in content or "identity" in content
