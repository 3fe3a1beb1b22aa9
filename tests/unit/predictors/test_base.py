"""The contract of a predictor: settings, predict, saving and loading, and their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.audio.read import Waveform
from mosharness.harness.core.clip import Clip
from mosharness.harness.core.errors import (
    AudioError,
    CheckpointError,
    DataError,
    PredictionError,
    UnknownName,
    UsageError,
)
from mosharness.predictors import PREDICTORS, Predictor, PredictorCard, load_predictor, resolve_device
from mosharness.predictors.base import check_tensors, load_tensors, save_tensors, tensors_digest

RATE = 16_000


@dataclass(frozen=True)
class LevelConfig:
    gain: float = 1.0
    steps: tuple[int, ...] = (1, 2)


class Level(Predictor):
    """Peak times a weight: small enough to see through."""

    card = PredictorCard("level", "peak level", ("mos", "noi"), (0.0, 1.0), paper="none", min_seconds=0.2)
    config_class = LevelConfig
    needs_torch = False

    def build(self) -> None:
        self.weight = np.array([1.0, 2.0], np.float32)
        self.seen: list[tuple[int, int]] = []

    def prepare(self, clip: Waveform) -> Any:
        self.seen.append((clip.sample_rate, clip.samples.size))
        return float(np.abs(clip.samples).max()) * self.config.gain

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.outer(batch, self.weight)

    def tensors(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        check_tensors(self.tensors(), tensors, "predictor level")
        self.weight = np.asarray(tensors["weight"])


class Fixed(Level):
    card = replace(Level.card, name="fixed", sample_rates=(16_000, 24_000), max_seconds=2.0)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PREDICTORS, "_entries", {**PREDICTORS._entries, "level": Level})


def tone(seconds: float = 0.6, level: float = 0.25, rate: int = RATE) -> np.ndarray:
    return (level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_predict_keeps_the_order_of_waves_of_any_length() -> None:
    waves = [tone(length, level) for length, level in ((0.5, 0.1), (2.0, 0.2), (1.0, 0.3))]
    scores = Level().predict(waves, RATE)
    assert scores.dtype == np.float64
    assert scores == pytest.approx(np.array([[0.1, 0.2], [0.2, 0.4], [0.3, 0.6]]), abs=1e-3)


def test_predict_takes_paths_bytes_pairs_and_one_rate_per_wave(tmp_path: Path) -> None:
    import soundfile

    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(), RATE, subtype="FLOAT")
    wanted = Level().predict([tone()], RATE)
    for inputs, rates in (
        ([path], None),
        ([str(path)], None),
        ([path.read_bytes()], None),
        ([(tone(), RATE)], None),
        ([tone()], [RATE]),
        ([tone()], np.array([RATE])),
        ([np.stack([tone(), tone()], axis=1)], RATE),
    ):
        assert np.array_equal(Level().predict(inputs, rates), wanted)  # type: ignore[arg-type]
    assert Level().predict([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("inputs", "rates", "message"),
    [
        ("clip.wav", None, "put a single one in a list"),
        (tone(), RATE, "put a single one in a list"),
        ([tone()], None, "input 0 is a wave: pass its sampling rate"),
        ([tone(), tone()], [RATE], "2 inputs but 1 sample rates"),
    ],
)
def test_predict_says_how_to_pass_clips(inputs: Any, rates: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Level().predict(inputs, rates)


def test_predict_names_the_first_clip_that_fails_and_counts_them(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match=r"2 of 3 clips cannot be scored \(first: .*absent\.wav: missing: "):
        Level().predict([tmp_path / "absent.wav", (tone(), RATE), (np.full(9, np.nan), RATE)])
    with pytest.raises(PredictionError, match=r"first: input 0: too_short: 0\.100 s is under the 0\.2 s of level"):
        Level().predict([tone(0.1)], RATE)
    with pytest.raises(PredictionError, match=r"bad_array: the sample rate 16000\.5"):
        Level().predict([tone()], 16_000.5)  # type: ignore[arg-type]


def test_other_rates_are_resampled_to_the_preferred_one() -> None:
    predictor = Fixed()
    predictor.predict([tone(rate=48_000)], 48_000)
    predictor.predict([tone(rate=24_000)], 24_000)
    assert predictor.seen == [(16_000, 9_600), (24_000, 14_400)]
    native = Level()
    native.predict([tone(rate=48_000)], 48_000)
    assert native.seen == [(48_000, 28_800)]


def test_the_card_limits_the_length() -> None:
    with pytest.raises(PredictionError, match="too_long"):
        Fixed().predict([tone(2.1)], RATE)
    assert Level().limits().max_seconds == 600.0


def test_batches_follow_the_card() -> None:
    durations = [1.0, 2.0, 1.0, 0.0, 0.0, 2.0]
    items = [Clip(str(at), b"") for at in range(6)]

    def plan(batching: str) -> list[tuple[int, ...]]:
        predictor = Level()
        predictor.card = replace(Level.card, batching=batching)  # type: ignore[arg-type, misc]
        return predictor.plan(items, durations)

    assert plan("single") == [(1,), (5,), (0,), (2,), (3,), (4,)]
    assert plan("padded") == [(1, 5, 0, 2, 3, 4)]
    assert plan("equal_length") == [(1, 5), (0, 2), (3,), (4,)]  # unknown lengths are not taken for equal


def test_settings_are_strict() -> None:
    assert Level({"gain": 2, "steps": [3]}).config == LevelConfig(2.0, (3,))
    with pytest.raises(UnknownName, match=r'no setting of predictor level called "gian"\. Did you mean "gain"'):
        Level({"gian": 2.0})
    with pytest.raises(UsageError, match="gain = '1e-5': expected a number"):
        Level({"gain": "1e-5"})
    with pytest.raises(UsageError, match="steps"):
        Level({"steps": "12"})


def test_saving_and_loading_is_a_round_trip(tmp_path: Path) -> None:
    predictor = Level({"gain": 0.5})
    predictor.weight = np.array([0.1, 1 / 3], np.float32)
    predictor.weights_trained(["demo/train"])
    folder = predictor.save_pretrained(tmp_path / "model")
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "config.json", "model.safetensors"]
    again = load_predictor("level", folder)
    assert isinstance(again, Level)
    assert again.weight.tobytes() == predictor.weight.tobytes()
    assert (again.config, again.trained_on, again.checkpoint.kind) == (LevelConfig(0.5), ("demo/train",), "folder")
    assert again.fingerprint() == predictor.fingerprint()
    assert load_predictor("level", folder, gain=3.0).config == LevelConfig(3.0)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("config.json", None, CheckpointError, "no config.json"),
        ("config.json", "{", DataError, "not a readable JSON"),
        ("config.json", '{"predictor": "dsp"}', CheckpointError, "holds predictor 'dsp', not 'level'"),
        ("config.json", "[]", CheckpointError, "holds predictor None"),
        ("config.json", '{"predictor": "level", "config": 3}', CheckpointError, "must hold mappings"),
        ("config.json", '{"predictor": "level", "config": {"gaim": 3}}', UnknownName, "gaim"),
        ("card.json", "[]", CheckpointError, "must hold mappings"),
        (
            "card.json",
            '{"dimensions": "mos"}',
            CheckpointError,
            r"dimensions: expected `array`, got `str`",
        ),
        ("model.safetensors", None, CheckpointError, "no model.safetensors"),
        ("model.safetensors", "junk", CheckpointError, "not a readable safetensors file"),
    ],
)
def test_a_folder_that_is_no_checkpoint_is_refused(
    tmp_path: Path, name: str, content: str | None, error: type[Exception], message: str
) -> None:
    folder = Level().save_pretrained(tmp_path)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(error, match=message):
        load_predictor("level", folder)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, r"1 missing \(first: weight\)"),
        ({"weight": np.zeros(2), "bias": np.zeros(1)}, r"1 not known \(first: bias\)"),
        ({"weight": np.zeros(3)}, r"weight should be \(2,\), the file has \(3,\)"),
        ({"weight": np.array([1.0, np.nan])}, "weight holds NaN or infinity"),
    ],
)
def test_weights_must_fit_and_be_finite(tmp_path: Path, tensors: dict[str, np.ndarray], message: str) -> None:
    folder = Level().save_pretrained(tmp_path)
    save_tensors(folder / "model.safetensors", tensors)
    with pytest.raises(CheckpointError, match=message):
        load_predictor("level", folder)


def test_the_digest_of_weights_sees_names_shapes_types_and_values() -> None:
    base: dict[str, Any] = {"a": np.arange(4, dtype=np.float32)}
    others = [
        {"b": base["a"]},
        {"a": base["a"].reshape(2, 2)},
        {"a": base["a"].astype(np.float64)},
        {"a": base["a"] + 1},
    ]
    assert len({tensors_digest(one) for one in (base, *others)}) == 5
    assert tensors_digest({"a": base["a"].copy()}) == tensors_digest(base)


def test_tensors_survive_the_file(tmp_path: Path) -> None:
    import torch

    tensors: dict[str, Any] = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "n": np.int64(3),
        "c": np.ones((0, 2), np.float64),
    }
    save_tensors(tmp_path / "t.safetensors", tensors)
    again = load_tensors(tmp_path / "t.safetensors")
    assert np.array_equal(again["a"], tensors["a"].numpy())
    assert again["n"] == 3
    assert again["c"].shape == (0, 2)


def test_loading_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match='Did you mean "nisqa"'):
        load_predictor("nisq")
    with pytest.raises(CheckpointError, match="no published default weights: train it"):
        load_predictor("dsp")
    with pytest.raises(CheckpointError, match="no such file or folder"):
        load_predictor("dsp", tmp_path / "absent")
    (tmp_path / "file.pt").write_text("x")
    with pytest.raises(CheckpointError, match="dsp has no official file format"):
        load_predictor("dsp", tmp_path / "file.pt")


def test_a_bare_predictor_says_what_it_does_not_do() -> None:
    class Bare(Predictor):
        card = PredictorCard("bare", "nothing", ("mos",), (1.0, 5.0), paper="none")
        needs_torch = False

    with pytest.raises(PredictionError, match="does not implement prepare"):
        Bare().predict([tone()], RATE)
    with pytest.raises(PredictionError, match="does not implement score"):
        Bare().score([])
    with pytest.raises(UsageError, match="cannot be trained"):
        Bare().fit(type("Split", (), {"card": Bare.card}), [])  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="has no weights, the file holds 1"):
        Bare().load_tensors({"a": np.zeros(1)})


def test_devices_are_resolved_and_checked() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda")
    assert Level(device="cuda:7").device == "cpu"  # it never uses torch
    with pytest.raises(UsageError, match="use auto, cpu, cuda or cuda:N"):
        resolve_device("gpu")
    with pytest.raises(UsageError, match="CUDA devices here"):
        resolve_device("cuda:99")


def test_an_audio_error_of_prepare_keeps_its_reason() -> None:
    class Picky(Level):
        def prepare(self, clip: Waveform) -> Any:
            raise AudioError("odd", "not to my taste", clip.path)

    with pytest.raises(PredictionError, match="odd: not to my taste"):
        Picky().predict([tone()], RATE)
