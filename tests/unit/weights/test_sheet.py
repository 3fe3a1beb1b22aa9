"""SHEET's checkpoints in ``sslmos``: files written by key names, against an independent forward pass and mapping."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors import load_predictor
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.ssl.shapes import SIZES, transformers_config
from torch.nn import functional

sys.path.append(str(Path(__file__).parents[1] / "ssl"))
from test_official import fairseq_shapes

PARAMS: dict[str, Any] = {
    "ssl_module": "s3prl",
    "s3prl_name": "wav2vec2",
    "ssl_model_layer_idx": -1,
    "mean_net_dnn_dim": 64,
    "mean_net_output_type": "scalar",
    "mean_net_range_clipping": True,
    "use_listener_modeling": False,
}
UPSTREAM = "ssl_model.upstream.model."


def state_of(kind: str = "wav2vec2", size: str = "tiny", width: int = 64) -> dict[str, torch.Tensor]:
    """A file of SHEET with random numbers: fairseq's names below the upstream, pretraining modules included."""
    torch.manual_seed(6)
    shapes = {f"{UPSTREAM}{name}": shape for name, shape in fairseq_shapes(kind, size).items()}
    extra = {"wav2vec2": "quantizer.vars", "hubert": "label_embs_concat"}.get(kind)
    if extra:
        shapes[f"{UPSTREAM}{extra}"] = (1, 3, 4)
    channels = SIZES[size]["hidden_size"]
    shapes |= {"mean_net_dnn.net.0.weight": (width, channels), "mean_net_dnn.net.0.bias": (width,)}
    shapes |= {"mean_net_dnn.net.3.weight": (1, width), "mean_net_dnn.net.3.bias": (1,)}
    state = {name: 0.2 * torch.randn(shape) for name, shape in shapes.items()}
    state["mean_net_dnn.net.3.weight"] /= max(1.0, channels / 64)  # wide networks must not leave the bounds
    for name, value in state.items():
        if "norm.weight" in name or name.endswith((".2.weight", ".2.1.weight")):
            value.add_(1.0)
    return state


def write(folder: Path, state: Any, name: str = "checkpoint-best.bin", **params: Any) -> Path:
    torch.save(state, folder / name)
    config = {"model_type": "SSLMOS", "model_params": {**PARAMS, **params}, "inference_mode": "mean_net"}
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    return folder / name


CONVOLUTION = (
    (".0.weight", ".conv.weight"),
    (".0.bias", ".conv.bias"),
    (".2.1.", ".layer_norm."),
    (".2.weight", ".layer_norm.weight"),
    (".2.bias", ".layer_norm.bias"),
)
LAYER = (
    ("self_attn_layer_norm", "layer_norm"),
    ("self_attn", "attention"),
    ("fc1", "feed_forward.intermediate_dense"),
    ("fc2", "feed_forward.output_dense"),
)
NORM = "encoder.pos_conv_embed.conv.parametrizations.weight.original"
REST = (
    ("post_extract_proj", "feature_projection.projection"),
    ("mask_emb", "masked_spec_embed"),
    ("encoder.pos_conv.0.weight_g", f"{NORM}0"),
    ("encoder.pos_conv.0.weight_v", f"{NORM}1"),
    ("encoder.pos_conv.0.bias", "encoder.pos_conv_embed.conv.bias"),
)


def of_transformers(name: str) -> str:
    """A name of fairseq's in transformers, written down here apart from the product's table."""
    if name.startswith("layer_norm."):
        return f"feature_projection.{name}"
    pairs = CONVOLUTION if name.startswith("feature_extractor.") else LAYER if name.startswith("encoder.l") else REST
    for theirs, ours in pairs:
        name = name.replace(theirs, ours)
    return name


def independent(state: dict[str, torch.Tensor], wave: np.ndarray, kind: str, size: str, layer: int = -1) -> float:
    """The score by transformers' own forward pass and the head written out."""
    import transformers

    config: Any = transformers_config(kind, size)  # type: ignore[arg-type]
    model: Any = (transformers.Wav2Vec2Model if kind == "wav2vec2" else transformers.HubertModel)(config).eval()
    inner = {name.removeprefix(UPSTREAM): one for name, one in state.items() if name.startswith(UPSTREAM)}
    left_out = ("quantizer", "label_embs")
    model.load_state_dict({of_transformers(name): one for name, one in inner.items() if not name.startswith(left_out)})
    heard = torch.from_numpy(wave)[None]
    if size.endswith("large"):
        heard = functional.layer_norm(heard, heard.shape)
    head = {name.removeprefix("mean_net_dnn.net."): one for name, one in state.items() if name.startswith("mean_net")}
    with torch.no_grad():
        found = model(heard, output_hidden_states=True)
        states = found.last_hidden_state if layer == -1 else found.hidden_states[layer]
        hidden = functional.relu(functional.linear(states, head["0.weight"], head["0.bias"]))
        frames = functional.linear(hidden, head["3.weight"], head["3.bias"])
        return float((2.0 * torch.tanh(frames) + 3.0).mean())


