"""``docs/kept.md``: what every verb says and keeps, as the verbs really say it.

``MOSHARNESS_KEPT_PAGE=write pytest tests/cli/test_kept_page.py`` renews the table.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import load_module

RENEW = os.environ.pop("MOSHARNESS_KEPT_PAGE", "") == "write"
helpers = load_module(Path(__file__).with_name("test_kept.py"))

RUN = "run --task folder --data-root a --predictor toy --checkpoint toy.txt"
TRAIN = "train --predictor dsp --task folder --data-root"
STUDY = "study plan.yaml --task folder --data-root"
GATE = "gate --baseline old --predictor toy=toy.txt"
NET = "train --predictor toynet --recipe net.yaml --task folder --data-root a --output"
TUNE = f"{NET} tuned --init-from start/folder/toynet/checkpoint"
EVALUATE = "evaluate --predictions p.csv --output one.json --truth"
PREDICT = "predict a --predictor toy --checkpoint toy.txt -o scores.csv"


def copy_over(folder: Path) -> None:
    """All audio of ``a`` replaced by that of ``b``, sizes and times as they were."""
    for clip in (folder / "a").glob("*.wav"):
        times = clip.stat()
        clip.write_bytes((folder / "b" / clip.name).read_bytes())
        os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))


def edit_labels(folder: Path) -> None:
    table = folder / "a" / "metadata.csv"
    table.write_text(re.sub(r"(s2-\d\.wav,s2),\S+?,", r"\1,4.00,", table.read_text()))


def other_weights(folder: Path) -> None:
    (folder / "toy.txt").write_text("1.0 0.5 0.5")


def other_start(folder: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = folder / "start/folder/toynet/checkpoint/model.safetensors"
    save_file({name: value * 1.01 for name, value in load_file(path).items()}, path)


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    """A file of which a part was edited."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return edit


def nothing(folder: Path) -> None:
    pass


RECIPE = """
predictor: toynet
config: {width: 6}
train:
  losses: [l1]
  optimizer: {name: adamw, lr: 0.01}
  batch: 4
stages:
  - {name: head, frozen: ["body.*"], epochs: 1}
  - {name: all, epochs: 1}
"""

# what happened, what was done before, what changed, the command, its exit code
CASES: tuple[tuple[str, str, Callable[[Path], None], str, int], ...] = (
    ("the same run again", RUN, nothing, RUN, 0),
    ("fewer clips", RUN, nothing, f"{RUN} --limit 3", 2),
    ("other settings", RUN, nothing, f"{RUN} --set gain=2.0", 2),
    ("another seed of the intervals", RUN, nothing, f"{RUN} --seed 5", 2),
    ("another file of system truth", RUN, nothing, f"{RUN} --system-truth truth.csv", 2),
    (
        "the file of system truth edited",
        f"{RUN} --system-truth truth.csv",
        replaced("truth.csv", "s0,1.0", "s0,1.25"),
        f"{RUN} --system-truth truth.csv",
        2,
    ),
    ("another --limit after a --limit", f"{RUN} --limit 3", nothing, f"{RUN} --limit 4", 2),
    ("all clips after a --limit", f"{RUN} --limit 3", nothing, RUN, 2),
    ("two data sets of one's own", RUN, nothing, RUN.replace("root a", "root b"), 2),
    ("edited labels", RUN, edit_labels, RUN, 2),
    ("replaced audio, sizes and times kept", RUN, copy_over, RUN, 2),
    ("other weights under the same name", RUN, other_weights, RUN, 2),
    ("kept beside it", RUN, nothing, f"{RUN} --limit 3 --name few", 0),
    ("replaced on purpose", RUN, nothing, f"{RUN} --limit 3 --overwrite", 0),
    ("the same training again", f"{TRAIN} a", nothing, f"{TRAIN} a", 0),
    ("two trainings, on two data sets", f"{TRAIN} a", nothing, f"{TRAIN} b", 2),
    (
        "trained on the way, on two data sets",
        f"{TRAIN} a",
        nothing,
        "run --train --predictor dsp --task folder --data-root b",
        2,
    ),
    ("a training with another seed", f"{TRAIN} a", nothing, f"{TRAIN} a --seed 3", 2),
    ("a training over replaced audio", f"{TRAIN} a", copy_over, f"{TRAIN} a", 2),
    ("a training over edited labels", f"{TRAIN} a", edit_labels, f"{TRAIN} a", 2),
    ("trained on one, scored on another", f"{TRAIN} a", nothing, "run --task folder --data-root b --predictor dsp", 2),
    ("a fine-tuning again", f"{NET} start ; {TUNE}", nothing, TUNE, 0),
    ("a fine-tuning whose start weights changed", f"{NET} start ; {TUNE}", other_start, TUNE, 2),
    ("a recipe with other settings", f"{NET} start ; {TUNE}", nothing, f"{TUNE} --set train.all.optimizer.lr=0.02", 2),
    ("a training resumed over replaced audio", f"{NET} tuned --stage head", copy_over, f"{NET} tuned --resume", 2),
    ("the same study again", f"{STUDY} a", nothing, f"{STUDY} a", 0),
    ("two studies, on two data sets", f"{STUDY} a", nothing, f"{STUDY} b", 2),
    ("a study whose audio was all replaced", f"{STUDY} a", copy_over, f"{STUDY} a", 2),
    ("a study with another seed", f"{STUDY} a", nothing, f"{STUDY} a --seed 3", 2),
    ("a study whose labels were edited", f"{STUDY} a", edit_labels, f"{STUDY} a", 2),
    ("a study of other rows under the name", f"{STUDY} a", replaced("plan.yaml", "plain", "other"), f"{STUDY} a", 2),
    ("the same evaluation again", f"{EVALUATE} truth.json", nothing, f"{EVALUATE} truth.json", 0),
    ("a second truth file", f"{EVALUATE} truth.json", nothing, f"{EVALUATE} truth2.json", 2),
    (
        "the predictions edited",
        f"{EVALUATE} truth.json",
        replaced("p.csv", "u0,1.0", "u0,1.5"),
        f"{EVALUATE} truth.json",
        2,
    ),
    ("scores over earlier scores", PREDICT, nothing, f"{PREDICT} --set gain=2.0", 0),
    ("a manifest as output", "", nothing, "predict clips.csv --predictor toy --checkpoint toy.txt -o clips.csv", 2),
    ("labels as output", "", nothing, "predict a --predictor toy --checkpoint toy.txt -o a/metadata.csv", 2),
    ("truth as output", "", nothing, "evaluate --truth truth.json --predictions p.csv --output truth.json", 2),
    ("a README in the way", RUN, nothing, "leaderboard --output .", 2),
    ("a baseline over some file", "", nothing, f"{GATE} --save-baseline toy.txt", 2),
    ("a history into audio", "", nothing, f"{GATE} --candidate a --history a/s0-0.wav", 2),
    (
        "a baseline of other audio",
        f"{GATE} --save-baseline base.json",
        nothing,
        "gate --baseline a --predictor toy=toy.txt --save-baseline base.json",
        2,
    ),
    (
        "history and baseline in one file",
        "",
        nothing,
        f"{GATE} --candidate a --history one.json --save-baseline one.json",
        2,
    ),
    ("a folder as output", "", nothing, "evaluate --truth truth.json --predictions p.csv --output folder.json", 2),
    ("an approved baseline", "approved", nothing, f"{GATE} --save-baseline base.json", 2),
)


