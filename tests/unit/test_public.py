"""The public names: all there, documented, in the page, and nothing else pretends to be public."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import mosharness
import numpy as np
import pytest
import soundfile
from mosharness.harness.gates.options import GateOptions

FUNCTIONS = [name for name in mosharness.__all__ if inspect.isfunction(getattr(mosharness, name))]
CLASSES = [name for name in mosharness.__all__ if inspect.isclass(getattr(mosharness, name))]
OLD = {
    "compare_results": "compare",
    "evaluate_predictions": "evaluate",
    "measure_rows": "measure_rows",
    "run_split": "run",
    "train_predictor": "train",
    "verify_result": "verify",
}


def test_every_public_name_exists_and_dir_shows_it():
    assert set(FUNCTIONS) | set(CLASSES) | {"__version__"} == set(mosharness.__all__)
    shown = set(dir(mosharness))
    assert set(mosharness.__all__) <= shown
    assert shown - set(mosharness.__all__) == {"harness", "predictors", "tasks"}
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        mosharness.rum  # noqa: B018


def test_the_public_names_stand_for_type_checkers_as_well(repository):
    tree = ast.parse((repository / "harness/_root/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported | {"__version__"} == set(mosharness.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_says_what_it_takes_and_returns(name):
    function = getattr(mosharness, name)
    text = inspect.getdoc(function) or ""
    parameters = inspect.signature(function).parameters
    assert "Returns:" in text or name.startswith("load_")  # these say it in their first line
    assert not parameters or "Args:" in text
    for parameter in parameters:
        assert f"{parameter}:" in text or f"{parameter}," in text, f"{name}: {parameter} is not explained"


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_docstring(name):
    assert len(inspect.getdoc(getattr(mosharness, name)) or "") > 20


@pytest.mark.parametrize("name", mosharness.__all__)
def test_the_page_shows_every_name_in_code_that_runs(name, repository):
    blocks = (repository / "docs/python.md").read_text("utf-8").split("```python\n")[1:]
    code = "\n".join(block.partition("```")[0] for block in blocks)
    if name not in ("Task", "Trainable"):
        assert f"mosharness.{name}" in code
    assert f"`{name}`" in (repository / "docs/python.md").read_text("utf-8") or name == "__version__"


@pytest.mark.parametrize("old", OLD)
def test_old_names_work_and_say_what_replaces_them(old):
    with pytest.warns(DeprecationWarning, match=rf"mosharness\.{old} is deprecated; use .*\b{OLD[old]}$"):
        assert callable(getattr(mosharness, old))


def test_help_lists_the_names():
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "import pydoc, mosharness; print(pydoc.render_doc(mosharness, renderer=pydoc.plaintext))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in FUNCTIONS:
        assert f"\n    {name}(" in shown


def test_run_is_a_function_whatever_is_imported_before():
    script = "import mosharness.harness.run, mosharness.harness.api.run, mosharness; print(callable(mosharness.run))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "True"


def test_a_wrong_kind_or_class_is_not_registered():
    from mosharness.tasks.demo import Demo

    with pytest.raises(mosharness.MosharnessError, match="kind is one of task, predictor"):
        mosharness.register("model", "mine", "a:b")
    with pytest.raises(mosharness.MosharnessError, match="subclass of Predictor"):
        mosharness.register("predictor", "mine", Demo)
    with pytest.raises(mosharness.MosharnessError, match="exists already"):
        mosharness.register("task", "demo", Demo)
    assert "mine" not in mosharness.list_predictors()


class Fixed(mosharness.Predictor):
    """Says 3 for every clip."""

    card = mosharness.predictors.PredictorCard("fixed", "says 3", ("mos",), (1.0, 5.0), "none")

    def prepare(self, clip):
        return 0.0

    def score(self, batch):
        return np.full((len(batch), 1), 3.0)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", 0.3 * np.sin(np.arange(32000) / 9), 16000)
    (tmp_path / "b.wav").write_bytes(b"no audio")
    return tmp_path


def test_predict_gives_a_row_per_clip_with_its_reason(audio):
    table = mosharness.predict(audio, Fixed(), output=audio / "out.csv", use_cache=False)
    assert list(table.columns[:3]) == ["path", "utterance_id", "mos"]
    assert list(table["utterance_id"]) == ["a", "b"] and list(table["status"]) == ["ok", "failed"]
    assert table["mos"][0] == 3.0 and np.isnan(table["mos"][1]) and table["reason"][1]
    assert (audio / "out.csv").is_file()
    alone = mosharness.predict(str(audio / "a.wav"), Fixed(), use_cache=False)
    assert len(alone) == 1


def test_run_takes_objects_and_stores_what_read_result_reads(tmp_path):
    result = mosharness.run("demo", Fixed(), limit=4, output=tmp_path, name="three")
    stored = mosharness.read_result(tmp_path / "demo" / "test" / "three")
    assert stored == result
    assert not mosharness.verify(tmp_path / "demo" / "test" / "three").differences
    boards = mosharness.leaderboard(tmp_path)
    assert [board.task for board in boards.boards] == ["demo"] and "three" in boards.markdown()
    assert "demo (1)" in repr(boards) and "three" in boards.csv()
    assert "README.md" in {path.name for path in boards.write(tmp_path / "boards")}


def test_arguments_that_exclude_each_other_are_refused(audio):
    with pytest.raises(mosharness.MosharnessError, match="loaded already"):
        mosharness.run("demo", Fixed(), train=True)
    with pytest.raises(mosharness.MosharnessError, match="exclude each other"):
        mosharness.run("demo", "dsp", train=True, checkpoint="x")
    with pytest.raises(mosharness.MosharnessError, match="loaded already"):
        mosharness.predict(audio, Fixed(), checkpoint="x")
    with pytest.raises(mosharness.MosharnessError, match="test_for, test_p501, test_livetalk: choose one"):
        mosharness.run("nisqa", Fixed())
    with pytest.raises(mosharness.MosharnessError, match="give a list of names"):
        mosharness.gate(audio, audio, predictors="nisqa")
    for sides, words in (
        (("nope", audio), "^candidate nope: no such"),
        ((audio, "old"), "^baseline old: no such"),
        ((audio, audio), "^baseline and candidate are the same"),
    ):
        with pytest.raises(mosharness.MosharnessError, match=words) as refused:
            mosharness.gate(*sides, predictors={"fixed": Fixed()})
        assert "--" not in str(refused.value)


def test_a_gate_says_its_verdict(tmp_path):
    generator = np.random.default_rng(0)
    for system in ("old", "new"):
        (tmp_path / system).mkdir()
        for at in range(3):
            soundfile.write(tmp_path / system / f"{at}.wav", 0.3 * generator.standard_normal(16000), 16000)
    options = GateOptions(min_n=3)
    outcome = mosharness.gate(tmp_path / "new", tmp_path / "old", predictors={"fixed": Fixed()}, options=options)
    assert outcome.verdict == "pass" and outcome.exit_code == 0
    assert (
        list(outcome.to_frame()["name"]) == ["fixed"]
        and "fixed" in outcome.markdown()
        and "pass" in repr(outcome).lower()
    )
    assert {"gate.json", "junit.xml", "summary.md", "gate.html"} <= {
        path.name for path in outcome.write(tmp_path / "r")
    }
    stricter = mosharness.gate(
        tmp_path / "new", tmp_path / "old", predictors={"fixed": Fixed()}, margin={"fixed": 0.1}, options=options
    )
    assert stricter.to_frame()["margin"][0] == 0.1
