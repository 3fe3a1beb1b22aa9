"""``mosharness inspect``: arrays and figures of a predictor, for any clip name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from mosharness.harness.audio.read import Waveform
from mosharness.harness.core.errors import AudioError, UsageError
from mosharness.harness.inspection.draw import colour_ranges, draw
from mosharness.harness.inspection.panels import mel_panel
from mosharness.harness.inspection.store import file_names, load_arrays, save_arrays
from mosharness.predictors import PREDICTORS
from mosharness.predictors.base import Predictor, PredictorCard
from mosharness.predictors.inspection import Inspection, Panel, time_extent
from mosharness.predictors.nisqa import Nisqa

PNG = b"\x89PNG\r\n\x1a\n"


class Shower(Predictor):
    """Shows a mel spectrogram, an attention map of its own making and a line."""

    card: ClassVar[PredictorCard] = PredictorCard("shower", "shows", ("mos",), (1.0, 5.0), "none")

    def inspect(self, clip: Waveform) -> Inspection:
        if clip.duration_s < 0.1:
            raise AudioError("too_short", "under 0.1 s", clip.path)
        arrays, mel = mel_panel(clip.samples, clip.sample_rate)
        weights = np.tri(12, 20, dtype=np.float32)
        attention = Panel(
            "attention $x", "weights", y_down=True, y_marks=((8, "semantic"),), x_extent=(0.0, 0.4), colour_power=0.5
        )
        line = Panel("level", "level", "line", names=("a", "b"), x_extent=(0.0, 0.4))
        return Inspection(
            {**arrays, "weights": weights, "level": np.ones((2, 5))}, [mel, attention, line], "a note", {"mos": 3.5}
        )


@pytest.fixture
def shower() -> Iterator[str]:
    if "shower" not in PREDICTORS:
        PREDICTORS.add("shower", Shower)
    return "shower"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return Shower(device="cpu").save_pretrained(tmp_path / "weights")


def test_several_clips_give_arrays_and_figures(
    cli: Any, shower: str, checkpoint: Path, tmp_path: Path, write_wave: Any
) -> None:
    pytest.importorskip("matplotlib")
    clips = [write_wave(tmp_path / "in" / name, 0.3) for name in ("a.wav", "b.wav")]
    out = tmp_path / "out"
    outcome = cli("inspect", *clips, "--predictor", shower, "--checkpoint", checkpoint, "-o", out)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("  mos 3.5000\n") == 2
    assert sorted(path.name for path in out.iterdir()) == ["a.npz", "a.png", "b.npz", "b.png"]
    arrays, meta = load_arrays(out / "a.npz")
    assert set(arrays) == {"mel_db", "mel_hz", "weights", "level"}
    np.testing.assert_array_equal(arrays["weights"], np.tri(12, 20))
    assert meta["utterance_id"] == "a" and meta["predictor"] == "shower" and meta["values"] == {"mos": 3.5}
    assert meta["note"] == "a note" and [panel["array"] for panel in meta["panels"]] == ["mel_db", "weights", "level"]
    assert meta["duration_s"] == pytest.approx(0.3) and meta["sample_rate"] == 16_000
    picture = (out / "a.png").read_bytes()
    assert picture.startswith(PNG) and len(picture) > 5_000
    assert "weights (12, 20)" in outcome.out


def test_the_same_clip_gives_the_same_bytes(
    cli: Any, shower: str, checkpoint: Path, tmp_path: Path, write_wave: Any
) -> None:
    clip = write_wave(tmp_path / "a.wav", 0.2)
    for name in ("one", "two"):
        call = ("inspect", clip, "--predictor", shower, "--checkpoint", checkpoint, "--no-figures")
        assert cli(*call, "-o", tmp_path / name).code == 0
    assert (tmp_path / "one" / "a.npz").read_bytes() == (tmp_path / "two" / "a.npz").read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["a.npz"]


def test_hostile_file_names_stay_inert(
    cli: Any, shower: str, checkpoint: Path, tmp_path: Path, write_wave: Any
) -> None:
    names = [
        "$(touch x).wav",
        "-o.wav",
        "=1+1.wav",
        "new\nline.wav",
        "$\\alpha$ <b>.wav",
        "ü漢 \u202e.wav",
        "A.wav",
        "a.wav",
    ]
    folder = tmp_path / "in"
    for name in names:
        write_wave(folder / name, 0.2)
    (folder / os.fsdecode(b"caf\xe9.wav")).write_bytes((folder / "a.wav").read_bytes())
    out = tmp_path / "out"
    outcome = cli("inspect", folder, "--predictor", shower, "--checkpoint", checkpoint, "-o", out, "--no-figures")
    assert outcome.code == 0, outcome.err
    made = [path.name for path in out.iterdir()]
    assert len(made) == len({name.lower() for name in made}) == len(names) + 1
    assert all(name.isascii() and name.isprintable() and name[0] not in "-." and " " not in name for name in made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "weights"]
    assert "\u202e" not in outcome.out + outcome.err


def test_figures_of_hostile_names_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = Inspection({"x": np.full((3, 4), np.nan)}, [Panel("$\\frac", "x", y_label="$_")], values={"a": 1.0})
    draw(shown, tmp_path / "x.png", "$\\undefined{ \n 漢")
    assert (tmp_path / "x.png").read_bytes().startswith(PNG)


def test_without_matplotlib_the_arrays_are_written_and_a_sentence_says_so(
    cli: Any, shower: str, checkpoint: Path, tmp_path: Path, write_wave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mosharness.harness.boards.plots.can_draw", lambda: False)
    clip = write_wave(tmp_path / "a.wav", 0.2)
    out = tmp_path / "out"
    outcome = cli("inspect", clip, "--predictor", shower, "--checkpoint", checkpoint, "-o", out, "--json")
    assert outcome.code == 0 and "matplotlib is not installed" in outcome.err
    assert [path.name for path in out.iterdir()] == ["a.npz"]
    assert outcome.json[0]["shapes"]["weights"] == [12, 20] and "figure" not in outcome.json[0]


def test_clips_that_fail_are_named_and_the_others_shown(
    cli: Any, shower: str, checkpoint: Path, tmp_path: Path, write_wave: Any
) -> None:
    good, short = write_wave(tmp_path / "good.wav", 0.2), write_wave(tmp_path / "short.wav", 0.05)
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    call = ("inspect", good, short, tmp_path / "bad.wav", "--predictor", shower, "--checkpoint", checkpoint,
            "--no-figures", "-o", tmp_path / "out")  # fmt: skip
    outcome = cli(*call)
    assert outcome.code == 4 and "short: too_short" in outcome.err and "bad: unreadable" in outcome.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.npz"]
    assert cli(*call, "--allow-failed", "2").code == 0


def test_predictors_without_anything_to_show_and_unknown_ones_say_so(cli: Any, tmp_path: Path, write_wave: Any) -> None:
    clip = write_wave(tmp_path / "a.wav", 0.2)
    outcome = cli("inspect", clip, "--predictor", "dsp", "-o", tmp_path / "out")
    assert outcome.code == 2 and "dsp has nothing to show" in outcome.err
    outcome = cli("inspect", clip, "--predictor", "nisq", "-o", tmp_path / "out")
    assert outcome.code == 2 and '"nisqa"' in outcome.err
    outcome = cli("inspect", tmp_path / "none.wav", "--predictor", "nisqa", "-o", tmp_path / "out")
    assert outcome.code == 2 and "No such file" in outcome.err
    outcome = cli("inspect", clip, "--predictor", "nisqa", "-o", clip)
    assert outcome.code == 2 and "this is a file" in outcome.err
    assert not (tmp_path / "out").exists()


def test_nisqa_shows_its_input_and_its_scores(cli: Any, tmp_path: Path, write_wave: Any) -> None:
    nisqa = Nisqa(device="cpu")
    folder = nisqa.save_pretrained(tmp_path / "weights")
    clip = write_wave(tmp_path / "a.wav", 0.6)
    outcome = cli(
        "inspect", clip, "--predictor", "nisqa", "--checkpoint", folder, "-o", tmp_path / "out", "--device", "cpu"
    )
    assert outcome.code == 0, outcome.err
    arrays, meta = load_arrays(tmp_path / "out" / "a.npz")
    assert arrays["mel_db"].shape == (48, 61) and (np.diff(arrays["mel_hz"]) > 0).all()
    scores = nisqa.predict([clip])[0]
    assert list(meta["values"]) == sorted(nisqa.dimensions)
    assert [meta["values"][name] for name in nisqa.dimensions] == pytest.approx(list(scores), abs=1e-5)
    assert meta["panels"][0]["x_extent"] == pytest.approx([-0.005, 0.605])


@pytest.mark.parametrize(
    ("arrays", "panels", "message"),
    [
        ({"Bad name": np.zeros(3)}, [], "array name"),
        ({"meta": np.zeros(3)}, [], "array name"),
        ({"a": [1, 2]}, [], "must be a numpy array"),
        ({"a": np.array([None])}, [], "must be a numpy array"),
        ({"a": np.zeros((2, 2))}, [Panel("t", "b")], "no array 'b'"),
        ({"a": np.zeros(3)}, [Panel("t", "a")], "cannot be shown as image"),
        ({"a": np.zeros((0, 3))}, [Panel("t", "a")], "cannot be shown"),
        ({"a": np.zeros((2, 2)), "c": np.zeros(3)}, [Panel("t", "a", y_centres="c")], "each of 2 rows"),
        ({"a": np.zeros((2, 2))}, [Panel("t", "a", "line", names=("x",))], "1 names for 2 lines"),
        ({"a": np.zeros((2, 2))}, [Panel("t", "a", colour_power=0.0)], "colour_power"),
        ({"a": np.zeros((2, 2))}, [Panel("t", "a", "pie")], "kind 'pie'"),  # type: ignore[arg-type]
    ],
)
def test_inspections_that_cannot_be_shown_are_refused(arrays: Any, panels: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Inspection(arrays, panels)


def test_colours_are_shared_within_a_group_and_never_of_zero_width() -> None:
    panels = [
        Panel("a", "low", colour_group="g"),
        Panel("b", "high", colour_group="g"),
        Panel("c", "high"),
        Panel("d", "flat"),
        Panel("e", "high", colour_range=(0.0, 9.0)),
    ]
    arrays = {"low": np.array([[-1.0, np.nan]]), "high": np.array([[2.0, 3.0]]), "flat": np.full((2, 2), 5.0)}
    ranges = colour_ranges(Inspection(arrays, panels))
    assert [ranges[panel] for panel in panels] == [(-1.0, 3.0), (-1.0, 3.0), (2.0, 3.0), (5.0, 6.0), (0.0, 9.0)]


def test_a_tone_is_seen_at_its_frequency_and_silence_is_finite() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    arrays, panel = mel_panel(tone, 16_000)
    loudest = arrays["mel_hz"][arrays["mel_db"].mean(1).argmax()]
    assert abs(loudest - 1000) < 30 and arrays["mel_db"].shape == (80, 101)
    assert panel.x_extent == pytest.approx((-0.005, 1.005))
    for samples in (np.zeros(16_000, np.float32), np.zeros(1, np.float32)):
        quiet, _ = mel_panel(samples, 16_000)
        assert np.isfinite(quiet["mel_db"]).all() and quiet["mel_db"].max() < -79


def test_file_names_are_unique_without_regard_to_case_and_stay_in_the_folder() -> None:
    names = file_names(["a", "A", "a/b", "a-b", "..", "", "x" * 200, "con\0"])
    assert names[0] == "a" and len({name.lower() for name in names}) == len(names)
    assert all(name and name[0] not in ".-" and "/" not in name and len(name) <= 100 for name in names)


def test_time_extents_and_round_trip_of_arrays(tmp_path: Path) -> None:
    assert time_extent(3, 0.02) == (0.0, 0.06)
    shown = Inspection({"a": np.arange(4).reshape(2, 2)}, [Panel("t", "a")], values={"n": 1})
    save_arrays(tmp_path / "x.npz", shown, {"utterance_id": "u"})
    arrays, meta = load_arrays(tmp_path / "x.npz")
    assert arrays["a"].tolist() == [[0, 1], [2, 3]] and meta["utterance_id"] == "u"