CASES = [
    ("wav2vec2", "wav2vec2", "tiny", "bin"),
    ("hubert", "hubert_large_ll60k", "tiny_large", "pkl"),
    ("wav2vec2", "xls_r_300m", "tiny_large", "pkl"),
    pytest.param("wav2vec2", "wav2vec2", "base", "bin", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
]


@pytest.mark.parametrize(("kind", "upstream", "size", "suffix"), CASES)
def test_a_file_scores_as_an_independent_mapping_does(
    kind: str, upstream: str, size: str, suffix: str, tmp_path: Path
) -> None:
    state = state_of(kind, size)
    path = write(tmp_path, state, f"checkpoint-best.{suffix}", s3prl_name=upstream)
    loaded: Any = load_predictor("sslmos", path, "cpu")
    assert loaded.config.backbone == f"{kind}-{size}" and loaded.config.head == "frames" and loaded.config.bounded
    waves = [speech_like(seconds, 16_000, at) for at, seconds in enumerate((0.5, 1.2, 2.0))]
    scores = loaded.predict(waves, 16_000)[:, 0]
    expected = [independent(state, wave, kind, size) for wave in waves]
    assert np.abs(scores - expected).max() < 2e-5
    assert np.std(expected) > 1e-4


def test_wavlm_loads_by_its_own_names(tmp_path: Path) -> None:
    state = state_of("wavlm", "tiny_large")
    loaded: Any = load_predictor("sslmos", write(tmp_path, state, s3prl_name="wavlm_large"), "cpu")
    assert (loaded.config.backbone, loaded.config.normalizes) == ("wavlm-tiny_large", True)
    own = loaded.network.state_dict()
    found = own["backbone.model.encoder.layers.1.attention.gru_rel_pos_linear.weight"]
    assert torch.equal(found, state[f"{UPSTREAM}encoder.layers.1.self_attn.grep_linear.weight"])
    assert torch.equal(own["head.3.weight"], state["mean_net_dnn.net.3.weight"])
    assert np.isfinite(loaded.predict([speech_like(1.0, 16_000, 0)], 16_000)).all()


def test_layer_width_and_clipping_are_the_configuration_s(tmp_path: Path) -> None:
    state = state_of(width=16)
    loaded: Any = load_predictor("sslmos", write(tmp_path, state, ssl_model_layer_idx=1), "cpu")
    assert (loaded.config.layer, loaded.config.head_width) == (1, 16)
    wave = speech_like(1.0, 16_000, 1)
    assert abs(loaded.predict([wave], 16_000)[0, 0] - independent(state, wave, "wav2vec2", "tiny", 1)) < 2e-5
    last: Any = load_predictor("sslmos", write(tmp_path, state, ssl_model_layer_idx=2), "cpu")
    assert last.config.layer == "last"
    unbounded: Any = load_predictor("sslmos", write(tmp_path, state, mean_net_range_clipping=False), "cpu")
    assert not unbounded.config.bounded


def test_without_its_configuration_the_assumption_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, state_of())
    (tmp_path / "config.yml").unlink()
    loaded: Any = load_predictor("sslmos", path, "cpu")
    assert loaded.config.bounded and loaded.config.layer == "last"
    assert "no config.yml beside it; the last layer and scores bounded to 1 to 5 are taken" in capsys.readouterr().err
    told: Any = load_predictor("sslmos", path, "cpu", bounded=False, layer=1)  # as the note says
    assert not told.config.bounded and told.config.layer == 1


def test_what_has_no_place_is_refused_with_a_sentence(tmp_path: Path) -> None:
    def refused(message: str, state: dict[str, torch.Tensor] | None = None, **params: Any) -> None:
        with pytest.raises(CheckpointError, match=message):
            load_predictor("sslmos", write(tmp_path, state or state_of(), **params), "cpu")

    state = state_of()
    refused("upstream 'data2vec'; sslmos has wav2vec 2.0, HuBERT and WavLM", s3prl_name="data2vec")
    refused("another family", s3prl_name="wavlm_large")
    refused("s3prl with the scalar mean net loads", mean_net_output_type="categorical")
    refused("5 classes", {**state, "mean_net_dnn.net.3.weight": torch.ones(5, 64)})
    refused("without use_listener_modeling", {**state, "listener_embeddings.weight": torch.ones(3, 4)})
    refused("states 0 to 2", ssl_model_layer_idx=7)
    refused(r"not known \(first: decoder.weight\)", {**state, "decoder.weight": torch.ones(2)})
    refused("net.0.bias is missing", {name: one for name, one in state.items() if name != "mean_net_dnn.net.0.bias"})
    path = write(tmp_path, state)
    for text, message in (
        ("model_type: LDNet\nmodel_params: {}", "type LDNet; of SHEET's, SSLMOS loads"),
        ("model_params: !!python/object:os.system {}", "cannot be read as plain YAML.*take it away"),
        ("- 1", "no configuration of SHEET"),
    ):
        (tmp_path / "config.yml").write_text(text)
        with pytest.raises(CheckpointError, match=message):
            load_predictor("sslmos", path, "cpu")
    (tmp_path / "config.yml").unlink()  # as the second message advises
    assert load_predictor("sslmos", path, "cpu").dimensions == ("mos",)
