"""Reading ``ssl_proj`` and the codebook out of GPT-SoVITS generator checkpoints, of every version so far.

A generator file is a PyTorch archive of ``{"weight": state dict, "config": ..., "info": ...}``. Fine-tuned files may
begin with a version tag of two bytes in place of the archive's ``PK``; the file is read as if they were those. The
configuration may be an object of the authors' class ``utils.HParams``: a stand-in takes its place, as for every class.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....harness.core.errors import CheckpointError
from ....harness.core.files import file_sha256
from ...checkpoints import load_torch
from ...layers.pickles.standin import StandIn
from ...layers.pickles.states import common_prefix
from .origin import VqOrigin
from .quantizer import CODEBOOK
from .weights import NAMES, VqWeights

ARCHIVE = b"PK"
TAGS: dict[bytes, tuple[str, bool]] = {
    b"00": ("v1", False),
    b"01": ("v2", False),
    b"02": ("v3", False),
    b"03": ("v3", True),
    b"04": ("v4", True),
    b"05": ("v2Pro", False),
    b"06": ("v2ProPlus", False),
}
"""Version tags, and whether the file holds only the low-rank changes of a fine-tuning."""
VERSIONS = ("v1", "v2", "v3", "v4", "v2Pro", "v2ProPlus")
BASES = {"v3": "s2Gv3.pth", "v4": "gsv-v4-pretrained/s2Gv4.pth"}
PHONEMES = {322: "v1", 732: "v2"}
"""Symbols in the phoneme table of the first two versions."""
UNUSED = (f"{CODEBOOK}.cluster_size", f"{CODEBOOK}.embed_avg")
"""Statistics that only the codebook's own training needs."""
PLUS_CHANNELS = 768
"""First channels of v2ProPlus's vocoder; v2Pro has 512."""


def read_gptsovits(path: str | Path) -> VqWeights:
    """Read one generator file.

    Args:
        path: ``s2G488k.pth`` (v1), ``s2G2333k.pth`` (v2), ``s2Gv3.pth``, ``s2Gv4.pth``, ``s2Gv2Pro.pth``,
            ``s2Gv2ProPlus.pth``, or a fine-tuned one; float16 becomes float32. The two statistics in :data:`UNUSED`
            may be absent, or beyond what float16 holds: then they are filled in.

    Raises:
        CheckpointError: If the file is absent, damaged, holds code, or is no generator checkpoint; the message names
            the file and the first key that is wrong.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as stream:
            head = stream.read(2)
            tagged = TAGS.get(head)
            if head != ARCHIVE and tagged is None:
                raise CheckpointError(
                    f"{path}: begins with {head!r}: neither a PyTorch archive nor one of GPT-SoVITS's version tags "
                    f"({', '.join(tag.decode() for tag in TAGS)})"
                )
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    content = load_torch(path, b"" if head == ARCHIVE else head)
    state = _generator(path, content, tagged)
    tensors = {name: _tensor(path, state, name) for name in NAMES if name not in UNUSED}
    tensors |= _unused(state, tensors[f"{CODEBOOK}.embed"])
    if not bool(tensors[f"{CODEBOOK}.inited"].all()):
        raise CheckpointError(f"{path}: {CODEBOOK}.inited is 0: this codebook was never trained")
    version = tagged[0] if tagged is not None else find_version(state, content)
    return VqWeights(tensors, VqOrigin("gptsovits", version, path.name, file_sha256(path)), str(path))


def _generator(path: Path, content: Any, tagged: tuple[str, bool] | None) -> Mapping[str, Any]:
    keys = sorted(map(str, content)) if isinstance(content, Mapping) else []
    state = content.get("weight") if isinstance(content, Mapping) else None
    if isinstance(content, Mapping) and NAMES[0] in content:
        state = content  # the state dict alone
    if not isinstance(state, Mapping):
        held = f"the keys {', '.join(keys[:5])}" if keys else f"a {type(content).__name__}"
        extra = ""
        if {"model", "optimizer"} <= set(keys):
            extra = "; this is a state of its training: take the file that it exported"
        raise CheckpointError(f"{path}: no key 'weight', it holds {held}: no GPT-SoVITS generator checkpoint{extra}")
    if (tagged is not None and tagged[1]) or "lora_rank" in keys:
        version = tagged[0] if tagged is not None else find_version(state, content)
        if NAMES[0] not in state:
            raise CheckpointError(
                f"{path}: no ssl_proj.weight: the file holds only the low-rank changes of a {version} fine-tuning and "
                f"no codebook; use {BASES.get(version, 'the base model')} itself"
            )
    prefix = common_prefix([name for name in state if isinstance(name, str)], lambda name: name in NAMES, path)
    return {str(name).removeprefix(prefix): value for name, value in state.items()} if prefix else state


def _tensor(path: Path, state: Mapping[str, Any], name: str) -> Tensor:
    value = state.get(name)
    if value is None:
        raise CheckpointError(f"{path}: no {name} under 'weight': no GPT-SoVITS generator checkpoint")
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise CheckpointError(f"{path}: {name} should be a floating-point tensor, not {kind}")
    ready = value.detach().to(torch.float32, copy=True).contiguous()
    if not bool(ready.isfinite().all()):
        raise CheckpointError(f"{path}: {name} holds NaN or infinity")
    return ready


def _unused(state: Mapping[str, Any], embed: Tensor) -> dict[str, Tensor]:
    """The statistics in :data:`UNUSED` as they are, or, unless both can be used, of a codebook seen once per code."""
    filled = dict(zip(UNUSED, (torch.ones(embed.shape[:1]), embed.clone()), strict=True))
    found = {}
    for name, other in filled.items():
        value = state.get(name)
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.shape != other.shape:
            return filled
        found[name] = value.detach().to(torch.float32, copy=True).contiguous()
        if not bool(found[name].isfinite().all()):
            return filled
    return found


def find_version(state: Mapping[str, Any], content: Any) -> str:
    """The version of a file without a tag: by its layers where they tell, else by what it says of itself.

    v3 and v4 have the same names: the published v4 file says so in ``info``, fine-tuned ones in their configuration.

    Returns:
        One of :data:`VERSIONS`, or ``""`` when nothing tells.
    """
    said = _said(content)
    if any(str(key).startswith("cfm.") for key in state):
        info = content.get("info") if isinstance(content, Mapping) else None
        if info == "pretrained_s2G_v4":
            return "v4"
        return said if said in ("v3", "v4") else ""
    if "sv_emb.weight" in state:
        first = _rows(state, "dec.conv_pre.weight")
        return "v2ProPlus" if first == PLUS_CHANNELS else "v2Pro"
    return PHONEMES.get(_rows(state, "enc_p.text_embedding.weight"), said)


def _rows(state: Mapping[str, Any], name: str) -> int:
    value = state.get(name)
    return int(value.shape[0]) if isinstance(value, Tensor) and value.ndim else 0


def _said(content: Any) -> str:
    config = content.get("config") if isinstance(content, Mapping) else None
    for place in (config, _item(config, "model")):
        version = _item(place, "version")
        if version in VERSIONS:
            return str(version)
    return ""


def _item(place: Any, name: str) -> Any:
    if isinstance(place, Mapping):
        return place.get(name)
    return place.attribute(name) if isinstance(place, StandIn) else None
