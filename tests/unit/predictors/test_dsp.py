"""The classical baseline: its features mean what their names say, and its ridge is the textbook's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.errors import CheckpointError, DataError, PredictionError, UsageError
from mosharness.predictors import load_predictor
from mosharness.predictors.base import save_tensors
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.dsp import Dsp
from mosharness.predictors.dsp.features import FEATURES, extract
from mosharness.predictors.dsp.ridge import PENALTIES, fit_ridge
from mosharness.tasks.base import SplitInfo, TaskCard, TaskSplit

RATE = 16_000


def feature(wave: np.ndarray, name: str, rate: int = RATE) -> float:
    return float(extract(wave.astype(np.float32), rate)[FEATURES.index(name)])


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return speech_like(2.0, RATE, 1)


def with_noise(wave: np.ndarray, decibels: float) -> Any:
    noise = np.random.default_rng(0).standard_normal(wave.size)
    return wave + noise * wave.std() * 10 ** (-decibels / 20)


def test_names_are_unique_and_there_is_one_value_for_each(voice: np.ndarray) -> None:
    assert len(set(FEATURES)) == len(FEATURES) == extract(voice, RATE).size


@pytest.mark.parametrize("rate", [4_000, 8_000, 16_000, 22_050, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [0.002, 0.03, 0.2, 1.0])
def test_features_are_finite_at_any_rate_and_length(rate: int, seconds: float) -> None:
    assert np.isfinite(extract(speech_like(seconds, rate, 2), rate)).all()


def test_a_change_of_level_moves_the_level_only(voice: np.ndarray) -> None:
    loud, soft = extract(voice, RATE), extract(voice * np.float32(0.25), RATE)
    moved = {name for name, a, b in zip(FEATURES, loud, soft, strict=True) if abs(a - b) > 1e-2 * max(1.0, abs(a))}
    assert moved <= {"active_dbfs", "step_bits"}
    assert feature(voice * 0.25, "active_dbfs") - feature(voice, "active_dbfs") == pytest.approx(-12.04, abs=0.01)


def test_noise_raises_the_floor_and_lowers_harmonicity(voice: np.ndarray) -> None:
    noisy = with_noise(voice, 10)
    for low, high in ((2300, 3300), (4700, 6500)):
        assert feature(noisy, f"floor_{low}_{high}") > feature(voice, f"floor_{low}_{high}") + 3
    assert feature(noisy, "harmonic_900_2500_p50") < feature(voice, "harmonic_900_2500_p50")
    assert feature(noisy, "flatness_high") > feature(voice, "flatness_high")


def test_a_band_limit_lowers_cutoff_and_the_bands_above(voice: np.ndarray) -> None:
    spectrum = np.fft.rfft(with_noise(voice, 30))
    spectrum[int(3000 / 8000 * spectrum.size) :] = 0
    limited = np.fft.irfft(spectrum, voice.size)
    assert 2 ** feature(limited, "cutoff") * 1000 == pytest.approx(3000, abs=150)
    assert feature(limited, "spectrum_4700_6500") < feature(with_noise(voice, 30), "spectrum_4700_6500") - 20


def test_holes_clipping_and_coarse_steps_are_seen(voice: np.ndarray) -> None:
    holes = voice.copy()
    for at in range(2000, holes.size - 2000, 4000):
        holes[at : at + 320] = 0
    assert feature(holes, "dropouts") > feature(voice, "dropouts") + 1
    assert feature(holes, "dropout_share") > feature(voice, "dropout_share")
    clipped = np.clip(voice, -0.1, 0.1)
    assert feature(clipped, "at_peak") > feature(voice, "at_peak") + 0.5
    assert feature(np.round(voice * 128) / 128, "step_bits") == pytest.approx(7.0)


def test_without_a_penalty_worth_speaking_of_the_ridge_is_least_squares() -> None:
    random = np.random.default_rng(0)
    inputs = random.uniform(-1, 1, (200, 4))
    targets = np.column_stack([inputs @ [1.0, -2.0, 0.5, 0.0] + 3.0, inputs @ [0.0, 1.0, 1.0, 1.0]])
    ridge, report = fit_ridge(inputs, targets, [f"s{at % 20}" for at in range(200)])
    assert report["penalty"] == [PENALTIES[0]] * 2
    np.testing.assert_allclose(ridge.predict(inputs), targets, atol=0.01)


def test_the_left_out_error_is_that_of_refitting_without_each_group() -> None:
    random = np.random.default_rng(1)
    inputs, noise = random.standard_normal((60, 5)), random.standard_normal(60)
    targets = (inputs[:, :1] + noise[:, None]) + 2.0
    groups = [f"s{at % 6}" for at in range(60)]
    _, report = fit_ridge(inputs, targets, groups)
    scaled = np.column_stack([(inputs - inputs.mean(0)) / inputs.std(0), np.ones(60)])
    free = np.diag([1.0] * 5 + [0.0])
    errors = []
    for penalty in PENALTIES:
        total = 0.0
        for group in range(6):
            out = np.arange(60) % 6 == group
            a = scaled[~out]
            weights = np.linalg.solve(a.T @ a + penalty * free, a.T @ targets[~out])
            total += float(np.square(scaled[out] @ weights - targets[out]).sum())
        errors.append(total / 60)
    assert report["left_out_mse"][0] == pytest.approx(min(errors))
    assert report["penalty"][0] == PENALTIES[int(np.argmin(errors))]


def test_a_constant_feature_is_left_out_and_an_extreme_one_is_cut() -> None:
    random = np.random.default_rng(2)
    inputs = np.column_stack([random.standard_normal(50), np.full(50, 7.0)])
    ridge, _ = fit_ridge(inputs, inputs[:, :1] * 2, ["a"] * 50)
    assert ridge.scale[1] == 0.0
    assert ridge.predict(np.array([[0.0, 7.0]])) == pytest.approx(ridge.predict(np.array([[0.0, -900.0]])))
    assert float(ridge.predict(np.array([[1e9, 7.0]]))[0, 0]) < 12


def small_task(folder: Path, split: str, clips: int = 24, dimensions: tuple[str, ...] = ("mos",)) -> TaskSplit:
    """Speech-like clips in noise; the label is the signal-to-noise ratio on a scale of 1 to 5."""
    import soundfile

    card = TaskCard("small", 1, "noise", dimensions, (1.0, 5.0), {split: SplitInfo()}, "none", "none", "nothing")
    rows: list[dict[str, Any]] = []
    for at in range(clips):
        level = (0, 10, 20, 30)[at % 4]
        path = folder / f"{split}{at:02d}.wav"
        wave = with_noise(speech_like(1.0, RATE, at + (100 if split == "dev" else 0)), level)
        soundfile.write(path, 0.5 * wave / np.abs(wave).max(), RATE)
        labels = {name: 1.0 + level / 10 + number / 10 for number, name in enumerate(dimensions)}
        rows.append({"utterance_id": f"u{at:02d}", "system_id": f"snr{level}", "audio_path": str(path), **labels})
    return TaskSplit(card, split, rows)


def test_it_learns_a_task_reports_dev_and_survives_saving(tmp_path: Path) -> None:
    train, dev = small_task(tmp_path, "train"), small_task(tmp_path, "dev", 8)
    predictor = Dsp()
    report = predictor.fit(train, [dev])
    assert (report["clips"], report["systems"], report["failed"]) == (24, 4, [])
    assert report["dev"]["dev"]["mse"]["mos"] < 0.5
    assert predictor.trained_on == ("small/train",)
    paths = [row["audio_path"] for row in dev.rows]
    scores = predictor.predict(paths)
    assert np.corrcoef(scores[:, 0], [row["mos"] for row in dev.rows])[0, 1] > 0.9
    again = load_predictor("dsp", predictor.save_pretrained(tmp_path / "model"))
    assert np.array_equal(again.predict(paths), scores)
    assert (again.trained_on, again.fingerprint()) == (predictor.trained_on, predictor.fingerprint())
    second = Dsp()
    second.fit(train, [], seed=5)
    assert second.fingerprint() == predictor.fingerprint()


def test_it_takes_the_dimensions_of_the_task(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this dsp is for mos; small is rated for mi, ta"):
        Dsp().fit(small_task(tmp_path, "train", 16, ("mi", "ta")), [])
    predictor = Dsp(dimensions=("mi", "ta"))
    predictor.fit(small_task(tmp_path, "train", 16, ("mi", "ta")), [])
    again = load_predictor("dsp", predictor.save_pretrained(tmp_path / "model"))
    assert again.dimensions == ("mi", "ta")
    scores = again.predict([speech_like(1.0, RATE, 3)], RATE)
    assert scores.shape == (1, 2)
    assert scores[0, 1] - scores[0, 0] == pytest.approx(0.1, abs=1e-3)


def test_clips_that_fail_are_reported_and_too_few_are_an_error(tmp_path: Path) -> None:
    train = small_task(tmp_path, "train", 16)
    Path(train.rows[3]["audio_path"]).write_bytes(b"junk")
    train.rows[5]["audio_path"] = ""
    report = Dsp().fit(train, [])
    assert report["clips"] == 14
    assert report["failed"][0] == "u05: no audio file"
    assert report["failed"][1].startswith("u03: unreadable")
    with pytest.raises(DataError, match=r"small/train: 4 clips can be used to fit dsp, 10 are needed"):
        Dsp().fit(small_task(tmp_path, "train", 4), [])


def test_untrained_or_outdated_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="dsp is not trained"):
        Dsp().predict([speech_like(1.0, RATE, 3)], RATE)
    predictor = Dsp()
    predictor.fit(small_task(tmp_path, "train", 12), [])
    folder = predictor.save_pretrained(tmp_path / "model")
    tensors = {**predictor.tensors(), "features": np.frombuffer(b"level\nloudness", np.uint8)}
    save_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match="another set of features; train it again"):
        load_predictor("dsp", folder)
    with pytest.raises(CheckpointError, match="another set of features"):
        load_predictor("dsp", Dsp().save_pretrained(tmp_path / "empty"))


@pytest.mark.slow
def test_it_ranks_the_unseen_dev_systems_of_the_demo_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosharness.tasks.demo import Demo
    from scipy.stats import spearmanr

    task, predictor = Demo(), Dsp()
    predictor.fit(task.open("train"), [])
    rows = task.open("dev").rows
    scores = predictor.predict([row["audio_path"] for row in rows])[:, 0]
    systems = sorted({row["system_id"] for row in rows})
    means = [
        [float(np.mean([value for value, row in zip(values, rows, strict=True) if row["system_id"] == system]))
         for system in systems]
        for values in (scores, [row["mos"] for row in rows])
    ]  # fmt: skip
    assert spearmanr(*means).statistic > 0.8
