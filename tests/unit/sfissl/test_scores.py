"""Scores of SFI-SSL: any rate, any batch, listeners, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.predictors import empty, load_predictor
from mosharness.predictors.sfissl import SfiSsl
from mosharness.predictors.sfissl.convert import NAMES

Make = Callable[..., SfiSsl]
RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)


def wave(rate: int, seconds: float = 0.4, pitch: float = 220.0) -> np.ndarray:
    """A harmonic tone below 3.5 kHz with a slow envelope: the same sound at every rate."""
    times = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * math.pi * pitch * order * times) / order for order in range(1, 16))
    return (0.1 * tone * (1.2 + np.sin(2 * math.pi * 3.0 * times))).astype(np.float32)


def mixed() -> list[tuple[np.ndarray, int]]:
    return [(wave(rate, 0.2 + 0.05 * at, 150.0 + 20 * at), rate) for at, rate in enumerate(2 * RATES)]


def test_scores_do_not_depend_on_the_batch_and_batches_have_one_rate(make: Make, monkeypatch: Any) -> None:
    predictor = make(score_rows=(1, 2, 3))
    clips = mixed()
    alone = np.concatenate([predictor.predict([clip]) for clip in clips])
    assert ((alone > 1.0) & (alone < 5.0)).all()
    assert len(np.unique(alone.round(6))) > 1
    seen = []
    original = predictor.collate

    def collate(items: Any) -> Any:
        seen.append(sorted({item.sample_rate for item in items}))
        return original(items)

    monkeypatch.setattr(predictor, "collate", collate)
    predictor.device = "cpu:0"  # padded batches, as on a GPU
    predictor.parallel_score = False
    together = predictor.predict(clips)
    assert np.abs(together - alone).max() <= 1e-5
    assert sorted(seen) == [[rate] for rate in sorted(RATES)]


def test_a_mixed_batch_is_refused_with_the_setting_that_prevents_it(make: Make) -> None:
    predictor = make()
    items = [predictor.prepare(clip_from_array(wave(rate), rate)) for rate in (16_000, 48_000)]
    with pytest.raises(UsageError, match=r"16000 and 48000 Hz.*same_rate"):
        predictor.collate(items)


def test_the_score_of_one_sound_moves_by_less_than_a_twentieth_from_rate_to_rate(make: Make) -> None:
    scores = make(filters="gaussian").predict([(wave(rate, 1.0), rate) for rate in RATES])
    assert np.ptp(scores) < 0.05


def test_the_score_is_the_mean_over_listeners(make: Make) -> None:
    rows = tuple(range(1, 11))
    together = make(score_rows=rows).predict([(wave(24_000), 24_000)])
    single = [make(score_rows=(row,)).predict([(wave(24_000), 24_000)]) for row in rows]
    assert np.allclose(together, np.mean(single, axis=0), atol=1e-6)
    assert np.ptp(single) > 1e-4
    assert make(score_rows=rows).stated_settings() == "mean over 10 listeners"


def test_without_the_layer_clips_are_resampled_and_the_rate_embedding_knows_their_rate(make: Make) -> None:
    predictor = make(first_layer="conv", rate_embedding=True)
    item = predictor.prepare(clip_from_array(wave(48_000), 48_000))
    assert (item.sample_rate, item.native_rate, len(item.wave)) == (16_000, 48_000, 6_400)
    assert abs(float(item.wave.mean())) < 1e-6
    batch = predictor.collate([item])
    with torch.no_grad():
        high = predictor.forward(batch)
        low = predictor.forward({**batch, "native_rates": torch.tensor([16_000])})
    assert abs(float(high - low)) > 1e-6
    rates = torch.tensor([8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
    assert predictor.network.rate_rows(rates).tolist() == [0, 0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("rate", [6_000, 44_101])
def test_rates_that_are_not_supported_are_resampled_with_a_warning(make: Make, rate: int) -> None:
    predictor, clip = make(), clip_from_array(wave(rate), rate)
    nearest = {6_000: 8_000, 44_101: 44_100}[rate]
    assert predictor.prepare(clip).sample_rate == nearest
    (finding,) = predictor.findings(clip)
    assert finding.code == "resampled" and f"brought to {nearest} Hz" in finding.message
    assert not predictor.findings(clip_from_array(wave(nearest), nearest))


@pytest.mark.parametrize("rate", RATES)
def test_the_shortest_clip_has_one_frame_and_a_shorter_one_a_reason(make: Make, rate: int) -> None:
    predictor = make()
    shortest = math.ceil(0.025 * rate)
    items = predictor.prepare(clip_from_array(wave(rate)[:shortest], rate))
    with torch.no_grad():
        _, counts = predictor.network.frames(torch.from_numpy(items.wave)[None], None, rate)
    assert counts.tolist() == [1]
    with pytest.raises(Exception, match="one frame needs"):
        predictor.prepare(clip_from_array(wave(rate)[: shortest - 1], rate))


@pytest.mark.parametrize(
    "settings",
    [
        {"filters": "gaussian"},
        {"filters": "gaussian", "design": "time"},
        {"filters": "gammatone", "design": "time"},
        {"backbone": "wavlm-tiny"},
        {"backbone": "wav2vec2-tiny_large"},
        {"stride": "floor"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_every_bank_design_and_backbone_scores_every_rate_and_is_kept(
    make: Make, settings: dict[str, Any], tmp_path: Path
) -> None:
    predictor = make(**settings)
    clips = [(wave(rate), rate) for rate in (8_000, 24_000, 48_000)]
    scores = predictor.predict(clips)
    assert np.isfinite(scores).all()
    again = load_predictor("sfissl", predictor.save_pretrained(tmp_path / "kept"), device="cpu")
    assert np.array_equal(again.predict(clips), scores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters": "gammatone"}, "no design frequency"),
        ({"design": "time"}, "no design time"),
        ({"backbone": "hubert-huge"}, "write KIND-SIZE"),
        ({"listener_rows": 2, "listeners": ("a:1", "a:2")}, "2 listeners and row 0 do not fit"),
        ({"score_rows": (1000,)}, "from 0 to 999"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Make, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(**settings)


# -- official files ---------------------------------------------------------------------------------------------------


def official(predictor: SfiSsl) -> dict[str, Any]:
    """The tensors of a predictor under official names."""
    names = {ours: theirs for theirs, ours in NAMES.items()}
    return {
        names.get(name, name.replace("backbone.model.", "ssl_model.")): value
        for name, value in predictor.tensors().items()
    }


@pytest.mark.parametrize("settings", [{}, {"rate_embedding": True}, {"first_layer": "conv"}])
def test_official_files_load(
    make: Make, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = make(**settings, score_rows=tuple(range(1, 11)))
    monkeypatch.setattr(empty, "FILL", float("nan"))  # what the file does not bring would be refused
    path = tmp_path / "epoch=9.ckpt"
    state = official(predictor)
    state.pop("ssl_model.masked_spec_embed")
    torch.save({"state_dict": state, "epoch": 9}, path)
    loaded = load_predictor("sfissl", path, device="cpu")
    assert loaded.config.score_rows == tuple(range(1, 11))
    clips = [(wave(rate), rate) for rate in (16_000, 24_000)]
    assert np.array_equal(loaded.predict(clips), predictor.predict(clips))


def test_the_two_uncertain_names_are_found_by_shape_and_others_refused(make: Make, tmp_path: Path) -> None:
    predictor = make()
    state = official(predictor)
    bank = "ssl_model.feature_extractor.conv_layers.0.conv.continuous_filters."
    state[bank + "frequencies"] = state.pop(bank + "RFF_param")
    state[bank + "omega_max"] = state.pop(bank + "max_ang_freq")
    path = tmp_path / "other.ckpt"
    torch.save(state, path)
    assert np.array_equal(
        load_predictor("sfissl", path, device="cpu", score_rows=[0]).predict([(wave(48_000), 48_000)]),
        predictor.predict([(wave(48_000), 48_000)]),
    )
    torch.save({**state, "more": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"1 tensors are not known \(first: more\)"):
        load_predictor("sfissl", path, device="cpu")
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="no SFI-SSL checkpoint"):
        load_predictor("sfissl", path, device="cpu")
