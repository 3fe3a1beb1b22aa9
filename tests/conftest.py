"""Fixtures that every kind of test shares."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

# Tests start many processes: where Python may not keep compiled files beside the sources, they go below .pytest_cache.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(ROOT / ".pytest_cache" / "bytecode"))
    sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"]
    sys.dont_write_bytecode = False

# A busy machine is no failure; and a submission is judged on the same examples every time.
hypothesis.settings.register_profile("mosharness", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("mosharness")


APART = {"test_docs.py", "test_sslmos.py"}
"""Files whose tests are long and share nothing: they are spread over the processes."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes: long tests first, and what shares networks and trainings in one process."""
    if not hasattr(config, "workerinput"):
        return
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("slow", "docs")))
    for item in items:
        if item.path.name not in APART:
            shares = (item.path.parent / "conftest.py").is_file() and item.path.parent.parent.name == "unit"
            item.add_marker(pytest.mark.xdist_group(str(item.path.parent if shares else item.path)))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real labels, weights and audio beside the project; other people's licences keep them out of the tree."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the folder ../shared with real labels, weights and audio is absent")
    return folder


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """Golden vectors: ``$MOSHARNESS_PARITY`` (must exist when set), else ``../shared/parity`` (skips when absent)."""
    chosen = os.environ.get("MOSHARNESS_PARITY")
    if chosen:
        return Path(chosen)
    folder = ROOT.parent / "shared" / "parity"
    if not folder.is_dir():
        pytest.skip("no golden vectors: $MOSHARNESS_PARITY is not set and ../shared/parity is absent")
    return folder


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's data roots, caches or settings, or stays offline as the one before it."""
    if "mosharness.harness.hub.hub" in sys.modules:
        sys.modules["mosharness.harness.hub.hub"].set_offline(False)
    for name in [name for name in os.environ if name.startswith("MOSHARNESS_") and name != "MOSHARNESS_PARITY"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def _rendered_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mosharness.tasks.demo.render import default_cache, render

    folder = tmp_path_factory.mktemp("demo") / default_cache().name
    render(folder)
    return folder


@pytest.fixture
def demo(_rendered_demo: Path, _own_caches: None) -> None:
    """The demo task's clips, rendered once for all tests."""
    cache = Path(os.environ["MOSHARNESS_CACHE"])
    (cache / _rendered_demo.name).symlink_to(_rendered_demo)


def load_module(path: Path) -> ModuleType:
    """Import a helper file of the tests by its path (the tests are no package)."""
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The toy predictor's module, registered as ``toy`` for this test, with a checkpoint file in ``tmp_path``."""
    module = load_module(ROOT / "tests" / "toy_predictor.py")
    from mosharness.predictors import PREDICTORS

    if "toy" not in PREDICTORS:
        PREDICTORS.add("toy", module.Toy)
    (tmp_path / "toy.txt").write_text("1.0 0.5 0.25")
    return module


@dataclass
class Outcome:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run the command line in this process: ``cli("ls", "tasks")``."""
    from mosharness.harness.cli.app import run_app

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        code = run_app([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture(scope="session")
def write_wave() -> Callable[..., Path]:
    """Write a wav: ``write_wave(path, seconds=1.0, rate=16000, seed=0, level=0.1)`` of shaped noise."""

    def write(path: Path, seconds: float = 1.0, rate: int = 16_000, seed: int = 0, level: float = 0.1) -> Path:
        import numpy as np
        import soundfile

        path.parent.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(seed)
        noise = generator.standard_normal(int(seconds * rate))
        envelope = 0.6 + 0.4 * np.sin(2 * np.pi * 3.0 * np.arange(noise.size) / rate)
        soundfile.write(path, (level * noise * envelope).clip(-0.99, 0.99).astype("float32"), rate, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def small_folder(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    """A ``folder`` task with 24 short clips of six systems and a metadata.csv."""
    root = tmp_path / "small"
    lines = ["path,system_id,mos,split"]
    for system in range(6):
        for clip in range(4):
            name = f"sys{system}/clip{clip}.wav"
            write_wave(
                root / name, 0.5 + 0.11 * clip + 0.07 * system, seed=10 * system + clip, level=0.02 + 0.03 * system
            )
            lines.append(f"{name},{system:03d},{1.5 + 0.5 * system + 0.1 * clip},test")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root
