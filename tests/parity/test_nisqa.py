"""NISQA against the reference implementation: with filled weights anywhere, with real ones where they are at hand."""

from __future__ import annotations

import csv
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.audio.read import clip_from_array
from mosharness.predictors import load_predictor
from mosharness.predictors.nisqa import Nisqa
from mosharness.predictors.nisqa.convert import key_map, rename

VARIANTS = ("nisqa", "nisqa_mos_only", "nisqa_tts")
DIMENSIONS = ("mos", "noi", "dis", "col", "loud")

# Samples, sampling rate and seed of a test signal; segments and official outputs with weights filled by the sine rule.
FILLED: dict[tuple[int, int, int], dict[str, tuple[int, list[float]]]] = {
    (48000, 16000, 0): {
        "nisqa": (72, [-1.606235, 1.652142, -0.690556, 0.519853, -1.543058]),
        "nisqa_mos_only": (72, [1.606402]),
        "nisqa_tts": (287, [-0.077019]),
    },
    (36000, 24000, 1): {
        "nisqa": (35, [-1.505467, 1.559987, -0.705816, 0.541671, -1.441367]),
        "nisqa_mos_only": (35, [1.530490]),
        "nisqa_tts": (137, [0.030744]),
    },
    (100000, 48000, 2): {
        "nisqa": (49, [-1.328476, 1.377067, -0.607737, 0.460663, -1.266652]),
        "nisqa_mos_only": (49, [1.343754]),
        "nisqa_tts": (195, [-0.003193]),
    },
    (16537, 22050, 5): {
        "nisqa": (16, [-1.624147, 1.668165, -0.686271, 0.514290, -1.560959]),
        "nisqa_mos_only": (16, [1.619099]),
        "nisqa_tts": (62, [-0.088384]),
    },
    (3000, 16000, 3): {
        "nisqa": (2, [-1.639690, 1.681960, -0.681664, 0.508643, -1.576760]),
        "nisqa_mos_only": (2, [1.629840]),
        "nisqa_tts": (5, [-0.087046]),
    },
}


def sine_tensor(name: str, shape: tuple[int, ...]) -> Any:
    """The rule of the golden vectors: a sine whose phase comes from the parameter's official name."""
    import torch

    size = int(np.prod(shape))
    wave = np.sin(0.7 * np.arange(size) + (13 * zlib.crc32(name.encode())) % 1000)
    if len(shape) > 1:
        wave /= np.sqrt(size / shape[0])
    elif len(shape) == 1 and name.endswith(("weight", "running_var")):
        wave = 1 + 0.1 * wave
    else:
        wave *= 0.1
    return torch.from_numpy(wave.astype(np.float32)).reshape(shape)


def signal_wave(samples: int, sample_rate: int, seed: int) -> np.ndarray:
    """A tone, a chirp and seeded noise."""
    at = np.arange(samples, dtype=np.float64)
    chirp = np.sin(2 * np.pi * (300 + 50 * at / sample_rate) * at / sample_rate)
    noise = np.random.default_rng(seed).standard_normal(samples)
    wave = 0.3 * np.sin(2 * np.pi * 220 * at / sample_rate) + 0.2 * chirp + 0.05 * noise
    return np.asarray(wave, np.float32)


@pytest.fixture(scope="module")
def filled() -> dict[str, Nisqa]:
    predictors = {}
    for variant in VARIANTS:
        predictor = Nisqa({"variant": variant}, device="cpu")
        names, own = key_map(predictor.config), predictor.tensors()
        official = {
            theirs: sine_tensor(theirs, tuple(own[ours].shape)) if own[ours].is_floating_point() else own[ours]
            for theirs, ours in names.items()
        }
        predictor.load_tensors(rename(official, names, "filled weights"))
        predictors[variant] = predictor
    return predictors


@pytest.fixture(scope="module")
def intermediates(shared: Path) -> Any:
    return np.load(shared / "data" / "tts" / "nisqa_intermediates.npz")


def stages(predictor: Nisqa, picture: np.ndarray, *, folded: bool) -> dict[str, np.ndarray]:
    """Output of the CNN, of the time dependency and of the network, with or without folded normalisation."""
    import torch

    network = predictor._fast if folded else predictor.network
    with torch.inference_mode():
        windows, starts, counts = network.segment([torch.from_numpy(picture)])
        features = network.features(windows, starts)
        steps = network.time(features, counts)
        out = torch.cat([pool(steps, counts) for pool in network.pools], dim=1)
    return {"cnn": features.numpy(), "td": steps[0].numpy(), "out": out[0].numpy()}


