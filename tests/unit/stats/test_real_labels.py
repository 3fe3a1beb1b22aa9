"""Real labels: every published or computed number that the shared data promise."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.stats import describe, ktau, lcc, measure, mse, noise_ceiling, split_half, srcc
from mosharness.harness.stats.p1401 import mos_half_width
from scipy import stats


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_case_of_evaluate_meets_its_numbers(shared):
    folders = sorted(path for path in (shared / "data" / "evaluate_cases").iterdir() if path.is_dir())
    assert folders
    compared = 0
    for folder in folders:
        expected = json.loads((folder / "expected.json").read_text("utf-8"))
        predicted = {row["utterance_id"]: row for row in rows(folder / "predictions.csv")}
        truth = [row for row in rows(folder / "truth.csv") if row["utterance_id"] in predicted]
        system_rows = rows(folder / "system_truth.csv") if (folder / "system_truth.csv").exists() else None
        assert len(truth) == expected["n_scored"], folder.name
        for level, dimensions in expected["metrics"].items():
            for dimension, metrics in dimensions.items():
                given = system_rows and {row["system_id"]: float(row[dimension]) for row in system_rows}
                found = describe(
                    [float(predicted[row["utterance_id"]][dimension]) for row in truth],
                    [float(row[dimension]) for row in truth],
                    [row["system_id"] for row in truth],
                    system_truth=given,
                    resamples=0,
                    ties="published",
                )
                for name, value in metrics.items():
                    assert found[level][name]["value"] == pytest.approx(value, abs=1e-6), folder.name
                    compared += 1
    assert compared >= 100


@pytest.mark.parametrize("dimension", ["pc", "ce"])
def test_equal_rating_sums_are_ties_when_rounded_and_not_in_the_published_figures(shared, dimension):
    sums = defaultdict(lambda: [0, 0])
    for row in rows(shared / "data" / "audiomos25_track2_eval" / "ratings.csv"):
        ratings = [int(row[f"{dimension.upper()}_{place}"]) for place in range(10)]
        sums[row["system_id"]][0] += sum(ratings[5:])
        sums[row["system_id"]][1] += sum(ratings[:5])
    exact = np.array(list(sums.values()))
    assert [len(set(side)) for side in exact.T.tolist()] == [34, 35]
    folder = shared / "data" / "evaluate_cases" / "aes_eval_split_half"
    predicted = {row["utterance_id"]: float(row[dimension]) for row in rows(folder / "predictions.csv")}
    truth = rows(folder / "truth.csv")
    found = describe(
        [predicted[row["utterance_id"]] for row in truth],
        [float(row[dimension]) for row in truth],
        [row["system_id"] for row in truth],
        resamples=0,
    )["system"]
    stored = json.loads((folder / "expected.json").read_text("utf-8"))["metrics"]["system"][dimension]
    for name, oracle in (("srcc", stats.spearmanr), ("ktau", stats.kendalltau)):
        assert found[name]["value"] == pytest.approx(oracle(*exact.T).statistic, abs=1e-12)
        assert 1e-4 < abs(found[name]["value"] - stored[name]) < 2e-3


def bvcc_ratings(shared: Path) -> tuple[list[str], dict[str, list[float]], dict[str, list[str]], list[dict[str, str]]]:
    folder = shared / "data" / "bvcc_dev"
    ratings, listeners = defaultdict(list), defaultdict(list)
    for row in rows(folder / "ratings.csv"):
        ratings[row["utt_id"]].append(float(row["rating"]))
        listeners[row["utt_id"]].append(row["listener"])
    labels = rows(folder / "dev.csv")
    return [row["utt_id"] for row in labels], ratings, listeners, labels


def test_the_mean_of_the_bvcc_ratings_is_the_label(shared):
    ids, ratings, _, labels = bvcc_ratings(shared)
    assert len(ids) == 1066
    assert [np.mean(ratings[name]) for name in ids] == [float(row["mos"]) for row in labels]


@pytest.mark.parametrize("column", ["pred_sslmos_w2vsmall", "pred_utmos_strong_f0"])
def test_bvcc_dev_has_two_system_truths_and_both_numbers(shared, column):
    folder = shared / "data" / "bvcc_dev"
    labels = rows(folder / "dev.csv")
    expected = json.loads((folder / "expected.json").read_text("utf-8"))["expected"][column]
    file_truth = {row["system_ID"]: float(row["mean"]) for row in rows(folder / "mydata_system.csv")}
    sides = [[float(row[name]) for row in labels] for name in (column, "mos")]
    systems = [row["system_id"] for row in labels]
    own = describe(*sides, systems, resamples=0)
    organisers = describe(*sides, systems, system_truth=file_truth, resamples=0)
    for name in ("mse", "lcc", "srcc", "ktau"):
        assert own["utterance"][name]["value"] == pytest.approx(expected["utt"][name.upper()], abs=1e-6)
        assert own["system"][name]["value"] == pytest.approx(expected["sys"][name.upper()], abs=1e-6)
        published = expected["sys_truth_from_system_file"][name.upper()]
        assert organisers["system"][name]["value"] == pytest.approx(published, abs=1e-6)


def test_the_interval_of_every_rerated_clip_is_students(shared):
    clips = rows(shared / "data" / "bvcc_rerating_sarulab" / "rerating.csv")
    assert len(clips) == 3610
    for row in clips:
        counts = [int(row[f"n{score}"]) for score in range(1, 6)]
        ratings = np.repeat(np.arange(1.0, 6.0), counts)
        assert ratings.mean() == pytest.approx(float(row["mos"]), abs=1e-12)
        assert mos_half_width(float(ratings.std(ddof=1)), 8) == pytest.approx(float(row["ci95"]), abs=6e-7)


@pytest.mark.slow
def test_the_ceiling_of_bvcc_agrees_with_split_halves(shared):
    ids, ratings, listeners, labels = bvcc_ratings(shared)
    systems = [row["system_id"] for row in labels]
    table, names = [ratings[name] for name in ids], [listeners[name] for name in ids]
    ceiling, halves = noise_ceiling(table, systems, names), split_half(table, systems, names, repeats=20)
    for level in ("utterance", "system"):
        assert ceiling[level]["value"] == pytest.approx(halves[level]["value"], abs=0.006)
    assert 0.94 < ceiling["utterance"]["value"] < ceiling["system"]["value"] < 0.98
    predicted = [float(row["pred_utmos_strong_f0"]) for row in labels]
    assert lcc(predicted, [float(row["mos"]) for row in labels]) < ceiling["utterance"]["value"]


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["PQ", "PC", "CE", "CU"])
def test_the_ceiling_of_music_ratings_agrees_with_split_halves_and_the_given_half(shared, axis):
    folder = shared / "data" / "audiomos25_track2_eval"
    clips = rows(folder / "ratings.csv")
    table = [[float(row[f"{axis}_{place}"]) for place in range(10)] for row in clips]
    systems = [row["system_id"] for row in clips]
    ceiling, halves = noise_ceiling(table, systems), split_half(table, systems, repeats=5)
    assert ceiling["utterance"]["value"] == pytest.approx(halves["utterance"]["value"], abs=0.003)
    assert ceiling["system"]["value"] == pytest.approx(halves["system"]["value"], abs=0.001)
    ratings = np.array(table)
    r = lcc(ratings[:, 5:].mean(axis=1), ratings[:, :5].mean(axis=1))
    expected = json.loads((folder / "expected.json").read_text("utf-8"))["expected_split_half"][axis]["utt"]
    assert r == pytest.approx(expected["LCC"], abs=1e-6)
    assert ceiling["utterance"]["value"] == pytest.approx(np.sqrt(2 * r / (1 + r)), abs=0.02)


def test_the_published_condition_means_of_three_listening_tests(shared):
    folder = shared / "data" / "audiomos25_track3_systems"
    conditions = rows(folder / "systems.csv")
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    means = {
        test: [int(row[f"sum_{test}"]) / (int(row["n_clips"]) * int(row["ratings_per_clip"])) for row in conditions]
        for test in ("train_single", "dev_mix", "eval_mix")
    }
    functions = {"MSE": mse, "LCC": lcc, "SRCC": srcc, "KTAU": ktau}
    for pair, values in expected["published"].items():
        predicted, human = (means[test] for test in pair.split("->"))
        for name, value in values.items():
            assert functions[name](predicted, human) == pytest.approx(value, abs=1e-12)
        rounded = measure(predicted, human, rank_decimals=10)
        for name, value in expected["expected"][pair].items():
            assert rounded[name.lower()].value == pytest.approx(value, abs=1e-6)
    assert stats.kendalltau(means["train_single"], means["dev_mix"]).statistic == pytest.approx(0.7124035352189665)
