"""A folder without splits is cut by system or by clip, by a seed, and results say how."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import DataError, UsageError
from mosharness.tasks import load_task
from mosharness.tasks.cut import Cut, cut_clips


@pytest.fixture
def clips(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    root = tmp_path / "clips"
    lines = ["path,system_id,mos"]
    for system in range(6):
        for clip in range(5):
            write_wave(root / f"s{system}/c{clip}.wav", 0.5, seed=10 * system + clip, rate=8000)
            lines.append(f"s{system}/c{clip}.wav,s{system},{1.2 + 0.6 * system + 0.05 * clip:.2f}")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


def sides(root: Path, **options: Any) -> dict[str, set[str]]:
    task = load_task("folder", root, **options)
    return {split: {row["utterance_id"] for row in task.open(split, audio=False).rows} for split in task.card.splits}


def test_no_system_lies_on_two_sides(clips: Path) -> None:
    found = sides(clips, split_by="system", dev=0.2, test=0.3)
    assert {name: len(ids) for name, ids in found.items()} == {"train": 15, "dev": 5, "test": 10}
    systems = {name: {one.partition("/")[0] for one in ids} for name, ids in found.items()}
    assert sum(map(len, systems.values())) == len(set.union(*systems.values())) == 6
    assert found == sides(clips, split_by="system", dev=0.2, test=0.3)
    assert any(found != sides(clips, split_by="system", dev=0.2, test=0.3, split_seed=seed) for seed in range(1, 4))


def test_by_clip_neither_order_nor_labels_count_and_a_new_row_moves_few(clips: Path) -> None:
    found = sides(clips, split_by="clip")
    assert {name: len(ids) for name, ids in found.items()} == {"train": 21, "dev": 3, "test": 6}
    table = clips / "metadata.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *(row.replace(",1.", ",2.") for row in reversed(rows))]) + "\n")
    assert sides(clips, split_by="clip") == found
    names = [(f"c{at}", "") for at in range(200)]
    before, after = cut_clips(Cut("clip"), names, "x"), cut_clips(Cut("clip"), [*names, ("new", "")], "x")
    assert sum(one != two for one, two in zip(before, after, strict=False)) <= 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split_by": "sytem"}, UsageError, "cut by system or clip"),
        ({"dev": 0.1}, UsageError, "option dev goes with split_by"),
        ({"split_by": "clip", "dev": 0.5, "test": 0.5}, UsageError, "leave nothing to train on"),
        ({"split_by": "clip", "test": 20}, UsageError, "give a share from 0"),
        ({"split_by": "system", "dev": 0.45, "test": 0.5}, DataError, "6 systems cannot be cut"),
    ],
)
def test_what_makes_no_sense_is_refused(clips: Path, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_task("folder", clips, **options)


def test_splits_that_are_there_are_not_cut_again(clips: Path) -> None:
    table = clips / "metadata.csv"
    head, *rows = table.read_text().splitlines()
    marked = [f"{row},{'train' if at % 2 else 'test'}" for at, row in enumerate(rows)]
    table.write_text("\n".join([f"{head},split", *marked]) + "\n")
    with pytest.raises(UsageError, match="column split says test, train already; leave --split-by"):
        load_task("folder", clips, split_by="system")


def test_a_run_trains_on_the_cut_and_result_and_checkpoint_record_it(
    cli: Callable[..., Any], clips: Path, tmp_path: Path
) -> None:
    given = [
        "run",
        "--task",
        "folder",
        "--data-root",
        clips,
        "--predictor",
        "dsp",
        "--train",
        "--output",
        tmp_path / "out",
    ]
    plain = cli(*given)
    assert plain.code == 2 and "cut it: --split-by system --dev 0.1 --test 0.2" in plain.err
    outcome = cli(*given, "--split-by", "system", "--dev", 0.2, "--test", 0.3, "--split-seed", 4, "--json")
    assert outcome.code == 0, outcome.err
    recorded = next(one["message"] for one in outcome.json["findings"] if one["code"] == "cut")
    assert recorded.endswith("split_by=system dev=0.2 test=0.3 split_seed=4 (train 15, dev 5, test 10 clips)")
    assert outcome.json["counts"]["total"] == 10
    stored = json.loads((tmp_path / "out/folder/dsp/checkpoint/training.json").read_text())
    assert "split_seed=4" in json.dumps(stored)
