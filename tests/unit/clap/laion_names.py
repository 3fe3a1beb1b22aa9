"""From the names of transformers back to those of laion_clap, for files that tests make."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from mosharness.predictors.layers.clap.official import OWN

BACK = (
    (r"^text_model\.", "text_branch."),
    (r"^audio_model\.audio_encoder\.batch_norm\.", "audio_branch.bn0."),
    (r"^audio_model\.audio_encoder\.", "audio_branch."),
    (r"(blocks\.\d+)\.attention\.self\.relative", r"\1.attn.relative"),
    (r"(blocks\.\d+)\.attention\.output\.dense\.", r"\1.attn.proj."),
    (r"(blocks\.\d+)\.intermediate\.dense\.", r"\1.mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"_projection\.linear1\.", "_projection.0."),
    (r"_projection\.linear2\.", "_projection.2."),
)


def to_laion(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of ``ClapModel`` as laion_clap names them, with some that a real checkpoint holds besides."""
    state: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if OWN.fullmatch(name):
            continue
        theirs = name
        for pattern, replacement in BACK:
            theirs = re.sub(pattern, replacement, theirs)
        found = re.fullmatch(r"(audio_branch.*)\.attention\.self\.(query|key|value)\.(weight|bias)", theirs)
        if found and found[2] == "query":
            parts = [tensors[name.replace(".query.", f".{part}.")] for part in ("query", "key", "value")]
            state[f"{found[1]}.attn.qkv.{found[3]}"] = torch.cat(parts)
        elif not found:
            state[theirs] = tensor.clone()
    state["text_branch.embeddings.position_ids"] = torch.arange(9)[None]
    state["audio_branch.head.weight"] = torch.zeros(3, 2)
    state["audio_branch.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(64, 64, dtype=torch.long)
    state["audio_transform.sequential.0.weight"] = torch.zeros(2, 2)
    return state
