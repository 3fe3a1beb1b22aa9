"""The training object: settings parsed once, its life cycle, scoring without it, predictors of the old contract."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.config import build_config
from mosharness.harness.core.errors import UnknownName, UsageError
from mosharness.harness.recipes.recipe import Recipe, Stage, parse_recipe
from mosharness.harness.training import train_predictor
from mosharness.predictors import PREDICTORS
from mosharness.predictors import training as training_module
from mosharness.predictors.training import StageFacts, Training
from mosharness.predictors.training_of import training_of
from mosharness.tasks import load_task

NETWORKS = ("apgmos", "audiobox", "drasp", "jsqa", "sfissl", "sslmos", "utmosv2")


@dataclass(frozen=True)
class Settings:
    """Of the toy's stages."""

    shortest: int = 20


@pytest.fixture
def trained(rated: Path, tmp_path: Path, toynet: ModuleType, recipe: Callable[..., Any]) -> Callable[..., Any]:
    """``trained(training_class, **train)``: the toy trained by that class, on two stages."""

    def train(monkeypatch: pytest.MonkeyPatch, kind: Any, **settings: Any) -> Any:
        monkeypatch.setattr(toynet.ToyNet, "training_class", kind)
        plan = recipe({"epochs": 2, **settings}, stages=[{"name": "head"}, {"name": "all"}])
        return train_predictor("toynet", load_task("folder", rated), output=tmp_path, recipe=plan, device="cpu")

    return train