def assert_close(found: np.ndarray, wanted: np.ndarray, stage: str) -> None:
    """To 1e-4 of the largest value of the stage: CNN outputs reach 1000 with filled weights."""
    assert found.shape == wanted.shape, stage
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * max(1.0, np.abs(wanted).max()), err_msg=stage)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("signal", FILLED, ids=lambda signal: "-".join(map(str, signal)))
def test_filled_weights_give_the_official_scores(
    filled: dict[str, Nisqa], variant: str, signal: tuple[int, int, int]
) -> None:
    segments, scores = FILLED[signal][variant]
    samples, rate, seed = signal
    wave = signal_wave(samples, rate, seed)
    predictor = filled[variant]
    assert predictor.config.segments(1 + samples // int(0.01 * rate)) == segments
    assert predictor.predict([wave], rate)[0] == pytest.approx(scores, abs=1e-4)


def test_the_mel_pictures_have_the_official_shape_and_mean(filled: dict[str, Nisqa]) -> None:
    clip = clip_from_array(signal_wave(48000, 16000, 0), 16000)
    wide, narrow = filled["nisqa"].prepare(clip), filled["nisqa_tts"].prepare(clip)
    assert wide.shape == narrow.shape == (301, 48)
    assert float(wide.mean()) == pytest.approx(-25.452572, abs=1e-4)
    assert float(narrow.mean()) == pytest.approx(-15.058626, abs=1e-4)


@pytest.mark.parametrize("folded", [False, True], ids=["as-trained", "folded"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("signal", [(16537, 22050, 5), (3000, 16000, 3)], ids=lambda signal: "-".join(map(str, signal)))
def test_every_stage_agrees_with_filled_weights(
    filled: dict[str, Nisqa], intermediates: Any, variant: str, signal: tuple[int, int, int], folded: bool
) -> None:
    samples, rate, seed = signal
    key = f"sin/{variant}/{samples}_{rate}_{seed}"
    picture = filled[variant].prepare(clip_from_array(signal_wave(samples, rate, seed), rate))
    np.testing.assert_allclose(picture.T, intermediates[f"{key}/mel"], atol=2e-3)
    for stage, found in stages(filled[variant], picture, folded=folded).items():
        assert_close(found, intermediates[f"{key}/{stage}"], stage)


@pytest.fixture(scope="module")
def official(shared: Path) -> dict[str, Nisqa]:
    folder = shared / "data" / "nisqa_weights"
    return {name: load_predictor("nisqa", folder / f"{name}.tar", device="cpu") for name in VARIANTS}  # type: ignore[misc]


@pytest.mark.parametrize("variant", ["nisqa", "nisqa_tts"])
def test_every_stage_agrees_with_the_real_weights(
    official: dict[str, Nisqa], intermediates: Any, shared: Path, variant: str
) -> None:
    from mosharness.harness.audio.read import read_audio

    key = f"real/{variant}/flite_rms-s31"
    picture = official[variant].prepare(read_audio(shared / "data" / "tts" / "wav" / "flite_rms-s31.flac"))
    np.testing.assert_allclose(picture.T, intermediates[f"{key}/mel"], atol=2e-3)
    for stage, found in stages(official[variant], picture, folded=True).items():
        assert_close(found, intermediates[f"{key}/{stage}"], stage)


def manifest(shared: Path) -> list[dict[str, str]]:
    with (shared / "data" / "tts" / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("variant", VARIANTS)
def test_real_speech_scores_as_the_official_code_scores_it(
    official: dict[str, Nisqa], shared: Path, variant: str, record_property: Any
) -> None:
    rows = manifest(shared)
    columns = [f"nisqa_{name}" for name in DIMENSIONS] if variant == "nisqa" else [variant]
    wanted = np.array([[float(row[column]) for column in columns] for row in rows])
    found = official[variant].predict([shared / "data" / "tts" / row["wav"] for row in rows])
    largest = float(np.abs(found - wanted).max())
    record_property("largest_difference", largest)
    assert found.shape == wanted.shape
    assert largest <= 1e-4, f"{variant}: largest difference {largest:.2g}"  # 4.6e-6 when it was written


def test_the_mos_only_file_is_the_mos_head_with_another_constant(official: dict[str, Nisqa], shared: Path) -> None:
    paths = [shared / "data" / "tts" / row["wav"] for row in manifest(shared)[:6]]
    difference = official["nisqa_mos_only"].predict(paths)[:, 0] - official["nisqa"].predict(paths)[:, 0]
    assert difference == pytest.approx(np.full(6, 0.0559), abs=1e-3)
    assert np.ptp(difference) < 1e-5


@pytest.mark.slow
def test_torchmetrics_agrees_where_it_is_installed(
    official: dict[str, Nisqa], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("librosa")
    module = pytest.importorskip("torchmetrics.functional.audio.nisqa")
    import torch

    monkeypatch.setattr(module, "NISQA_DIR", str(shared / "data" / "nisqa_weights"))
    module._load_nisqa_model.cache_clear()
    for rate, seed in ((16_000, 0), (22_050, 1), (48_000, 2)):
        wave = signal_wave(2 * rate, rate, seed)
        theirs = module.non_intrusive_speech_quality_assessment(torch.from_numpy(wave), rate).numpy()
        assert official["nisqa"].predict([wave], rate)[0] == pytest.approx(theirs, abs=1e-4)
    module._load_nisqa_model.cache_clear()
