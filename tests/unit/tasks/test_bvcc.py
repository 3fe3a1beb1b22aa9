"""BVCC: layouts, traps, both system truths, and the real labels."""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))
from layout_bvcc import CLIPS, system_means, write_bvcc, write_ratings
from mosharness.harness.core.errors import DataError, DataMissing, UnknownName
from mosharness.tasks import load_task
from mosharness.tasks.base import TaskSplit


def load(root: Path, split: str, *, audio: bool = False, **options: object) -> TaskSplit:
    return load_task("bvcc", root, **options).open(split, audio=audio)


def codes(loaded: TaskSplit) -> set[str]:
    return {finding.code for finding in loaded.findings} - {"row_count", "system_count"}


@pytest.mark.parametrize("phase1", [False, True])
@pytest.mark.parametrize("inner", ["", "main", "main/DATA", "main/DATA/sets", "main/DATA/wav"])
@pytest.mark.parametrize("split", ["train", "dev"])
def test_every_layout_gives_the_same_rows(tmp_path: Path, phase1: bool, inner: str, split: str) -> None:
    write_bvcc(tmp_path, phase1=phase1)
    loaded = load(tmp_path / inner.replace("main", "phase1-main" if phase1 else "main"), split)
    assert {row["utterance_id"]: row["mos"] for row in loaded.rows} == {
        name: fmean(ratings) for name, ratings in CLIPS[split].items()
    }
    first = loaded.rows[0]
    assert first["system_id"] == first["utterance_id"].split("-")[0]
    assert first["ratings"] == CLIPS[split][first["utterance_id"]]
    assert first["listeners"] == [f"listener{index}" for index in range(8)]
    assert first["n_ratings"] == 8 and first["split"] == split and first["audio_path"] == ""
    assert codes(loaded) <= {"silent_clip"}


def test_ratings_alone_or_a_list_alone_are_enough(tmp_path: Path) -> None:
    data = write_bvcc(tmp_path)
    both = load(tmp_path, "dev")
    (data / "sets" / "val_mos_list.txt").rename(tmp_path / "list")
    assert load(tmp_path, "dev").rows == both.rows
    (tmp_path / "list").rename(data / "sets" / "val_mos_list.txt")
    (data / "sets" / "DEVSET").unlink()
    listed = load(tmp_path, "dev")
    assert listed.digest == both.digest
    assert listed.rows[0]["ratings"] == [] and listed.rows[0]["n_ratings"] == -1


def test_ratings_that_contradict_the_list_are_an_error_that_shows_the_first_cases(tmp_path: Path) -> None:
    path = write_bvcc(tmp_path) / "sets" / "val_mos_list.txt"
    path.write_text(path.read_text().replace("utt8c3d2b2.wav,4", "utt8c3d2b2.wav,3"))
    with pytest.raises(DataError, match=r"1 of 3 means differ .*sys64e2f-utt8c3d2b2: 4 and 3"):
        load(tmp_path, "dev")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match="1 ids only in DEVSET"):
        load(tmp_path, "dev")


def test_the_placeholder_test_labels_of_the_training_phase_are_refused_with_the_release_that_has_them(
    tmp_path: Path,
) -> None:
    data = write_bvcc(tmp_path, phase1=True)
    with pytest.raises(DataError, match=r"placeholder labels.*training phase.*Zenodo record 6572573"):
        load(tmp_path, "test")
    write_ratings(data / "sets" / "TESTSET", {name: [1] for name in CLIPS["test"]})
    with pytest.raises(DataError, match="placeholder labels"):
        load(tmp_path, "test")
    (data / "sets" / "TESTSET").unlink()
    with pytest.raises(DataError, match=r"no TESTSET or test_mos_list.txt; .*test.scp.*Zenodo record 6572573"):
        load(tmp_path, "test")


def test_placeholder_ratings_beside_a_real_list_are_noted_and_the_list_is_used(tmp_path: Path) -> None:
    data = write_bvcc(tmp_path)
    write_ratings(data / "sets" / "TESTSET", CLIPS["test"], placeholder=True)
    loaded = load(tmp_path, "test")
    assert [row["mos"] for row in loaded.rows] == [fmean(CLIPS["test"][row["utterance_id"]]) for row in loaded.rows]
    assert codes(loaded) == {"placeholder_ratings"} and loaded.rows[0]["ratings"] == []


