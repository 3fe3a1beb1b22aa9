"""Pairs for pretraining: ratios, draws, sources of noise."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.audio.unlabelled import StoredClip, unlabelled_clips
from mosharness.harness.core.config import build_config
from mosharness.harness.core.errors import AudioError, DataError, UnknownName, UsageError
from mosharness.harness.recipes.recipe import Recipe, Stage
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.jsqa import Jsqa
from mosharness.predictors.jsqa.config import PairSettings, StageSettings, pair_settings
from mosharness.predictors.jsqa.mixing import power
from mosharness.predictors.jsqa.noise import Noises, generated_noise, read_part
from mosharness.predictors.jsqa.pairs import draw_pair, make_pairs
from mosharness.predictors.jsqa.verbs_pairs import differences, pairs_of, plan_pairs
from mosharness.predictors.training_clip import training_clip
from mosharness.predictors.training_of import training_of

SPEECH = speech_like(2.0, 16_000, 0).astype(np.float32)
SHORT = PairSettings(seconds=0.3)


@pytest.fixture
def recordings(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    """Three noise recordings of different rates and lengths."""
    for at, (rate, seconds) in enumerate(((16_000, 3.0), (48_000, 2.0), (8_000, 0.1))):
        write_wave(tmp_path / "noise" / f"n{at}.wav", seconds, rate, seed=at)
    return tmp_path / "noise"


def test_pairs_are_at_the_drawn_ratios_with_the_same_speech_and_noise() -> None:
    noises = Noises(["generated"])
    for seed in range(20):
        pair = make_pairs([draw_pair(SPEECH, np.random.default_rng(seed), SHORT, noises)], noises)[0]
        for signal, snr, gain in zip(pair.signals, pair.snrs, pair.gains, strict=True):
            assert signal.shape == (4_800,)
            measured = 10 * math.log10(power(pair.speech) / power(signal - pair.speech))
            assert measured == pytest.approx(snr, abs=0.01)
            assert np.allclose(signal - gain * pair.noise, pair.speech, atol=1e-12)
        assert pair.difference <= 6.0


def test_the_ratios_are_distributed_as_in_the_paper() -> None:
    found = differences(PairSettings(), 10_000)
    assert abs(found["mean"] - 2.0) <= 0.05
    assert found["largest"] <= 6.0
    assert -3.0 <= found["lowest_snr"] < -2.5 and 8.5 < found["highest_snr"] <= 9.0
    assert sum(found["counts"]) == found["draws"] == 10_000
    assert found["counts"] == sorted(found["counts"], reverse=True)
    assert differences(PairSettings(snr_windows=((0.0, 1.0),)), 100)["largest"] <= 1.0


def test_a_pair_depends_on_its_generator_alone(recordings: Path) -> None:
    noises = Noises(["generated", str(recordings)])

    def signals(seed: int) -> Any:
        return make_pairs([draw_pair(SPEECH, np.random.default_rng(seed), SHORT, noises)], noises)[0].signals

    assert np.array_equal(signals(1), signals(1))
    assert not np.array_equal(signals(1), signals(2))


def test_training_makes_the_pairs_that_the_command_shows(recipe: Callable[..., Recipe]) -> None:
    from mosharness.harness.training.plan import generator

    plan = plan_pairs(None, seconds=0.3, seed=4)
    shown = dict(pairs_of(plan, 3))
    stage = plan.stage
    predictor = Jsqa({"preset": "tiny"}, device="cpu")
    training = training_of(predictor)
    settings = {"pairs": {"seconds": 0.3}}
    ready = Stage(stage.name, data=stage.data, losses=stage.losses, epochs=1, settings=settings)
    training.begin_stage(ready)
    from mosharness.harness.training.data import Tasks, stage_data

    examples = stage_data(stage, None, ("mos",), Tasks()).train[:3]
    items = [training.prepare(one.read(training.limits()), generator(4, stage.name, 0, one.key)) for one in examples]
    batch = training.collate(items)
    for at, one in enumerate(examples):
        for name, signal in zip(("first", "second"), shown[one.utterance_id].signals, strict=True):
            assert np.array_equal(batch[name][at].numpy(), signal.astype(np.float32))


def test_short_speech_is_repeated_and_silence_is_skipped_or_refused() -> None:
    noises = Noises(["generated"])
    short = draw_pair(SPEECH[:1_000], np.random.default_rng(0), SHORT, noises)
    assert np.array_equal(short.speech[1_000:2_000], short.speech[:1_000])
    half = np.concatenate([np.zeros(40_000, np.float32), SPEECH[:20_000]])
    assert all(power(draw_pair(half, np.random.default_rng(at), SHORT, noises).speech) >= 1e-8 for at in range(20))
    with pytest.raises(AudioError, match="20 crops of 4800 samples at 16 kHz were silent"):
        draw_pair(np.zeros(10_000, np.float32), np.random.default_rng(0), SHORT, noises)


def test_no_recording_is_twice_in_a_batch_while_there_are_others(recordings: Path) -> None:
    noises = Noises([str(recordings)])
    draws = [draw_pair(SPEECH, np.random.default_rng(at), SHORT, noises) for at in range(6)]
    for first in range(4):
        names = [pair.noise_name for pair in make_pairs(draws[first : first + 3], noises)]
        assert sorted(names) == ["n0", "n1", "n2"]
    names = [pair.noise_name for pair in make_pairs(draws, noises)]
    assert sorted(names) == ["n0", "n0", "n1", "n1", "n2", "n2"]
    generated = Noises(["generated"])
    assert generated.assign([(0,)] * 3) == [0, 0, 0]


def test_every_source_of_noise_comes_first_equally_often(recordings: Path) -> None:
    noises = Noises(["generated", str(recordings)])
    random = np.random.default_rng(0)
    first = [noises.entries[noises.order(random)[0]].source is None for _ in range(400)]
    assert abs(np.mean(first) - 0.5) < 0.1
    assert sorted(noises.order(random)) == [0, 1, 2, 3]


def test_one_channel_of_a_recording_is_used(tmp_path: Path, write_wave: Callable[..., Path]) -> None:
    for name in ("BGD_BUS.CH1", "BGD_BUS.CH5", "BGD_CAF.CH1", "BGD_CAF.CH2", "plain"):
        write_wave(tmp_path / f"{name}.wav", 0.2)
    assert {entry.name for entry in Noises([str(tmp_path)]).entries} == {"BGD_BUS.CH5", "BGD_CAF.CH1", "plain"}


def test_only_the_wanted_frames_of_a_recording_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = np.arange(400_000, dtype=np.float32) / 400_000
    path = tmp_path / "long.wav"
    soundfile.write(path, np.stack([ramp, ramp], axis=1), 8_000, subtype="FLOAT")
    counts = []
    original = soundfile.SoundFile.read

    def counting(self: Any, frames: int = -1, *args: Any, **named: Any) -> Any:
        counts.append(frames)
        return original(self, frames, *args, **named)

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    for place, start in ((0.0, 0), (0.5, 199_600), (1.0, 399_200)):
        wave, rate = read_part(path, 0.1, place)
        assert rate == 8_000 and np.array_equal(wave, ramp[start : start + 800].astype(np.float64))
    assert counts == [800, 800, 800]


def encoded(seed: int, seconds: float = 0.5, kind: str = "FLAC") -> bytes:
    """White noise of power 0.01 at 16 kHz."""
    stream = io.BytesIO()
    soundfile.write(stream, np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16_000)), 16_000, format=kind)
    return stream.getvalue()


def stored(rows: list[dict[str, Any]]) -> Any:
    """A Hugging Face data set with one audio column."""
    import datasets

    table = datasets.Dataset.from_dict({"audio": rows})
    return table.cast(datasets.Features({"audio": datasets.Audio(decode=False)}))


@pytest.mark.slow
def test_noise_comes_from_a_hugging_face_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"bytes": encoded(at), "path": path} for at, path in enumerate((None, "bus.flac", "a/b.wav"))]
    stored(rows).save_to_disk(str(tmp_path / "set"))
    noises = Noises([str(tmp_path / "set")])
    assert [entry.name for entry in noises.entries] == ["00000000", "bus", "b"]
    found = dict(unlabelled_clips(tmp_path / "set"))
    assert found["bus"]() == rows[1]["bytes"]
    assert found["00000000"]() == rows[0]["bytes"] and found["b"]() == rows[2]["bytes"]
    monkeypatch.setattr(StoredClip, "__call__", None)  # the whole recording is never copied
    assert power(noises.entries[1].segment(4_800, 7)) == pytest.approx(0.01, rel=0.1)


@pytest.mark.slow
def test_one_channel_of_a_recording_in_parquet_files_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    names = [f"BGD_150203_{place}.CH{channel}.wav" for place in ("BUS", "CAF") for channel in (1, 2, 5, 6)]
    rows = [{"bytes": encoded(at, 0.1, "WAV"), "path": f"/elsewhere/{name}"} for at, name in enumerate(names)]
    (tmp_path / "set").mkdir()
    stored(rows).to_parquet(str(tmp_path / "set" / "part-0.parquet"))
    entries = Noises([str(tmp_path / "set")]).entries
    assert [entry.name for entry in entries] == ["BGD_150203_BUS.CH5", "BGD_150203_CAF.CH5"]
    assert np.array_equal(entries[1].segment(1_600, 0), read_part(rows[6]["bytes"], 0.1, 0.0)[0])


def test_a_row_is_read_where_it_lies() -> None:
    import pyarrow

    values = [b"one", None, b"three", b"", b"fifth"]
    paths = ["1", "two.wav", None, None, None]
    for kind in (pyarrow.binary(), pyarrow.large_binary()):
        parts = [pyarrow.array(values, kind), pyarrow.array(paths, pyarrow.string())]
        whole = pyarrow.StructArray.from_arrays(parts, names=["bytes", "path"])
        for column in (pyarrow.chunked_array([whole]), pyarrow.chunked_array([whole[:0], whole[:1], whole[1:]])):
            assert [StoredClip(column, row)() for row in range(5)] == [b"one", "two.wav", b"three", b"", b"fifth"]
        lost = pyarrow.chunked_array([pyarrow.array([{"bytes": None, "path": None}, None], whole.type)])
        for row in range(2):
            with pytest.raises(AudioError, match=f"row {row} of the data set holds no audio"):
                StoredClip(lost, row)()


def test_rows_of_a_data_set_have_names_of_their_own() -> None:
    from mosharness.harness.audio.unlabelled import _names

    paths = ["a.CH1.wav", None, "x/b.flac", "y/b.flac", "c.wav", "c.flac", "", "00000001-c.wav", "/r/d.wav", "00000001"]
    names = _names(paths)
    assert len(set(names)) == len(names)
    assert names == [
        *("a.CH1", "00000001", "x/b", "y/b", "00000004-c", "00000005-c", "00000006", "00000007-00000001-c", "d"),
        "00000009-00000001",
    ]


def test_noise_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        Noises([str(tmp_path / "absent")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio files"):
        Noises([str(tmp_path / "empty")])
    soundfile.write(tmp_path / "still.wav", np.zeros(8_000), 16_000)
    with pytest.raises(DataError, match="noise still: 20 places were silent"):
        Noises([str(tmp_path)]).entries[0].segment(800, 0)
    (tmp_path / "still.wav").write_bytes(b"no audio at all")
    with pytest.raises(DataError, match="noise still cannot be used"):
        Noises([str(tmp_path)]).entries[0].segment(800, 0)


def test_generated_noises_differ_in_colour_and_swing() -> None:
    slopes, swings = [], []
    for seed in range(24):
        wave = generated_noise(16_000, np.random.default_rng(seed))
        assert math.sqrt(power(wave)) == pytest.approx(0.05)
        spectrum = np.abs(np.fft.rfft(wave)) ** 2
        slopes.append(10 * math.log10(spectrum[200:400].mean() / spectrum[3_000:6_000].mean()))
        frames = (wave[:15_840].reshape(-1, 720) ** 2).mean(axis=1)
        swings.append(frames.max() / frames.min())
    assert max(slopes) - min(slopes) > 20
    assert min(swings) < 3 and max(swings) > 10


def test_settings_of_pairs_that_make_no_sense_are_refused() -> None:
    refused: list[dict[str, Any]] = [
        {"seconds": 0.0},
        {"snr_windows": [[3.0, -3.0]]},
        {"snr_windows": [[0.0, math.inf]]},
        {"snr_windows": [[math.nan, 3.0]]},
        {"snr_windows": [[-3.0, 3.0], [0.0, math.nan]]},
        {"snr_windows": [[-101.0, 3.0]]},
        {"seconds": math.nan},
        {"noise": []},
        {"colour": "pink"},
    ]
    for wrong in refused:
        with pytest.raises((UsageError, UnknownName), match="stage pretrain: pairs"):
            pair_settings(wrong, "stage pretrain")
    assert pair_settings({"noise": "generated"}, "x").noise == ("generated",)
    assert pair_settings({"snr_windows": [[-100.0, 100.0]]}, "x").snr_windows == ((-100.0, 100.0),)
    for setting in ({"seconds": math.inf}, {"encoder_lr_scale": math.nan}):
        with pytest.raises(UsageError, match=f"stage: {next(iter(setting))} = "):
            build_config(StageSettings, setting, "stage")


def test_stages_refuse_what_does_not_fit(recipe: Callable[..., Recipe]) -> None:
    predictor = Jsqa({"preset": "tiny"}, device="cpu")

    training = training_of(predictor)

    def refused(text: str, **stage: Any) -> None:
        with pytest.raises(UsageError, match=text):
            training.check_stage(recipe(stage, None).stages[0])

    refused("repeat: an utterance must not be twice", data=[{"audio": "embedded", "repeat": 2}])
    refused("one setting, temperature", losses=[{"name": "ntxent", "temperature": 0}])
    refused("one setting, temperature", losses=[{"name": "ntxent", "temperature": math.inf}])
    refused("one setting, temperature", losses=[{"name": "ntxent", "heat": 1.0}])
    refused("are for a stage with the loss ntxent", losses=["mse"])


def test_clean_speech_of_any_rate_is_taken() -> None:
    predictor = Jsqa({"preset": "tiny"}, device="cpu")
    training = training_of(predictor)
    stage = plan_pairs(None, seconds=0.3).stage
    training.begin_stage(stage)
    clip = training_clip(clip_from_array(speech_like(1.0, 44_100, 0), 44_100), utterance_id="a")
    draw: Any = training.prepare(clip, np.random.default_rng(0))
    assert draw.speech.size == 48_000  # the stage of the recipe: 3 s


def test_speech_that_training_takes_the_command_takes_too(tmp_path: Path, write_wave: Callable[..., Path]) -> None:
    write_wave(tmp_path / "speech" / "long.wav", 61.0, 4_000)
    made = list(pairs_of(plan_pairs(speech=[str(tmp_path / "speech")], seconds=0.3), 2))
    assert [name for name, _ in made] == ["long", "long"]
