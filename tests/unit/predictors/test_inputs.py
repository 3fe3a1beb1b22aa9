"""What ``predict`` takes: paths, waves, tensors, audio dicts of Hugging Face; and how a predictor shows itself."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from mosharness.harness.core.errors import UsageError
from mosharness.predictors import load_predictor
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.jsqa import Jsqa

RATE = 16_000
STEREO = np.stack([speech_like(0.4, RATE, 1), speech_like(0.4, RATE, 2)], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def predictor() -> Jsqa:
    torch.manual_seed(0)
    return Jsqa({"preset": "tiny"}, device="cpu")


def clip(name: str, folder: Path) -> Any:
    path = folder / "clip.wav"
    soundfile.write(path, STEREO, RATE, subtype="FLOAT")
    decoder = SimpleNamespace(
        get_all_samples=lambda: SimpleNamespace(data=torch.from_numpy(STEREO.T.copy()), sample_rate=RATE)
    )
    clips = {
        "path": path,
        "bytes": path.read_bytes(),
        "numpy, channels last": STEREO,
        "pair": (STEREO, RATE),
        "tensor, channels first": torch.from_numpy(STEREO.T.copy()),
        "pair with a tensor": (torch.from_numpy(STEREO.T.copy()), RATE),
        "dict with array": {"path": "elsewhere.wav", "array": STEREO.T, "sampling_rate": RATE},
        "dict with tensor": {"array": torch.from_numpy(STEREO.T.copy()), "sampling_rate": RATE},
        "dict with bytes": {"bytes": path.read_bytes(), "path": None},
        "dict with path": {"bytes": None, "path": str(path)},
        "decoder": decoder,
    }
    return clips[name]


NAMES = (
    *("path", "bytes", "numpy, channels last", "pair", "tensor, channels first", "pair with a tensor"),
    *("dict with array", "dict with tensor", "dict with bytes", "dict with path", "decoder"),
)


@pytest.mark.parametrize("name", NAMES)
def test_every_form_of_a_clip_scores_the_same(predictor: Jsqa, name: str, tmp_path: Path) -> None:
    wanted = predictor.predict([STEREO], RATE)
    assert np.array_equal(predictor.predict([clip(name, tmp_path)], RATE), wanted)


def test_mono_clips_have_no_orientation(predictor: Jsqa) -> None:
    mono = STEREO[:, 0]
    forms = [mono, torch.from_numpy(mono.copy()), {"array": mono.tolist(), "sampling_rate": RATE}]
    scores = predictor.predict(forms, RATE)
    assert np.ptp(scores) == 0.0


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"array": STEREO[:, 0], "sampling_rate": RATE}, "put a single one in a list"),
        (torch.zeros(100), "put a single one in a list"),
        (STEREO[:, 0], "put a single one in a list"),
        ("clip.wav", "put a single one in a list"),
        ([torch.zeros(100)], "input 0 is a wave: pass its sampling rate"),
        ([{"array": STEREO}], "input 0 is an audio dict without sampling_rate"),
        ([{"audio": 1}], "input 0 is a mapping with audio; an audio dict has array and sampling_rate"),
    ],
)
def test_what_is_no_list_of_clips_is_refused(predictor: Jsqa, inputs: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        predictor.predict(inputs)


def test_a_predictor_shows_what_it_is(predictor: Jsqa, tmp_path: Path) -> None:
    assert repr(predictor).startswith("<jsqa: dimensions mos; checkpoint fresh, not trained;")
    loaded = load_predictor("jsqa", predictor.save_pretrained(tmp_path / "my <model>"), "cpu")
    assert "checkpoint folder my <model>; trained on not stated; device cpu, float32; licence code" in repr(loaded)
    html = loaded._repr_html_()
    assert html.startswith("<table>") and "my &lt;model&gt;" in html and "arxiv.org" in html