def test_the_final_release_is_preferred_to_the_training_phase(tmp_path: Path) -> None:
    write_bvcc(tmp_path)
    write_bvcc(tmp_path, phase1=True)
    loaded = load(tmp_path, "test")
    assert len(loaded.rows) == 4 and codes(loaded) == {"two_releases"}


def test_the_silent_clip_is_named_and_left_out_only_on_request(tmp_path: Path) -> None:
    write_bvcc(tmp_path)
    kept, dropped = load(tmp_path, "train"), load(tmp_path, "train", drop_silent=True)
    assert len(kept.rows) == 5 and len(dropped.rows) == 4
    assert codes(kept) == codes(dropped) == {"silent_clip"}
    with pytest.raises(UnknownName, match="drop_silent"):
        load(tmp_path, "train", drop_silnt=True)


def test_absent_blizzard_audio_is_counted_and_explained(tmp_path: Path) -> None:
    data = write_bvcc(tmp_path, audio=True)
    assert codes(load(tmp_path, "dev", audio=True)) == set()
    (data / "wav" / "sys64e2f-utt8c3d2b2.wav").unlink()
    (data / "wav" / "sys99999-utt0000000.wav").write_bytes(b"")
    loaded = load(tmp_path, "dev", audio=True)
    assert loaded.missing_audio == ["sys64e2f-utt8c3d2b2"]
    assert [row["sample_rate"] for row in loaded.rows] == [16000, 0, 16000]
    found = {finding.code: finding.message for finding in loaded.findings}
    assert "1 of 8 clips of train and dev have no audio file" in found["blizzard_audio"]
    assert "3399 Blizzard Challenge clips come from 01_get.py" in found["blizzard_audio"]
    assert "1 files in wav/ are in no list (first: sys99999-utt0000000)" in found["unlabelled_audio"]


def test_exactly_the_blizzard_count_means_that_the_step_was_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_bvcc(tmp_path, audio=True)
    for name in ("sys64e2f-utt0000006", "sys00691-utt0000007"):
        (data / "wav" / f"{name}.wav").unlink()
    monkeypatch.setitem(sys.modules["mosharness.tasks.bvcc"].BLIZZARD, "test", 2)
    found = {finding.code: finding.message for finding in load(tmp_path, "test", audio=True).findings}
    assert "as many as the Blizzard Challenge clips" in found["blizzard_audio"]


def test_a_clip_in_two_splits_a_second_vote_and_the_other_track_are_noted(tmp_path: Path) -> None:
    data = write_bvcc(tmp_path)
    clips = CLIPS["dev"] | {"sys00691-utt0000008": [2, 2]}
    write_ratings(data / "sets" / "DEVSET", clips)
    path = data / "sets" / "DEVSET"
    path.write_text(path.read_text().replace("listener1_", "listener0_").replace(".wav", ""))
    (data / "sets" / "val_mos_list.txt").unlink()
    assert codes(load(tmp_path, "dev")) == {"split_overlap", "repeated_ratings", "other_track", "rating_count"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("sys64e2f,", "sys00691,"), "is of system sys64e2f, the file says 'sys00691'"),
        ((",4,VDP", ",six,VDP"), "'six' is not a number"),
        ((",4,VDP", ",6,VDP"), "the rating 6 lies outside 1 to 5"),
        ((",4,VDP", ",4,x,VDP"), "has 6 fields, 5 expected"),
        (("sys64e2f-utt8c3d2b2.wav", "sys64e2f-utt\x00.wav"), "DEVSET: .* holds a control character"),
    ],
)
def test_malformed_ratings_are_refused_with_file_and_clip(tmp_path: Path, change: tuple[str, str], reason: str) -> None:
    path = write_bvcc(tmp_path) / "sets" / "DEVSET"
    (path.parent / "val_mos_list.txt").unlink()
    path.write_text(path.read_text().replace(*change, 1))
    with pytest.raises(DataError, match=reason):
        load(tmp_path, "dev")


