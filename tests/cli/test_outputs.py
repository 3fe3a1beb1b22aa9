"""What verbs say of an output that cannot be one: a folder, an input by another name, the file of another option."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mosharness.harness.core.errors import UsageError
from mosharness.harness.core.guard import guard_output
from mosharness.harness.core.kept import LONGEST, changes, difference

from tests.conftest import load_module

helpers = load_module(Path(__file__).with_name("test_kept.py"))
TOY = "--predictor toy --checkpoint toy.txt"
EVALUATE = "evaluate --truth truth.csv --predictions p.csv"
GATE = "gate --baseline old --candidate old --allow-same --predictor toy=toy.txt --signals off"

REFUSED = (
    f"predict clips.csv {TOY} -o FOLDER.csv",
    f"predict clips.csv {TOY} -o ./clips.csv",
    f"predict ./clips.csv {TOY} -o HERE/clips.csv",
    f"predict clips.csv {TOY} -o link.csv",
    f"predict link.csv {TOY} -o hard.csv",
    f"predict clips.csv {TOY} -o dangling.csv",
    f"predict clips.csv {TOY} --summary FOLDER.csv",
    f"predict clips.csv {TOY} --summary hard.csv",
    f"predict clips.csv {TOY} --over-time curve.csv",
    f"predict clips.csv {TOY} -o out.csv --summary old/../out.csv",
    f"{EVALUATE} --output FOLDER.json",
    f"{EVALUATE} --output HERE/p.csv",
    f"{EVALUATE} --system-truth systems.json --output linked.json",
    "ratings ratings.csv -o FOLDER.json",
    "ratings ratings.csv --means systems.json -o linked.json",
    f"{GATE} --save-baseline FOLDER.json",
    f"{GATE} --save-baseline -",
    f"{GATE} --history FOLDER.json",
    f"{GATE} --history new.json --save-baseline ./new.json",
    f"{GATE} --report . --save-baseline gate.json",
    "prepare folder --from a --output ready",
    "study plan.yaml --task folder --data-root a --output mine",
    "new predictor a",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: ModuleType) -> Path:
    monkeypatch.chdir(tmp_path)
    helpers.make_data(tmp_path / "a", 1)
    texts = {
        "clips.csv": "path\na/s0-3.wav\n",
        "systems.json": '{"system_id": "s0", "mos": 2}\n{"system_id": "s1", "mos": 3}\n',
        "truth.csv": "utterance_id,system_id,mos\n" + "".join(f"u{at},s{at % 2},{at + 1}\n" for at in range(4)),
        "p.csv": "utterance_id,mos\n" + "".join(f"u{at},{at + 2}\n" for at in range(4)),
        "ratings.csv": "utterance_id,listener_id,mos\n" + "".join(f"u{at},l{at % 2},3\n" for at in range(4)),
        "ready.yaml": "mine: true\n",
        "plan.yaml": "predictor: dsp\nrows:\n  - {name: plain}\n",
        "mine/folder/plan-plain/README.md": "# mine\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("FOLDER.csv", "FOLDER.json", "curve.png", "old"):
        (tmp_path / name).mkdir()
    os.link("a/s0-0.wav", "old/t0.wav")
    os.link("clips.csv", "hard.csv")
    for name, target in (("link.csv", "clips.csv"), ("linked.json", "systems.json"), ("dangling.csv", "nowhere")):
        Path(name).symlink_to(target)
    return tmp_path


def test_what_cannot_be_an_output_is_refused_in_a_sentence(here: Path, cli: Callable[..., Any]) -> None:
    before = helpers.snapshot(here)
    for command in REFUSED:
        outcome = cli(*command.replace("HERE", str(here)).split())
        assert outcome.code == 2 and "Traceback" not in outcome.err, f"{command}\n{outcome.err}"
        assert any(word in outcome.err for word in ("ame a", "ame another", "another", ".json")), outcome.err
        assert helpers.snapshot(here) == before, command


def test_a_folder_is_never_replaced_by_a_file(here: Path) -> None:
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="this is a folder; name a file"):
            guard_output("FOLDER.csv", "-o", lambda _: True, overwrite=overwrite)


def test_an_evaluation_does_not_remove_the_table_that_it_reads(here: Path, cli: Callable[..., Any]) -> None:
    run = ("run", "--task", "folder", "--data-root", "a", *TOY.split())
    assert cli(*run).code == 0
    place = here / "results/folder/test/toy"
    (place / "result.json").unlink()
    evaluate = ("evaluate", "--task", "folder", "--data-root", "a", "--predictions", place / "predictions.csv")
    refused = cli(*evaluate, "--name", "toy", "--output", "results")
    assert refused.code == 2 and "this is the file of --predictions" in refused.err, refused.err
    assert (place / "predictions.csv").is_file()


def test_differences_name_the_field_and_both_values() -> None:
    then = {"lr": 0.1, "steps": [1, 2], "stages": [{"name": "a", "loss": {"kind": "l1"}}, {"name": "b"}]}
    now = {"lr": 0.1, "steps": [1, 3], "stages": [{"name": "a", "loss": {"kind": "l2"}}], "new": None}
    assert changes("x", then, then) == [] and changes("", {"new": None}, {}) == []
    assert changes("x", then, now) == [
        "x.steps: 1, 2 -> 1, 3",
        "x.stages.a.loss.kind: l1 -> l2",
        "x.stages.b: name b -> none",
    ]
    assert changes("", [{"p": 1}, {"p": 2}], [{"p": 1}, {"p": 3}]) == ["[1].p: 2 -> 3"]
    assert changes("folds", None, {"count": 5, "by": ["system", "clip"]}) == ["folds: none -> count 5, by system, clip"]
    long = "/very" * 40
    said = difference("path", f"{long}/one.csv", f"{long}/two.csv")
    assert "one.csv" in said and "two.csv" in said and len(said) < 2 * LONGEST + 30
