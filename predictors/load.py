"""A predictor with its weights: from a folder, an official file, the hub, or its published default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..harness.core.errors import CheckpointError
from ..harness.core.files import read_json
from ..harness.core.quiet import prints_apart
from .base import CheckpointInfo, Predictor
from .checkpoints import check_own_file
from .weightless import without_weights

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?", re.ASCII)


def load(
    cls: type[Predictor], checkpoint: str | Path | None, device: str, precision: Any, config: dict[str, Any]
) -> Predictor:
    """A predictor of a class, with weights; arguments and errors as of :func:`mosharness.predictors.load_predictor`.

    What its code prints meanwhile goes to stderr.
    """
    with prints_apart():
        return _load(cls, checkpoint, device, precision, config)


def _load(
    cls: type[Predictor], checkpoint: str | Path | None, device: str, precision: Any, config: dict[str, Any]
) -> Predictor:
    options: dict[str, Any] = {"device": device, "precision": precision}
    if checkpoint is None:
        checkpoint = cls.local_weights(config)
    if checkpoint is None and not cls.card.needs_weights:
        return cls(config, checkpoint=without_weights(cls.__module__), **options)
    if checkpoint is None:
        return _load_default(cls, config, options)
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _identified(cls.from_folder(path, config, **options), path, CheckpointInfo("folder", path.name))
    if path.is_file():
        check_own_file(path, cls.card.name)
        origin = _official(cls, path)
        return _identified(cls.from_official(path, config, checkpoint=origin, **options), path, origin)
    if HUB_ID.fullmatch(str(checkpoint)):
        return _load_hub(cls, str(checkpoint), config, options)
    raise CheckpointError(f"{checkpoint}: no such file or folder, and not a hub id (owner/name)")


def _load_default(cls: type[Predictor], config: dict[str, Any], options: dict[str, Any]) -> Predictor:
    from ..harness.hub.hub import fetch_file

    download = cls.default_weights(config)
    if download is None:
        raise CheckpointError(f"predictor {cls.card.name} has no published default weights: {_ways(cls)}")
    path = fetch_file(download)
    seen, origin = cls.published_training(config), _official(cls, path)
    return _identified(cls.from_official(path, config, checkpoint=origin, trained_on=seen, **options), path, origin)


def _ways(cls: type[Predictor]) -> str:
    """Where weights can come from: a training of before in the working folder, one to come, a file."""
    name = cls.card.name
    trained = sorted(Path("results").glob(f"*/{name}/checkpoint/config.json"))
    if trained:
        return f"pass --checkpoint {trained[0].parent}, which was trained here, or other weights"
    if not cls.card.stages:
        return "pass --checkpoint"
    return f"train it (mosharness run --task TASK --predictor {name} --train) or pass --checkpoint"


def _identified(predictor: Predictor, path: Path, origin: CheckpointInfo) -> Predictor:
    """With the digests of what it was loaded from, also where its own loading dropped them."""
    if predictor.checkpoint.kind == "fresh":
        predictor._checkpoint = origin
    if origin.kind == "official":
        predictor._read = {path: origin.sha256, **(predictor._read or {})}
    predictor.identify(path)
    return predictor


def _official(cls: type[Predictor], path: Path) -> CheckpointInfo:
    return CheckpointInfo("official", path.name, cls.digest_of(path))


def _load_hub(cls: type[Predictor], name: str, config: dict[str, Any], options: dict[str, Any]) -> Predictor:
    from ..harness.hub.hub import fetch_snapshot
    from .saved import read_folder

    repository, _, revision = name.partition("@")
    official = _official_on_hub(cls, repository, revision or "main", config)
    if official:
        return _load_official_of_hub(cls, name, official, config, options)
    files = dict.fromkeys(("config.json", "card.json", "model.safetensors", *cls.extra_files))
    what = f"weights of {cls.card.name}"
    if expected := cls.hub_files(config):
        what += f" (a folder of ours, or {' or '.join(expected)})"
    folder = Path(fetch_snapshot(repository, revision=revision or "main", files=files, what=what))
    content = read_json(folder / "config.json")
    ours = isinstance(content, dict) and content.get("predictor") == cls.card.name  # else an official repository
    settings = read_folder(folder, cls.card.name)[0] if ours else None
    further = {} if settings is None else dict.fromkeys(cls.further_files(folder, {**settings, **config}))
    if further:  # of the commit that was taken, though the branch may have moved on
        folder = Path(fetch_snapshot(repository, revision=folder.name, files={**files, **further}, what=what))
    origin = CheckpointInfo("hub", name)
    return _identified(cls.from_folder(folder, config, checkpoint=origin, **options), folder, origin)


def _official_on_hub(cls: type[Predictor], repository: str, revision: str, config: dict[str, Any]) -> str:
    """Which official file a repository holds; empty where it holds a folder of ours, or cannot be asked."""
    from ..harness.core.errors import HubError
    from ..harness.hub.look import ask_hub, look_snapshot, why_offline

    names = cls.hub_files(config)
    if not names:
        return ""
    ours = ("config.json", "model.safetensors")
    for files in (ours, *((name,) for name in names)):
        if look_snapshot(repository, revision=revision, files=dict.fromkeys(files)).here:
            return "" if files == ours else files[0]
    if why_offline():
        return ""
    for files in (ours, *((name,) for name in names)):
        answer = ask_hub([(repository, revision, files)]).get(repository)
        if answer is not None and not isinstance(answer, HubError):
            return "" if files == ours else files[0]
    return ""


def _load_official_of_hub(
    cls: type[Predictor], name: str, file: str, config: dict[str, Any], options: dict[str, Any]
) -> Predictor:
    from ..harness.hub.hub import fetch_snapshot

    repository, _, revision = name.partition("@")
    folder = fetch_snapshot(
        repository, revision=revision or "main", files={file: None}, what=f"weights of {cls.card.name}"
    )
    path = Path(folder) / file
    origin = CheckpointInfo("hub", name, cls.digest_of(path))
    return _identified(cls.from_official(path, config, checkpoint=origin, **options), path, origin)
