"""MOS predictors behind one contract. A new one is a folder here and a line in the table below."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..harness.core.errors import CheckpointError
from ..harness.core.files import read_json
from ..harness.core.registry import Registry
from .base import CheckpointInfo, Predictor, PredictorCard, resolve_device
from .checkpoints import check_own_file
from .weightless import GROUP, without_weights

PREDICTORS: Registry[type[Predictor]] = Registry(
    "predictor",
    {
        "apgmos": "mosharness.predictors.apgmos:Apgmos",
        "audiobox": "mosharness.predictors.audiobox:Audiobox",
        "distillmos": "mosharness.predictors.distillmos:DistillMos",
        "dnsmos": "mosharness.predictors.dnsmos:Dnsmos",
        "dnsmos_p808": "mosharness.predictors.dnsmos:DnsmosP808",
        "drasp": "mosharness.predictors.drasp:Drasp",
        "dsp": "mosharness.predictors.dsp:Dsp",
        "jsqa": "mosharness.predictors.jsqa:Jsqa",
        "nisqa": "mosharness.predictors.nisqa:Nisqa",
        "nisqa_tts": "mosharness.predictors.nisqa:NisqaTts",
        "plcmos": "mosharness.predictors.plcmos:Plcmos",
        "sfissl": "mosharness.predictors.sfissl:SfiSsl",
        "sslmos": "mosharness.predictors.sslmos:SslMos",
        "utmos": "mosharness.predictors.utmos:Utmos",
        "utmosv2": "mosharness.predictors.utmosv2:Utmosv2",
    },
    group=GROUP,
    hint="`mosharness ls predictors` shows them all.",
)

VERBS: Registry[Any] = Registry(
    "predictor with verbs",
    {
        "apgmos": "mosharness.predictors.apgmos.verbs:app",
        "jsqa": "mosharness.predictors.jsqa.verbs:app",
        "nisqa": "mosharness.predictors.nisqa.verbs:app",
    },
    group="mosharness.verbs",
)
"""Predictor to its own verbs, a ``typer.Typer`` application: ``mosharness PREDICTOR VERB`` runs one.

Imported when a verb is run. Third parties register theirs under the entry point group ``mosharness.verbs``.
"""

FORMER_VERBS = {"codebook": ("apgmos", "codebook"), "pairs": ("jsqa", "pairs")}
"""Former names of verbs to predictor and verb; they still work, with a note."""

GATE_PREDICTORS = ("distillmos", "dnsmos:sig", "dnsmos:bak")
"""What a gate judges by when nothing is named: overall quality, signal and background, by weights that may be passed on
and used for anything (extra ``open``)."""

OPEN_PREDICTORS = ("distillmos", "dnsmos")
"""What scores when nothing is named: predictors that need no download and no licence."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w.-]+)?", re.ASCII)


def load_predictor(
    name: str, checkpoint: str | Path | None = None, device: str = "auto", *, precision: Any = "float32", **config: Any
) -> Predictor:
    """A predictor with weights, ready to score.

    Args:
        name: A registry name; ``mosharness ls predictors`` shows them.
        checkpoint: A folder written by ``save_pretrained``, an official file of the reference implementation, a hub
            id ``owner/name[@commit]``, or ``None`` for the published default (from the predictor's environment
            variable, the cache or a download). A predictor that needs no weights takes ``None``.
        device: ``auto`` (CUDA if present), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``float32``, ``bfloat16`` or ``float16``.
        config: Settings of the predictor.

    Raises:
        UnknownName: For an unknown predictor or setting.
        CheckpointError: If the weights are absent or do not fit.
        HubError: If a download does not work.
    """
    cls = PREDICTORS[name]
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
        raise CheckpointError(
            f"predictor {cls.card.name} has no published default weights: train it (mosharness run --task TASK "
            f"--predictor {cls.card.name} --train) or pass --checkpoint"
        )
    path = fetch_file(download)
    seen, origin = cls.published_training(config), _official(cls, path)
    return _identified(cls.from_official(path, config, checkpoint=origin, trained_on=seen, **options), path, origin)


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
    files = dict.fromkeys(("config.json", "card.json", "model.safetensors", *cls.extra_files))
    what = f"weights of {cls.card.name}"
    folder = Path(fetch_snapshot(repository, revision=revision or "main", files=files, what=what))
    content = read_json(folder / "config.json")
    ours = isinstance(content, dict) and content.get("predictor") == cls.card.name  # else an official repository
    settings = read_folder(folder, cls.card.name)[0] if ours else None
    further = {} if settings is None else dict.fromkeys(cls.further_files(folder, {**settings, **config}))
    if further:  # of the commit that was taken, though the branch may have moved on
        folder = Path(fetch_snapshot(repository, revision=folder.name, files={**files, **further}, what=what))
    origin = CheckpointInfo("hub", name)
    return _identified(cls.from_folder(folder, config, checkpoint=origin, **options), folder, origin)


__all__ = [
    "FORMER_VERBS",
    "GATE_PREDICTORS",
    "OPEN_PREDICTORS",
    "PREDICTORS",
    "VERBS",
    "Predictor",
    "PredictorCard",
    "load_predictor",
    "resolve_device",
]
