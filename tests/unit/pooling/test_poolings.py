"""The pooling library: names, first values, gradients, masks, types, and every pooling inside sslmos."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import AudioError, UnknownName, UsageError
from mosharness.predictors import load_predictor
from mosharness.predictors.audiobox import Audiobox
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.pooling import PAPER_POOLINGS, POOLINGS, make_pooling, pooling_name
from mosharness.predictors.layers.pooling.attentive import Attentive, DualResolution, SegmentalAttentive
from mosharness.predictors.layers.pooling.base import VARIANCE_FLOOR, require_frames
from mosharness.predictors.sslmos import SslMos
from torch import Tensor

FLOOR = math.sqrt(VARIANCE_FLOOR)
WITH_DEVIATIONS = ("statistics", "attentive_statistics", "segmental_attentive_statistics", "drasp")


def make(name: str, channels: int = 8, **settings: Any) -> Any:
    torch.manual_seed(0)
    pooling = make_pooling(name, channels, **settings)
    if isinstance(pooling, DualResolution):  # a fresh one gives no weight to its second branch
        torch.nn.init.constant_(pooling.alpha, 0.7)
        torch.nn.init.constant_(pooling.beta, 0.4)
    return pooling


def frames_of(n: int = 3, steps: int = 13, channels: int = 8) -> Tensor:
    return torch.randn(n, steps, channels, generator=torch.Generator().manual_seed(1))


def test_the_eight_of_the_paper_come_first_and_aliases_lead_to_them() -> None:
    assert len(PAPER_POOLINGS) == 8
    assert list(POOLINGS)[:8] == list(PAPER_POOLINGS)
    for name, kind in POOLINGS.items():
        for alias in (name, *kind.aliases):
            assert pooling_name(alias) == name
            assert type(make_pooling(alias, 8)) is type(make_pooling(name, 8))
    every = [alias for name, kind in POOLINGS.items() for alias in (name, *kind.aliases)]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("name", POOLINGS)
def test_the_width_is_as_announced(name: str) -> None:
    for settings in ({}, {"deviations": True}, {"num_heads": 2, "segment_size": 3}):
        pooling = make(name, **settings)
        assert pooling(frames_of()).shape == (3, pooling.output_channels)
    doubled = name in WITH_DEVIATIONS
    heads = 4 if name == "multires_multihead_attentive" else 1
    assert make(name).output_channels == 8 * (1 + doubled) * heads


def test_wrong_settings_say_what_to_do() -> None:
    with pytest.raises(UnknownName, match='no pooling called "drap s"'):
        make_pooling("drap s", 8)
    with pytest.raises(UsageError, match="segment_size 0: a segment has one frame or more"):
        make_pooling("drasp", 8, segment_size=0)
    with pytest.raises(UsageError, match="num_heads 3: 8 channels cannot be shared out equally"):
        make_pooling("mha", 8, num_heads=3)
    with pytest.raises(UsageError, match="num_heads 4, head_width 0"):
        make_pooling("mrmha", 8, head_width=0)


def test_drasp_begins_as_statistics_pooling() -> None:
    pooling = make_pooling("drasp", 8)
    assert isinstance(pooling, DualResolution)
    assert (pooling.alpha.item(), pooling.beta.item()) == (1.0, 0.0)
    assert pooling.alpha.shape == pooling.beta.shape == ()
    torch.testing.assert_close(pooling(frames_of()), make_pooling("statistics", 8)(frames_of()), rtol=0, atol=0)
    bound = math.sqrt(6 / (8 + 1))  # Xavier on (8, 1)
    assert pooling.segmental.attention.abs().max() <= bound


def test_gradients_reach_both_branches_of_drasp_after_the_first_step() -> None:
    torch.manual_seed(0)
    pooling = make_pooling("drasp", 8)
    assert isinstance(pooling, DualResolution)
    attention = dict(pooling.segmental.named_parameters())
    for step in range(2):
        pooling.zero_grad()
        pooling(frames_of()).square().sum().backward()
        assert pooling.alpha.grad and pooling.beta.grad
        moved = {name: bool(one.grad.abs().max() > 0) for name, one in attention.items() if one.grad is not None}
        assert moved == dict.fromkeys(attention, step > 0), f"step {step}"
        with torch.no_grad():
            for parameter in pooling.parameters():
                assert parameter.grad is not None
                parameter.sub_(0.1 * parameter.grad)


@pytest.mark.parametrize("name", POOLINGS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    pooling = make(name)
    weight = torch.randn(pooling.output_channels, generator=torch.Generator().manual_seed(2))
    frames = frames_of().requires_grad_()
    (pooling(frames, torch.tensor([13, 9, 4])) * weight).sum().backward()
    for key, one in (*pooling.named_parameters(), ("frames", frames)):
        assert one.grad is not None and one.grad.isfinite().all()
        if key != "last_affine.bias":  # a constant added to all scores: softmax does not see it
            assert one.grad.abs().max() > 0, key
    assert frames.grad is not None and not frames.grad[1, 9:].any() and not frames.grad[2, 4:].any()


@pytest.mark.parametrize("name", POOLINGS)
def test_constant_frames_give_the_floor_uniform_attention_and_no_nan(name: str) -> None:
    frames = torch.full((2, 12, 8), 100.0, requires_grad=True)
    pooling = make(name, segment_size=4)
    pooled = pooling(frames, torch.tensor([12, 5]))
    scale = 1.1 if isinstance(pooling, DualResolution) else 1.0  # alpha + beta
    means = pooled if name not in WITH_DEVIATIONS else pooled[:, :8]
    torch.testing.assert_close(means, torch.full_like(means, 100.0 * scale))
    if name in WITH_DEVIATIONS:
        torch.testing.assert_close(pooled[:, 8:], torch.full((2, 8), FLOOR * scale))
    pooled.sum().backward()
    assert frames.grad is not None and frames.grad.isfinite().all()
    branch = pooling.segmental if isinstance(pooling, DualResolution) else pooling
    if isinstance(branch, SegmentalAttentive):
        vectors, valid = branch.segments(frames.detach())
        torch.testing.assert_close(branch.attention_weights(vectors, valid), torch.full((2, 3, 1), 1 / 3))
    elif isinstance(branch, Attentive):
        torch.testing.assert_close(branch.attention_weights(frames.detach()), torch.full((2, 12, 1), 1 / 12))


@pytest.mark.parametrize("name", POOLINGS)
def test_a_row_without_a_valid_frame_is_finite_and_leaves_the_others_alone(name: str) -> None:
    pooling = make(name)
    pooled = pooling(frames_of(), torch.tensor([13, 0, 6]))
    assert pooled.isfinite().all()
    torch.testing.assert_close(pooled[[0, 2]], pooling(frames_of()[[0, 2]], torch.tensor([13, 6])))
    if name == "drasp":
        assert pooled[1].tolist() == pytest.approx([0.0] * 8 + [1.1 * FLOOR] * 8)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("padding", [math.nan, math.inf, -math.inf, 3e38])
def test_a_row_without_a_valid_frame_is_finite_whatever_stands_there(name: str, padding: float) -> None:
    frames = frames_of()
    frames[1, 2:] = padding
    frames.requires_grad_()
    pooling = make(name)
    pooled = pooling(frames, torch.tensor([13, 0, 6]))
    assert pooled.isfinite().all()
    torch.testing.assert_close(pooled[[0, 2]], pooling(frames_of()[[0, 2]], torch.tensor([13, 6])))
    pooled.sum().backward()
    assert frames.grad is not None and frames.grad.isfinite().all()
    assert pooling(frames.detach(), mask=torch.zeros(3, 13)).isfinite().all()


@pytest.mark.parametrize("head", ["linear", "frames"])
def test_sslmos_refuses_a_row_without_a_frame(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = SslMos({"backbone": "wav2vec2-tiny", "head": head}, device="cpu").network
    states = torch.zeros(2, 7, network.backbone.channels)
    monkeypatch.setattr(network.backbone, "forward", lambda *_: (states, torch.tensor([7, 0])))
    with pytest.raises(UsageError, match="clip 1 of a batch of 2 has no valid frame"):
        network(torch.zeros(2, 4000), [4000, 4000])


@pytest.mark.parametrize("pooling", ["average", "drasp"])
def test_audiobox_refuses_a_row_without_a_frame(pooling: str) -> None:
    network = Audiobox({"size": "tiny", "pooling": pooling}, device="cpu").network
    states = torch.zeros(network.backbone.n_layers + 1, 2, 7, network.backbone.channels)
    with pytest.raises(UsageError, match="clip 1 of a batch of 2 has no valid frame"):
        network.heads_of(states, torch.tensor([7, 0]))


def test_a_predictor_that_would_pool_nothing_raises() -> None:
    require_frames(torch.tensor([1, 5]))
    with pytest.raises(UsageError, match="clip 1 of a batch of 3 has no valid frame"):
        require_frames(torch.tensor([2, 0, 4]))
    predictor = SslMos({"backbone": "wav2vec2-tiny", "pooling": "drasp"}, device="cpu")
    with pytest.raises(AudioError, match="one frame needs 400"):
        predictor.prepare(clip_from_array(speech_like(0.02, 16_000, 0), 16_000))
    with pytest.raises(UsageError, match="each needs 400 samples or more"):
        predictor.network(torch.zeros(2, 500), [500, 399])


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite_and_near(name: str, dtype: torch.dtype) -> None:
    pooling = make(name)
    frames = 100.0 * frames_of()
    expected, counts = pooling(frames.to(dtype).float(), torch.tensor([13, 9, 1])), torch.tensor([13, 9, 1])
    for module in (pooling, make(name).to(dtype)):
        found = module(frames.to(dtype), counts)
        assert found.isfinite().all()
        assert found.dtype == torch.float32
    torch.testing.assert_close(pooling(frames.to(dtype), counts), expected)
    large = pooling(torch.full((1, 5, 8), 60_000.0).to(dtype), torch.tensor([5]))
    assert large.isfinite().all()
    wanted = pooling(frames, counts)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(pooling(frames, counts), wanted, rtol=0, atol=0)
    assert pooling(frames.double(), counts).dtype == torch.float64


def test_a_short_last_segment_is_the_mean_of_the_frames_it_has() -> None:
    frames = torch.ones(1, 5, 8)
    ours, theirs = make("gsap", segment_size=4), make("gsap", segment_size=4, zero_pad_remainder=True)
    assert isinstance(ours, SegmentalAttentive) and isinstance(theirs, SegmentalAttentive)
    assert ours.segments(frames)[0][0, :, 0].tolist() == [1.0, 1.0]
    assert theirs.segments(frames)[0][0, :, 0].tolist() == [1.0, 0.25]
    masked = theirs.segments(frames, torch.ones(1, 5, dtype=torch.bool))[0]
    assert masked[0, :, 0].tolist() == [1.0, 1.0]
    vectors, valid = ours.segments(frames, torch.tensor([[True, True, False, False, False]]))
    assert valid is not None and valid.tolist() == [[True, False]]
    assert vectors[0, :, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name", POOLINGS)
def test_every_pooling_works_in_sslmos_and_its_checkpoints_come_back(name: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    predictor = SslMos({"backbone": "wav2vec2-tiny", "pooling": name, "segment_size": 3}, device="cpu")
    waves = [speech_like(length, 16_000, at) for at, length in enumerate((0.2, 0.31, 0.5))]
    items = [predictor.prepare(clip_from_array(wave, 16_000)) for wave in waves]
    batch = predictor.collate(items)
    with torch.no_grad():
        together = predictor.forward(batch).numpy()
    scores = predictor.predict(waves, 16_000)
    assert abs(together - scores).max() < 1e-5
    again = load_predictor("sslmos", predictor.save_pretrained(tmp_path), device="cpu")
    assert (again.predict(waves, 16_000) == scores).all()


def test_old_checkpoints_with_the_mean_still_load(tmp_path: Any) -> None:
    """They have no segment_size and no num_heads in their settings."""
    import json

    predictor = SslMos({"backbone": "wav2vec2-tiny", "pooling": "mean"}, device="cpu")
    folder = predictor.save_pretrained(tmp_path)
    saved = json.loads((folder / "config.json").read_text())
    for name in ("segment_size", "num_heads"):
        del saved["config"][name]
    (folder / "config.json").write_text(json.dumps(saved))
    wave = [speech_like(0.3, 16_000, 0)]
    assert load_predictor("sslmos", folder, device="cpu").predict(wave, 16_000) == predictor.predict(wave, 16_000)


def test_no_two_poolings_are_the_same_function() -> None:
    found = {name: make(name)(frames_of()) for name in POOLINGS}
    for (one, first), (other, second) in itertools.combinations(found.items(), 2):
        if first.shape == second.shape:
            assert (first - second).abs().max() > 1e-3, f"{one} and {other}"
