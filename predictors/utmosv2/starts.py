"""Weights that a stage of training starts from: earlier stages, a pretrained wav2vec2, ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError, UsageError
from ...harness.core.files import read_json
from ...harness.recipes.needs import HubFiles, Need, hub_need, local_need, refused
from ..base import check_tensors, load_tensors
from ..empty import empty_weights
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from .config import StageSettings, Variant
from .convert import from_branch
from .network import Fusion, Scorer, SpecBranch, SslBranch

HEADS = ("fc.weight", "fc.bias")


def load_starts(network: Scorer, variant: Variant, starts: Mapping[str, str]) -> None:
    """Load the checkpoint folders of earlier stages, each as far as the network has a place for it.

    A joint network takes its branches from one folder or from several, from branches trained alone or inside a joint
    network. Heads that the network lacks are left out, heads that a folder lacks stay as they are.

    Raises:
        CheckpointError: If a folder holds another model, or what is used of the network is not covered.
    """
    if not starts:
        return
    own = network.state_dict()
    found: dict[str, Any] = {}
    for folder in map(Path, starts.values()):
        found.update(_tensors_for(network, variant, folder))
    part = network.part if isinstance(network, Fusion) else variant
    used = {"ssl_only": ("ssl.",), "spec_only": ("spec_long.",), "fusion": ("ssl.", "spec_long.")}[part]
    needed = [name for name in own if not name.endswith(HEADS)]
    if isinstance(network, Fusion):
        needed = [name for name in needed if name.startswith(used)]
    absent = [name for name in needed if name not in found]
    if absent:
        raise CheckpointError(
            f"{', '.join(starts.values())}: {len(absent)} tensors of the {part} network are not there "
            f"(first: {absent[0]}); name the stages that trained them in `init`"
        )
    import torch

    check_tensors({name: own[name] for name in found}, found, ", ".join(starts.values()))
    network.load_state_dict({**own, **{name: torch.as_tensor(value) for name, value in found.items()}})


def _tensors_for(network: Scorer, variant: Variant, folder: Path) -> dict[str, Any]:
    saved = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
    if not isinstance(saved, dict) or saved.get("predictor") != "utmosv2":
        raise CheckpointError(f"{folder}: no checkpoint folder of utmosv2")
    theirs: Variant = saved.get("config", {}).get("variant", "fusion")
    tensors: dict[str, Any] = load_tensors(folder / "model.safetensors")
    if theirs != variant:
        if variant != "fusion":
            raise CheckpointError(f"{folder}: holds a {theirs} network, a {variant} one is needed")
        tensors = from_branch(tensors, theirs)
    own = network.state_dict()
    unknown = [name for name in tensors if name not in own and not name.endswith(HEADS)]
    if unknown:
        raise CheckpointError(f"{folder}: {unknown[0]} has no place in this network")
    return {name: value for name, value in tensors.items() if name in own}


IMAGENET = "timm/tf_efficientnetv2_s.in21k_ft_in1k"
IMAGENET_COMMIT = "212ce86b3cc2aa27505700cd5d1a25dfd2a07dc8"
"""The commit that public projects that use the file record, with its length of 86,523,256 bytes."""


def start_needs(settings: StageSettings, stage: str) -> list[Need]:
    """The pretrained weights that a stage's settings name."""
    from ..layers.ssl.backbone import SslBackbone
    from ..layers.ssl.needs import ssl_need

    found, setting = [], f"train.{stage}.settings."
    if settings.wav2vec2:
        with empty_weights():
            backbone = SslBackbone("wav2vec2", "base")
        found.append(ssl_need(settings.wav2vec2, setting + "wav2vec2", backbone, instead=RANDOM_INSTEAD + "wav2vec2"))
    if settings.imagenet:
        found.append(_imagenet_need(settings.imagenet, setting + "imagenet"))
    return found


RANDOM_INSTEAD = "a local file or folder, or random weights: leave out the setting "


