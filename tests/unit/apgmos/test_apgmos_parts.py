"""Mask, attention, losses and sizes of APG-MOS."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.core.errors import UsageError
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.config import ApgmosConfig
from mosharness.predictors.apgmos.fusion import CrossAttention, CrossAttentionLayer
from mosharness.predictors.apgmos.losses import ranking_loss, regression_loss
from mosharness.predictors.apgmos.mask import band_mask, position_weights, valid_positions
from mosharness.predictors.apgmos.network import ApgmosNetwork, count_parameters
from mosharness.predictors.training_of import training_of

Make = Callable[..., Apgmos]
counts = st.tuples(st.integers(1, 60), st.integers(0, 25)).map(lambda pair: (pair[0], min(pair)))


def brute_force(tokens: int, semantic: int, frames: int, tau: int) -> np.ndarray:
    """Equation 10, entry by entry, with lambda as a real number."""
    mask = np.zeros((tokens + semantic, frames), bool)
    for row in range(tokens + semantic):
        for column in range(frames):
            ratio = frames / semantic if semantic else 0.0
            mask[row, column] = row < tokens or abs(ratio * (row - tokens) - column) <= tau + 1e-9
    return mask


# --- the mask -----------------------------------------------------------------------------------------------------


def test_the_worked_example_of_the_mask() -> None:
    rows = ["".join(map(str, row)) for row in band_mask(2, torch.tensor([3]), torch.tensor([6]), 1)[0].int().tolist()]
    assert rows == ["111111", "111111", "110000", "011100", "000111"]


@given(st.lists(counts, min_size=1, max_size=4), st.integers(0, 9), st.integers(1, 14))
@settings(max_examples=60)
def test_each_clip_of_a_batch_has_the_mask_of_its_own_lengths(
    clips: list[tuple[int, int]], tokens: int, tau: int
) -> None:
    frames, semantic = (torch.tensor([clip[at] for clip in clips]) for at in (0, 1))
    mask = band_mask(tokens, semantic, frames, tau)
    assert mask.shape == (len(clips), tokens + int(semantic.max()), int(frames.max()))
    assert mask.any(2).all()  # no query without a frame
    for row, (width, count) in zip(mask, clips, strict=True):
        assert np.array_equal(row[: tokens + count, :width].numpy(), brute_force(tokens, count, width, tau))
        assert not row[:, width:].any()


@pytest.mark.parametrize("samples", [16_000, 17_001, 48_000, 80_000, 479_999])
def test_at_tau_10_every_semantic_query_sees_11_to_20_frames(samples: int) -> None:
    frames = (samples - 400) // 320 + 1
    seen = band_mask(8, torch.tensor([frames // 2]), torch.tensor([frames]), 10)[0, 8:].sum(1)
    assert 10 <= int(seen.min()) <= 11
    assert 20 <= int(seen.max()) <= 21


def test_weights_of_the_mean_over_positions() -> None:
    valid = valid_positions(2, torch.tensor([3, 1]))
    auditory = torch.arange(5) < 2
    plain = position_weights(valid & auditory, valid & ~auditory)
    torch.testing.assert_close(plain[0], torch.full((5,), 0.2))
    torch.testing.assert_close(plain[1], torch.tensor([1, 1, 1, 0, 0]) / 3)
    balanced = position_weights(valid & auditory, valid & ~auditory, balance=True)
    torch.testing.assert_close(balanced[0], torch.tensor([1 / 4, 1 / 4, 1 / 6, 1 / 6, 1 / 6]))
    torch.testing.assert_close(balanced.sum(1), torch.ones(2))
    alone = position_weights(valid & auditory, torch.zeros_like(valid), balance=True)
    torch.testing.assert_close(alone.sum(1), torch.ones(2))


# --- attention ----------------------------------------------------------------------------------------------------


def test_a_layer_is_equation_9_and_its_norm_comes_behind_the_sum() -> None:
    torch.manual_seed(0)
    layer = CrossAttentionLayer(12, 3)
    queries, frames = torch.randn(2, 4, 12), torch.randn(2, 7, 12)
    mask = torch.rand(2, 4, 7) > 0.4
    mask[..., 0] = True
    heads = []
    for at in range(3):
        part = slice(4 * at, 4 * at + 4)
        query, key, value = (
            one(x)[..., part]
            for one, x in zip((layer.query, layer.key, layer.value), (queries, frames, frames), strict=True)
        )
        scores = (query @ key.transpose(1, 2) / 2.0).masked_fill(~mask, -torch.inf)
        heads.append(scores.softmax(-1) @ value)
    wanted = layer.norm(layer.output(torch.cat(heads, -1)) + queries)
    torch.testing.assert_close(layer(queries, frames, mask), wanted, rtol=0, atol=2e-6)
    again, attention = layer.with_attention(queries, frames, mask)
    torch.testing.assert_close(again, wanted, rtol=0, atol=2e-6)
    assert not attention[~mask[:, None].expand_as(attention)].any()
    torch.testing.assert_close(attention.sum(-1), torch.ones(2, 3, 4))


def test_a_query_s_result_does_not_depend_on_other_queries() -> None:
    torch.manual_seed(0)
    fusion = CrossAttention(24, 8, 3)
    queries, frames = torch.randn(1, 9, 24), torch.randn(1, 40, 24)
    together = fusion(queries, frames)
    for at in range(9):
        assert (fusion(queries[:, at : at + 1], frames)[0, 0] - together[0, at]).abs().max() < 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_masks_are_finite_in_half_precision(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = CrossAttentionLayer(24, 8).to(dtype)
    mask = band_mask(2, torch.tensor([5, 0]), torch.tensor([12, 7]), 1)
    states = layer(torch.randn(2, 7, 24, dtype=dtype), torch.randn(2, 12, 24, dtype=dtype), mask)
    assert states.isfinite().all()


def test_the_width_must_be_a_multiple_of_the_heads() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        CrossAttentionLayer(24, 5)


# --- sizes --------------------------------------------------------------------------------------------------------


def test_the_default_adds_the_paper_s_14_million_parameters() -> None:
    with torch.device("meta"):
        network = ApgmosNetwork(ApgmosConfig())
    parts = {name: count_parameters(network.get_submodule(name)) for name in network.parts}
    assert parts == {
        "auditory": 6_316_928 + 384,
        "tokens": 1_185_792,
        "w2v": 94_371_712,
        "fusion": 3 * (4 * (768 * 768 + 768) + 2 * 768),
        "decoder": 768 * 64 + 64 + 64 + 1,
    }
    assert sum(parts.values()) - parts["w2v"] == 14_644_097
    with torch.device("meta"):
        literal = ApgmosNetwork(ApgmosConfig(L=4, output_projection=False))
    added = count_parameters(literal) - parts["w2v"]
    assert round(added / 1e6, 2) == 14.65  # the other reading of the paper


# --- losses -------------------------------------------------------------------------------------------------------


def test_the_ranking_loss_on_hand_made_pairs() -> None:
    labels = torch.tensor([3.0, 3.05, 1.0, 1.0])
    scores = torch.tensor([2.0, 3.0, 2.5, 2.5])
    wanted = []
    for first, second in combinations(range(4), 2):
        gap = float(labels[first] - labels[second])
        target = 0.5 if abs(gap) < 0.1 else float(gap > 0)
        chance = torch.sigmoid(scores[first] - scores[second])
        wanted.append(-(target * chance.log() + (1 - target) * (1 - chance).log()))
    torch.testing.assert_close(ranking_loss(scores, labels), torch.stack(wanted).mean())
    turned = [3, 1, 0, 2]
    torch.testing.assert_close(ranking_loss(scores[turned], labels[turned]), ranking_loss(scores, labels))
    torch.testing.assert_close(ranking_loss(torch.tensor([2.0, 2.0]), labels[:2]), torch.tensor(2.0).log())


@pytest.mark.parametrize("low", [1.0, 2.3, 3.0, 4.8])
@pytest.mark.parametrize("scale", [(1.0, 5.0), (0.0, 100.0)])
def test_labels_exactly_0_1_apart_are_no_tie_and_closer_ones_are(low: float, scale: tuple[float, float]) -> None:
    span = (scale[1] - scale[0]) / 4.0
    scores, hopeless = torch.tensor([3.0, 2.0]), torch.tensor([2.0, 3.0])
    for gap, tied in ((0.1, False), (0.0999, True)):
        targets = torch.tensor([scale[0] + (low - 1 + gap) * span, scale[0] + (low - 1) * span])
        labels = 1.0 + 4.0 * (targets - scale[0]) / (scale[1] - scale[0])
        assert torch.isclose(ranking_loss(scores, labels), ranking_loss(hopeless, labels)) == tied


def test_the_ranking_loss_of_one_clip_is_0_and_of_huge_gaps_is_finite() -> None:
    alone = torch.tensor([2.0], requires_grad=True)
    loss = ranking_loss(alone, torch.tensor([3.0]))
    loss.backward()
    assert float(loss.detach()) == 0.0
    scores = torch.tensor([1e3, -1e3, 0.0], requires_grad=True)
    loss = ranking_loss(scores, torch.tensor([1.0, 5.0, 3.0]))
    loss.backward()
    assert loss.isfinite()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_the_regression_loss_is_a_mean_over_clips_of_means_over_positions() -> None:
    positions = torch.tensor([[2.0, 4.0, 99.0], [1.0, 1.3, 3.0]])
    weights = torch.tensor([[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]])
    labels = torch.tensor([3.0, 1.0])
    torch.testing.assert_close(regression_loss(positions, weights, labels), torch.tensor((1.0 + 2.3 / 3) / 2))
    torch.testing.assert_close(regression_loss(positions, weights, labels, 0.5), torch.tensor((1.0 + 2.0 / 3) / 2))


def test_losses_of_the_joint_stage_are_weighted_and_labels_are_on_the_decoder_s_scale(make_tiny: Make) -> None:
    from mosharness.harness.recipes.recipe import Stage

    positions = torch.tensor([[2.0, 4.0], [1.0, 3.0], [5.0, 5.0]])
    outputs = {"positions": positions, "weights": torch.full((3, 2), 0.5)}
    targets = torch.tensor([[50.0], [100.0], [torch.nan]])
    model = make_tiny(scale=(0, 100), alpha=0.75)
    training = training_of(model)
    labels = torch.tensor([3.0, 5.0])
    training.enter(Stage("joint", epochs=1))
    found = training.losses(outputs, targets)
    regression = regression_loss(positions[:2], outputs["weights"][:2], labels)
    torch.testing.assert_close(found["reg"], 0.75 * regression)
    torch.testing.assert_close(found["rank"], 0.25 * ranking_loss(positions[:2].mean(1), labels))
    training.enter(Stage("w2v", epochs=1))
    torch.testing.assert_close(training.losses(outputs, targets), {"reg": regression})
    without = training_of(make_tiny(scale=(0, 100), alpha=1.0))
    without.enter(Stage("joint", epochs=1))
    torch.testing.assert_close(without.losses(outputs, targets), {"reg": regression})
    training.enter(Stage("joint", epochs=1))
    unrated = training.losses(outputs, torch.full((3, 1), torch.nan))
    assert float(unrated["reg"]) == 0.0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"alpha": 1.5}, "alpha from 0 to 1"),
        ({"scale": (5, 1)}, "lowest and highest label"),
        ({"tau": 0}, "tau = 0: at least 1"),
        ({"variant": "w/o SDM", "queries": "all"}, "has no semantic queries"),
        ({"variant": "APM+D", "queries": "semantic"}, "has no semantic queries"),
        ({"chunk_seconds": 1.0}, "at least 2"),
        ({"chunk_seconds": float("inf")}, "chunk_seconds = inf: a finite number"),
        ({"chunk_seconds": float("nan")}, "chunk_seconds = nan: a finite number"),
        ({"heads": 7}, "heads = 7: must divide 24"),
        ({"size": "base", "heads": 7}, "heads = 7: must divide 768"),
        ({"decoder_dropout": 1.0}, "decoder_dropout = 1.0: from 0 to below 1"),
        ({"decoder_dropout": -0.1}, "decoder_dropout = -0.1"),
        ({"decoder_dropout": float("nan")}, "decoder_dropout = nan"),
        ({"margin": -0.5}, "margin = -0.5: a number from 0"),
        ({"tie": -0.1}, "tie = -0.1: a number from 0"),
        ({"tie": float("nan")}, "tie = nan: a number from 0"),
        ({"dimension": ""}, "dimension is empty"),
        ({"dimension": "  "}, "dimension is empty"),
        ({"rms_db": float("nan")}, "rms_db = nan: a finite number"),
        ({"scale": (1, float("inf"))}, "lowest and highest label"),
        ({"low": 500.0, "high": 400.0}, "low = 500 and high = 400"),
        ({"variant": "Mel+D", "high": 9000.0}, "the Mel bands end at 8000 Hz"),
    ],
)
def test_settings_are_checked(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Apgmos({"size": "tiny", **config}, device="cpu")
