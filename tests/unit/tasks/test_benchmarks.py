"""Benchmarks: every official layout is read, and the traps of each are named or avoided."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_benchmarks import WRITERS, score, table, tone, write_benchmark, write_sheet
from mosharness.harness.core.errors import DataError, DataMissing, UnknownName, UsageError
from mosharness.tasks import TASKS, load_task
from mosharness.tasks.base import TaskSplit
from mosharness.tasks.benchmarks import DESCRIBED, ENTRIES, HERE, INDEX
from mosharness.tasks.benchmarks.__main__ import indexed

EXPECTED: dict[str, dict[str, tuple[int, int]]] = {
    "bc19": {"train": (10, 5), "dev": (10, 5), "test": (10, 5)},
    "bc23_hub": {"test": (10, 5)},
    "bc23_spoke": {"test": (10, 5)},
    "brspeechmos": {"test": (10, 5)},
    "chime7_udase": {"test": (10, 5)},
    "hablamos": {"train": (9, 0), "dev": (9, 0), "test": (9, 0)},
    "pstn": {"train": (18, 0), "dev": (2, 0)},
    "qualispeech": {"train": (10, 5), "dev": (10, 5), "test": (11, 6)},
    "singmos": {"train": (10, 5), "dev": (10, 5), "test": (10, 5)},
    "svcc23": {"test": (10, 5)},
    "tcd_voip": {"test": (10, 5)},
    "tencent": {"train": (18, 0), "dev": (2, 0)},
    "tmhint_qi": {"train": (90, 5), "dev": (10, 5), "test": (10, 5)},
    "tmhint_qi_s": {"test": (10, 5)},
    "ttsds2": {"test": (10, 5)},
    "urgent2024_mos": {"test": (10, 5)},
    "vmc24_track3": {"test": (10, 5)},
    "vmc24_zoomed": {"train": (10, 5), "test_50": (10, 5), "test_25": (8, 4), "test_12": (6, 3)},
}


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("benchmarks")
    for name in WRITERS:
        write_benchmark(name, root)
    return root


@pytest.fixture(scope="module")
def loaded(benchmarks: Path) -> Callable[[str, str], TaskSplit]:
    def load(name: str, split: str = "test") -> TaskSplit:
        task = load_task(name, benchmarks / name)
        task.root()
        return task.open(split)

    return load


def notes(split: TaskSplit, code: str) -> str:
    return " ".join(finding.message for finding in split.findings if finding.code == code)


def test_the_index_holds_the_cards_of_the_files() -> None:
    assert json.loads(INDEX.read_text()) == json.loads(json.dumps(indexed()))
    assert {path.stem for path in HERE.glob("*.yaml")} - {"groups"} == set(ENTRIES)
    assert set(ENTRIES) == set(WRITERS) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_card_says_what_a_reader_must_know(name: str) -> None:
    card = TASKS.card(name)
    assert card == TASKS[name].card
    assert card.title and card.license and card.citation != "none" and card.obtain.strip()
    assert card.human and card.scale == (1.0, 5.0) and card.dimensions[0] == "mos"


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_the_official_layout_is_read(name: str, benchmarks: Path) -> None:
    task = load_task(name, benchmarks / name)
    task.root()
    found = {split: (len(one.rows), one.n_systems) for split in EXPECTED[name] if (one := task.open(split))}
    assert found == EXPECTED[name] and list(task.card.splits) == list(EXPECTED[name])
    for split in EXPECTED[name]:
        opened = task.open(split)
        assert len(opened.missing_audio) == (name == "qualispeech" and split == "test")
        assert len({row["audio_path"] for row in opened.rows if row["audio_path"]}) == len(opened.rows) - len(
            opened.missing_audio
        )


@pytest.mark.parametrize("name", DESCRIBED)
def test_labels_alone_are_read(name: str, benchmarks: Path) -> None:
    task = load_task(name, benchmarks / name)
    task.root()
    split = task.resolve_split("test")[0] if name not in ("pstn", "tencent") else "train"
    opened = task.open(split, audio=False)
    assert not any(row["audio_path"] for row in opened.rows)
    assert opened.digest == task.open(split).digest


def test_counts_that_differ_are_said_with_numbers(loaded: Any) -> None:
    assert "bc19/test: 10 clips, 540 expected" in notes(loaded("bc19"), "row_count")
    assert "tcd_voip/test: 5 systems, 96 expected" in notes(loaded("tcd_voip"), "system_count")


def test_bc19_averages_ratings_and_names_the_scripts(loaded: Any, tmp_path: Path) -> None:
    rows = {row["utterance_id"]: row for row in loaded("bc19").rows}
    row = rows["sys00002-utt0000020"]
    assert row["system_id"] == "sys00002" and row["n_ratings"] == 3
    assert row["mos"] == sum(row["ratings"]) / 3 and row["listeners"][0].startswith("{}_30-39_l0")
    folder = write_benchmark("bc19", tmp_path)
    for path in (folder / "ood" / "DATA" / "wav").iterdir():
        path.unlink()
    assert "01_get.py, 02_gather.py and 03_preprocess.py" in notes(load_task("bc19", folder).open("test"), "no_audio")


def test_bc23_is_two_tasks(loaded: Any) -> None:
    hub, spoke = loaded("bc23_hub"), loaded("bc23_spoke")
    assert {row["system_id"] for row in hub.rows} == {f"{letter}-NEB" for letter in "ABCDE"}
    assert {row["system_id"] for row in spoke.rows} == {f"{letter}-AD" for letter in "ABCDE"}
    assert "10 rows are left out: they are of the other task" in notes(hub, "left_out")


def test_svcc23_keeps_the_answers_and_takes_single_ratings_beside_them(loaded: Any, tmp_path: Path) -> None:
    split = loaded("svcc23")
    assert {row["system_id"] for row in split.rows} == {"B01", "SOU", "T02", "T11", "TAR"}
    assert all(len(row["ratings"]) == 4 and sum(row["ratings"]) / 4 == row["mos"] for row in split.rows)
    folder = write_benchmark("svcc23", tmp_path)
    (folder / "listener_wise_answer.csv").unlink()
    without = load_task("svcc23", folder).open("test")
    assert "no noise ceiling" in notes(without, "no_ratings") and without.digest == split.digest


def test_answers_that_are_not_in_the_archive_are_named(tmp_path: Path) -> None:
    folder = write_benchmark("svcc23", tmp_path)
    (folder / "answer.csv").unlink()
    with pytest.raises(DataError, match=r"egs/svcc23/answers/answer\.csv"):
        load_task("svcc23", folder).open("test")


def test_tmhint_qi_splits_by_folder_and_cuts_by_sentence(loaded: Any) -> None:
    train, dev, test = (loaded("tmhint_qi", split) for split in ("train", "dev", "test"))
    assert "clean-SNR-" in {row["system_id"] for row in test.rows} and "m1-SNR-2-babble" in {
        row["system_id"] for row in test.rows
    }
    assert "1 rows have no score" in notes(test, "no_rating") and "m0_snr0_babble_s20" in notes(test, "no_rating")
    assert "m0_snr0_babble_s77" in notes(test, "soundless")
    sentences = [{row["utterance_id"].rpartition("_")[2] for row in one.rows} for one in (train, dev)]
    assert not sentences[0] & sentences[1] and "2 of 20 groups {sentence} are dev" in notes(dev, "cut")


def test_tmhint_qi_s_keeps_negative_snr_apart(loaded: Any) -> None:
    split = loaded("tmhint_qi_s")
    assert {row["system_id"] for row in split.rows} >= {
        "Noisy_snr-2_white_TMHINT",
        "FCN_snr-2_pink_TMHINT",
        "clean_TMHINT",
    }
    assert "1 rows are left out: bare TMHINT" in notes(split, "left_out")


def test_singmos_keeps_leading_zeros(loaded: Any) -> None:
    assert {row["system_id"] for row in loaded("singmos").rows} == {f"sys{number:04d}" for number in range(5)}


def test_vmc24_zoomed_reads_histograms_and_bvccs_clips(
    loaded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = loaded("vmc24_zoomed", "train").rows[-1]
    assert len(row["ratings"]) == 8 and abs(sum(row["ratings"]) / 8 - row["mos"]) < 1e-6
    folder = write_benchmark("vmc24_zoomed", tmp_path)
    (tmp_path / "bvcc" / "main" / "DATA").mkdir(parents=True)
    (folder / "wav").rename(tmp_path / "bvcc" / "main" / "DATA" / "wav")
    assert load_task("vmc24_zoomed", folder).open("test_12").missing_audio
    assert not load_task("vmc24_zoomed", folder, clips=str(tmp_path / "bvcc")).open("test_12").missing_audio
    monkeypatch.setenv("MOSHARNESS_DATA", str(tmp_path))
    assert not load_task("vmc24_zoomed").open("train").missing_audio


def test_vmc24_track3_rebuilds_the_means_without_the_first_listener(loaded: Any) -> None:
    split = loaded("vmc24_track3")
    assert {row["system_id"] for row in split.rows} == {f"sys{number}" for number in range(1, 6)}
    assert all(len(row["ratings"]["mos"]) == 4 for row in split.rows)
    assert "10 ratings are of listeners that the means leave out" in notes(split, "listeners")


def test_brspeechmos_names_natural_speech_by_condition(loaded: Any) -> None:
    split = loaded("brspeechmos")
    assert {row["system_id"] for row in split.rows} == {"db0", "db1", "db2", "db3", "studio"}
    assert "d0_absent" in notes(split, "soundless")


def test_hablamos_tells_clips_of_one_name_by_their_duration(loaded: Any) -> None:
    train = loaded("hablamos", "train")
    shared = next(row for row in train.rows if row["utterance_id"] == "train_1")
    assert shared["subset"] == "A1" and "1 rows of 1 names" in notes(train, "shared_names")
    assert all(row["system_id"] == "" for row in train.rows)
    assert "train_audio0.wav" in {row["utterance_id"] for row in train.rows}


def test_ttsds2_takes_mos_only_and_tells_equal_stems_apart(loaded: Any) -> None:
    split = loaded("ttsds2")
    assert {row["system_id"] for row in split.rows} == {
        "wild-tts0",
        "clean-tts1",
        "wild-tts2",
        "clean-tts3",
        "wild-tts4",
    }
    assert "10 rows are left out: rating_type is not mos" in notes(split, "left_out")
    assert all(row["n_ratings"] == 3 for row in split.rows) and "1 rows of 1 clips" in notes(split, "soundless")


def test_tcd_voip_systems_are_kind_and_number(loaded: Any) -> None:
    counts = Counter(row["system_id"] for row in loaded("tcd_voip").rows)
    assert counts == dict.fromkeys(("ECHO_01", "CHOP_01", "CLIP_11", "NOISE_02", "COMPSPKR_12"), 2)


def test_tencent_and_pstn_are_cut_the_same_every_time(loaded: Any, benchmarks: Path, tmp_path: Path) -> None:
    dev = loaded("tencent", "dev")
    assert {row["subset"] for row in loaded("tencent", "train").rows} == {
        "withReverberationTrainDevMOS",
        "withoutReverberationTrainDevMOS",
    }
    assert dev.digest == loaded("tencent", "dev").digest and "SHEET shuffles without a seed" in notes(dev, "cut")
    assert not {row["utterance_id"] for row in dev.rows} & {
        row["utterance_id"] for row in loaded("tencent", "train").rows
    }
    assert loaded("pstn", "dev").rows[0]["utterance_id"].isdigit()
    folder = write_benchmark("tencent", tmp_path)
    (folder / "TencentCorups" / "withReverberationTrainDevMOS.csv").unlink()
    assert "lacks withReverberationTrainDevMOS.csv" in notes(load_task("tencent", folder).open("train"), "label_files")


def test_urgent2024_mos_derives_systems_from_ids(loaded: Any) -> None:
    split = loaded("urgent2024_mos")
    assert {row["system_id"] for row in split.rows} == {f"P{number:03d}" for number in range(5)}
    assert len({row["sample_rate"] for row in split.rows}) > 1 and all(len(row["ratings"]) == 8 for row in split.rows)


def test_chime7_udase_leaves_references_out(loaded: Any) -> None:
    split = loaded("chime7_udase")
    assert "2 rows are left out: condition is ref" in notes(split, "left_out")
    assert "C0_S00" in {row["utterance_id"] for row in split.rows}


def test_qualispeech_reads_text_with_line_ends(loaded: Any) -> None:
    split = loaded("qualispeech")
    assert split.rows[0]["text"] == 'Clear, "bright"\nvoice' and split.card.dimensions[0] == "mos"
    assert split.missing_audio == ["sysabcde-utt0000001"]


@pytest.mark.parametrize("average", [False, True])
def test_the_common_table_of_sheet_is_read_for_every_set(average: bool, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for clip in range(6):
        name = f"sys{clip // 2}-utt{clip}"
        tone(tmp_path / "wavs" / f"{name}.wav", level=clip)
        for listener in range(1 if average else 2):
            row: dict[str, object] = {"sample_id": f"utt{clip}", "wav_path": f"/elsewhere/ood/wavs/{name}.wav"}
            row |= {"system_id": f"sys{clip // 2}", "avg_score" if average else "score": 1 + clip % 4}
            rows.append(row if average else {**row, "listener_id": f"l{listener}"})
    write_sheet(tmp_path / "data" / "bc19_test.csv", rows)
    split = load_task("bc19", tmp_path).open("test")
    assert (len(split.rows), split.n_systems, split.missing_audio) == (6, 3, [])
    assert split.rows[0]["n_ratings"] == (-1 if average else 2) and "SHEET" in notes(split, "sheet")


def test_the_clips_own_system_of_sheet_is_none(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"wav_path": f"a{clip}.wav", "score": score(clip, 0), "system_id": f"a{clip}", "sample_id": f"a{clip}"}
        for clip in range(4)
    ]
    for clip in range(4):
        tone(tmp_path / f"a{clip}.wav", level=clip)
    write_sheet(tmp_path / "tencent_dev.csv", rows)
    assert load_task("tencent", tmp_path).open("dev").n_systems == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("VoiceMOS2023Track2-B01-SF1-IDM1-30001", "7")], "outside the scale"),
        ([("VoiceMOS2023Track2-B01-SF1-IDM1-30001", "x")], "not a number"),
        ([("VoiceMOS2023Track2-B01-SF1-IDM1-30001", "3")] * 2, "occur twice"),
        ([("VoiceMOS2023Track2-B01-SF1-IDM1-30001", "3", "4")], "3 fields, 2 expected"),
        ([("strange", "3")], "not of this data set's form"),
        ([("../VoiceMOS2023Track2-B01-SF1-IDM1-30001", "3")], "leaves the data folder"),
        ([(f"VoiceMOS2023Track2-B01-SF1-IDM1-3000{at}", "0") for at in range(3)], "outside the scale"),
        ([(f"VoiceMOS2023Track2-B01-SF1-IDM1-3000{at}", "1") for at in range(3)], "placeholder labels"),
    ],
)
def test_labels_that_are_wrong_are_refused(rows: list[tuple[str, ...]], message: str, tmp_path: Path) -> None:
    table(tmp_path / "answer.csv", rows)
    with pytest.raises(DataError, match=message):
        load_task("svcc23", tmp_path).open("test")


def test_absent_data_is_a_screen_and_an_absent_split_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="Zenodo record 6572573"):
        load_task("bc19", tmp_path / "none").root()
    with pytest.raises(UnknownName):
        load_task("pstn", tmp_path).open("test")


def test_a_release_of_ones_own_is_a_task_file(tmp_path: Path) -> None:
    table(tmp_path / "mine" / "lists" / "eval.txt", [(f"s{at // 2}_{at}", score(at // 2, at)) for at in range(6)])
    for at in range(6):
        tone(tmp_path / "mine" / "clips" / f"s{at // 2}_{at}.wav", level=at)
    text = (
        "name: challenge\nscale: [1, 5]\nsplits: {test: {utterances: 6, systems: 3}}\nsource:\n  release:\n"
        "    labels: {test: {files: [lists/eval.txt], fields: [path, mos]}}\n"
        "    pattern: '(?P<own>[^_]+)_.*'\n    system: '{own}'\n    audio: ['clips/{name}']\n"
    )
    (tmp_path / "challenge.yaml").write_text(text)
    split = load_task(str(tmp_path / "challenge.yaml"), tmp_path / "mine").open("test")
    assert (len(split.rows), split.n_systems, split.missing_audio, split.findings) == (6, 3, [], [])
    for wrong, kind, message in (
        ("pattern", UnknownName, "no field of release"),
        ("(?P<own>", UsageError, "no regular expression"),
        ("fields: [path, mos]", UsageError, "give one of columns, fields and line"),
    ):
        changed = {"pattern": "patern", "(?P<own>": "(?P<own", "fields: [path, mos]": "every: true"}[wrong]
        other = tmp_path / f"wrong{len(changed)}.yaml"
        other.write_text(text.replace("name: challenge", f"name: wrong{len(changed)}").replace(wrong, changed, 1))
        with pytest.raises(kind, match=message):
            load_task(str(other), tmp_path / "mine")
