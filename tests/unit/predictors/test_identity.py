"""What a predictor is known by: its files whatever their format, its tensors, its settings and its package."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from mosharness.harness.core.errors import CheckpointError
from mosharness.harness.engine.cache import PredictionCache
from mosharness.predictors import PREDICTORS, load_predictor
from mosharness.predictors.base import Predictor, PredictorCard
from mosharness.predictors.conformance import check_predictor
from mosharness.predictors.identity import checkpoint_files, data_of, package_of, source_of

CARD = PredictorCard("jsonmos", "weights in a JSON file", ("mos",), (0.0, 9.0), paper="none")


class JsonMos(Predictor):
    """A third party's: its weights are no tensors, and its loading drops what the loader told it."""

    card = CARD
    needs_torch = False
    gain: float | None = None

    def prepare(self, clip: Any) -> float:
        return float(np.abs(clip.samples.astype(np.float64)).mean())

    def score(self, batch: Sequence[float]) -> np.ndarray:
        return (self.gain or 0.0) + np.array(batch)[:, None]

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        predictor = cls(config)
        predictor.gain = json.loads(path.read_text())["gain"]
        return predictor

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        return cls.from_official(folder / "model.json", config)

    def save_pretrained(self, folder: str | Path) -> Path:
        folder = super().save_pretrained(folder)
        (folder / "model.json").write_text(json.dumps({"gain": self.gain}))
        return folder


class JsonFormula(JsonMos):
    """As above, by an author who thinks that no tensors means no weights."""

    card = replace(CARD, name="jsonformula", needs_weights=False)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for cls in (JsonMos, JsonFormula):
        monkeypatch.setitem(PREDICTORS._entries, cls.card.name, cls)


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for at, path in enumerate(paths, 1):
        path.write_text(json.dumps({"gain": at}))
    return paths


@pytest.mark.parametrize("name", ["jsonmos", "jsonformula"])
def test_the_cache_never_gives_the_scores_of_another_weight_file(
    name: str, models: tuple[Path, Path], cli: Callable[..., Any], write_wave: Callable[..., Path], tmp_path: Path
) -> None:
    clip, scores = write_wave(tmp_path / "clip.wav"), []
    for at, model in enumerate((*models, models[0])):
        output = tmp_path / f"{at}.csv"
        assert cli("predict", clip, "--predictor", name, "--checkpoint", model, "-o", output).code == 0
        with output.open() as stream:
            scores.append(float(next(csv.DictReader(stream))["mos"]))
    assert scores[1] == pytest.approx(scores[0] + 1.0)
    assert scores[2] == scores[0]


def test_one_name_with_other_content_is_another_identity(models: tuple[Path, Path], tmp_path: Path) -> None:
    first = load_predictor("jsonmos", models[0])
    moved = models[0].rename(tmp_path / "moved.json")
    assert load_predictor("jsonmos", moved).fingerprint() == first.fingerprint()  # known by content, not by name
    moved.write_text(json.dumps({"gain": 7}))
    other = load_predictor("jsonmos", moved)
    assert other.fingerprint()["files"] != first.fingerprint()["files"]
    assert other.weights_identity() != first.weights_identity()
    assert other.checkpoint.kind == "official" and other.checkpoint.sha256.startswith("sha256:")