def prepare(folder: Path) -> None:
    helpers.make_data(folder / "a", 1)
    helpers.make_data(folder / "b", 2)
    shutil.copytree(folder / "a", folder / "old", ignore=shutil.ignore_patterns("*.csv", "*-[012].wav"))
    (folder / "toy.txt").write_text("1.0 0.5 0.25")
    (folder / "plan.yaml").write_text("predictor: dsp\nrows:\n  - {name: plain}\n")
    (folder / "clips.csv").write_text("path\na/s0-3.wav\n")
    (folder / "README.md").write_text("# mine\n")
    (folder / "truth.csv").write_text("system_id,mos\n" + "".join(f"s{at},{1 + at / 2}\n" for at in range(6)))
    rows = "".join(f'{{"utterance_id": "u{at}", "system_id": "s{at}", "mos": {1 + at / 2}}}\n' for at in range(6))
    (folder / "truth.json").write_text(rows)
    (folder / "truth2.json").write_text(rows.replace('"mos": 1.0', '"mos": 1.5'))
    (folder / "folder.json").mkdir()
    (folder / "net.yaml").write_text(RECIPE)
    (folder / "p.csv").write_text("utterance_id,mos\n" + "".join(f"u{at},{1 + at / 3}\n" for at in range(6)))


def said(text: str, folder: Path) -> str:
    """The error as a cell: no digests, no folder of this test."""
    line = text.partition("mosharness: error: ")[2].strip().replace(f"{folder}/", "")
    line = re.sub(r":\n  ", ": ", line).replace("\n  ", "; ").replace("\nKeep", ". Keep").replace("\n", " ")
    return re.sub(r"sha256:[0-9a-f]{8}", "sha256:…", line).replace("|", "\\|")


@pytest.mark.slow
@pytest.mark.usefixtures("toynet")
def test_the_page_says_what_the_verbs_say(
    cli: Callable[..., Any], repository: Path, tmp_path: Path, toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before: dict[str, Path] = {}
    rows = []
    for number, (what, first, change, command, code) in enumerate(CASES):
        if first not in before:
            before[first] = tmp_path / f"before-{len(before)}"
            prepare_in(before[first], first, cli, monkeypatch)
        folder = tmp_path / f"case-{number}"
        shutil.copytree(before[first], folder)
        monkeypatch.chdir(folder)
        change(folder)
        held = helpers.snapshot(folder)
        outcome = cli(*command.split())
        assert outcome.code == code, f"{command}\n{outcome.err}"
        if code == 2:
            assert helpers.snapshot(folder) == held, command
        kept = "everything" if code == 2 else "both" if "--name" in command else "what is made now"
        shown = said(outcome.err, folder) if code == 2 else "done"
        rows.append(f"| {what} | `mosharness {command}` | {code} | {shown} | {kept} |")
    table = "\n".join(["| case | command | exit | says | keeps |", "|---|---|---|---|---|", *rows])
    page = repository / "docs" / "kept.md"
    text = page.read_text("utf-8")
    if RENEW:
        page.write_text(re.sub(r"(?ms)^\| case .*?(?=\n\n|\Z)", lambda _: table, text).rstrip() + "\n", "utf-8")
        text = page.read_text("utf-8")
    assert table in text, "docs/kept.md is stale; the head of this file says how to renew it"


def prepare_in(folder: Path, first: str, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    prepare(folder)
    monkeypatch.chdir(folder)
    if first == "approved":
        assert cli(*GATE.split(), "--save-baseline", "base.json").code == 0
        approve = "gate approve --baseline base.json --candidate old --predictor toy=toy.txt --reason better"
        assert cli(*approve.split()).code == 0
    elif first:
        for command in first.split(" ; "):
            outcome = cli(*command.split())
            assert outcome.code == 0, outcome.err
