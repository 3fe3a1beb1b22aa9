"""Tasks as YAML: names of one's own, sources, mistakes, and what ``prepare`` writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import MosharnessError
from mosharness.tasks import TASKS, load_task
from mosharness.tasks.taskfile import TaskFile, TaskSource, read_task_file, write_task_file

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def only_for_one_test() -> Iterator[None]:
    before = set(TASKS)
    yield
    for name in set(TASKS) - before:
        del TASKS._entries[name], TASKS._origins[name]


@pytest.fixture
def place(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    """Two folders of clips with a table each, and tasks of them."""
    for at, name in enumerate(("one", "two")):
        lines = ["wav,made_by,opinion"]
        for clip in range(8):
            write_wave(tmp_path / name / f"c{clip}.wav", 0.3, seed=clip, rate=8000, level=0.02 * (clip + 1))
            lines.append(f"c{clip}.wav,s{clip % 4},{10 * clip + at}")
        (tmp_path / name / "metadata.csv").write_text("\n".join(lines) + "\n")
        (tmp_path / f"{name}.yaml").write_text(
            f"name: test-{name}\ntitle: my test {name}\nsource: {{folder: {name}}}\nlicense: ours\n"
            "map: {system_id: made_by, mos: opinion}\nscale: [0, 100]\nhuman: true\n"
        )
    return tmp_path


def answers(folder: Path) -> Path:
    path = folder / "answers.csv"
    path.write_text("".join(f"c{clip},{clip + 0.5}\n" for clip in range(8)))
    return path


def test_two_tests_of_ones_own_have_their_own_names_and_boards(cli: Cli, place: Path) -> None:
    out = place / "results"
    for name in ("one", "two"):
        given = ("evaluate", "--task", place / f"{name}.yaml", "--predictions", answers(place), "--output", out)
        outcome = cli(*given, "--name", "mine")
        assert outcome.code == 0, outcome.err
    assert (out / "test-one/test/mine/result.json").is_file() and (out / "test-two/test/mine/result.json").is_file()
    assert json.loads((out / "test-one/test/mine/result.json").read_text())["task"]["title"] == "my test one"
    board = cli("leaderboard", "--results", out, "--output", place / "boards", "--format", "csv", "--task", "test-one")
    assert board.code == 0 and "mine" in board.out and "test-two" not in board.out
    assert "my test one" in cli("ls", "tasks", "--task-path", place).out


def test_a_table_elsewhere_and_one_by_split(place: Path) -> None:
    header = "wav_path,system_id,sample_id,avg_score\n"
    for split, clips in (("train", range(6)), ("test", range(6, 8))):
        text = "".join(f"{place}/one/c{clip}.wav,c{clip},c{clip},{1 + clip / 2}\n" for clip in clips)
        (place / f"{split}.csv").write_text(header + text)
    (place / "sheet.yaml").write_text(
        "name: sheet-set\nsystems: false\nsource: {table: {train: train.csv, test: test.csv}, audio: one}\n"
        "splits: {test: {utterances: 3}}\n"
    )
    task = load_task(str(place / "sheet.yaml"))
    test = task.open("test")
    assert [row["mos"] for row in test.rows] == [4.0, 4.5] and not test.missing_audio and test.n_systems == 0
    assert len(task.open("train").rows) == 6
    assert [finding.code for finding in test.findings if finding.code == "row_count"], "a count that is not met is said"


def test_prepare_writes_a_task_that_loads_equal(cli: Cli, place: Path) -> None:
    lines = "".join(f"c{clip}.wav,s{clip},{1 + clip / 2}\n" for clip in range(8))
    (place / "two/metadata.csv").write_text("path,system_id,mos\n" + lines)
    outcome = cli("prepare", "folder", "--from", place / "two", "--name", "kept-two")
    assert outcome.code == 0, outcome.err
    assert "--task" in outcome.out and "two-portable.yaml" in outcome.out
    task = load_task(str(place / "two-portable.yaml"))
    assert (
        task.card.name == "kept-two"
        and task.open("test").digest == load_task("folder", place / "two").open("test").digest
    )
    assert cli("prepare", "folder", "--from", place / "two", "--name", "bvcc").code == 2
    assert cli("prepare", "bvcc", "--from", place / "two", "--name", "mine").code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: folder\nsource: {folder: one}", "taken"),
        ("name: x\nsource: {folder: one, table: a.csv}", "one of folder, table and hub"),
        ("name: x\nsource: {}", "one of folder, table and hub"),
        ("name: x\nsource: {folder: one}\nscal: [1, 5]", "scale"),
        ("name: X y\nsource: {folder: one}", "will not do"),
        ("name: x\nsource: {folder: one}\nscale: [5, 1]", "lowest"),
        ("name: x\nsource: {folder: absent}", "absent"),
        ("name: x\nsource: {table: absent.csv}", "absent.csv"),
        ("- name", "mapping"),
        ("name: x\nsource: {folder: one}\nmap: {mos: nothing, system_id: made_by}", "nothing"),
        ("name: x\nsource: {folder: one}\nmap: {mos: opinion, system_id: made_by}\nscale: [0, 100]\n"
         "splits: {dev: {}}", "dev"),
    ],
)  # fmt: skip
def test_mistakes_are_sentences(cli: Cli, place: Path, text: str, said: str) -> None:
    (place / "bad.yaml").write_text(text)
    outcome = cli("evaluate", "--task", place / "bad.yaml", "--predictions", answers(place))
    assert outcome.code in (2, 3) and said in outcome.err and "Traceback" not in outcome.err


def test_a_written_file_reads_back(tmp_path: Path) -> None:
    task = TaskFile(name="x", source=TaskSource(table={"test": "a.csv"}, audio="wav"), scale=(0, 10), human=False)
    write_task_file(tmp_path / "x.yaml", task)
    assert read_task_file(tmp_path / "x.yaml") == task
    with pytest.raises(MosharnessError, match="no YAML file"):
        TASKS.add_folder(tmp_path / "nowhere") if (tmp_path / "nowhere").mkdir() is None else None


def test_run_takes_columns(cli: Cli, place: Path) -> None:
    given = ("run", "--task", "folder", "--data-root", place / "one", "--predictor", "dsp", "--output", place / "out")
    outcome = cli(*given, "--column", "system_id=nobody", "--column", "mos=opinion")
    assert outcome.code == 2 and "nobody" in outcome.err and "made_by" in outcome.err
    assert "FIELD=HEADER" in cli(*given, "--column", "opinion").err
    named = cli(*given, "--column", "system_id=made_by", "--column", "mos=opinion")
    assert named.code == 2 and "no column" not in named.err, "what is wrong now is another thing"