def test_settings_are_parsed_once_per_stage(
    trained: Callable[..., Any], toynet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 clips, 2 epochs of 6 steps, 2 stages: two parses."""
    parsed: list[Any] = []

    def counting(cls: Any, values: Any, what: str) -> Any:
        parsed.append(cls)
        return build_config(cls, values, what)

    class Parsing(toynet.ToyTraining):  # type: ignore[misc, name-defined]
        settings_class = Settings

        def prepare(self, clip: Any, generator: Any) -> Any:
            assert self.settings == Settings(shortest=5)
            return super().prepare(clip, generator)

    monkeypatch.setattr(training_module, "build_config", counting)
    trained(monkeypatch, Parsing, settings={"shortest": 5})
    assert parsed == [Settings, Settings]


@pytest.mark.parametrize("name", ["sslmos", "jsqa", "sfissl"])
def test_predictors_parse_the_settings_of_a_stage_once(
    name: str, rated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[str] = []

    def counting(cls: Any, values: Any, what: str) -> Any:
        parsed.append(what)
        return build_config(cls, values, what)

    monkeypatch.setattr(training_module, "build_config", counting)
    config = {"sslmos": {"backbone": "wav2vec2-tiny"}, "jsqa": {"preset": "tiny"}, "sfissl": {}}[name]
    if name == "sfissl":
        config = {"backbone": "hubert-tiny", "features": 16, "widths": [24, 32]}
    values = {
        "predictor": name,
        "config": config,
        "train": {"epochs": 1, "losses": ["mse"], "batch": {"size": 8, "same_rate": True}},
        "stages": [{"name": "first"}, {"name": "second"}],
    }
    plan: Recipe = parse_recipe("test", values, "test recipe", name)
    train_predictor(name, load_task("folder", rated), output=tmp_path, recipe=plan, device="cpu")
    assert parsed == ["stage first: settings", "stage second: settings"]


def test_the_life_of_a_training(
    trained: Callable[..., Any], toynet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    facts: list[StageFacts] = []

    class Watched(toynet.ToyTraining):  # type: ignore[misc, name-defined]
        def check_stage(self, stage: Stage) -> None:
            calls.append(f"check {stage.name}")
            super().check_stage(stage)

        def begin_stage(self, stage: Stage, given: StageFacts = training_module.NO_FACTS) -> None:
            calls.append(f"begin {stage.name}")
            facts.append(given)
            super().begin_stage(stage, given)

        def forward(self, batch: Any) -> Any:
            assert self.network.training
            calls.append(f"forward {self.stage.name}")
            return super().forward(batch)

        def end_stage(self) -> None:
            assert not self.network.training
            calls.append(f"end {self.stage.name}")

    trained(monkeypatch, Watched)
    steps = ["forward {}"] * 12
    wanted = ["check head", "check all"]
    for name in ("head", "all"):
        wanted += [one.format(name) for one in ("begin {}", *steps, "end {}")]
    assert calls == wanted
    assert [one.targets.shape for one in facts if one.targets is not None] == [(24, 1), (24, 1)]
    assert all(list(one.listeners) == [] for one in facts)


def test_scoring_imports_no_training() -> None:
    code = (
        "import sys, numpy as np\n"
        "from mosharness.predictors import PREDICTORS\n"
        f"names = {NETWORKS!r}\n"
        "tiny = {'apgmos': {'size': 'tiny', 'variant': 'W2V'}, 'audiobox': {'size': 'tiny'}, 'drasp': {'size': 'tiny', "
        "'text': False}, 'jsqa': {'preset': 'tiny'}, 'sfissl': {'backbone': 'hubert-tiny', 'features': 16, 'widths': "
        "[24, 32]}, 'sslmos': {'backbone': 'wav2vec2-tiny'}, 'utmosv2': {'size': 'tiny'}}\n"
        "for name in names:\n"
        "    scores = PREDICTORS[name](tiny[name], device='cpu').predict([np.sin(np.arange(32000)) / 9], 16000)\n"
        "    assert np.isfinite(scores).all(), name\n"
        "loaded = [name for name in sys.modules if name.startswith('mosharness.predictors') and 'training' in name]\n"
        "assert not loaded, loaded\n"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_training_of_its_own_and_unknown_settings_are_refused(name: str) -> None:
    cls: Any = PREDICTORS[name]
    tiny = {"jsqa": {"preset": "tiny"}, "sfissl": {"backbone": "hubert-tiny", "features": 16, "widths": [24, 32]}}
    tiny |= {"sslmos": {"backbone": "wav2vec2-tiny"}}
    training = training_of(cls(tiny.get(name, {"size": "tiny"}), device="cpu"))
    assert type(training) is not Training
    assert type(training).__module__ == f"mosharness.predictors.{name}.training"
    with pytest.raises(UnknownName, match="setting of stage train: settings"):
        training.check_stage(Stage("train", epochs=1, settings={"no_such": 1}))


def test_predictors_without_a_network_have_no_training() -> None:
    with pytest.raises(UsageError, match="predictor dsp has no network that recipes train"):
        training_of(PREDICTORS["dsp"](device="cpu"))


def test_methods_of_training_on_the_predictor_itself_still_count(
    trained: Callable[..., Any], toynet: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contract before 0.2: every method takes the stage, statistics come by methods of their own."""
    calls: dict[str, Any] = {}

    def see_targets(self: Any, targets: np.ndarray, stage: Stage) -> None:
        calls["targets"] = targets.shape

    def prepare_training(self: Any, clip: Any, stage: Stage, generator: np.random.Generator) -> Any:
        calls["clip"] = (clip.domain, stage.name)
        return self.prepare(clip)[: 5 + int(generator.integers(10))]

    def training_forward(self: Any, batch: Any, stage: Stage) -> Any:
        return {"scores": self.forward(batch)}

    def losses(self: Any, outputs: Any, targets: Any, stage: Stage) -> Any:
        calls["losses"] = stage.name
        return {"own": (outputs - targets).abs().mean()}

    for method in (see_targets, prepare_training, training_forward, losses):
        monkeypatch.setattr(toynet.ToyNet, method.__name__, method, raising=False)
    predictor = trained(monkeypatch, Training, losses=["own"])
    assert calls == {"targets": (24, 1), "clip": ("folder", "all"), "losses": "all"}
    assert np.isfinite(predictor.predict([(np.sin(np.arange(4000)) / 9, 8000)])).all()