def _imagenet_need(source: str, setting: str) -> Need:
    name = "EfficientNetV2-S trained on ImageNet"
    if Path(source).expanduser().is_file():
        return local_need(name, source, setting, check=lambda: read_weights(Path(source).expanduser()))
    try:
        wanted = _imagenet_files(source)
    except UsageError as error:
        return refused("weights", name, error, setting=setting, remedy=RANDOM_INSTEAD + "imagenet")
    ours = (wanted.repo_id, wanted.revision) == (IMAGENET, IMAGENET_COMMIT)
    return hub_need(
        name,
        wanted,
        setting,
        license="Apache-2.0" if wanted.repo_id == IMAGENET else "",
        bytes=86_523_256 if ours else None,
        instead=RANDOM_INSTEAD + "imagenet",
    )


def _imagenet_files(source: str) -> HubFiles:
    repository, _, commit = source.partition("@")
    if repository.count("/") != 1 or repository.startswith((".", "/")):
        raise UsageError(f"settings: imagenet: {source!r} is no file here and no hub id owner/name[@COMMIT]")
    revision = commit or (IMAGENET_COMMIT if repository == IMAGENET else "main")
    return HubFiles(repository, revision, {"model.safetensors": None})


def load_wav2vec2(network: Scorer, source: str) -> None:
    """Put pretrained weights of the base size into the SSL branch; see ``predictors/layers/ssl/pretrained.py``."""
    from ..layers.ssl.backbone import SslBackbone
    from ..layers.ssl.pretrained import load_pretrained

    branch = network.ssl if isinstance(network, Fusion) else network
    if not isinstance(branch, SslBranch):
        raise UsageError("settings: wav2vec2: this network has no SSL branch")
    backbone = SslBackbone("wav2vec2", "base")
    load_pretrained(backbone, source, "train.settings.wav2vec2")
    model: Any = branch.encoder.model
    check_tensors(model.state_dict(), backbone.model.state_dict(), f"{source} in the SSL branch")
    model.load_state_dict(backbone.model.state_dict())


def load_imagenet(network: Scorer, source: str) -> None:
    """Put timm's ``tf_efficientnetv2_s`` weights into every convolutional body.

    Args:
        network: Changed in place.
        source: A ``model.safetensors`` in timm's layout, or a hub id ``owner/name[@COMMIT]`` that holds one. Of
            :data:`IMAGENET`, from which the reference starts, :data:`IMAGENET_COMMIT` is taken.

    Raises:
        CheckpointError: If the weights do not fit; the classifier is left out.
        UsageError: If ``source`` is no file and no hub id.
    """
    branch = network.spec_long if isinstance(network, Fusion) else network
    if not isinstance(branch, SpecBranch):
        raise UsageError("settings: imagenet: this network has no spectrogram branch")
    path = Path(source).expanduser()
    if not path.is_file():
        from ...harness.hub.hub import fetch_snapshot

        instead = "set imagenet to a local model.safetensors, or leave it out to start from random weights"
        wanted = _imagenet_files(source)
        folder = fetch_snapshot(
            wanted.repo_id, revision=wanted.revision, files=wanted.files, what="ImageNet weights", instead=instead
        )
        path = Path(folder) / "model.safetensors"
    import torch

    content = read_weights(path)
    found = find_state(content, lambda name: name == "conv_stem.weight", path)
    if found is None:
        raise CheckpointError(
            f"{path}: no weights of timm's tf_efficientnetv2_s (conv_stem.weight is not in it; it holds "
            f"{held(content)})"
        )
    tensors = {name: value for name, value in found.items() if not name.startswith("classifier.")}
    for body in branch.backbones:
        state = body.state_dict()
        given = {name: value for name, value in state.items() if name.endswith("num_batches_tracked")} | tensors
        check_tensors(state, given, f"{path} as tf_efficientnetv2_s")
        body.load_state_dict({name: torch.as_tensor(value) for name, value in given.items()})
