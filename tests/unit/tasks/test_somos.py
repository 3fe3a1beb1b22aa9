"""SOMOS: layouts, the two sets of labels, and every known trap."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_somos import CLIPS, ratings_of, write_somos
from mosharness.harness.core.errors import DataError, DataMissing
from mosharness.tasks import load_task
from mosharness.tasks.base import TaskSplit


def load(root: Path, split: str, *, audio: bool = False, name: str = "somos") -> TaskSplit:
    return load_task(name, root).open(split, audio=audio)


def codes(loaded: TaskSplit) -> set[str]:
    return {finding.code for finding in loaded.findings} - {"row_count"}


def labels(folder: Path, name: str, variant: str = "clean") -> Path:
    return folder / "training_files" / "split1" / variant / name


@pytest.mark.parametrize("inner", ["", "somos", "somos/audios", "somos/training_files/split1/clean"])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_every_layout_gives_the_same_rows(tmp_path: Path, inner: str, split: str) -> None:
    (write_somos(tmp_path / "somos") / "audios").mkdir()
    loaded = load(tmp_path / inner, split)
    assert {row["utterance_id"]: row["ratings"] for row in loaded.rows} == CLIPS[split]
    for row in loaded.rows:
        assert row["mos"] == pytest.approx(fmean(row["ratings"]))
        assert row["system_id"] == row["utterance_id"][-3:]
        assert row["listeners"] == [f"KEXM{index}" for index in range(row["n_ratings"])]
    assert codes(loaded) == set()


def test_the_content_at_the_root_is_accepted_too(tmp_path: Path) -> None:
    assert len(load(write_somos(tmp_path), "train").rows) == 5


def test_clean_and_full_give_one_clip_two_values(tmp_path: Path) -> None:
    write_somos(tmp_path)
    clean, full = load(tmp_path, "test"), load(tmp_path, "test", name="somos_full")
    assert [row["utterance_id"] for row in clean.rows] == [row["utterance_id"] for row in full.rows]
    assert {row["utterance_id"]: row["ratings"] for row in full.rows} == ratings_of("test", "full")
    assert clean.digest != full.digest
    assert (clean.card.name, full.card.name) == ("somos", "somos_full")


def test_system_ids_keep_their_leading_zeros_even_when_a_file_has_lost_them(tmp_path: Path) -> None:
    write_somos(tmp_path)
    assert {row["system_id"] for row in load(tmp_path, "train").rows} == {"000", "001", "015", "017"}
    for name in ("TRAINSET", "train_system.csv"):
        path = labels(tmp_path, name)
        path.write_text(path.read_text().replace("\n015,", "\n15,").replace("\n000,", "\n0,"))
    loaded = load(tmp_path, "train")
    assert {row["system_id"] for row in loaded.rows} == {"000", "001", "015", "017"}
    assert codes(loaded) == {"leading_zeros"}
    assert set(load_task("somos", tmp_path).system_truth("train")["mos"]) == {"000", "001", "015", "017"}


def test_a_system_that_contradicts_the_clip_name_is_refused(tmp_path: Path) -> None:
    path = labels(write_somos(tmp_path), "TRAINSET")
    path.write_text(path.read_text().replace("\n015,", "\n016,", 1))
    with pytest.raises(DataError, match="novel_2007_0098_015 is of system 015, the file says '016'"):
        load(tmp_path, "train")


def test_ratings_alone_or_a_list_alone_are_enough_and_a_contradiction_is_a_finding(tmp_path: Path) -> None:
    write_somos(tmp_path)
    both = load(tmp_path, "dev")
    ratings, listed = labels(tmp_path, "VALIDSET"), labels(tmp_path, "valid_mos_list.txt")
    listed.write_text(listed.read_text().replace("0001_000.wav,4", "0001_000.wav,3"))
    conflict = load(tmp_path, "dev")
    assert conflict.digest == both.digest
    assert [f.code for f in conflict.findings if "news_2009_0001_000: 4.66666667 and 3.666" in f.message] == [
        "label_conflict"
    ]
    listed.rename(tmp_path / "list")
    assert load(tmp_path, "dev").rows == both.rows
    (tmp_path / "list").rename(listed)
    ratings.unlink()
    alone = load(tmp_path, "dev")
    assert alone.rows[0]["n_ratings"] == -1 and alone.rows[0]["mos"] == pytest.approx(11 / 3)
    listed.unlink()
    with pytest.raises(DataError, match=r"no VALIDSET or valid_mos_list\.txt; .* holds TESTSET, TRAINSET"):
        load(tmp_path, "dev")


def test_natural_clips_come_from_the_training_files_not_from_the_raw_scores(tmp_path: Path) -> None:
    write_somos(tmp_path)
    natural = [row for row in load(tmp_path, "train").rows if row["system_id"] == "000"]
    assert [(row["utterance_id"], row["mos"]) for row in natural] == [("LJ017-0230_000", 4.75)]


def test_repeated_ratings_count_and_are_noted(tmp_path: Path) -> None:
    path = labels(write_somos(tmp_path), "TESTSET")
    path.write_text(path.read_text() + "200,wiki_0001_200.wav,4,KEXM3\n")
    loaded = load(tmp_path, "test")
    assert [row["n_ratings"] for row in loaded.rows if row["system_id"] == "200"] == [5]
    assert codes(loaded) == {"repeated_ratings", "label_conflict"}


@pytest.mark.parametrize("audio_folder", ["audios", "audios/audios", ""])
def test_the_clips_are_found_wherever_the_inner_archive_was_unpacked(tmp_path: Path, audio_folder: str) -> None:
    write_somos(tmp_path, audio=True, audio_folder=audio_folder)
    loaded = load(tmp_path, "dev", audio=True)
    assert loaded.missing_audio == [] and codes(loaded) == set()
    assert {row["sample_rate"] for row in loaded.rows} == {24000}


def test_an_inner_archive_that_was_not_unpacked_is_named(tmp_path: Path) -> None:
    (write_somos(tmp_path) / "audios.zip").touch()
    loaded = load(tmp_path, "dev", audio=True)
    assert len(loaded.missing_audio) == 3
    assert [f.message for f in loaded.findings if f.code == "no_audio" and "audios.zip lies there" in f.message]


def test_audio_without_a_label_is_counted(tmp_path: Path) -> None:
    write_somos(tmp_path, audio=True)
    (tmp_path / "audios" / "wiki_0009_001.wav").touch()
    assert codes(load(tmp_path, "dev", audio=True)) == {"unlabelled_audio"}


def test_each_split_has_its_own_system_file(tmp_path: Path) -> None:
    write_somos(tmp_path)
    task = load_task("somos", tmp_path)
    truth = task.system_truth("test")["mos"]
    assert truth == pytest.approx({"001": (8 / 3 + 2.5) / 2, "015": 11 / 3, "200": 3.25})
    assert task.findings == []
    path = labels(tmp_path, "test_system.csv")
    path.write_text(path.read_text().replace("200,3.25", "200,3.5"))
    assert task.system_truth("test")["mos"]["200"] == 3.5
    assert [finding.code for finding in task.findings] == ["system_truth"]
    path.write_text(path.read_text().replace("200,3.5\n", ""))
    with pytest.raises(DataError, match=r"test_system\.csv lacks 1 of the split's 3 systems \(first: 200\)"):
        task.system_truth("test")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("systemId,utteranceId", "system,utteranceId"), "no column systemId"),
        (("wiki_0001_015.wav,4", "wiki_0001_015.wav,0"), "the rating 0 lies outside 1 to 5"),
        (("wiki_0001_015.wav,4", "wiki_0001_015.wav,"), "'' is not a number"),
        (("015,wiki_0001_015.wav", "015,wiki.wav"), "'wiki' is not of the form"),
        (("wiki_0001_015.wav", "../wiki_0001_015.wav"), "leaves the data folder"),
    ],
)
def test_malformed_ratings_are_refused_with_file_and_clip(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    path = labels(write_somos(tmp_path), "TESTSET")
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(DataError, match=f"TESTSET: .*{reason}"):
        load(tmp_path, "test")


def test_an_archive_that_was_not_unpacked_and_an_absent_folder_are_explained(tmp_path: Path) -> None:
    (tmp_path / "somos.zip").touch()
    with pytest.raises(DataError, match=r"unpack somos\.zip\); .* holds .*somos\.zip"):
        load(tmp_path, "test")
    with pytest.raises(DataMissing, match=r"(?s)7378801.*bdfde4cae256549dfab05d713136e4af"):
        load(tmp_path / "none", "test")
