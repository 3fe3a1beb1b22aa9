"""AES-Natural and the track 2 evaluation set: label files, absent audio, and the real labels."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean, pstdev

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_aes import (
    AXES,
    DEV,
    EVAL,
    NATURAL,
    SOURCES,
    id_of,
    ratings,
    write_eval_audio,
    write_labels,
    write_natural_audio,
)
from mosharness.harness.core.errors import DataError, DataMissing
from mosharness.harness.core.files import digest, read_csv
from mosharness.tasks import load_task
from mosharness.tasks.aes_natural import sample_id
from mosharness.tasks.base import TaskSplit

TRAIN = {path: domain for domain, paths in NATURAL.items() for path in paths if path not in DEV}


def load(root: Path, split: str, *, audio: bool = False, **options: str) -> TaskSplit:
    return load_task("aes_natural", root, **options).open(split, audio=audio)


def message(loaded: TaskSplit, code: str) -> str:
    return " | ".join(finding.message for finding in loaded.findings if finding.code == code)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("pointed", ["", "evaluation_data", "audiomos2025_track2"])
def test_labels_load_by_name_from_every_layout(tmp_path: Path, flat: bool, pointed: str) -> None:
    write_labels(tmp_path, flat=flat)
    rows = {row["utterance_id"]: row for row in load(tmp_path if flat else tmp_path / pointed, "train").rows}
    assert set(rows) == {id_of(domain, path) for path, domain in TRAIN.items()}
    for path, domain in TRAIN.items():
        row, given = rows[id_of(domain, path)], ratings(f"/your_path/{path}")
        assert {name: row[name] for name in AXES} == {name: fmean(given[axis]) for name, axis in AXES.items()}
        assert row["ratings"] == {name: given[axis] for name, axis in AXES.items()}
        assert (row["n_ratings"], row["subset"], row["system_id"]) == (10, domain, SOURCES[path.split("/")[0]])


def test_the_folder_around_the_repository_will_do(tmp_path: Path) -> None:
    write_labels(tmp_path / "audiobox-aesthetics")
    assert {split: len(load(tmp_path, split).rows) for split in ("train", "dev", "test")} == {
        "train": len(TRAIN),
        "dev": len(DEV),
        "test": len(EVAL),
    }


def test_the_order_of_the_axes_is_quality_complexity_enjoyment_usefulness() -> None:
    assert load_task("aes_natural").card.dimensions == ("pq", "pc", "ce", "cu")


def test_columns_are_taken_by_name_not_by_position(tmp_path: Path) -> None:
    path = write_labels(tmp_path, flat=True) / "audiomos2025-track2-dev_list.csv"
    before = load(tmp_path, "dev").rows
    rows = read_csv(path)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*reversed(rows[0])])
        writer.writeheader()
        writer.writerows(rows)
    assert load(tmp_path, "dev").rows == before


def test_paths_with_commas_survive_and_ids_come_from_the_list(tmp_path: Path) -> None:
    write_natural_audio(write_labels(tmp_path))
    row = next(row for row in load(tmp_path, "dev", audio=True).rows if row["system_id"] == "MUSDB18")
    assert row["audio_path"].endswith("Jokers, Jacks & Kings - Sea Of Leaves/mixture.wav")
    assert "," not in row["utterance_id"]  # the rule would keep it


def test_natural_systems_are_flagged_as_our_own_grouping(tmp_path: Path) -> None:
    write_labels(tmp_path)
    assert "natural clips have no systems" in message(load(tmp_path, "train"), "systems_not_official")
    assert not message(load(tmp_path, "test"), "systems_not_official")
    assert load_task("aes_natural").card.systems_official is False


def test_absent_audio_is_counted_by_source_and_the_used_ids_are_hashed(tmp_path: Path) -> None:
    write_natural_audio(write_labels(tmp_path), without="unbalanced_train_segments")
    loaded = load(tmp_path, "train", audio=True)
    assert loaded.missing_audio == [id_of("sound", NATURAL["sound"][0])]
    assert message(loaded, "audio_by_source") == (
        "train: audio found: AudioSet 0/1, CommonVoice 1/1, EARS 1/1, LibriTTS 1/1, MUSDB18 1/1, MusicCaps 1/1"
    )
    used = sorted(row["utterance_id"] for row in loaded.rows if row["audio_path"])
    assert message(loaded, "used_ids") == f"train: 5 clips with audio, digest of their ids {digest(used)}"


@pytest.mark.parametrize("linked", [False, True])
def test_the_corpora_may_lie_elsewhere_and_behind_links(tmp_path: Path, linked: bool) -> None:
    write_labels(tmp_path / "labels")
    write_natural_audio(tmp_path / "corpora")
    folder = tmp_path / "corpora"
    if linked:
        folder = tmp_path / "links"
        folder.mkdir()
        for source in (tmp_path / "corpora").iterdir():
            (folder / source.name).symlink_to(source)
    assert not load(tmp_path / "labels", "train", audio=True, audio_root=str(folder)).missing_audio


@pytest.mark.parametrize("name", ["MUSDB18-HQ", "musdb18hq"])
def test_the_hq_folder_of_musdb_is_found(tmp_path: Path, name: str) -> None:
    write_natural_audio(write_labels(tmp_path))
    (tmp_path / "MUSDB18").rename(tmp_path / name)
    assert not load(tmp_path, "train", audio=True).missing_audio


def test_an_audio_root_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    write_labels(tmp_path)
    with pytest.raises(DataError, match="option audio_root=/nowhere/at/all: no such folder"):
        load(tmp_path, "train", audio=True, audio_root="/nowhere/at/all")


@pytest.mark.parametrize("where", ["below", "eval_root", "inner"])
def test_evaluation_clips_are_found_in_the_challenge_folder(tmp_path: Path, where: str) -> None:
    write_labels(tmp_path / "labels")
    folder = write_eval_audio(tmp_path / ("labels" if where == "below" else "elsewhere"))
    options = {"below": {}, "eval_root": {"eval_root": str(folder.parent)}, "inner": {"eval_root": str(folder)}}
    loaded = load(tmp_path / "labels", "test", audio=True, **options[where])
    assert not loaded.missing_audio
    assert {row["utterance_id"]: row["system_id"] for row in loaded.rows} == {name: name.split("-")[2] for name in EVAL}
    assert not message(loaded, "eval_list")
    assert f"test: {len(EVAL)} clips with audio" in message(loaded, "used_ids")


def test_systems_that_differ_in_case_only_are_two_systems(tmp_path: Path) -> None:
    assert load(write_labels(tmp_path), "test").n_systems == 3


def test_an_evaluation_list_with_other_ids_is_reported(tmp_path: Path) -> None:
    folder = write_eval_audio(write_labels(tmp_path))
    (folder / "sets" / "eval_list.txt").write_text(f"{EVAL[0]}\naudiomos2025-track2-sysZZZZZ-utt000000\n")
    assert "1 ids only in the first, 5 only in the second" in message(load(tmp_path, "test"), "eval_list")


def test_zero_is_a_valid_rating_and_eleven_is_not(tmp_path: Path) -> None:
    path = write_labels(tmp_path, flat=True) / "audiomos2025_track2_human_annotations.jsonl"
    entry = {"data_path": EVAL[0], **dict.fromkeys(AXES.values(), [0.0] * 10)}
    path.write_text(json.dumps(entry) + "\n")
    assert load(tmp_path, "test").rows[0]["ce"] == 0.0
    entry["Content_Enjoyment"] = [11.0] * 10
    path.write_text(json.dumps(entry) + "\n")
    with pytest.raises(DataError, match="Content_Enjoyment lies outside 0 to 10"):
        load(tmp_path, "test")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("not json", "not a rating line"),
        ('{"data_path": "x"}', "not a rating line"),
        (json.dumps({"data_path": "x", **dict.fromkeys(AXES.values(), [1.0] * 9)}), "9 ratings .* 10 expected"),
        (json.dumps({"data_path": "x", **dict.fromkeys(AXES.values(), [1.0] * 10)}), "not an id of the evaluation set"),
    ],
)
def test_a_malformed_line_is_named_with_its_number(tmp_path: Path, line: str, expected: str) -> None:
    path = write_labels(tmp_path, flat=True) / "audiomos2025_track2_human_annotations.jsonl"
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=expected) as caught:
        load(tmp_path, "test")
    assert path.name in str(caught.value)


def test_ratings_that_contradict_the_list_are_refused(tmp_path: Path) -> None:
    path = write_labels(tmp_path, flat=True) / "audiomos2025-track2-train_list.csv"
    first = read_csv(path)[0]["Production_Quality"]
    path.write_text(path.read_text().replace(f",{first},", ",0.123,", 1))
    with pytest.raises(DataError, match=r"Production_Quality: .* means differ"):
        load(tmp_path, "train")


def test_without_the_ratings_the_means_of_the_list_are_used(tmp_path: Path) -> None:
    write_labels(tmp_path, flat=True)
    full = load(tmp_path, "train").rows
    for path in tmp_path.glob("*.jsonl"):
        path.unlink()
    loaded = load(tmp_path, "train")
    assert [[row[name] for name in AXES] for row in loaded.rows] == [[row[name] for name in AXES] for row in full]
    assert {row["n_ratings"] for row in loaded.rows} == {-1}
    assert "0 of 3 files" in message(loaded, "no_ratings")


@pytest.mark.parametrize("path", ["/your_path/../../etc/passwd.wav", "/etc/passwd.wav", "/your_path//etc/passwd.wav"])
def test_a_path_that_leaves_the_placeholder_is_refused(tmp_path: Path, path: str) -> None:
    file = write_labels(tmp_path, flat=True) / "audiomos2025-track2-dev_list.csv"
    file.write_text(file.read_text().replace("/your_path/unbalanced_train_segments/audio/a_0_1.flac", path))
    with pytest.raises(DataError, match=r"not a path below /your_path/"):
        load(tmp_path, "dev")


def test_absent_data_and_absent_label_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"git clone https://github.com/facebookresearch/audiobox-aesthetics"):
        load(tmp_path / "absent", "test")
    with pytest.raises(
        DataError, match=r"no audiomos2025-track2-train_list\.csv.*facebookresearch/audiobox-aesthetics"
    ):
        load(tmp_path, "train")


# --- real labels ------------------------------------------------------------------------------------------------------

SOURCE_COUNTS = {  # path prefix to (train, dev), as in the data set's description
    "AudioSet": (900, 100),
    "MusicCaps": (496, 53),
    "MUSDB18": (404, 47),
    "CommonVoice": (476, 24),
    "LibriTTS": (283, 17),
    "EARS": (141, 9),
}


@pytest.fixture(scope="module")
def real(shared: Path) -> dict[str, TaskSplit]:
    return {split: load(shared / "data/aes_natural", split) for split in ("train", "dev", "test")}


def test_real_labels_have_the_published_counts(real: dict[str, TaskSplit]) -> None:
    assert {split: (len(loaded.rows), loaded.n_systems) for split, loaded in real.items()} == {
        "train": (2700, 6),
        "dev": (250, 6),
        "test": (3060, 36),
    }
    for split, loaded in real.items():
        assert not {finding.code for finding in loaded.findings} - {"systems_not_official"}, split
    for at, split in enumerate(("train", "dev")):
        counts = Counter(row["system_id"] for row in real[split].rows)
        assert counts == {name: pair[at] for name, pair in SOURCE_COUNTS.items()}
    assert set(Counter(row["system_id"] for row in real["test"].rows).values()) == {85}


def test_real_labels_are_the_means_of_ten_ratings_and_hold_zeros(real: dict[str, TaskSplit]) -> None:
    zeros = dict.fromkeys(AXES, 0)
    for loaded in real.values():
        for row in loaded.rows:
            for name in AXES:
                assert len(row["ratings"][name]) == 10
                assert row[name] == pytest.approx(sum(row["ratings"][name]) / 10, abs=1e-12)
                zeros[name] += row["ratings"][name].count(0.0)
    assert all(zeros.values())


def test_real_labels_have_the_published_statistics(real: dict[str, TaskSplit]) -> None:
    expected = {
        "train": {"pq": (6.28, 1.30), "pc": (3.35, 1.83), "ce": (5.18, 1.64), "cu": (5.85, 1.42)},
        "test": {"pq": (6.02, 1.46), "pc": (3.10, 1.54), "ce": (4.30, 1.78), "cu": (5.27, 1.86)},
    }
    for split, axes in expected.items():
        for name, (mean, deviation) in axes.items():
            values = [row[name] for row in real[split].rows]
            assert (fmean(values), pstdev(values)) == pytest.approx((mean, deviation), abs=0.0051)


def test_the_rule_for_ids_holds_for_all_real_clips_but_one(shared: Path) -> None:
    folder = shared / "data/aes_natural"
    rows = [row for split in ("train", "dev") for row in read_csv(folder / f"audiomos2025-track2-{split}_list.csv")]
    odd = [row["sample_id"] for row in rows if sample_id(row["data_path"]) != row["sample_id"]]
    assert len(rows) == 2950
    assert odd == ["audiomos2025-track2-music-MUSDB18_train_Jokers_Jacks_&_Kings_-_Sea_Of_Leaves_mixture"]


def test_the_reshaped_ratings_of_the_evaluation_set_say_the_same(shared: Path, real: dict[str, TaskSplit]) -> None:
    table = {row["utt_id"]: row for row in read_csv(shared / "data/audiomos25_track2_eval/ratings.csv")}
    assert len(table) == len(real["test"].rows)
    for row in real["test"].rows:
        other = table[row["utterance_id"]]
        assert other["system_id"] == row["system_id"]
        for name in AXES:
            cells = [float(other[f"{name.upper()}_{at}"]) for at in range(10)]
            assert row["ratings"][name] == cells
    assert all(re.fullmatch(r"sys\w{5}", row["system_id"]) for row in real["test"].rows)
