"""``mosharness new``: what it writes is installed, checked and run as a user would do it."""

from __future__ import annotations

import csv
import importlib.util
import json
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mosharness.harness.core.choices import PackageKind, choices
from mosharness.harness.core.registry import Registry
from mosharness.predictors import PREDICTORS
from mosharness.tasks import TASKS

Cli = Callable[..., Any]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a written package importable and found by its entry points, as an installed one is."""

    def forget(registry: Registry[Any]) -> None:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        monkeypatch.setattr(registry, "_origins", dict(registry._origins))
        monkeypatch.setattr(registry, "_scanned", False)

    def put(package: Path) -> None:
        project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
        records = package / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        records.mkdir()
        (records / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1\n")
        ((group, points),) = project["entry-points"].items()
        lines = [f"{name} = {value}" for name, value in points.items()]
        (records / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(package))
        for registry in (PREDICTORS, TASKS):
            forget(registry)

    return put


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str, Path], list[str]]]:
    """Options that a kind needs: for an endpoint the address of its example server, which runs meanwhile."""
    running = []

    def options(kind: str, package: Path) -> list[str]:
        if kind != "endpoint":
            return []
        module = module_at(package / "server.py")
        server = module.ThreadingHTTPServer(("127.0.0.1", 0), module.Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return ["--set", f"url=http://127.0.0.1:{server.server_port}"]

    yield options
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind", choices(PackageKind))
def test_a_new_predictor_is_checked_and_scores_in_every_verb(
    kind: str,
    cli: Cli,
    install: Callable[[Path], None],
    settings: Callable[[str, Path], list[str]],
    demo: None,
    write_wave: Callable[..., Path],
    tmp_path: Path,
) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    name = f"new-{kind}"
    written = cli("new", "predictor", name, "--kind", kind, "--output", tmp_path)
    assert written.code == 0 and "pip install -e" in written.err
    assert all(Path(line).is_file() for line in written.out.splitlines())
    package = tmp_path / name
    install(package)
    options = settings(kind, package)
    checked = cli("check", name, *options, "--device", "cpu")
    assert checked.code == 0 and "FAULT" not in checked.out, checked.out + checked.err
    scored = cli("run", "--task", "demo", "--predictor", name, *options, "--limit", "12", "--output", tmp_path / "r")
    assert scored.code == 0 and "12 scored, 0 missing, 0 failed" in scored.out, scored.out + scored.err
    result = json.loads((tmp_path / "r" / "demo" / "test" / name / "result.json").read_text())
    assert result["predictor"]["package"] == f"mosharness-{name} 0.1"
    clips = tmp_path / "clips"
    for at in range(4):
        write_wave(clips / "a" / f"{at}.wav", 0.6, seed=at)
        write_wave(clips / "b" / f"{at}.wav", 0.6, seed=at, level=0.05)
    predicted = cli("predict", clips, "--predictor", name, *options, "-o", tmp_path / "s.csv")
    assert predicted.code == 0, predicted.err
    with (tmp_path / "s.csv").open() as stream:
        assert len([float(row["mos"]) for row in csv.DictReader(stream)]) == 8
    sides = ["--candidate", clips / "b", "--baseline", clips / "a", "--predictor", name]
    judged = cli("gate", *sides, *options, "--margin", "0.1", "--min-n", "4", "--json")
    assert judged.code in (0, 1, 3), judged.err
    listed = cli("ls", "predictors", "--json").json[name]
    assert listed["needs_weights"] is (kind in ("onnx", "torchscript"))
    assert listed["origin"] == f"mosharness-{name}"


def test_the_model_file_of_a_package_is_its_identity(
    cli: Cli, install: Callable[[Path], None], tmp_path: Path, write_wave: Callable[..., Path]
) -> None:
    pytest.importorskip("onnxruntime")
    cli("new", "predictor", "onnx2", "--kind", "onnx", "--output", tmp_path)
    install(tmp_path / "onnx2")
    clip = write_wave(tmp_path / "clip.wav", 1.0)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    refused = cli("predict", clip, "--predictor", f"onnx2={broken}")
    assert refused.code == 2 and f"{broken}: no readable model of onnx2" in refused.err
    from mosharness.predictors import load_predictor

    packaged = load_predictor("onnx2")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes((tmp_path / "onnx2" / "mosharness_onnx2" / "model.onnx").read_bytes() + b"\x12\x00")
    assert load_predictor("onnx2", copy).weights_identity() != packaged.weights_identity()


def test_an_endpoint_that_does_not_answer_is_a_sentence(
    cli: Cli, install: Callable[[Path], None], tmp_path: Path
) -> None:
    cli("new", "predictor", "nowhere", "--kind", "endpoint", "--output", tmp_path)
    install(tmp_path / "nowhere")
    outcome = cli("check", "nowhere", "--set", "url=http://127.0.0.1:9")
    assert outcome.code == 2 and "no answer of the server of nowhere" in outcome.err and "--set url=URL" in outcome.err


def test_a_new_task_reads_its_folder(cli: Cli, install: Callable[[Path], None], tmp_path: Path) -> None:
    assert cli("new", "task", "my-data", "--output", tmp_path).code == 0
    install(tmp_path / "my-data")
    tests = module_at(tmp_path / "my-data" / "tests" / "test_mosharness_my_data.py")
    root = tmp_path / "root"
    root.mkdir()
    tests.test_every_split_is_read(tests.root.__wrapped__(root))
    tests.test_a_score_off_the_scale_is_refused(root)
    assert "my-data" in cli("ls", "tasks").out


def test_what_is_there_is_not_replaced(cli: Cli, tmp_path: Path) -> None:
    assert cli("new", "predictor", "mine", "--output", tmp_path).code == 0
    again = cli("new", "predictor", "mine", "--output", tmp_path)
    assert again.code == 2 and "is there already and is not empty" in again.err
    (tmp_path / "file").write_text("")
    for words, said in (
        (("predictor", "nisqa"), "a predictor called nisqa exists already"),
        (("task", "demo"), "a task called demo exists already"),
        (("predictor", "My MOS"), "will not do"),
        (("predictor", "mine-"), "will not do"),
        (("task", "data", "--kind", "onnx"), "a task has no kinds"),
        (("predictor", "other", "--output", tmp_path / "file"), "is a file where a folder is needed"),
        (("predictor", "other", "--kind", "tf"), "tf"),
    ):
        outcome = cli("new", *words, *(() if "--output" in words else ("--output", tmp_path)))
        assert outcome.code == 2 and said in outcome.err, (words, outcome.err)


def test_templates_are_formatted(cli: Cli, tmp_path: Path, repository: Path) -> None:
    import subprocess
    import sys

    for kind in choices(PackageKind):
        cli("new", "predictor", f"p-{kind}", "--kind", kind, "--output", tmp_path)
    cli("new", "task", "t", "--output", tmp_path)
    for words in (["format", "--check"], ["check", "--ignore", "PT"]):
        command = [sys.executable, "-m", "ruff", *words, "--config", repository / "pyproject.toml", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
