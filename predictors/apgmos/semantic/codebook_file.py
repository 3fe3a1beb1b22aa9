"""The folder of a codebook of ours: six tensors under GPT-SoVITS's names, and where they came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....harness.core.errors import CheckpointError
from ....harness.core.files import file_sha256, read_json, write_json
from ...base import load_tensors, save_tensors
from .origin import VqOrigin
from .quantizer import CODEBOOK
from .weights import NAMES, VqWeights

SCHEMA = "mosharness.vq/1"
TENSORS, FACTS = "vq.safetensors", "vq.json"


def pair_mean(channels: int) -> Tensor:
    """A fixed ``ssl_proj.weight`` ``(channels, channels, 2)``: the mean of two consecutive frames."""
    return (torch.eye(channels) / 2)[..., None].repeat(1, 1, 2)


def make_tensors(centres: Tensor, counts: Tensor) -> dict[str, Tensor]:
    """Centroids ``(k, channels)`` and the frames nearest to each ``(k,)`` as the tensors of a quantizer, float32."""
    embed = centres.to(torch.float32).contiguous()
    size = counts.to(torch.float32)
    values = (
        pair_mean(embed.shape[1]),
        torch.zeros(embed.shape[1]),
        torch.ones(1),
        size,
        embed,
        embed * size[:, None],
    )
    return dict(zip(NAMES, values, strict=True))


def write_codebook(folder: Path, tensors: dict[str, Tensor], origin: VqOrigin, facts: dict[str, Any]) -> None:
    """Write the folder; ``vq.json`` comes last, so a folder with it is complete.

    Args:
        folder: Made if absent.
        tensors: Of :func:`make_tensors`.
        origin: Kept, with the digest of the tensors' file.
        facts: What else is worth knowing: steps, unused codes, clips.
    """
    save_tensors(folder / TENSORS, tensors)
    sealed = replace(origin, file=folder.resolve().name, sha256=file_sha256(folder / TENSORS))
    write_json(folder / FACTS, {"schema": SCHEMA, "origin": sealed.to_dict(), **facts})


def read_codebook(folder: str | Path) -> VqWeights:
    """Read what :func:`write_codebook` wrote.

    Raises:
        CheckpointError: If the folder is incomplete, of another kind, or its tensors changed since.
    """
    folder = Path(folder).expanduser()
    if not (folder / FACTS).is_file() or not (folder / TENSORS).is_file():
        raise CheckpointError(
            f"{folder}: no {TENSORS} with {FACTS}: no complete folder of `mosharness apgmos codebook`"
        )
    facts = read_json(folder / FACTS)
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA or not isinstance(facts.get("origin"), dict):
        raise CheckpointError(f"{folder / FACTS}: no description of a codebook ({SCHEMA})")
    origin = VqOrigin.from_dict(facts["origin"], f"{folder / FACTS}: origin")
    if origin.sha256 != file_sha256(folder / TENSORS):
        raise CheckpointError(f"{folder / TENSORS}: changed since it was written: not the digest that {FACTS} says")
    tensors = {name: torch.from_numpy(array) for name, array in load_tensors(folder / TENSORS).items()}
    extra = sorted(set(tensors) - set(NAMES))
    if extra:
        raise CheckpointError(f"{folder / TENSORS}: {extra[0]} does not belong to a codebook")
    if not tensors.get(f"{CODEBOOK}.embed", torch.zeros(0)).numel():
        raise CheckpointError(f"{folder / TENSORS}: no {CODEBOOK}.embed")
    return VqWeights(tensors, origin, str(folder))
