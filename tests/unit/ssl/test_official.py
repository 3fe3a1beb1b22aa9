"""Checkpoints of other people's layouts: fairseq, WavLM, transformers folders, hub repositories."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, HubError, UsageError
from mosharness.harness.hub import hub
from mosharness.predictors.layers.ssl import pretrained
from mosharness.predictors.layers.ssl.backbone import SslBackbone
from mosharness.predictors.layers.ssl.official import PLAIN, from_fairseq, key_map, load_state, new_weight_norm
from mosharness.predictors.layers.ssl.pretrained import load_pretrained
from mosharness.predictors.layers.ssl.shapes import SIZES

KINDS = ("wav2vec2", "hubert", "wavlm")


def fairseq_shapes(kind: str, size: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes as fairseq's modules (and WavLM's) register them, written down here apart from the map."""
    settings = SIZES[size]
    width, inner, heads = settings["hidden_size"], settings["intermediate_size"], settings["num_attention_heads"]
    conv = settings.get("conv_dim", (512,) * 7)
    taps = settings.get("num_conv_pos_embeddings", 128)
    groups = settings.get("num_conv_pos_embedding_groups", 16)
    large = settings["feat_extract_norm"] == "layer"
    shapes: dict[str, tuple[int, ...]] = {"mask_emb": (width,)}
    before = 1
    for at, (channels, kernel) in enumerate(zip(conv, (10, 3, 3, 3, 3, 2, 2), strict=True)):
        stem = f"feature_extractor.conv_layers.{at}"
        shapes[f"{stem}.0.weight"] = (channels, before, kernel)
        if large and kind != "wavlm":
            shapes[f"{stem}.0.bias"] = (channels,)
        if large:
            shapes |= {f"{stem}.2.1.weight": (channels,), f"{stem}.2.1.bias": (channels,)}
        elif at == 0:
            shapes |= {f"{stem}.2.weight": (channels,), f"{stem}.2.bias": (channels,)}
        before = channels
    shapes |= {"layer_norm.weight": (before,), "layer_norm.bias": (before,)}
    shapes |= {"post_extract_proj.weight": (width, before), "post_extract_proj.bias": (width,)}
    shapes |= {"encoder.pos_conv.0.bias": (width,), "encoder.pos_conv.0.weight_g": (1, 1, taps)}
    shapes["encoder.pos_conv.0.weight_v"] = (width, width // groups, taps)
    for layer in range(settings["num_hidden_layers"]):
        stem = f"encoder.layers.{layer}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= {f"{stem}.self_attn.{name}.weight": (width, width), f"{stem}.self_attn.{name}.bias": (width,)}
        if kind == "wavlm":
            shapes |= {f"{stem}.self_attn.grep_linear.weight": (8, width // heads)}
            shapes |= {f"{stem}.self_attn.grep_linear.bias": (8,), f"{stem}.self_attn.grep_a": (1, heads, 1, 1)}
            if layer == 0:
                shapes[f"{stem}.self_attn.relative_attention_bias.weight"] = (320, heads)
        shapes |= {f"{stem}.fc1.weight": (inner, width), f"{stem}.fc1.bias": (inner,)}
        shapes |= {f"{stem}.fc2.weight": (width, inner), f"{stem}.fc2.bias": (width,)}
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            shapes |= {f"{stem}.{name}.weight": (width,), f"{stem}.{name}.bias": (width,)}
    return shapes | {"encoder.layer_norm.weight": (width,), "encoder.layer_norm.bias": (width,)}


def fairseq_state(kind: str, size: str = "tiny") -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {name: 0.1 * torch.randn(shape) for name, shape in fairseq_shapes(kind, size).items()}


def tiny(kind: Any = "wav2vec2", **options: Any) -> SslBackbone:
    return SslBackbone(kind, "tiny", **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", ["tiny", "tiny_large", "base", "large"])
def test_every_tensor_of_the_official_layout_has_one_place_of_its_shape(kind: Any, size: Any) -> None:
    with torch.device("meta"):
        backbone = SslBackbone(kind, size)
        state = {name: torch.empty(shape) for name, shape in fairseq_shapes(kind, size).items()}
    own = backbone.model.state_dict()
    found = from_fairseq(state, backbone, "synthetic")
    assert found.keys() == own.keys()
    assert all(found[name].shape == own[name].shape for name in own)
    assert set(key_map(backbone)) == set(state)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fairseq_file_gives_the_states_of_its_weights(kind: str, tmp_path: Path) -> None:
    state = fairseq_state(kind)
    torch.save({"args": argparse.Namespace(arch=kind), "cfg": None, "model": state}, tmp_path / "model.pt")
    backbone = tiny(kind).eval()
    assert load_pretrained(backbone, str(tmp_path / "model.pt")) == "model.pt"
    # The positional convolution by hand: weight norm over the last axis, then the same convolution.
    convolution = backbone.model.encoder.pos_conv_embed.conv
    direction, size = state["encoder.pos_conv.0.weight_v"], state["encoder.pos_conv.0.weight_g"]
    torch.testing.assert_close(convolution.weight, size * direction / direction.norm(dim=(0, 1), keepdim=True))
    attention = backbone.model.encoder.layers[1].attention
    assert torch.equal(attention.q_proj.weight, state["encoder.layers.1.self_attn.q_proj.weight"])
    assert torch.equal(attention.v_proj.bias, state["encoder.layers.1.self_attn.v_proj.bias"])
    first, last = backbone.model.encoder.layers[0], state["encoder.layers.0.final_layer_norm.weight"]
    assert torch.equal(first.final_layer_norm.weight, last)
    assert torch.equal(first.layer_norm.weight, state["encoder.layers.0.self_attn_layer_norm.weight"])


def test_both_namings_of_the_weight_norm_load() -> None:
    old = fairseq_state("wav2vec2")
    new = {new_weight_norm(name): value for name, value in old.items()}
    assert "encoder.pos_conv.0.parametrizations.weight.original0" in new
    backbone = tiny()
    first, second = from_fairseq(old, backbone, "old"), from_fairseq(new, backbone, "new")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert PLAIN["encoder.pos_conv.0.weight_g"].endswith("original0")


def test_pretraining_modules_are_left_out_and_a_prefix_is_taken_off(tmp_path: Path) -> None:
    state = fairseq_state("hubert")
    more = {"final_proj.weight": torch.ones(2, 2), "label_embs_concat": torch.ones(3), "quantizer.vars": torch.ones(1)}
    backbone = tiny("hubert")
    assert from_fairseq(state | more, backbone, "file").keys() == from_fairseq(state, backbone, "file").keys()
    tuned = {f"w2v_encoder.w2v_model.{name}": value for name, value in state.items()}
    torch.save({"model": tuned | {"w2v_encoder.proj.weight": torch.ones(2, 2)}}, tmp_path / "tuned.pt")
    assert load_state(tmp_path / "tuned.pt").keys() == state.keys()


def test_a_backbone_with_fewer_layers_takes_the_first_ones() -> None:
    state = fairseq_state("wavlm")
    assert from_fairseq(state, tiny("wavlm", layers=1), "file")
    with pytest.raises(CheckpointError, match="tensors are missing"):
        from_fairseq(state, tiny("wavlm", layers=3), "file")


def test_what_does_not_fit_is_refused_with_its_name() -> None:
    state = fairseq_state("wav2vec2")
    with pytest.raises(CheckpointError, match=r"1 are not known \(first: surplus\)"):
        from_fairseq(state | {"surplus": torch.ones(1)}, tiny(), "file")
    with pytest.raises(CheckpointError, match=r"grep_a"):
        from_fairseq(state, tiny("wavlm"), "file")
    short = state | {"encoder.layers.0.fc1.bias": torch.ones(3)}
    with pytest.raises(CheckpointError, match=r"intermediate_dense.bias should be \(48,\), the file has \(3,\)"):
        from_fairseq(short, tiny(), "file")
    with pytest.raises(CheckpointError, match="missing"):
        from_fairseq(fairseq_state("wav2vec2", "tiny_large"), tiny(), "file")


class Planted:
    """Unpickling this would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


def test_files_with_code_or_without_a_backbone_are_refused(tmp_path: Path) -> None:
    torch.save({"model": fairseq_state("wav2vec2"), "extra": Planted()}, tmp_path / "planted.pt")
    with pytest.raises(CheckpointError, match="system"):
        load_state(tmp_path / "planted.pt")
    torch.save({"model": {"weight": torch.ones(1)}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"post_extract_proj.weight is not in it"):
        load_state(tmp_path / "other.pt")
    broken = fairseq_state("wav2vec2")
    broken["layer_norm.bias"][0] = torch.nan
    torch.save(broken, tmp_path / "nan.pt")
    with pytest.raises(CheckpointError, match=r"feature_projection.layer_norm.bias holds NaN"):
        load_pretrained(tiny(), str(tmp_path / "nan.pt"))


# --- transformers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_of_transformers_loads_bit_for_bit(kind: str, tmp_path: Path) -> None:
    source, target = tiny(kind), tiny(kind)
    source.model.save_pretrained(tmp_path)
    load_pretrained(target, str(tmp_path))
    wanted = source.model.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in target.model.state_dict().items())


def test_old_pickled_files_with_heads_and_a_prefix_load(tmp_path: Path) -> None:
    source, target = tiny(), tiny(layers=1)
    old = {}
    for name, value in source.model.state_dict().items():
        plain = name.replace("parametrizations.weight.original0", "weight_g")
        old["wav2vec2." + plain.replace("parametrizations.weight.original1", "weight_v")] = value
    old |= {"quantizer.codevectors": torch.ones(1), "project_q.weight": torch.ones(1)}
    del old["wav2vec2.masked_spec_embed"]
    torch.save(old, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
    load_pretrained(target, str(tmp_path))
    assert not target.model.masked_spec_embed.any()
    wanted = source.model.encoder.layers[0].state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in target.model.encoder.layers[0].state_dict().items())
    with pytest.raises(CheckpointError, match="model_type 'wav2vec2', not 'hubert'"):
        load_pretrained(tiny("hubert"), str(tmp_path))
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(CheckpointError, match=r"neither model.safetensors nor pytorch_model.bin"):
        load_pretrained(target, str(tmp_path))


def test_hub_repositories_are_fetched_at_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, list[str]]] = []
    source = tiny()
    source.model.save_pretrained(tmp_path)

    def fetch(repository: str, *, revision: str, files: dict[str, Any], **_: Any) -> Path:
        asked.append((repository, revision, sorted(files)))
        return tmp_path

    monkeypatch.setattr(hub, "fetch_snapshot", fetch)
    known = pretrained.PUBLISHED["facebook/wav2vec2-base"].commit
    assert load_pretrained(tiny(), "facebook/wav2vec2-base") == f"facebook/wav2vec2-base@{known}"
    load_pretrained(tiny(), "someone/model@abc123:model.safetensors")
    assert asked == [
        ("facebook/wav2vec2-base", known, ["config.json", "pytorch_model.bin"]),
        ("someone/model", "abc123", ["config.json", "model.safetensors"]),
    ]
    with pytest.raises(UsageError, match="others are written owner/name@COMMIT"):
        load_pretrained(tiny(), "someone/model")
    with pytest.raises(UsageError, match=r"^--hubert: 'someone/model' is no file"):
        load_pretrained(tiny(), "someone/model", "--hubert")


def test_without_a_network_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", "absent")
    with pytest.raises(HubError, match="set pretrained to a local folder or file"):
        load_pretrained(tiny(), "facebook/hubert-base-ls960")
    with pytest.raises(HubError, match="set --hubert to a local folder or file, or to random"):
        load_pretrained(tiny(), "facebook/hubert-base-ls960", "--hubert")