def test_every_file_of_a_checkpoint_folder_counts_but_for_its_records(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = load_predictor("jsonmos", models[0]).save_pretrained(tmp_path / "model")
    before = load_predictor("jsonmos", folder).fingerprint()
    assert {"model.json"} <= {*before["files"]} <= {"model.json", "source code"}
    (folder / "card.json").write_text("{}")
    (folder / "training.json").write_text("{}")
    assert load_predictor("jsonmos", folder).fingerprint() == before
    (folder / "parts").mkdir()
    (folder / "parts" / "extra.bin").write_bytes(b"x")
    assert load_predictor("jsonmos", folder).fingerprint() != before
    assert folder / "parts" / "extra.bin" in checkpoint_files(folder)


def test_check_fails_what_nothing_identifies_and_says_what_to_give() -> None:
    found = {result.name: result for result in check_predictor(JsonMos())}
    assert not found["fingerprint"].passed
    assert "tensors()" in found["fingerprint"].detail and "identity_files" in found["fingerprint"].detail
    assert JsonMos().fingerprint() != JsonMos().fingerprint()  # so nothing is taken from the cache for it


def test_check_passes_weights_that_are_no_tensors(models: tuple[Path, Path]) -> None:
    found = check_predictor(load_predictor("jsonmos", models[0]))
    assert [result for result in found if not result.passed] == []
    assert "files: checkpoint" in found[-1].detail


def test_files_of_a_package_are_named_by_the_predictor(models: tuple[Path, Path]) -> None:
    class Packaged(JsonMos):
        def identity_files(self, checkpoint: Path | None) -> list[Path]:
            return [*super().identity_files(checkpoint), models[1]]

    before = Packaged().fingerprint()
    assert before["files"][models[1].name].startswith("sha256:")
    models[1].write_text(json.dumps({"gain": 9}))
    after = Packaged().fingerprint()
    assert before["weights"] != after["weights"]
    assert PredictionCache(before).key != PredictionCache(after).key


@dataclass(frozen=True)
class PathConfig:
    table: str = ""
    unit: str = "dB"


def test_files_that_settings_name_count_by_content(models: tuple[Path, Path]) -> None:
    class BySetting(JsonFormula):
        config_class = PathConfig

    before = BySetting({"table": str(models[0])}).fingerprint()
    models[0].write_text("other")
    after = BySetting({"table": str(models[0])}).fingerprint()
    assert before["config_digest"] == after["config_digest"]
    assert before["files"]["setting table"] != after["files"]["setting table"]


@dataclass(frozen=True)
class SeveralConfig:
    tables: tuple[str, ...] = ()
    folder: str = ""


def test_folders_and_lists_that_settings_name_count_by_content(tmp_path: Path) -> None:
    class BySettings(JsonFormula):
        config_class = SeveralConfig

    (tmp_path / "model" / "parts").mkdir(parents=True)
    files = [tmp_path / "one.json", tmp_path / "two.json", tmp_path / "model" / "parts" / "weights.onnx"]
    for path in files:
        path.write_text("before")
    settings = {"tables": [str(files[0]), str(files[1])], "folder": str(tmp_path / "model")}
    seen = [BySettings(settings).fingerprint()["files"]]
    for path in files:
        path.write_text("after")
        seen.append(BySettings(settings).fingerprint()["files"])
    assert len({str(one) for one in seen}) == 4


def test_data_in_a_package_counts_though_nothing_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "othermos"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "model.json").write_text('{"gain": 1}')
    monkeypatch.syspath_prepend(str(tmp_path))
    records = tmp_path / "othermos-0.1.dist-info"
    records.mkdir()
    (records / "METADATA").write_text("Metadata-Version: 2.1\nName: othermos\nVersion: 0.1\n")
    (records / "top_level.txt").write_text("othermos\n")
    __import__("othermos")
    monkeypatch.setattr(JsonMos, "__module__", "othermos")
    before = JsonMos().fingerprint()
    assert before["files"]["package data"].startswith("sha256:") and "unidentified" not in before
    (package / "model.json").write_text('{"gain": 2}')
    data_of.cache_clear()
    after = JsonMos().fingerprint()
    assert before["weights"] != after["weights"] and PredictionCache(before).key != PredictionCache(after).key
    assert data_of("mosharness.predictors.dsp") == ""


def test_code_without_a_version_counts_by_its_source() -> None:
    assert source_of(JsonMos.__module__).startswith("sha256:")
    assert source_of("mosharness.predictors.dsp") == "" == source_of("numpy.linalg")
    assert package_of("mosharness.predictors.dsp").startswith("mosharness ")
    assert JsonFormula().fingerprint()["files"].keys() == {"source code"}


def test_a_file_and_tensors_both_count(toy: Any, tmp_path: Path) -> None:
    first = load_predictor("toy", tmp_path / "toy.txt").fingerprint()
    (tmp_path / "toy.txt").write_text("1.0 0.5  0.25")  # the same numbers in another file
    second = load_predictor("toy", tmp_path / "toy.txt").fingerprint()
    assert first["weights"] == second["weights"]
    assert first["files"]["checkpoint"] != second["files"]["checkpoint"]


def test_what_is_saved_and_loaded_is_the_same(toy: Any, tmp_path: Path) -> None:
    saved = toy.Toy()
    loaded = load_predictor("toy", saved.save_pretrained(tmp_path / "model"))
    assert loaded.fingerprint() == saved.fingerprint()
    assert "model.safetensors" in loaded.fingerprint()["files"]
    with pytest.raises(CheckpointError):
        load_predictor("toy", tmp_path / "absent")
