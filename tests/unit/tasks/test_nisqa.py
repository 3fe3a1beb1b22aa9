"""NISQA Corpus: layouts, sub-sets, and every known trap."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_nisqa import CONDITIONS, DIMENSIONS, clips, write_nisqa, write_table
from mosharness.harness.core.errors import DataError, DataMissing, UsageError
from mosharness.tasks import load_task
from mosharness.tasks.base import TaskSplit

SPLITS = {
    "dev_sim": "NISQA_VAL_SIM",
    "dev_live": "NISQA_VAL_LIVE",
    "test_for": "NISQA_TEST_FOR",
    "test_p501": "NISQA_TEST_P501",
    "test_livetalk": "NISQA_TEST_LIVETALK",
}


def load(root: Path, split: str, *, audio: bool = False) -> TaskSplit:
    return load_task("nisqa", root).open(split, audio=audio)


def codes(loaded: TaskSplit) -> set[str]:
    return {finding.code for finding in loaded.findings} - {"row_count", "system_count"}


@pytest.mark.parametrize(
    "inner", ["", "NISQA_Corpus", "NISQA_Corpus/NISQA_TEST_FOR", "NISQA_Corpus/NISQA_TEST_FOR/deg"]
)
@pytest.mark.parametrize(("subset_tables", "corpus_tables"), [(True, True), (True, False), (False, True)])
def test_every_layout_and_either_table_give_the_same_rows(
    tmp_path: Path, inner: str, subset_tables: bool, corpus_tables: bool
) -> None:
    write_nisqa(tmp_path, subset_tables=subset_tables, corpus_tables=corpus_tables)
    for split, subset in SPLITS.items():
        loaded = load(tmp_path / inner, split)
        assert codes(loaded) == set()
        rows = {row["utterance_id"]: row for row in loaded.rows}
        for record in clips(subset):
            row = rows.pop(record["filename_deg"].removesuffix(".wav"))
            assert [row[name] for name in DIMENSIONS] == [float(record[name]) for name in DIMENSIONS]
            assert row["system_id"] == f"{subset}/{record['con'].strip()}"
            assert (row["subset"], row["n_ratings"], row["listeners"]) == (subset, 5, [])
            assert row["ratings"] == {name: [] for name in DIMENSIONS}
        assert not rows


def test_the_dimensions_are_read_by_name_in_the_order_of_the_network(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path)
    before = load(tmp_path, "test_for")
    assert before.card.dimensions == ("mos", "noi", "dis", "col", "loud")
    path = corpus / "NISQA_TEST_FOR" / "NISQA_TEST_FOR_file.csv"
    write_table(path, [dict(reversed(row.items())) for row in clips("NISQA_TEST_FOR")])
    assert load(tmp_path, "test_for").rows == before.rows


def test_conditions_of_two_sub_sets_with_the_same_name_stay_two_systems(tmp_path: Path) -> None:
    write_nisqa(tmp_path)
    train = load(tmp_path, "train")
    assert {row["system_id"] for row in train.rows} == {
        *(f"NISQA_TRAIN_SIM/{number}" for number in (1, 2, 3)),
        *(f"NISQA_TRAIN_LIVE/{number}" for number in (1, 2)),
    }
    assert {row["subset"] for row in train.rows} == {"NISQA_TRAIN_SIM", "NISQA_TRAIN_LIVE"}


def test_blanks_behind_a_condition_are_dropped_and_inner_ones_kept(tmp_path: Path) -> None:
    write_nisqa(tmp_path)
    assert {row["system_id"] for row in load(tmp_path, "dev_live").rows} == {
        "NISQA_VAL_LIVE/skype live",
        "NISQA_VAL_LIVE/phone",
    }


def test_test_and_dev_stand_for_sub_sets_that_are_never_pooled() -> None:
    task = load_task("nisqa")
    assert task.resolve_split("test") == ("test_for", "test_p501", "test_livetalk")
    assert task.resolve_split("dev") == ("dev_sim", "dev_live")
    assert task.resolve_split("train") == ("train",)


def test_a_name_that_both_training_sub_sets_use_gets_its_sub_set_in_front(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path, corpus_tables=False, audio=True)
    rows = clips("NISQA_TRAIN_LIVE")
    shared = clips("NISQA_TRAIN_SIM")[0]["filename_deg"]
    (corpus / "NISQA_TRAIN_LIVE" / "deg" / rows[0]["filename_deg"]).rename(corpus / "NISQA_TRAIN_LIVE" / "deg" / shared)
    rows[0] |= {"filename_deg": shared, "filepath_deg": f"NISQA_TRAIN_LIVE/deg/{shared}"}
    write_table(corpus / "NISQA_TRAIN_LIVE" / "NISQA_TRAIN_LIVE_file.csv", rows)
    loaded = load(tmp_path, "train", audio=True)
    stem = shared.removesuffix(".wav")
    found = {row["utterance_id"]: row["audio_path"] for row in loaded.rows if stem in row["utterance_id"]}
    assert found == {
        f"{subset}/{stem}": str(corpus / subset / "deg" / shared) for subset in ("NISQA_TRAIN_SIM", "NISQA_TRAIN_LIVE")
    }
    assert loaded.missing_audio == []


def test_audio_is_found_by_filepath_deg_and_else_in_the_folder_deg(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path, corpus_tables=False, audio=True)
    assert load(tmp_path, "test_for", audio=True).missing_audio == []
    rows = clips("NISQA_TEST_FOR")
    (corpus / "elsewhere").mkdir()
    (corpus / rows[0]["filepath_deg"]).rename(corpus / "elsewhere" / "a.wav")
    rows[0]["filepath_deg"] = "elsewhere/a.wav"
    rows[1]["filepath_deg"] = "not/there.wav"
    write_table(corpus / "NISQA_TEST_FOR" / "NISQA_TEST_FOR_file.csv", rows)
    loaded = load(tmp_path, "test_for", audio=True)
    assert loaded.missing_audio == [] and codes(loaded) == set()
    assert loaded.rows[0]["audio_path"] == str(corpus / "elsewhere" / "a.wav")
    assert {row["sample_rate"] for row in loaded.rows} == {48000}
    rows[0]["filepath_deg"] = "../outside.wav"
    write_table(corpus / "NISQA_TEST_FOR" / "NISQA_TEST_FOR_file.csv", rows)
    with pytest.raises(DataError, match=r"NISQA_TEST_FOR_file\.csv: '\.\./outside\.wav' leaves"):
        load(tmp_path, "test_for", audio=True)


def test_absent_and_surplus_audio_is_counted(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path)
    loaded = load(tmp_path, "test_for", audio=True)
    assert len(loaded.missing_audio) == 8 and codes(loaded) == {"missing_audio", "no_audio"}
    (corpus / "NISQA_TEST_FOR" / "deg" / "c99999.wav").touch()
    assert codes(load(tmp_path, "test_for", audio=True)) == {"missing_audio", "unlabelled_audio"}


def test_the_corpus_table_may_not_contradict_the_sub_set_unnoticed(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path)
    rows = clips("NISQA_TEST_FOR")
    rows[0]["mos"] = "4.9"
    write_table(corpus / "NISQA_corpus_file.csv", rows)
    loaded = load(tmp_path, "test_for")
    assert codes(loaded) == {"label_conflict"}
    assert loaded.rows[0]["mos"] == pytest.approx(float(clips("NISQA_TEST_FOR")[0]["mos"]))


def test_condition_scores_are_the_official_system_truth_in_every_dimension(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path)
    for subset_tables in (True, False):
        truth = load_task("nisqa", tmp_path).system_truth("test_livetalk")
        rows = clips("NISQA_TEST_LIVETALK")
        assert list(truth) == list(DIMENSIONS)
        for name, table in truth.items():
            assert table == pytest.approx(
                {
                    f"NISQA_TEST_LIVETALK/{con}": fmean(float(row[name]) for row in rows if row["con"] == f"{con} ")
                    for con in ("1", "2")
                }
            )
        if subset_tables:
            (corpus / "NISQA_TEST_LIVETALK" / "NISQA_TEST_LIVETALK_con.csv").unlink()
    assert set(load_task("nisqa", tmp_path).system_truth("train")["mos"]) == {
        f"{subset}/{con}" for subset in ("NISQA_TRAIN_SIM", "NISQA_TRAIN_LIVE") for con, _ in CONDITIONS[subset]
    }
    path = corpus / "NISQA_corpus_con.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match=r"lacks 1 of the split's 2 systems \(first: NISQA_TEST_LIVETALK/2\)"):
        load_task("nisqa", tmp_path).system_truth("test_livetalk")


def test_missing_tables_and_sub_sets_are_named(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path, corpus_tables=False)
    (corpus / "NISQA_TEST_FOR" / "NISQA_TEST_FOR_file.csv").unlink()
    with pytest.raises(
        DataError, match=r"no NISQA_TEST_FOR/NISQA_TEST_FOR_file\.csv or NISQA_corpus_file\.csv; .*deg/"
    ):
        load(tmp_path, "test_for")
    write_table(corpus / "NISQA_corpus_file.csv", clips("NISQA_TEST_P501"))
    with pytest.raises(DataError, match="no row of NISQA_TEST_FOR"):
        load(tmp_path, "test_for")
    (tmp_path / "x" / "y").mkdir(parents=True)
    with pytest.raises(DataError, match="not the expected layout"):
        load(tmp_path / "x" / "y", "test_for")
    with pytest.raises(DataMissing, match=r"(?s)11303/13012\.5.*NISQA_Corpus\.zip"):
        load(tmp_path / "none", "test_for")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"col": ""}, "col: '' is not a number"),
        ({"noi": "nan"}, "noi: 'nan' is not a number"),
        ({"mos": "5.2"}, "mos = 5.2 lies outside the scale"),
        ({"con": " "}, "without a condition"),
        ({"db": "NISQA_TEST_NSC"}, "a row of NISQA_TEST_NSC"),
        ({"filename_deg": "c00002_test_for_02.wav"}, "occur more than once"),
    ],
)
def test_malformed_tables_are_refused(tmp_path: Path, change: dict[str, str], reason: str) -> None:
    corpus = write_nisqa(tmp_path, corpus_tables=False)
    rows = clips("NISQA_TEST_FOR")
    rows[0] |= change
    write_table(corpus / "NISQA_TEST_FOR" / "NISQA_TEST_FOR_file.csv", rows)
    with pytest.raises(DataError, match=reason):
        load(tmp_path, "test_for")


def test_votes_may_be_absent(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path, corpus_tables=False)
    rows = [{name: text for name, text in row.items() if name != "votes"} for row in clips("NISQA_TEST_FOR")]
    write_table(corpus / "NISQA_TEST_FOR" / "NISQA_TEST_FOR_file.csv", rows)
    assert {row["n_ratings"] for row in load(tmp_path, "test_for").rows} == {-1}


def test_train_can_be_the_simulated_part_alone(tmp_path: Path) -> None:
    corpus = write_nisqa(tmp_path)
    every = load_task("nisqa", corpus).open("train", audio=False)
    parts = [load_task("nisqa", corpus, train_part=part).open("train", audio=False) for part in ("sim", "live")]
    assert {row["subset"] for row in parts[0].rows} == {"NISQA_TRAIN_SIM"}
    assert [len(part.rows) for part in parts] == [3, 2] and len(every.rows) == 5
    assert len(load_task("nisqa", corpus, train_part="sim").open("dev_live", audio=False).rows) == 2
    with pytest.raises(UsageError, match="use one of all, sim, live"):
        load_task("nisqa", corpus, train_part="both").open("train", audio=False)
