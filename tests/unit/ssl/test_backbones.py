"""The backbones: the states of transformers, the same in every batch, and what may train."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import UnknownName, UsageError
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.ssl.backbone import SslBackbone
from mosharness.predictors.layers.ssl.norm import group_norm_by_length
from mosharness.predictors.layers.ssl.pooling import MeanPooling, frame_mask, make_pooling
from mosharness.predictors.layers.ssl.shapes import SHORTEST, frame_counts, normalise, transformers_config

KINDS = ("wav2vec2", "hubert", "wavlm")
MINIATURES = [(kind, size) for kind in KINDS for size in ("tiny", "tiny_large")]
LENGTHS = [9000, 4321, 7003, SHORTEST]


def make(kind: Any, size: Any = "tiny", **options: Any) -> SslBackbone:
    """A backbone with weights far from those of the initialisation, so that no part of it is without effect."""
    torch.manual_seed(3)
    backbone = SslBackbone(kind, size, **options).eval()
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return backbone


def padded(lengths: list[int], fill: float = 0.0) -> torch.Tensor:
    waves = torch.full((len(lengths), max(lengths)), fill)
    for at, length in enumerate(lengths):
        waves[at, :length] = torch.from_numpy(speech_like(length / 16_000, 16_000, at))
    return waves


@pytest.mark.parametrize(("kind", "size"), MINIATURES)
def test_padded_states_are_those_of_transformers_for_each_clip_alone(kind: str, size: str) -> None:
    backbone = make(kind, size, layers=4).double()
    waves = padded(LENGTHS).double()
    with torch.inference_mode():
        states, counts = backbone.states(waves, LENGTHS)
        for at, length in enumerate(LENGTHS):
            alone = backbone.model(waves[at : at + 1, :length], output_hidden_states=True)
            wanted = [*alone.hidden_states[:4], alone.last_hidden_state]
            assert counts[at] == wanted[0].shape[1]
            for found, state in zip(states, wanted, strict=True):
                torch.testing.assert_close(found[at : at + 1, : counts[at]], state, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_behind_the_end_of_a_clip_changes_nothing(kind: str) -> None:
    backbone = make(kind)
    with torch.inference_mode():
        zeros, counts = backbone(padded(LENGTHS), LENGTHS)
        ones, _ = backbone(padded(LENGTHS, 1.0), LENGTHS)
    for at, count in enumerate(counts):
        torch.testing.assert_close(zeros[at, :count], ones[at, :count], rtol=0, atol=1e-5)


def test_without_the_length_the_group_norm_would_change_every_state() -> None:
    backbone = make("wav2vec2")
    waves = padded([4321, 9000])
    with torch.inference_mode():
        right, counts = backbone(waves, [4321, 9000])
        blind, _ = backbone(waves)
    wrong = (right - blind)[0, : counts[0]].norm() / right[0, : counts[0]].norm()
    assert wrong > 0.05


def test_the_group_norm_of_a_padded_row_is_that_of_the_row_alone_bit_for_bit() -> None:
    norm = torch.nn.GroupNorm(4, 4)
    torch.nn.init.normal_(norm.weight)
    values = torch.randn(3, 4, 50)
    found = group_norm_by_length(values, [50, 31, 7], norm)
    for at, count in enumerate((50, 31, 7)):
        assert torch.equal(found[at, :, :count], norm(values[at : at + 1, :, :count])[0])
        assert not found[at, :, count:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_padded_batch_are_those_of_the_clips_alone(kind: str) -> None:
    def gradients(batches: list[list[int]]) -> dict[str, torch.Tensor]:
        backbone = make(kind).double()
        waves = padded(LENGTHS).double()
        for batch in batches:
            lengths = [LENGTHS[at] for at in batch]
            states, counts = backbone(waves[batch, : max(lengths)], lengths)
            MeanPooling(backbone.channels)(states, counts)[:, :5].square().sum().backward()
        return {name: one.grad for name, one in backbone.named_parameters() if one.grad is not None}

    together, apart = gradients([[0, 1, 2, 3]]), gradients([[0], [1], [2], [3]])
    assert together.keys() == apart.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, apart[name], rtol=1e-8, atol=1e-10, msg=name)


@pytest.mark.parametrize(("kind", "size"), MINIATURES)
@pytest.mark.parametrize("layer", ["last", "weighted", 1, 0])
def test_everything_that_trains_has_a_gradient(kind: str, size: str, layer: Any) -> None:
    backbone = make(kind, size, layer=layer).train()
    states, _ = backbone(padded(LENGTHS), LENGTHS)
    states.square().sum().backward()
    without = [name for name, one in backbone.named_parameters() if one.requires_grad and one.grad is None]
    assert without == []
    fixed = [name for name, one in backbone.named_parameters() if not one.requires_grad and one.grad is not None]
    assert fixed == []


def test_the_layer_is_chosen_by_number_or_learnt() -> None:
    waves = padded(LENGTHS)
    backbone = make("hubert", layers=3)
    states, _ = backbone.states(waves, LENGTHS)
    for layer in range(4):
        backbone.layer = layer
        torch.testing.assert_close(backbone(waves, LENGTHS)[0], states[layer], rtol=0, atol=0)
    weighted = make("hubert", layers=3, layer="weighted")
    assert weighted.layer_weights is not None
    weighted.model.load_state_dict(backbone.model.state_dict())
    weighted.layer_weights.data = torch.tensor([0.0, 9.0, 0.0, 0.0])
    torch.testing.assert_close(weighted(waves, LENGTHS)[0], states[1], rtol=0, atol=5e-3)
    with pytest.raises(UsageError, match="states 0 to 3"):
        make("hubert", layers=3, layer=4)


def test_clips_that_are_too_short_or_do_not_fit_are_refused() -> None:
    backbone = make("wav2vec2")
    for lengths in ([399, 4000], [4000, 4001], [4000]):
        with pytest.raises(UsageError, match="400 samples or more"):
            backbone(torch.zeros(2, 4000), lengths)


def test_the_number_of_frames_is_that_of_the_convolutions() -> None:
    backbone = make("wavlm")
    lengths = [400, 401, 719, 720, 1039, 1040, 15_999, 16_000]
    found = [int(backbone.model._get_feat_extract_output_lengths(torch.tensor(length))) for length in lengths]
    assert frame_counts(lengths) == found


@pytest.mark.parametrize(("kind", "size"), MINIATURES)
def test_parts_are_frozen_from_the_input_upwards(kind: str, size: str) -> None:
    backbone = make(kind, size, layers=3)

    def trained() -> set[str]:
        return {name.removeprefix("model.") for name, one in backbone.named_parameters() if one.requires_grad}

    everything = trained()
    assert "masked_spec_embed" not in everything
    backbone.freeze("feature_extractor")
    assert everything - trained() == {name for name in everything if name.startswith("feature_extractor.")}
    backbone.freeze("layers<=2")
    left = {name for name in everything if name.startswith("encoder.layers.2.")}
    assert trained() == left | (
        {"encoder.layer_norm.weight", "encoder.layer_norm.bias"} if size == "tiny_large" else set()
    )
    backbone.freeze("all")
    assert trained() == set()
    backbone.freeze("none")
    assert trained() == everything
    for wrong in ("layers<=4", "some"):
        with pytest.raises(UsageError, match="layers<=K with K up to 3"):
            backbone.freeze(wrong)


def test_training_neither_masks_nor_drops_layers() -> None:
    for kind in KINDS:
        config: Any = transformers_config(kind, "base")
        assert not config.apply_spec_augment
        assert config.layerdrop == 0.0
    backbone = make("wav2vec2", layers=6)
    for module in backbone.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for layer in backbone.model.encoder.layers:
        layer.attention.dropout = 0.0
    waves = padded(LENGTHS)
    torch.testing.assert_close(backbone.train()(waves, LENGTHS)[0], backbone.eval()(waves, LENGTHS)[0])


def test_sizes_are_those_of_the_published_models() -> None:
    counts = {}
    with torch.device("meta"):
        for kind in KINDS:
            for size in ("base", "large"):
                backbone = SslBackbone(kind, size)  # type: ignore[arg-type]
                counts[f"{kind}-{size}"] = sum(one.numel() for one in backbone.model.parameters())
    assert counts["wav2vec2-base"] == counts["hubert-base"] == 94_371_712
    assert counts["wav2vec2-large"] == counts["hubert-large"] == 315_438_720
    assert counts["wavlm-base"] == 94_381_936
    assert counts["wavlm-large"] == 315_453_120


def test_unknown_sizes_and_layers_are_refused() -> None:
    with pytest.raises(UsageError, match="sizes: tiny, tiny_large, base, large"):
        transformers_config("wav2vec2", "huge")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has 12 layers, 13 cannot be kept"):
        transformers_config("wav2vec2", "base", 13)


def test_a_normalised_clip_has_zero_mean_and_unit_variance() -> None:
    wave = normalise(0.3 + 0.01 * np.random.default_rng(0).standard_normal(5000).astype(np.float32))
    assert wave.dtype == np.float32
    assert abs(wave.mean()) < 1e-5
    assert abs(wave.std() - 1.0) < 1e-3


def test_mean_pooling_takes_valid_frames_only() -> None:
    frames = torch.randn(2, 5, 3)
    frames[0, 2:] = torch.nan
    pooled = make_pooling("mean", 3)(frames, torch.tensor([2, 5]))
    torch.testing.assert_close(pooled[0], frames[0, :2].mean(0))
    torch.testing.assert_close(pooled[1], frames[1].mean(0))
    assert frame_mask(torch.tensor([2, 0]), 3).tolist() == [[True, True, False], [False] * 3]
    with pytest.raises(UnknownName, match='no pooling called "men"'):
        make_pooling("men", 3)