def test_a_folder_without_the_layout_and_an_absent_folder_are_explained(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(DataError, match=r"not the expected layout \(main/DATA or phase1-main/DATA.* holds y/"):
        load(tmp_path / "x", "dev")
    with pytest.raises(DataMissing, match=r"(?s)6572573.*01_get\.py"):
        load(tmp_path / "none", "dev")
    (tmp_path / "x" / "sets").mkdir()
    with pytest.raises(DataError, match=r"no DEVSET or val_mos_list\.txt; .* is empty"):
        load(tmp_path / "x", "dev")


def test_the_system_file_is_read_for_the_systems_of_the_split(tmp_path: Path) -> None:
    data = write_bvcc(tmp_path)
    task = load_task("bvcc", tmp_path)
    truth = task.system_truth("dev")["mos"]
    expected = system_means("train", "dev")
    assert truth == pytest.approx({system: expected[system] for system in ("sys00691", "sys64e2f", "sysdev00")})
    assert task.findings == []
    with pytest.raises(DataError, match=r"lacks 1 of the split's 3 systems \(first: systest0\).*train and dev"):
        task.system_truth("test")
    path = data / "mydata_system.csv"
    path.write_text(path.read_text().replace("sysdev00,3.1", "sysdev00,3.2"))
    task.system_truth("dev")
    assert [finding.code for finding in task.findings] == ["system_truth"]
    path.unlink()
    with pytest.raises(DataError, match=r"mydata_system\.csv: No such file"):
        task.system_truth("dev")


# -- real labels --------------------------------------------------------------------------------------------------


@pytest.fixture
def real(shared: Path, tmp_path: Path) -> Path:
    """The real dev and test labels in the official layout, without audio."""
    sets = tmp_path / "main" / "DATA" / "sets"
    sets.mkdir(parents=True)
    with (shared / "data/bvcc_dev/ratings.csv").open() as stream:
        lines = [
            f"{row['utt_id'].split('-')[0]},{row['utt_id']}.wav,{row['rating']},x,{{}}_30-39_{row['listener']}_F_V_1_No\n"
            for row in csv.DictReader(stream)
        ]
    (sets / "DEVSET").write_text("".join(lines))
    for source, name in (("bvcc_dev/dev.csv", "val_mos_list.txt"), ("bvcc_test/test.csv", "test_mos_list.txt")):
        with (shared / "data" / source).open() as stream:
            (sets / name).write_text("".join(f"{row['utt_id']}.wav,{row['mos']}\n" for row in csv.DictReader(stream)))
    (sets.parent / "mydata_system.csv").write_bytes((shared / "data/bvcc_dev/mydata_system.csv").read_bytes())
    return tmp_path


def test_the_real_labels_have_the_official_counts_and_load_in_well_under_a_second(real: Path) -> None:
    started = time.perf_counter()
    dev, test = load(real, "dev"), load(real, "test")
    assert time.perf_counter() - started < 1
    assert (len(dev.rows), dev.n_systems, len(test.rows), test.n_systems) == (1066, 181, 1066, 187)
    assert dev.findings == test.findings == []
    assert sum(row["n_ratings"] for row in dev.rows) == 8528
    assert len({listener for row in dev.rows for listener in row["listeners"]}) == 296


@pytest.mark.parametrize("predictor", ["pred_sslmos_w2vsmall", "pred_utmos_strong_f0"])
def test_both_system_truths_of_dev_give_the_known_numbers(real: Path, shared: Path, predictor: str) -> None:
    from scipy import stats

    task = load_task("bvcc", real)
    rows = task.open("dev", audio=False).rows
    with (shared / "data/bvcc_dev/dev.csv").open() as stream:
        predicted = {row["utt_id"]: float(row[predictor]) for row in csv.DictReader(stream)}
    systems = sorted({row["system_id"] for row in rows})
    members = {system: [row for row in rows if row["system_id"] == system] for system in systems}
    scores = np.array([fmean(predicted[row["utterance_id"]] for row in members[system]) for system in systems])
    split_mean = np.array([fmean(row["mos"] for row in members[system]) for system in systems])
    official = task.system_truth("dev")["mos"]
    expected = json.loads((shared / "data/bvcc_dev/expected.json").read_text())["expected"][predictor]
    for truth, key in (
        (split_mean, "sys"),
        (np.array([official[system] for system in systems]), "sys_truth_from_system_file"),
    ):
        measured = {
            "MSE": float(np.mean((scores - truth) ** 2)),
            "LCC": stats.pearsonr(scores, truth).statistic,
            "SRCC": stats.spearmanr(scores, truth).statistic,
            "KTAU": stats.kendalltau(scores, truth).statistic,
        }
        assert measured == pytest.approx(expected[key], abs=1e-6)


def test_six_test_systems_have_no_official_score(real: Path) -> None:
    with pytest.raises(DataError, match="lacks 6 of the split's 187 systems"):
        load_task("bvcc", real).system_truth("test")
