"""What a score of UTMOSv2 depends on, and what it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mosharness.harness.audio.read import Waveform, clip_from_array
from mosharness.harness.core.clip import Clip
from mosharness.harness.core.errors import AudioError, MosharnessError, PredictionError, UnknownName, UsageError
from mosharness.harness.engine.pipeline import score_batches
from mosharness.predictors.conformance import check_predictor
from mosharness.predictors.utmosv2 import DOMAINS, Utmosv2
from mosharness.predictors.utmosv2.config import SIZES, Architecture
from mosharness.predictors.utmosv2.draws import content_generator, cut, draw, tiled_length
from mosharness.predictors.utmosv2.silence import remove_silent_section

Make = Callable[..., Utmosv2]
Waves = list[Any]


def test_order_batch_workers_and_names_change_nothing(make_tiny: Make, waves: Waves, tmp_path: Path) -> None:
    predictor = make_tiny()
    alone = np.concatenate([predictor.predict([wave], 16_000) for wave in waves])
    assert alone.std() > 0.3
    order = [4, 0, 5, 2, 3, 1]
    shuffled = predictor.predict([waves[at] for at in order], 16_000, workers=3)
    assert np.array_equal(shuffled, alone[order])
    files = []
    for at, wave in enumerate(waves):
        files.append(tmp_path / f"{9 - at}.wav")
        soundfile.write(files[-1], wave, 16_000, subtype="FLOAT")
    assert np.array_equal(predictor.predict(files, workers=1), alone)


def test_a_batch_in_one_pass_gives_the_scores_of_single_clips(make_tiny: Make, waves: Waves) -> None:
    predictor = make_tiny()
    items = [predictor.prepare_clip(clip_from_array(wave, 16_000)) for wave in waves]
    alone = np.concatenate([predictor.score([item]) for item in items])
    predictor.rows = len(items)
    together = predictor.score(items)
    predictor.rows = 4
    assert np.abs(together - alone).max() < 1e-5
    assert np.abs(predictor.score(items[::-1]) - alone[::-1]).max() < 1e-5


def test_the_seed_decides_the_draw(make_tiny: Make, waves: Waves) -> None:
    first = make_tiny().predict(waves, 16_000)
    assert np.array_equal(make_tiny(seed=0).predict(waves, 16_000), first)
    other = make_tiny(seed=1).predict(waves, 16_000)
    assert (other != first).all()


def test_draws_differ_between_content_folds_and_repetitions() -> None:
    sizes = SIZES["tiny"]
    keys = [(0, "a", 0, 0), (1, "a", 0, 0), (0, "b", 0, 0), (0, "a", 1, 0), (0, "a", 0, 1)]
    starts = [draw(content_generator(*key), 900_000, sizes).ssl_start for key in keys]
    assert len(set(starts)) == len(starts)
    assert draw(content_generator(*keys[0]), 900_000, sizes).ssl_start == starts[0]


def test_another_domain_shifts_all_scores_by_one_constant(make_tiny: Make, waves: Waves) -> None:
    shift = make_tiny(predict_dataset="somos").predict(waves, 16_000) - make_tiny().predict(waves, 16_000)
    assert np.abs(shift - shift[0]).max() < 1e-6
    assert abs(shift[0, 0]) > 1e-4


def test_detailed_scores_hold_every_draw_and_domain(make_tiny: Make, waves: Waves) -> None:
    predictor = make_tiny(folds=[0, 3], repetitions=3)
    scores = predictor.predict(waves, 16_000)
    assert predictor.dimensions == ("mos", "mos_spread")
    detailed = predictor.predict_detailed(waves, 16_000)
    assert detailed.scores.shape == (len(waves), 2, 3, len(DOMAINS))
    assert np.abs(detailed.mean() - scores[:, 0]).max() < 1e-6
    assert np.abs(detailed.spread() - scores[:, 1]).max() < 1e-6
    assert (detailed.spread() > 0).all()
    shift = detailed.mean("bvcc") - detailed.mean()
    assert np.abs(shift - shift[0]).max() < 1e-6
    with pytest.raises(UnknownName, match="bvcd"):
        detailed.mean("bvcd")
    single = make_tiny().predict_detailed(waves[:1], 16_000)
    assert np.isnan(single.spread()).all()


def test_more_repetitions_begin_with_the_same_draws(make_tiny: Make, waves: Waves) -> None:
    one, three = make_tiny(), make_tiny(repetitions=3)
    assert np.array_equal(
        three.predict_detailed(waves, 16_000).scores[:, 0, 0], one.predict_detailed(waves, 16_000).scores[:, 0, 0]
    )


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_sampling_rates_and_stereo_score_and_files_equal_arrays(
    make_tiny: Make, waves: Waves, tmp_path: Path, rate: int
) -> None:
    predictor = make_tiny()
    stereo = np.stack([waves[0], waves[0][::-1]], 1)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, stereo, rate, subtype="FLOAT")
    scores = predictor.predict([stereo, stereo.astype(np.float64).mean(1).astype(np.float32)], rate)
    assert np.isfinite(scores).all()
    assert scores[0] == scores[1] == predictor.predict([path])[0]


@pytest.mark.parametrize("length", [2, 399, 16_000, 11_200, 22_400, 48_000, 48_001])
def test_any_length_scores(make_tiny: Make, length: int) -> None:
    wave = (0.3 * np.cos(np.arange(length) / 5)).astype(np.float32)
    assert np.isfinite(make_tiny().predict([wave], 16_000)).all()


def test_one_sample_which_the_reader_calls_silent_would_score(make_tiny: Make) -> None:
    predictor = make_tiny()
    clip = Waveform(np.full(1, 0.5, np.float32), 16_000)
    assert np.isfinite(predictor.score([predictor.prepare_clip(clip)])).all()


@pytest.mark.parametrize(
    ("wave", "code"),
    [(np.zeros(0), "empty"), (np.full(8000, np.nan), "non_finite"), (np.zeros(8000), "silent")],
)
def test_unusable_clips_are_refused_by_the_reader(make_tiny: Make, wave: Any, code: str) -> None:
    with pytest.raises(PredictionError, match=code):
        make_tiny().predict([wave.astype(np.float32)], 16_000)


def test_a_failed_clip_changes_no_other_score(make_tiny: Make, waves: Waves) -> None:
    predictor = make_tiny()
    items = [Clip("bad", (np.full(8000, np.nan, np.float32), 16_000)), Clip("good", (waves[0], 16_000))]
    (rows,) = score_batches(predictor, items, [(0, 1)])
    assert rows[0].status == "failed"
    assert rows[1].scores == tuple(predictor.predict([waves[0]], 16_000)[0])


def test_silence_removal_works_when_asked_for(make_tiny: Make, waves: Waves) -> None:
    wave = np.concatenate([waves[3], np.zeros(20_000, np.float32), waves[3]])
    removing = make_tiny(remove_silent_section=True)
    kept = remove_silent_section(wave)
    clip = clip_from_array(wave, 16_000)
    assert kept.size < wave.size - 19_000
    assert np.array_equal(removing.samples(clip), kept)
    assert removing.predict([wave], 16_000) != make_tiny().predict([wave], 16_000)
    with pytest.raises(AudioError, match="remove_silent_section leaves nothing"):
        removing.prepare_clip(clip_from_array(0.05 * waves[3] / np.abs(waves[3]).max(), 16_000))


def test_the_official_generator_depends_on_order_and_is_never_cached(make_tiny: Make, waves: Waves) -> None:
    official = make_tiny(rng="official", repetitions=2)
    scores = official.predict(waves, 16_000)
    assert np.array_equal(official.predict(waves, 16_000), scores)
    assert (official.predict(waves[::-1], 16_000)[::-1] != scores).any()
    assert official.fingerprint() != official.fingerprint()
    assert official.plan([Clip(str(at), (wave, 16_000)) for at, wave in enumerate(waves)]) == [tuple(range(6))]
    detailed = official.predict_detailed(waves, 16_000)
    assert np.abs(detailed.mean() - scores[:, 0]).max() < 1e-6
    with pytest.raises(UsageError, match="one fold at a time"):
        make_tiny(rng="official", folds="all")


def test_crops_repeat_short_clips_and_stay_inside_long_ones() -> None:
    sizes = Architecture(ssl_samples=48, spec_samples=22)
    assert [tiled_length(size, 48) for size in (1, 24, 47, 48, 49)] == [49, 72, 94, 96, 49]
    for length in (1, 5, 22, 48, 49, 1000):
        samples = np.arange(length, dtype=np.float32)
        drawn = draw(np.random.RandomState(length), length, sizes)
        crops = cut(samples, drawn, sizes)
        assert np.array_equal(crops.wave, (drawn.ssl_start + np.arange(48)) % length)
        assert np.array_equal(crops.second[1, 2], (drawn.second[1, 2] + np.arange(22)) % length)
        assert crops.first.shape == (2, 22)
        assert crops.second.shape == (2, 4, 22)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"predict_dataset": "bvc"}, "bvc"),
        ({"folds": 5}, "0 to 4"),
        ({"folds": [0, 0]}, "different"),
        ({"folds": "some"}, "all"),
        ({"repetitions": 0}, "at least 1"),
        ({"seed": -1}, "seed"),
        ({"architecture": {"stems": 3}}, "stems"),
        ({"architecture": {"stem": "wide"}}, "stem"),
    ],
)
def test_settings_are_checked(config: dict[str, Any], message: str) -> None:
    with pytest.raises(MosharnessError, match=message):
        Utmosv2({"size": "tiny", **config}, device="cpu")


@pytest.mark.slow
def test_the_conformance_checks_pass(make_tiny: Make) -> None:
    failed = [result for result in check_predictor(make_tiny(), device="cpu") if not result.passed]
    assert not failed, failed


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("size", "count"), [("tiny", 16), ("base", 2)])  # a clip of the full size takes seconds
def test_clips_of_as_many_lengths_score_the_same_in_one_batch_and_alone(
    capsys: pytest.CaptureFixture[str], size: str, count: int
) -> None:
    """With weights that keep the signal alive through all layers."""
    import torch
    from mosharness.predictors.conformance import speech_like

    with torch.random.fork_rng():
        torch.manual_seed(5)
        predictor = Utmosv2({"size": size}, device="cpu")
        with torch.no_grad():
            for module in predictor.network.modules():
                if isinstance(module, torch.nn.Conv2d):
                    fan_in = module.weight[0].numel()
                    module.weight.copy_(torch.randn_like(module.weight) * (1.17 / fan_in**0.5))
    lengths = [0.4 + 9.76 * at / count for at in range(count)]
    clips = [
        clip_from_array(speech_like(length, 16_000, at) * (0.1 + 0.05 * at), 16_000)
        for at, length in enumerate(lengths)
    ]
    items = [predictor.prepare_clip(clip) for clip in clips]
    alone = np.concatenate([predictor.score([item]) for item in items])
    head: Any = predictor.networks[0].fc
    factor = 0.5 / float(alone.std())  # the last layer is linear: its scale is that of all scores
    with torch.no_grad():
        head.weight.mul_(factor)
        head.bias.mul_(factor)
    predictor.weights_changed()
    alone *= factor
    assert alone.std() >= 0.3
    if size == "tiny":
        assert abs(predictor.score(items[:1])[0, 0] - alone[0, 0]) < 1e-5
    predictor.rows = count
    together = predictor.score(items)
    difference = float(np.abs(together - alone).max())
    predictor.network.double()
    predictor.weights_changed()
    batch = {name: tensor.double() for name, tensor in predictor.collate([items[-1]]).items()}
    with torch.inference_mode():
        gap = abs(float(predictor.draw_scores(batch)[0, 0, 1]) - float(alone[-1, 0]))
    with capsys.disabled():
        print(
            f"\nutmosv2: batch against alone {difference:.2e}, float32 against float64 {gap:.2e}, "
            f"standard deviation of the scores {alone.std():.2f}"
        )
    assert difference <= max(1e-5, 2 * gap)


def test_what_a_score_must_be_quoted_with_is_stated() -> None:
    from mosharness.predictors.utmosv2 import Utmosv2

    predictor = Utmosv2({"size": "tiny", "repetitions": 2, "predict_dataset": "bvcc"}, device="cpu")
    assert predictor.stated_settings() == "folds 0; 2 repetitions; domain bvcc; rng content, seed 0"
