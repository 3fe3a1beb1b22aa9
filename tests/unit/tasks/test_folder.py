"""The folder task: metadata, folders per system, and every way they can be wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_audio import write_wav
from mosharness.harness.audio.discover import find_audio
from mosharness.harness.core.errors import DataError, DataMissing, UnknownName, UsageError
from mosharness.tasks import load_task
from mosharness.tasks.base import TaskSplit
from mosharness.tasks.folder import Folder

CLIPS = ("007/a.wav", "007/b.wav", "7/a.wav", "7/b.wav")


def folder(root: Path, metadata: str | None = None, clips: tuple[str, ...] = CLIPS) -> Path:
    for name in clips:
        write_wav(root / name, 16_000)
    if metadata is not None:
        (root / "metadata.csv").write_text(metadata)
    return root


def table(header: str, *cells: str) -> str:
    return f"path,{header}\n" + "".join(f"{name},{cell}\n" for name, cell in zip(CLIPS, cells, strict=False))


SCORED = table("system_id,mos", "007,1", "007,2.5", "7,3", "7,5")


def load(root: Path, split: str = "test", *, audio: bool = True, **options: str) -> TaskSplit:
    return load_task("folder", root, **options).open(split, audio=audio)


def message(loaded: TaskSplit, code: str) -> str:
    return " | ".join(finding.message for finding in loaded.findings if finding.code == code)


def test_metadata_with_scores_is_a_task_whose_everything_is_test(tmp_path: Path) -> None:
    loaded = load(folder(tmp_path, SCORED))
    assert [(row["utterance_id"], row["system_id"], row["mos"]) for row in loaded.rows] == [
        ("007/a", "007", 1.0),
        ("007/b", "007", 2.5),
        ("7/a", "7", 3.0),
        ("7/b", "7", 5.0),
    ]
    assert [row["audio_path"] for row in loaded.rows] == [str(tmp_path / name) for name in CLIPS]
    assert list(loaded.card.splits) == ["test"]
    assert not loaded.findings


def test_leading_zeros_make_another_system(tmp_path: Path) -> None:
    assert load(folder(tmp_path, SCORED)).n_systems == 2


def test_known_score_columns_are_found_and_the_first_is_primary(tmp_path: Path) -> None:
    text = table("ta,system_id,note,mi,text", *(f"{at},s,x,{6 - at},prompt {at}" for at in (1, 2, 3, 4)))
    loaded = load(folder(tmp_path, text))
    assert loaded.card.dimensions == ("ta", "mi")
    assert [loaded.rows[0][name] for name in ("ta", "mi", "text")] == [1.0, 5.0, "prompt 1"]
    assert message(loaded, "other_columns") == "metadata.csv: columns that are not read: note"


def test_scores_of_one_column_that_never_change_are_placeholders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every mos equals"):
        load(folder(tmp_path, table("system_id,mos", *["s,3"] * 4)))


def test_columns_of_other_names_are_chosen_by_option(tmp_path: Path) -> None:
    text = table("system_id,mos,warmth,pace", "s,1,10,0.5", "s,2,20,1", "s,3,30,2", "s,4,40,3")
    loaded = load(folder(tmp_path, text), dimensions="warmth, pace", scale="0-100")
    assert loaded.card.dimensions == ("warmth", "pace")
    assert loaded.card.scale == (0.0, 100.0)
    assert [row["warmth"] for row in loaded.rows] == [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize(
    ("option", "error", "expected"),
    [
        ("warm", DataError, r"no column 'warm' \(option dimensions\)"),
        ("split", UsageError, "cannot be a dimension"),
        ("Big", UsageError, "cannot be a dimension"),
        ("mos,mos", UsageError, "twice"),
    ],
)
def test_impossible_dimensions_are_refused(tmp_path: Path, option: str, error: type[Exception], expected: str) -> None:
    folder(tmp_path, table("system_id,mos,split,Big", *["s,1,test,1"] * 4))
    with pytest.raises(error, match=expected):
        load_task("folder", tmp_path, dimensions=option)


@pytest.mark.parametrize("scale", ["5", "5-1", "1-1", "one-five", ""])
def test_a_malformed_scale_is_refused(tmp_path: Path, scale: str) -> None:
    with pytest.raises(UsageError, match="option scale"):
        load_task("folder", folder(tmp_path, SCORED), scale=scale)


def test_a_score_off_the_scale_names_the_row_and_the_option(tmp_path: Path) -> None:
    folder(tmp_path, SCORED.replace("7,5", "7,85"))
    with pytest.raises(DataError, match=r"row 5 \(7/b\): mos = 85 lies outside the scale 1 to 5.*scale=LOW-HIGH"):
        load(tmp_path)
    assert load(tmp_path, scale="0-100").rows[3]["mos"] == 85.0


@pytest.mark.parametrize("cell", ["", "good", "nan", "inf", "3,5"])
def test_a_score_that_is_no_number_is_refused(tmp_path: Path, cell: str) -> None:
    quoted = f'"{cell}"' if "," in cell else cell
    with pytest.raises(DataError, match=r"row 2 \(007/a\): mos: .* is not a number"):
        load(folder(tmp_path, SCORED.replace("007,1\n", f"007,{quoted}\n")))


def test_splits_come_from_the_metadata_and_only_the_wanted_one_needs_labels(tmp_path: Path) -> None:
    text = table("system_id,mos,split", "a,1,train", "a,2,train", "b,,test_far", "b,3,dev")
    task = load_task("folder", folder(tmp_path, text))
    assert list(task.card.splits) == ["train", "dev", "test_far"]
    assert (task.resolve_split("test"), task.resolve_split("dev")) == (("test_far",), ("dev",))
    assert [row["utterance_id"] for row in task.open("train").rows] == ["007/a", "007/b"]
    with pytest.raises(DataError, match="is not a number"):
        task.open("test_far")
    with pytest.raises(UnknownName):
        task.open("test_near")


@pytest.mark.parametrize("name", ["valid", "", "../test", "Test"])
def test_other_split_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"row 2: split .* must be train, dev or test"):
        load(folder(tmp_path, table("system_id,mos,split", *[f"s,1,{name}"] * 4)))


def test_the_number_of_ratings_is_read(tmp_path: Path) -> None:
    text = table("system_id,mos,n_ratings", "a,1,8", "a,2,8", "b,3,", "b,4,10")
    assert [row["n_ratings"] for row in load(folder(tmp_path, text)).rows] == [8, 8, -1, 10]
    with pytest.raises(DataError, match="n_ratings is 'many', not a count"):
        load(folder(tmp_path, text.replace("1,8", "1,many")))


def test_empty_system_cells_leave_the_utterance_level(tmp_path: Path) -> None:
    loaded = load(folder(tmp_path, table("system_id,mos", ",1", ",2", ",3", ",4")))
    assert loaded.n_systems == 0


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("path,mos\n007/a.wav,1\n", "no column system_id"),
        ("thing,system_id,mos\n007/a.wav,s,1\n", "no column path.*task.columns=path=HEADER"),
        ("file,wav,system_id,mos\n007/a.wav,x,s,1\n", "path could be the column 'file' or 'wav'"),
        ("path,system_id,rating,score\n007/a.wav,s,1,2\n", "the label could be the column 'score' or 'rating'"),
        ("path,system_id,mos\n", "a header and no rows"),
        ("", "the file is empty"),
        ("path,system_id,mos\n007/a.wav,s\n", "row 2 has 2 fields, expected 3"),
        (
            "path,system_id,mos\n007/a.wav,s,1\n007/a.wav,s,2\n",
            r"1 paths are listed more than once \(first: '007/a.wav'\)",
        ),
        ("path,system_id,mos\n007/a.wav,s,1\n./007/a.wav,s,2\n", "listed more than once"),
        ("path,system_id,mos\n/etc/a.wav,s,1\n", "row 2: '/etc/a.wav' must lie below the folder"),
        ("path,system_id,mos\n../a.wav,s,1\n", r"row 2: '../a.wav' must lie below"),
        ("path,system_id,mos\n007/../../a.wav,s,1\n", "must lie below"),
        ("path,system_id,mos\nC:\\x\\a.wav,s,1\n", "must lie below the folder"),
        ("path,system_id,mos\n..\\a.wav,s,1\n", "must lie below the folder"),
        ("path,system_id,mos\n007/a.txt,s,1\n", r"not an audio file \(.aif .aiff .flac .mp3 .ogg .opus .wav and the"),
        ("path,system_id,mos\n007,s,1\n", "not an audio file"),
        ("path,system_id,mos\n,s,1\n", "not an audio file"),
    ],
)
def test_malformed_metadata_is_refused_with_the_row(tmp_path: Path, metadata: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        load(folder(tmp_path, metadata))


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "secret.wav", 16_000)
    root = folder(tmp_path / "data", "path,system_id,mos\nx.wav,s,1\n", ("y.wav",))
    (root / "x.wav").symlink_to(tmp_path / "secret.wav")
    with pytest.raises(DataError, match="leads out of"):
        load(root)


def test_missing_files_are_counted_and_unlisted_ones_noted(tmp_path: Path) -> None:
    folder(tmp_path, SCORED, (*CLIPS, "extra/c.wav"))
    (tmp_path / "7/a.wav").unlink()
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.wav").write_bytes(b"")
    loaded = load(tmp_path)
    assert loaded.missing_audio == ["7/a"]
    assert message(loaded, "unlisted_audio") == "1 audio files are not in metadata.csv (first: extra/c.wav)"
    assert message(loaded, "other_files") == "files that are not clips: 1 hidden, 1 other suffix (such as .hidden.wav)"


def test_labels_load_without_any_audio_on_the_machine(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text(SCORED)
    loaded = load(tmp_path, audio=False)
    assert [row["mos"] for row in loaded.rows] == [1.0, 2.5, 3.0, 5.0]
    assert {row["audio_path"] for row in loaded.rows} == {""}
    assert len(load(tmp_path).missing_audio) == 4


def test_files_that_would_share_an_id_keep_their_suffix_as_in_predictions(tmp_path: Path) -> None:
    clips = ("s/a.wav", "s/a.flac", "s/b.WAV")
    folder(tmp_path, "path,system_id,mos\n" + "".join(f"{name},s,{at}\n" for at, name in enumerate(clips, 1)), clips)
    names = [row["utterance_id"] for row in load(tmp_path).rows]
    assert names == ["s/a.flac", "s/a.wav", "s/b"]
    assert names == sorted(entry.utterance_id for entry in find_audio([tmp_path]).entries)


def test_formula_guards_of_our_own_csv_files_are_taken_off(tmp_path: Path) -> None:
    folder(tmp_path, "path,system_id,mos\n'-a.wav,'=s,1\n", ("-a.wav",))
    row = load(tmp_path).rows[0]
    assert (row["utterance_id"], row["system_id"]) == ("-a", "=s")


# --- without labels ---------------------------------------------------------------------------------------------------


def test_folders_named_after_systems_list_their_clips(tmp_path: Path) -> None:
    task = load_task("folder", folder(tmp_path, None, (*CLIPS, "loose.flac", "7/deep/c.wav")))
    assert isinstance(task, Folder)
    assert [(clip.utterance_id, clip.system_id) for clip in task.clips()] == [
        ("007/a", "007"),
        ("007/b", "007"),
        ("7/a", "7"),
        ("7/b", "7"),
        ("7/deep/c", "7"),
        ("loose", ""),
    ]
    assert all(Path(clip.audio_path).is_file() for clip in task.clips())


def test_without_labels_opening_says_that_predict_is_the_command(tmp_path: Path) -> None:
    folder(tmp_path)
    with pytest.raises(
        DataError, match=r"4 clips, but no metadata.csv with labels.*mosharness predict .* --predictor P"
    ):
        load(tmp_path)


def test_metadata_without_scores_lists_clips_and_says_what_is_missing(tmp_path: Path) -> None:
    task = load_task("folder", folder(tmp_path, table("system_id,text", *(f"s,t{at}" for at in range(4)))))
    assert isinstance(task, Folder)
    assert [clip.text for clip in task.clips()] == ["t0", "t1", "t2", "t3"]
    with pytest.raises(DataError, match=r"no score column.*dimensions=a,b.*mosharness predict"):
        task.open("test")


def test_an_empty_or_absent_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"absent does not exist(.|\n)*metadata.csv"):
        load(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no audio files"):
        load(tmp_path / "empty")
    (tmp_path / "empty" / "song.mid").write_bytes(b"x")
    with pytest.raises(DataError, match=r"1 other suffix \(.*song.mid\)"):
        load(tmp_path / "empty")


def test_the_data_root_of_the_environment_serves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "folder", SCORED.replace("mos", "pq"))
    monkeypatch.setenv("MOSHARNESS_DATA", os.fspath(tmp_path))
    assert load_task("folder").open("test").card.dimensions == ("pq",)


def test_one_folder_does_not_change_the_card_of_another(tmp_path: Path) -> None:
    load_task("folder", folder(tmp_path, SCORED.replace("mos", "pq")))
    assert Folder.card.dimensions == ("mos",)
    assert load_task("folder").card.dimensions == ("mos",)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("below", ["", "data/"])
def test_an_audiofolder_has_a_table_in_the_folder_of_each_split(tmp_path: Path, suffix: str, below: str) -> None:
    import pandas as pd

    for split, at in (("train", 0), ("validation", 1), ("test", 2)):
        place = tmp_path / f"{below}{split}"
        for clip in range(2):
            write_wav(place / f"clip{clip}.wav", 16_000)
        scores = [1.0 + at, 2.0 + at]
        rows = pd.DataFrame({"file_name": ["clip0.wav", "clip1.wav"], "system_id": ["x", "y"], "mos": scores})
        if suffix == "csv":
            rows.to_csv(place / "metadata.csv", index=False)
        elif suffix == "parquet":
            rows.to_parquet(place / "metadata.parquet")
        else:
            rows.to_json(place / "metadata.jsonl", orient="records", lines=True)
    task = load_task("folder", tmp_path)
    assert list(task.card.splits) == ["train", "dev", "test"]
    test = task.open("test")
    assert [row["mos"] for row in test.rows] == [3.0, 4.0] and not test.missing_audio
    assert [row["utterance_id"] for row in task.open("dev").rows] == [f"{below}validation/clip{at}" for at in range(2)]


def test_an_audiofolder_with_one_table_has_the_splits_of_its_folders(tmp_path: Path) -> None:
    for name in ("train/a.wav", "test/a.wav"):
        write_wav(tmp_path / name, 16_000)
    (tmp_path / "metadata.csv").write_text("file_name,system_id,mos\ntrain/a.wav,x,1\ntest/a.wav,y,2\n")
    task = load_task("folder", tmp_path)
    assert list(task.card.splits) == ["train", "test"] and task.open("test").rows[0]["mos"] == 2.0
    (tmp_path / "metadata.csv").write_text("path,system_id,mos\ntrain/a.wav,x,1\ntest/a.wav,y,2\n")
    assert len(load_task("folder", tmp_path).open("test").rows) == 2, "our own layout says its splits itself"


def test_a_mistake_in_one_of_several_tables_names_it(tmp_path: Path) -> None:
    for split, cell in (("train", "3"), ("test", "high")):
        write_wav(tmp_path / split / "a.wav", 16_000)
        (tmp_path / split / "metadata.csv").write_text(f"file_name,system_id,mos\na.wav,x,{cell}\n")
    with pytest.raises(DataError, match=r"test/metadata\.csv"):
        load_task("folder", tmp_path).open("test")
    (tmp_path / "data/test").mkdir(parents=True)
    (tmp_path / "data/test/metadata.csv").write_text("file_name,system_id,mos\na.wav,x,3\n")
    with pytest.raises(DataError, match="keep one"):
        load_task("folder", tmp_path).open("test")
