"""Chunks: lengths, weights, and that trimming them changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import UsageError
from mosharness.predictors.audiobox import Audiobox, collate_chunks
from mosharness.predictors.audiobox.chunks import CHUNK, FRAMES, kept_samples, split, valid_frames
from mosharness.predictors.audiobox.norm import ZeroPaddedGroupNorm
from mosharness.predictors.audiobox.training import training_crop
from mosharness.predictors.conformance import check_predictor, speech_like
from mosharness.predictors.layers.pooling import POOLINGS
from mosharness.predictors.layers.ssl.shapes import frame_counts

LENGTHS = (1, 320, 321, 400, 60_000, 159_360, 159_361, 159_761, 160_000)


def make(**config: Any) -> Audiobox:
    """A miniature whose scores differ between clips."""
    torch.manual_seed(3)
    predictor = Audiobox({"size": "tiny", "head_layers": 2, **config}, device="cpu")
    with torch.no_grad():
        for weights in predictor.network.layer_weights.values():
            weights.normal_()
        for head in predictor.network.heads.values():
            head[-1].weight.mul_(20.0)  # type: ignore[index,operator,union-attr]
    predictor.weights_changed()
    return predictor


def wave_of(samples: int, seed: int = 0) -> np.ndarray:
    wave = speech_like(max(samples, 1600) / 16_000, 16_000, seed)[:samples]
    return np.ascontiguousarray(wave, np.float32)


def test_valid_frames_are_those_with_a_sample_and_kept_samples_give_just_them() -> None:
    for samples in (*LENGTHS, *range(1, CHUNK + 1, 997)):
        mask = np.zeros(CHUNK, bool)
        mask[:samples] = True
        frames = int(mask[: FRAMES * 320].reshape(FRAMES, 320).any(1).sum())
        assert valid_frames(samples) == frames
        assert frame_counts([kept_samples(samples)]) == [frames]
        assert samples <= kept_samples(samples) <= CHUNK


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("pooling", ["average", "drasp"])
def test_a_trimmed_chunk_scores_as_one_that_is_padded_to_ten_seconds(pooling: str) -> None:
    """The padded form is computed by the WavLM of transformers with its own attention mask."""
    predictor = make(pooling=pooling)
    network, model = predictor.network, predictor.network.backbone.model
    scores = []
    for samples in LENGTHS:
        (chunk,) = split(wave_of(samples)).waves
        padded = torch.from_numpy(np.pad(chunk, (0, CHUNK - len(chunk))))[None]
        mask = (torch.arange(CHUNK) < len(chunk))[None].long()
        with torch.no_grad():
            states = torch.stack(model(padded, attention_mask=mask, output_hidden_states=True).hidden_states)
            expected = network.heads_of(states, torch.tensor([valid_frames(samples)])).raw
            found = network(torch.from_numpy(chunk)[None], [len(chunk)])
            own = network(padded, [len(chunk)])  # with room behind the chunk
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(own, expected, rtol=0, atol=1e-5)
        scores.append(found)
    assert torch.cat(scores).std(0).min() > 0.01


def test_without_the_zeros_in_its_norm_a_short_chunk_scores_otherwise() -> None:
    """So the test above would notice."""
    predictor = make()
    (chunk,) = split(wave_of(30_000)).waves
    layer = predictor.network.backbone.model.feature_extractor.conv_layers[0]
    assert isinstance(layer.layer_norm, ZeroPaddedGroupNorm)
    with torch.no_grad():
        exact = predictor.network(torch.from_numpy(chunk)[None], [len(chunk)])
        layer.layer_norm.steps = frame_counts([len(chunk)], (10,), (5,))[0]
        plain = predictor.network(torch.from_numpy(chunk)[None], [len(chunk)])
    assert (exact - plain).abs().max() > 1e-3


def test_long_clips_are_the_mean_of_their_chunks_weighted_by_length() -> None:
    predictor = make()
    wave = wave_of(2 * CHUNK + 40_000)
    chunks = split(wave)
    assert chunks.weights == (1.0, 1.0, 0.25)
    assert [len(part) for part in chunks.waves] == [CHUNK, CHUNK, kept_samples(40_000)]
    parts = predictor.predict([wave[:CHUNK], wave[CHUNK : 2 * CHUNK], wave[2 * CHUNK :]], 16_000)
    expected = np.average(parts, axis=0, weights=chunks.weights)
    np.testing.assert_allclose(predictor.predict([wave], 16_000)[0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_scores_do_not_depend_on_how_chunks_share_a_batch(pooling: str) -> None:
    predictor = make(pooling=pooling, segment_size=3)
    waves = [wave_of(samples, at) for at, samples in enumerate((4000, CHUNK + 1600, 1601, 12_345, 7000))]
    alone = predictor.predict(waves, 16_000)
    batch = collate_chunks([split(wave) for wave in waves])
    for rows in (1, 2, 6):
        with torch.no_grad():
            together = predictor.network.score_clips(batch, rows).numpy()
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
    assert alone.shape == (5, 4)
    assert alone.std(0).min() > 1e-3


def test_a_clip_s_chunks_are_summed_alone() -> None:
    """Also where another clip of the batch has no number; as a product with zeros would give NaN."""
    network = make().network
    batch = collate_chunks([split(wave_of(CHUNK + 4000)), split(wave_of(9000, 1)), split(wave_of(3000, 2))])
    with torch.no_grad():
        expected = network.score_clips(batch, 4)
        batch["waves"][batch["clips"] == 1] = torch.nan
        found = network.score_clips(batch, 1)
    torch.testing.assert_close(found[[0, 2]], expected[[0, 2]], rtol=0, atol=1e-5)
    assert found[1].isnan().all()


def test_bfloat16_scores_are_near_those_of_float32() -> None:
    for pooling in ("average", "drasp"):
        predictor = make(pooling=pooling)
        waves = [wave_of(CHUNK + 20_000), wave_of(9000, 1)]
        wanted = predictor.predict(waves, 16_000)
        predictor.precision = "bfloat16"
        found = predictor.predict(waves, 16_000)
        assert 0 < np.abs(found - wanted).max() < 0.3


@pytest.mark.slow
def test_the_contract_of_predictors_is_kept() -> None:
    faults = [f"{one.name}: {one.detail}" for one in check_predictor(make()) if not one.passed]
    assert faults == []


def test_level_counts_unless_chunks_are_normalised() -> None:
    wave = wave_of(20_000)
    level = np.sqrt(np.square(wave, dtype=np.float64).sum() / CHUNK)
    np.testing.assert_allclose(split(wave, rms_normalize=True).waves[0][: len(wave)], wave / level, rtol=1e-6)
    silent = split(np.zeros(1000, np.float32), rms_normalize=True).waves[0]
    assert not silent.any()
    quiet = [wave, np.float32(0.01) * wave]
    plain, levelled = make(), make(rms_normalize=True)
    assert abs(np.diff(plain.predict(quiet, 16_000), axis=0)).max() > 1e-4
    assert abs(np.diff(levelled.predict(quiet, 16_000), axis=0)).max() < 1e-5


def test_training_takes_one_crop_of_ten_seconds_drawn_from_its_generator() -> None:
    wave = wave_of(CHUNK + 5000)
    clip = clip_from_array(wave, 16_000)
    first = training_crop(clip, np.random.default_rng(1), crop=False, rms_normalize=False)
    np.testing.assert_array_equal(first.waves[0], clip.samples[:CHUNK])
    starts = set()
    for seed in range(5):
        one, again = (training_crop(clip, np.random.default_rng(seed), crop=True, rms_normalize=False) for _ in "ab")
        np.testing.assert_array_equal(one.waves[0], again.waves[0])
        assert one.weights == (1.0,)
        starts.add(one.waves[0][:100].tobytes())
    assert len(starts) > 1
    short = training_crop(
        clip_from_array(wave[-900:], 16_000), np.random.default_rng(1), crop=True, rms_normalize=False
    )
    assert short.weights == (900 / CHUNK,)


def test_settings_are_checked() -> None:
    for config, message in (
        ({"size": "large"}, "size = 'large': use one of tiny, base"),
        ({"size": "tiny", "head_layers": 0}, "a head has one layer or more"),
    ):
        with pytest.raises(UsageError, match=message):
            Audiobox(config, device="cpu")
