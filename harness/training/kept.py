"""A trained checkpoint is kept: no training on other data, or with other settings, takes its place unasked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import DataError
from ..core.files import as_stored, read_json
from ..core.guard import guard_folder, guard_output
from ..core.kept import changes, difference, refuse_replacing

RECORD = "training.json"
COSMETIC = ("save_steps", "save_seconds", "log_steps", "keep", "starts")
"""Settings of a stage that change no weight."""
WORDS = {
    "data": "labels",
    "config": "settings of the predictor",
    "predictor config": "settings of the predictor",
    "start": "weights to start from",
    "files": "start weights or noises",
}
"""Parts of an identity whose names do not say it to people."""
PLAIN = ("seed", "folds", "dimensions", "predictor", "predictor version", "mosharness")
"""Parts that are no digests: they say themselves what differs."""
Settings = Mapping[str, Any]
"""What digests of an identity stand for: ``config`` of the predictor, and ``stages`` of the recipe; parts may lack."""


def refuse_other_training(
    checkpoint: Path, identity: Mapping[str, Any], settings: Settings | None = None, *, overwrite: bool
) -> None:
    """Refuse to train over a checkpoint that was made otherwise; the same training again replaces it.

    Args:
        checkpoint: Folder of the checkpoint; it need not exist.
        identity: What the training depends on, in JSON types.
        settings: What its digests stand for, to say which setting differs.
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
    found = checkpoint_differences(checkpoint, identity, settings)
    refuse_replacing(checkpoint, "checkpoint", found, "--output FOLDER")


def checkpoint_differences(
    checkpoint: Path, identity: Mapping[str, Any], settings: Settings | None = None
) -> list[str]:
    """What differs between the training of a stored checkpoint and another one, in words."""
    path = checkpoint / RECORD
    stored = read_json(path) if path.is_file() else {}
    if "identity" not in stored:
        return ["it does not say on which data and with which settings it was trained"]
    return differences(stored["identity"], identity, (stored_settings(checkpoint), settings or {}))


def stored_settings(checkpoint: Path) -> Settings:
    """What the digests of a stored checkpoint stand for."""
    config, record = (
        read_json(path) if path.is_file() else {} for path in (checkpoint / "config.json", checkpoint / RECORD)
    )
    stages = record.get("recipe", {}).get("stages", ())
    return {**({"config": config["config"]} if "config" in config else {}), **({"stages": stages} if stages else {})}


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], settings: tuple[Settings, Settings] = ({}, {}), of: str = ""
) -> list[str]:
    """What differs between two identities, in words, each difference once.

    Args:
        then, now: The identities.
        settings: What the digests of both stand for.
        of: Name of the stage whose identity it is; empty for that of all stages.
    """
    found: list[str] = []
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        if key == "stages" and isinstance(before, dict) and isinstance(after, dict):
            for stage in after:
                found += differences(before.get(stage, {}), after[stage], settings, stage)
            found += [f"stage {stage} is no longer there" for stage in sorted({*before} - {*after})]
        else:
            found += _difference(key, before, after, settings, of)
    return list(dict.fromkeys(found))


def _difference(key: str, before: Any, after: Any, settings: tuple[Settings, Settings], of: str) -> list[str]:
    """One part of two identities."""
    name = WORDS.get(key, key)
    if key in PLAIN:
        return changes(name, before, after)
    if key in {"config", "predictor config"}:
        old, new = (one.get("config") for one in settings)
        if old is None or new is None:
            old, new = before, after
        if isinstance(old, Mapping) and isinstance(new, Mapping) and old != new:
            return [text for one in {**old, **new} for text in changes(f"setting {one}", old.get(one), new.get(one))]
        return [f"other {name}"]
    if key == "recipe":
        return _recipe(settings, of)
    where = f" of stage {of}" if of else ""
    if isinstance(before, dict) and isinstance(after, dict):
        names = [part for part in sorted({*before, *after}) if before.get(part) != after.get(part)]
        return [f"other {name}{where} of {', '.join(names)}"]
    return [difference(f"other {name}{where}", before, after)]


def _recipe(settings: tuple[Settings, Settings], stage: str) -> list[str]:
    """What differs in the recipe of a stage; an earlier stage says its own differences."""
    pair = [{one["name"]: one for one in side.get("stages", ())} for side in settings]
    if not all(stage in side for side in pair):
        return [f"another recipe of stage {stage}"]
    before, after = ({key: value for key, value in side[stage].items() if key not in COSMETIC} for side in pair)
    return changes(f"train.{stage}", before, as_stored(after))


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
    return differences(stored, json.loads(json.dumps(now)), of=folder.name)


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
