"""MusicEval: challenge layouts, prompts, raters, system scores, and the hub's parquet files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_musiceval import (
    DEMO_PROMPTS,
    PREFIX,
    PROMPTS,
    RATERS,
    RATINGS,
    means,
    write_eval_phase,
    write_hub,
    write_phase,
)
from mosharness.harness.core.errors import DataError, DataMissing, HubError, UnknownName, UsageError
from mosharness.tasks import load_task
from mosharness.tasks.base import TaskSplit

FULL = ("train", "dev", "test")
COUNTS = {"row_count", "system_count"}


def load(root: Path, split: str, *, audio: bool = False, **options: str) -> TaskSplit:
    return load_task("musiceval", root, **options).open(split, audio=audio)


def codes(loaded: TaskSplit) -> set[str]:
    return {finding.code for finding in loaded.findings} - COUNTS


def scores(loaded: TaskSplit) -> dict[str, tuple[float, float]]:
    return {row["utterance_id"]: (row["mi"], row["ta"]) for row in loaded.rows}


@pytest.mark.parametrize(
    ("folder", "pointed"),
    [
        ("MusicEval-full", ""),
        ("MusicEval-full", "MusicEval-full"),
        ("MusicEval-full/MusicEval-full", ""),
        ("MusicEval-full/MusicEval-full", "MusicEval-full"),
        ("MusicEval-full", "MusicEval-full/sets"),
        ("MusicEval-full", "MusicEval-full/wav"),
        ("DATA", ""),
    ],
)
@pytest.mark.parametrize("split", FULL)
def test_the_full_release_loads_from_outside_and_inside(tmp_path: Path, folder: str, pointed: str, split: str) -> None:
    write_phase(tmp_path / folder, FULL)
    loaded = load(tmp_path / pointed, split, audio=True)
    assert scores(loaded) == means(split)
    assert not loaded.missing_audio
    assert {header.sample_rate for header in loaded.headers.values()} == {16_000}
    assert not codes(loaded)


def test_musical_impression_comes_first_and_textual_alignment_second(tmp_path: Path) -> None:
    row = next(
        row for row in load(write_phase(tmp_path, FULL), "train").rows if row["utterance_id"].endswith("S001_P044")
    )
    assert (row["mi"], row["ta"]) == pytest.approx((1.2, 4.8))
    assert load_task("musiceval").card.dimensions == ("mi", "ta")


def test_the_system_is_the_part_of_the_name_before_the_underscore(tmp_path: Path) -> None:
    loaded = load(write_phase(tmp_path, FULL), "train")
    assert {row["utterance_id"]: row["system_id"] for row in loaded.rows} == {
        PREFIX + clip: clip.split("_")[0] for clip in RATINGS["train"]
    }


@pytest.mark.parametrize("split", FULL)
def test_demo_systems_take_their_prompt_from_the_second_file(tmp_path: Path, split: str) -> None:
    for row in load(write_phase(tmp_path, FULL), split).rows:
        clip = row["utterance_id"].removeprefix(PREFIX)
        assert row["text"] == DEMO_PROMPTS.get(clip, PROMPTS.get(clip.split("_")[1]))
        assert row["text"]


def test_a_demo_clip_without_its_file_has_no_prompt_rather_than_a_wrong_one(tmp_path: Path) -> None:
    (write_phase(tmp_path, FULL) / "demo_prompt_info.txt").unlink()
    loaded = load(tmp_path, "train")
    texts = {row["utterance_id"].removeprefix(PREFIX): row["text"] for row in loaded.rows}
    assert texts == {"S001_P044": "", "S033_P159": "", "S002_P001": "slow piano", "S002_P044": "techno at 140 bpm"}
    assert {"no_prompt", "no_prompt_file"} <= codes(loaded)


def test_a_prompt_table_without_header_is_refused(tmp_path: Path) -> None:
    (write_phase(tmp_path, FULL) / "prompt_info.txt").write_text("P044\ttechno\n")
    with pytest.raises(DataError, match=r"prompt_info.txt: the first line must name the columns id and text"):
        load(tmp_path, "train")


def test_single_ratings_carry_their_raters_in_order(tmp_path: Path) -> None:
    loaded = load(write_phase(tmp_path, FULL), "dev")
    for row in loaded.rows:
        given = RATINGS["dev"][row["utterance_id"].removeprefix(PREFIX)]
        assert row["ratings"] == {"mi": [mi for mi, _ in given], "ta": [ta for _, ta in given]}
        assert row["listeners"] == list(RATERS)
        assert row["n_ratings"] == 5


def test_one_list_of_all_raters_serves_every_split(tmp_path: Path) -> None:
    folder = write_phase(tmp_path, FULL) / "person_mos"
    parts = [(folder / f"{split}_person_mos.txt") for split in FULL]
    (folder / "total_person_mos.txt").write_text("".join(path.read_text() for path in parts))
    for path in parts:
        path.unlink()
    assert all(row["n_ratings"] == 5 for split in FULL for row in load(tmp_path, split).rows)


def test_without_a_list_of_raters_the_number_of_ratings_is_unknown(tmp_path: Path) -> None:
    loaded = load(write_phase(tmp_path, FULL, raters=False), "train")
    assert {row["n_ratings"] for row in loaded.rows} == {-1}
    assert loaded.ratings("ta") == [[]] * 4


def test_ratings_that_contradict_the_list_are_reported_and_the_list_counts(tmp_path: Path) -> None:
    path = write_phase(tmp_path, FULL) / "person_mos" / "train_person_mos.txt"
    path.write_text(path.read_text().replace("S002_P044.wav,Rater01,2,3", "S002_P044.wav,Rater01,5,3"))
    loaded = load(tmp_path, "train")
    assert scores(loaded) == means("train")
    message = next(finding.message for finding in loaded.findings if finding.code == "label_mismatch")
    assert "mean mi" in message and "S002_P044: 3 and 2.4" in message


def test_a_rater_who_rates_a_clip_twice_is_refused(tmp_path: Path) -> None:
    path = write_phase(tmp_path, FULL) / "person_mos" / "train_person_mos.txt"
    path.write_text(path.read_text() * 2)
    with pytest.raises(DataError, match=r"Rater01 rates audiomos2025-track1-S002_P044\.wav twice"):
        load(tmp_path, "train")


def test_phase_one_has_no_test_labels_and_says_where_they_are(tmp_path: Path) -> None:
    write_phase(tmp_path / "MusicEval-phase1", ("train", "dev"))
    assert len(load(tmp_path, "dev").rows) == 2
    with pytest.raises(DataError, match="test labels come with MusicEval-full"):
        load(tmp_path, "test")


@pytest.mark.parametrize("pointed", ["", "audiomos2025-track1-eval-phase/DATA"])
def test_the_evaluation_phase_is_unlabelled_and_says_what_to_do(tmp_path: Path, pointed: str) -> None:
    write_eval_phase(tmp_path / "audiomos2025-track1-eval-phase" / "DATA")
    with pytest.raises(DataError, match=r"has no labels.*labels=FILE.*mosharness predict .*wav"):
        load(tmp_path / pointed, "test")


def test_the_evaluation_phase_scores_with_an_answer_file(tmp_path: Path) -> None:
    write_eval_phase(tmp_path / "eval" / "DATA")
    answers = tmp_path / "answer.txt"
    lines = [f"{name},{mi},{ta}\n" for name, (mi, ta) in means("test").items()]
    answers.write_text("".join(lines) + f"{PREFIX}S009_P009,1,1\n")
    loaded = load(tmp_path / "eval", "test", audio=True, labels=str(answers))
    assert scores(loaded) == means("test")
    assert not loaded.missing_audio
    assert "extra_labels" in codes(loaded)
    answers.write_text("".join(lines[1:]))
    with pytest.raises(DataError, match="no label for 1 of the 3 clips"):
        load(tmp_path / "eval", "test", labels=str(answers))


def test_test_audio_may_lie_in_the_evaluation_phase_and_its_labels_in_the_full_release(tmp_path: Path) -> None:
    full = write_phase(tmp_path / "MusicEval-full", FULL)
    write_eval_phase(tmp_path / "audiomos2025-track1-eval-phase" / "DATA")
    for clip in RATINGS["test"]:
        (full / "wav" / f"{PREFIX}{clip}.wav").unlink()
    loaded = load(tmp_path, "test", audio=True)
    assert not loaded.missing_audio
    assert all("eval-phase" in row["audio_path"] for row in loaded.rows)


def test_missing_and_unlisted_audio_are_counted(tmp_path: Path) -> None:
    write_phase(tmp_path, FULL)
    (tmp_path / "wav" / f"{PREFIX}S002_P044.wav").rename(tmp_path / "wav" / f"{PREFIX}S002_P099.wav")
    loaded = load(tmp_path, "train", audio=True)
    assert loaded.missing_audio == [f"{PREFIX}S002_P044"]
    assert {"missing_audio", "unlabelled_audio"} == codes(loaded)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_the_official_system_file_covers_train_and_dev(tmp_path: Path, split: str) -> None:
    task = load_task("musiceval", write_phase(tmp_path, FULL))
    truth = task.system_truth(split)
    assert truth["mi"]["S002"] == 3.25 and truth["ta"]["S002"] == 2.125
    assert set(truth["mi"]) == {clip.split("_")[0] for clip in RATINGS[split]}


def test_the_official_system_file_of_phase_one_is_not_used_for_test(tmp_path: Path) -> None:
    task = load_task("musiceval", write_phase(tmp_path, FULL))
    with pytest.raises(DataError, match="no official system scores of test"):
        task.system_truth("test")
    (tmp_path / "system_mos" / "system_mos_test.csv").write_text("S004,2,2\nS006,1,1\nS013,4,5\n")
    assert task.system_truth("test") == {
        "mi": {"S004": 2.0, "S006": 1.0, "S013": 4.0},
        "ta": {"S004": 2.0, "S006": 1.0, "S013": 5.0},
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x.wav,3\n", "has 2 fields, 3 expected"),
        (f"{PREFIX}S002_P044.wav,3.0,high\n", "'high' is not a number"),
        (f"{PREFIX}S002_P044.wav,3.0,6.0\n", "outside the scale 1 to 5"),
        ("track1-S002.wav,3.0,4.0\n", "systems cannot be recovered"),
        (f"{PREFIX}S002_P044.wav,3.0,3.0\n{PREFIX}S002_P044.wav,2,2\n", "listed twice"),
        ("", "the file is empty"),
    ],
)
def test_a_malformed_list_is_refused_by_name(tmp_path: Path, line: str, message: str) -> None:
    (write_phase(tmp_path, FULL, raters=False) / "sets" / "train_mos_list.txt").write_text(line)
    with pytest.raises(DataError, match=message):
        load(tmp_path, "train")


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = write_phase(tmp_path, FULL) / "sets" / "dev_mos_list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert scores(load(tmp_path, "dev")) == means("dev")


def test_a_folder_of_something_else_is_described(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"neither the challenge layout.*holds notes.txt"):
        load(tmp_path, "train")
    with pytest.raises(DataMissing, match=r"hf download BAAI/MusicEval(.|\n)*CC BY-NC|CC BY-NC(.|\n)*hf download"):
        load(tmp_path / "absent", "train")


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="local or hub"):
        load_task("musiceval", source="web")
    with pytest.raises(UsageError, match="leave --data-root out"):
        load_task("musiceval", tmp_path, source="hub")
    with pytest.raises(UnknownName, match="systems"):
        load_task("musiceval", system="none")


# --- the hub's parquet files ------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "cache"


@pytest.mark.parametrize("pointed", ["", "data"])
@pytest.mark.parametrize("split", FULL)
def test_the_hub_files_give_the_rows_of_the_challenge_layout(
    tmp_path: Path, cache: Path, pointed: str, split: str
) -> None:
    root = write_hub(tmp_path / "hub")
    loaded = load(root / pointed, split, audio=True)
    official = load(write_phase(tmp_path / "full", FULL), split)
    assert scores(loaded) == scores(official)
    assert [row["system_id"] for row in loaded.rows] == [row["system_id"] for row in official.rows]
    for row in loaded.rows:
        clip = row["utterance_id"].removeprefix(PREFIX)
        assert Path(row["audio_path"]).read_bytes() == (root / "source" / f"{clip}.wav").read_bytes()
        assert Path(row["audio_path"]).is_relative_to(cache / "musiceval")
        assert (row["text"], row["listeners"], row["n_ratings"], row["sample_rate"]) == ("", [], -1, 16_000)
    assert "hub_columns" in codes(loaded)


def test_labels_of_the_hub_files_load_without_writing_anything(tmp_path: Path, cache: Path) -> None:
    loaded = load(write_hub(tmp_path / "hub"), "test")
    assert len(loaded.rows) == 3
    assert not cache.exists()


def test_audio_of_the_hub_files_is_unpacked_once(tmp_path: Path, cache: Path) -> None:
    root = write_hub(tmp_path / "hub")
    first = {row["audio_path"]: Path(row["audio_path"]).stat().st_ino for row in load(root, "train", audio=True).rows}
    again = {row["audio_path"]: Path(row["audio_path"]).stat().st_ino for row in load(root, "train", audio=True).rows}
    assert first == again
    assert [path.name for path in cache.glob("musiceval/.*")] == []


def test_names_without_the_prefix_of_the_challenge_are_understood(tmp_path: Path, cache: Path) -> None:
    root = write_hub(tmp_path / "hub", lambda clip: f"some/folder/{clip}.wav")
    assert scores(load(root, "dev")) == means("dev")


@pytest.mark.parametrize("path", ["{}-12.wav", None, "audio.wav"])
def test_names_that_hide_the_system_fail_clearly_unless_utterance_level_is_wanted(
    tmp_path: Path, cache: Path, path: str | None
) -> None:
    number = iter(range(100))
    root = write_hub(tmp_path / "hub", lambda clip: path and path.format(next(number)))
    with pytest.raises(DataError, match=r"systems cannot be recovered.*option systems=none"):
        load(root, "test")
    loaded = load(root, "test", systems="none", audio=True)
    assert {row["system_id"] for row in loaded.rows} == {""}
    assert loaded.n_systems == 0
    assert sorted(row["mi"] for row in loaded.rows) == pytest.approx(sorted(mi for mi, _ in means("test").values()))
    assert "no_systems" in codes(loaded)


def test_a_path_that_climbs_cannot_leave_the_cache(tmp_path: Path, cache: Path) -> None:
    root = write_hub(tmp_path / "hub", lambda clip: f"../../../../{clip}.wav")
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache)}
    loaded = load(root, "test", audio=True)
    assert all(Path(row["audio_path"]).is_relative_to(cache) for row in loaded.rows)
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache)} - before <= {tmp_path / "hf"}


def test_a_missing_part_of_a_split_is_noticed(tmp_path: Path, cache: Path) -> None:
    root = write_hub(tmp_path / "hub")
    (root / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="not all parts of one split"):
        load(root, "train")
    assert len(load(root, "dev").rows) == 2


def test_a_cut_or_foreign_parquet_file_is_refused_by_name(tmp_path: Path, cache: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = write_hub(tmp_path / "hub") / "data" / "test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"test-00000-of-00001.parquet .*cannot be read as parquet"):
        load(tmp_path / "hub", "test")
    pq.write_table(pa.table({"audio": [1], "overall quality": [2.0]}), path)
    with pytest.raises(DataError, match="no column 'textual alignment'"):
        load(tmp_path / "hub", "test")


def test_official_system_scores_are_not_in_the_hub_files(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="no folder system_mos"):
        load_task("musiceval", write_hub(tmp_path / "hub")).system_truth("dev")


@pytest.fixture
def local_hub(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[object]:
    import os
    import threading

    from ..hub.server import LocalHub

    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_OFFLINE"):
            monkeypatch.delenv(name)
    server = LocalHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_the_repository_is_fetched_and_the_commit_that_main_stood_for_is_recorded(
    tmp_path: Path, local_hub: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_hub(tmp_path / "hub")
    shutil.copy(root / "data" / "train-00000-of-00002.parquet", root / "data" / "train-00000-of-00003.parquet")
    shutil.copy(root / "data" / "train-00001-of-00002.parquet", root / "data" / "train-00001-of-00003.parquet")
    shutil.copy(root / "data" / "train-00001-of-00002.parquet", root / "data" / "train-00002-of-00003.parquet")
    files = {f"data/{path.name}": path.read_bytes() for path in (root / "data").glob("*.parquet")}
    local_hub.repos["datasets/BAAI/MusicEval"] = files  # type: ignore[attr-defined]
    loaded = load_task("musiceval", source="hub").open("test", audio=True)
    assert scores(loaded) == means("test")
    message = next(finding.message for finding in loaded.findings if finding.code == "hub_revision")
    assert message == "BAAI/MusicEval at commit 0123456789abcdef0123456789abcdef01234567 (main)"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert len(load_task("musiceval", source="hub").open("dev").rows) == 2
    with pytest.raises(HubError, match="hf download BAAI/MusicEval"):
        load_task("musiceval", source="hub", revision="f" * 40).open("dev")


# --- real labels ------------------------------------------------------------------------------------------------------


def test_real_lines_of_the_training_list_load(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "sets").mkdir()
    shutil.copy(shared / "data/musiceval_sample/mos_list.txt", tmp_path / "sets/train_mos_list.txt")
    loaded = load(tmp_path, "train")
    assert len(loaded.rows) == 289
    assert codes(loaded) == {"no_prompt", "no_prompt_file"}
    assert {finding.code for finding in loaded.findings} >= {"row_count"}
    assert all(abs(row[name] * 5 - round(row[name] * 5)) < 1e-9 for row in loaded.rows for name in ("mi", "ta"))
    assert all(1 <= row[name] <= 5 for row in loaded.rows for name in ("mi", "ta"))
    assert not {"S005", "S025"} & {row["system_id"] for row in loaded.rows}
