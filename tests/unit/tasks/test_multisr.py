"""AudioMOS 2025 Track 3: layouts, names, and every known trap."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from statistics import fmean

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_multisr import (
    CONDITIONS,
    PREFIX,
    SENTENCES,
    clips,
    condition_means,
    obfuscate,
    ratings_of,
    remove_audio,
    write_clip,
    write_multisr,
    write_obfuscated,
    write_ratings,
)
from mosharness.harness.core.errors import DataError, DataMissing, UsageError
from mosharness.tasks import load_task
from mosharness.tasks.base import TaskSplit
from mosharness.tasks.multisr_names import ClipNames


def load(root: Path, split: str, *, audio: bool = False, **options: object) -> TaskSplit:
    return load_task("multisr", root, **options).open(split, audio=audio)


def codes(loaded: TaskSplit) -> set[str]:
    return {finding.code for finding in loaded.findings} - {"row_count", "system_count"}


@pytest.mark.parametrize("inner", ["", "post_eval_distro", "post_eval_distro/wav", "post_eval_distro/train"])
def test_every_way_to_point_at_the_complete_release_gives_the_same_rows(tmp_path: Path, inner: str) -> None:
    write_multisr(tmp_path, audio=True)
    for split, part in (("train", "pool"), ("dev", "pool"), ("test", "test")):
        loaded = load(tmp_path / inner, split, audio=True)
        assert sorted(clips(part)) == [row["utterance_id"] for row in loaded.rows]
        for row in loaded.rows:
            rate, system = row["system_id"].split("_")
            assert row["utterance_id"] == f"{PREFIX}{rate}_{system}_{row['text']}"
            assert row["system_id"] in CONDITIONS and row["text"] in SENTENCES[part]
            assert row["subset"] == rate and row["sample_rate"] == int(rate[:2]) * 1000
            test = {"train": rate, "dev": "mix_val", "test": "mix_test"}[split]
            assert row["ratings"] == ratings_of(row["utterance_id"], test)
            assert row["mos"] == pytest.approx(fmean(row["ratings"]))
            assert row["listeners"] == [f"{test}-0{index}" for index in (1, 2, 3)]
        assert codes(loaded) == ({"shared_clips"} if part == "pool" else set())


@pytest.mark.parametrize("inner", ["", "track3_obf", "track3_obf/DATA", "track3_obf/DATA/wav"])
def test_the_training_archive_alone_gives_train_under_obfuscated_names(tmp_path: Path, inner: str) -> None:
    write_obfuscated(tmp_path)
    loaded = load(tmp_path / inner, "train", audio=True)
    assert [row["utterance_id"] for row in loaded.rows] == sorted(map(obfuscate, clips("pool")))
    assert {row["system_id"] for row in loaded.rows} == {
        "16k_sys1", "16k_sys2", "24k_sys2", "24k_sys3", "24k_sys10", "48k_sys4",
    }  # fmt: skip
    assert loaded.missing_audio == [] and codes(loaded) == set()
    for split in ("dev", "test"):
        with pytest.raises(DataError, match=rf"For {split}: .*track3_post_eval_distro\.tar\.gz"):
            load(tmp_path / inner, split)


def test_the_archive_of_the_evaluation_phase_alone_has_no_labels_and_says_so(tmp_path: Path) -> None:
    write_obfuscated(tmp_path / "whole")
    (tmp_path / "whole" / "audiomos2025-track3-eval-phase").rename(tmp_path / "audiomos2025-track3-eval-phase")
    for root in (tmp_path, tmp_path / "audiomos2025-track3-eval-phase"):
        with pytest.raises(DataError, match=r"no utt_mix_test\.csv; .*holds sets/, wav/.*evaluation phase has none"):
            load(root, "test")


def test_labels_of_the_complete_release_find_the_obfuscated_audio_beside_them(tmp_path: Path) -> None:
    post = write_multisr(tmp_path, audio=True)
    remove_audio(post)
    write_obfuscated(tmp_path)
    for split in ("train", "dev", "test"):
        loaded = load(tmp_path, split, audio=True)
        assert loaded.missing_audio == []
        for row in loaded.rows:
            assert Path(row["audio_path"]).stem == obfuscate(row["utterance_id"])
    assert len(load(post, "test", audio=True).missing_audio) == len(clips("test")), "outside of the data root"


def test_obfuscated_labels_with_maps_are_given_plain_systems_and_sentences(tmp_path: Path) -> None:
    write_multisr(tmp_path, obfuscated_labels=True, audio=True)
    loaded = load(tmp_path, "test", audio=True)
    assert {row["system_id"] for row in loaded.rows} == set(CONDITIONS)
    assert {row["text"] for row in loaded.rows} == set(SENTENCES["test"])
    assert loaded.missing_audio == [] and codes(loaded) == set()


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("16k_nv_1089_134686_000015_000002", ("16k", "nv", "1089_134686_000015_000002")),
        ("24k_nvSR_1089_134686_000015_000002", ("24k", "nvSR", "1089_134686_000015_000002")),
        ("48k_originalSR_SR_nv_tts", ("48k", "originalSR", "SR_nv_tts")),
        ("24k_sys10_utt07", ("24k", "sys10", "utt07")),
    ],
)
def test_systems_are_matched_longest_first_and_sentences_keep_their_underscores(
    name: str, parts: tuple[str, str, str]
) -> None:
    assert ClipNames().parts(PREFIX + name) == parts


@pytest.mark.parametrize(
    "name", ["16k_nv_1", f"{PREFIX}nv_1", f"{PREFIX}16k_nv_", f"{PREFIX}16k_new_1", f"{PREFIX}16k"]
)
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"list\.csv: "):
        ClipNames().parts(name, "list.csv")


def test_a_name_that_the_maps_do_not_have_is_refused() -> None:
    with pytest.raises(DataError, match="no known system"):
        ClipNames({"nv": "sys1"}).parts(f"{PREFIX}16k_sys9_utt07")


def test_labels_of_single_and_mixed_tests_are_never_averaged(tmp_path: Path) -> None:
    write_multisr(tmp_path)
    single, mixed, dev = load(tmp_path, "train"), load(tmp_path, "train", labels="mixed"), load(tmp_path, "dev")
    assert all(row["n_ratings"] == 3 for loaded in (single, mixed, dev) for row in loaded.rows)
    assert mixed.digest == dev.digest != single.digest
    with pytest.raises(UsageError, match='"single" or "mixed", not \'both\''):
        load(tmp_path, "train", labels="both")


def test_train_and_dev_warn_that_they_share_their_clips(tmp_path: Path) -> None:
    write_multisr(tmp_path)
    for split, other in (("train", "dev"), ("dev", "train")):
        message = next(f.message for f in load(tmp_path, split).findings if f.code == "shared_clips")
        assert f"12 of 12 clips of {split} are in {other} too" in message and "hold out sentences" in message
    assert "same clips" in load_task("multisr").card.note


def test_a_test_clip_that_is_also_a_training_clip_is_noted(tmp_path: Path) -> None:
    post = write_multisr(tmp_path)
    write_ratings(post / "train" / "utt_16k.csv", [*clips("pool", "16k"), clips("test", "16k")[0]], "16k")
    assert codes(load(tmp_path, "test")) == {"split_overlap"}


def test_a_header_that_contradicts_the_rate_in_the_name_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    post = write_multisr(tmp_path, audio=True)
    name = clips("test", "48k")[0]
    write_clip(post / "wav" / f"{name}.wav", clips("test", "16k")[0])
    assert len(load(tmp_path, "test").rows) == 12
    with pytest.raises(DataError, match=rf"{name}\.wav: the name says 48k, the header 16000 Hz"):
        load(tmp_path, "test", audio=True)
    write_ratings(post / "train" / "utt_16k.csv", clips("pool", "24k"), "16k")
    with pytest.raises(DataError, match=r"is tagged 24k, this is the test of 16k"):
        load(tmp_path, "train")


def test_surplus_and_unreadable_audio_and_another_test_list_are_noted(tmp_path: Path) -> None:
    post = write_multisr(tmp_path, audio=True)
    write_obfuscated(tmp_path)
    assert codes(load(tmp_path, "test", audio=True)) == set()
    (post / "wav" / f"{clips('test')[0]}.wav").write_bytes(b"RIFF")
    (post / "wav" / "extra.wav").touch()
    path = tmp_path / "audiomos2025-track3-eval-phase" / "DATA" / "sets" / "eval_list.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert codes(load(tmp_path, "test", audio=True)) == {"unreadable_audio", "unlabelled_audio", "test_list"}


def test_the_system_files_are_read_for_the_mixed_tests_only(tmp_path: Path) -> None:
    post = write_multisr(tmp_path)
    task = load_task("multisr", tmp_path)
    assert task.system_truth("dev")["mos"] == pytest.approx(condition_means("pool", "mix_val"))
    assert task.system_truth("test")["mos"] == pytest.approx(condition_means("test", "mix_test"))
    assert task.findings == []
    with pytest.raises(DataError, match="single-rate tests of train have no official system file"):
        task.system_truth("train")
    mixed = load_task("multisr", tmp_path, labels="mixed").system_truth("train")
    assert mixed["mos"] == pytest.approx(condition_means("pool", "mix_val"))
    path = post / "test" / "sys_mix_test.csv"
    path.write_text(path.read_text().replace(f"{PREFIX}16k_nv,", f"{PREFIX}16k_nv,1"))
    task.system_truth("test")
    assert [finding.code for finding in task.findings] == ["system_truth"]
    path.unlink()
    with pytest.raises(DataError, match=r"no sys_mix_test\.csv; .* holds utt_mix_test\.csv"):
        task.system_truth("test")


def test_missing_files_and_malformed_maps_are_named(tmp_path: Path) -> None:
    post = write_multisr(tmp_path)
    (post / "train" / "utt_24k.csv").unlink()
    with pytest.raises(DataError, match=r"no utt_24k\.csv; .* holds utt_16k\.csv, utt_48k\.csv"):
        load(tmp_path, "train")
    for text, reason in (("nv sys1\n", "not of the form"), ("nv|sys1\nnvSR|sys1\n", "repeats a name")):
        (post / "sysMap.txt").write_text(text)
        with pytest.raises(DataError, match=rf"sysMap\.txt: .*{reason}"):
            load(tmp_path, "test")
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(DataError, match="not the expected layout"):
        load(tmp_path / "x" / "y", "test")
    with pytest.raises(DataMissing, match=r"track3_post_eval_distro\.tar\.gz"):
        load(tmp_path / "none", "test")


def test_the_real_condition_sums_come_back_as_means_and_system_truth(shared: Path, tmp_path: Path) -> None:
    """Clips are invented so that each condition has the real number of clips, ratings and the real sum of ratings."""
    with (shared / "data/audiomos25_track3_systems/systems.csv").open() as stream:
        conditions = list(csv.DictReader(stream))
    lines = {"train/utt_16k.csv": [], "train/utt_24k.csv": [], "train/utt_48k.csv": [], "val/utt_mix_val.csv": []}
    lines["test/utt_mix_test.csv"] = []
    means: dict[str, dict[str, float]] = {"train": {}, "dev": {}, "test": {}}
    for row in conditions:
        rate = row["condition"][:3]
        count = int(row["n_clips"]) * 10
        for split, column, path in (
            ("train", "sum_train_single", f"train/utt_{rate}.csv"),
            ("dev", "sum_dev_mix", "val/utt_mix_val.csv"),
            ("test", "sum_eval_mix", "test/utt_mix_test.csv"),
        ):
            low, extra = divmod(int(row[column]), count)
            means[split][row["condition"]] = int(row[column]) / count
            for index in range(count):
                sentence = f"{'9' if split == 'test' else '1'}_{index // 10}"
                name = f"{PREFIX}{row['condition']}_{sentence}.wav"
                lines[path].append(f"{name},{index % 10 + 1:02},{low + (index < extra)}\n")
    for path, rows in lines.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("uttID,lisID,rating\n" + "".join(rows))
    for split, stem in (("dev", "val/sys_mix_val.csv"), ("test", "test/sys_mix_test.csv")):
        rows = [f"{PREFIX}{condition},{mean:.6f}\n" for condition, mean in means[split].items()]
        (tmp_path / stem).write_text("sysID,MOS\n" + "".join(rows))
    task = load_task("multisr", tmp_path)
    for split, expected in means.items():
        loaded = load(tmp_path, split)
        assert (len(loaded.rows), loaded.n_systems) == (400, 20)
        assert {finding.code for finding in loaded.findings} <= {"shared_clips"}
        for condition, mean in expected.items():
            assert fmean(r["mos"] for r in loaded.rows if r["system_id"] == condition) == pytest.approx(mean)
        if split != "train":
            assert task.system_truth(split)["mos"] == pytest.approx(expected, abs=1e-6)
    assert task.findings == []
