"""The library side of ``compare``: agreement with brute force, symmetry, and what is refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.boards.ranks import ranked
from mosharness.harness.comparison.compare import compare_results
from mosharness.harness.comparison.model import SCHEMA, Comparison, ComparisonCounts, Pair
from mosharness.harness.core.clip import Finding
from mosharness.harness.core.errors import DataError, UnknownName, UsageError
from mosharness.harness.core.typed import as_typed, changed
from mosharness.harness.results.evaluate import evaluate_predictions
from mosharness.harness.results.make import RunOptions
from mosharness.harness.results.measure import MeasureOptions
from mosharness.harness.results.predictions import Scored, read_outside, read_truth, write_predictions
from mosharness.harness.results.schema import as_result
from mosharness.harness.results.store import write_result
from mosharness.harness.stats import METRICS, intervals, system_means
from mosharness.harness.stats.paired import holm
from mosharness.harness.stats.systems import group

Make = Callable[..., Path]
N_SYSTEMS, N_CLIPS = 6, 5


def labels(n_systems: int = N_SYSTEMS) -> tuple[list[str], list[str], np.ndarray]:
    """Utterance ids, system ids and human scores of an invented test."""
    random = np.random.default_rng(7)
    systems = [f"s{system}" for system in range(n_systems) for _ in range(N_CLIPS)]
    human = np.repeat(np.linspace(1.5, 4.5, n_systems), N_CLIPS) + random.normal(0, 0.4, len(systems))
    return [f"u{at:03d}" for at in range(len(systems))], systems, np.round(human, 3)


def scores(seed: int, error: float = 0.6, n_systems: int = N_SYSTEMS) -> np.ndarray:
    """Predictions with an error of each system and of each clip."""
    random = np.random.default_rng(seed)
    human = labels(n_systems)[2]
    return np.round(
        human + np.repeat(random.normal(0, error, n_systems), N_CLIPS) + random.normal(0, 0.3, human.size), 4
    )


def store(
    folder: Path,
    predictions: Path,
    truth: Path,
    name: str,
    *,
    with_predictions: bool = True,
    resamples: int = 10,
    **options: Any,
) -> Path:
    """Measure a prediction file and lay the result down as ``run`` does, predictions beside it."""
    given = RunOptions(measure=MeasureOptions(resamples=resamples), **options)
    result = evaluate_predictions(predictions, truth=truth, name=name, options=given)
    folder.mkdir(parents=True)
    if with_predictions:
        table = read_outside(predictions, result.task.dimensions)
        rows = [
            Scored.of(clip, system, table[clip], values)
            if clip in table
            else Scored.of(
                clip,
                system,
                dict.fromkeys(values, float("nan")),
                values,
                status="failed",
                findings=(Finding("missing_prediction", "x"),),
            )
            for clip, system, values in read_truth(truth).rows
        ]
        write_predictions(folder, rows, result.task.dimensions)
    write_result(folder, result)
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """``make(name, predicted)`` stores a result of the invented test and returns its folder."""

    def build(
        name: str,
        predicted: Sequence[float] | np.ndarray,
        *,
        systems: bool = True,
        n_systems: int = N_SYSTEMS,
        folder: str = "",
        drop: int = 0,
        **options: Any,
    ) -> Path:
        clips, of_system, human = labels(n_systems)
        place = tmp_path / (folder or name)
        place.mkdir()
        lines = [
            f"{clip},{system if systems else ''},{score}"
            for clip, system, score in zip(clips, of_system, human, strict=True)
        ]
        (place / "t.csv").write_text("\n".join(["utterance_id,system_id,mos", *lines]) + "\n")
        lines = [f"{clip},{score}" for clip, score in zip(clips, predicted, strict=True)]
        (place / "p.csv").write_text("\n".join(["utterance_id,mos", *lines[drop:]]) + "\n")
        return store(place / "result", place / "p.csv", place / "t.csv", name, allow_missing=drop, **options)

    return build


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a stored result."""
    value = json.loads((folder / "result.json").read_text())
    change(value)
    (folder / "result.json").write_text(json.dumps(value))


def brute_force(metric: str, a: np.ndarray, b: np.ndarray, level: str) -> tuple[float, float]:
    """Difference, and p over every swap of systems, by plain loops."""
    _, systems, human = labels()
    function, grouping = METRICS[metric].function, group(systems)

    def value(predicted: np.ndarray) -> float:
        if level == "utterance":
            return function(predicted, human)
        return function(np.round(system_means(predicted, grouping), 10), np.round(system_means(human, grouping), 10))

    difference = value(a) - value(b)
    if METRICS[metric].is_correlation:
        a, b = ((side - side.mean()) / side.std() for side in (a, b))
    now = value(a) - value(b)
    extreme = 0
    for choice in itertools.product([False, True], repeat=N_SYSTEMS):
        swap = np.array(choice)[grouping.index]
        extreme += abs(value(np.where(swap, b, a)) - value(np.where(swap, a, b))) >= abs(now) - 1e-9
    return difference, extreme / 2**N_SYSTEMS


@pytest.mark.parametrize("level", ["system", "utterance"])
def test_difference_p_and_interval_agree_with_brute_force(make: Make, level: str) -> None:
    a, b = scores(1), scores(2, error=1.0)
    found = compare_results([make("a", a), make("b", b)], metrics=["all"], level=level, resamples=300)
    _, systems, human = labels()
    expected = intervals([a, b], human, systems, "systems", resamples=300)[level]
    assert [pair.metric for pair in found.pairs] == list(METRICS)
    for pair in found.pairs:
        difference, p = brute_force(pair.metric, a, b, level)
        assert pair.difference == pytest.approx(difference, abs=1e-9), pair.metric
        assert (pair.p, pair.exact, pair.swaps) == (pytest.approx(p), True, 2**N_SYSTEMS), pair.metric
        assert pair.ci == pytest.approx((expected[pair.metric].low, expected[pair.metric].high), abs=1e-9)
    assert [pair.p_holm for pair in found.pairs] == pytest.approx(holm([pair.p or 0.0 for pair in found.pairs]))


def test_identical_predictions_differ_by_nothing_and_are_tied(make: Make) -> None:
    paths = [make("a", scores(1)), make("b", scores(1))]
    for level in ("system", "utterance"):
        found = compare_results(paths, metrics=["all"], level=level, resamples=100)
        for pair in found.pairs:
            assert (pair.difference, pair.p, pair.p_holm, pair.better) == (0.0, 1.0, 1.0, None)
            assert (pair.ci, pair.degenerate) == (None, True)
        assert all([m.rank for m in one.members] == [1, 1] and one.members[1].tied for one in found.rankings)


def flipped(pair: Pair) -> Pair:
    assert pair.difference is not None and pair.ci is not None
    williams = None if pair.williams is None else {**pair.williams, "t": -pair.williams["t"]}
    return changed(
        pair,
        a=pair.b,
        b=pair.a,
        value_a=pair.value_b,
        value_b=pair.value_a,
        difference=-pair.difference,
        ci=(-pair.ci[1], -pair.ci[0]),
        williams=williams,
    )


@pytest.mark.parametrize("systems", [True, False])
def test_the_order_of_the_arguments_flips_signs_and_nothing_else(make: Make, systems: bool) -> None:
    paths = [make(name, scores(seed), systems=systems) for name, seed in (("a", 1), ("b", 4))]
    options: dict[str, Any] = {"metrics": ["all"], "level": "system" if systems else "utterance", "resamples": 200}
    one, other = (compare_results(order, **options) for order in (paths, paths[::-1]))
    for first, second in zip(one.pairs, other.pairs, strict=True):
        back = flipped(second)
        assert changed(back, ci=None) == changed(first, ci=None)
        assert back.ci == pytest.approx(first.ci, abs=1e-12)
    assert one.rankings == other.rankings


def test_per_system_tables_give_the_same_as_predictions(make: Make) -> None:
    sides = {"a": scores(1), "b": scores(2)}
    full = compare_results([make(name, side) for name, side in sides.items()], metrics=["all"], resamples=200)
    bare = compare_results(
        [make(name, side, folder=f"{name}2", with_predictions=False) for name, side in sides.items()],
        metrics=["all"],
        resamples=200,
    )
    assert (full.source, bare.source) == ("predictions", "systems")
    assert full.counts == bare.counts == ComparisonCounts(clips=30, systems=6)
    for one, other in zip(full.pairs, bare.pairs, strict=True):
        assert one.ci == pytest.approx(other.ci, abs=1e-9) and one.p == other.p
        assert one.difference == pytest.approx(other.difference, abs=1e-9)


def test_where_one_has_no_predictions_all_are_taken_from_tables_and_that_is_said(make: Make) -> None:
    paths = [make("a", scores(1)), make("b", scores(2), with_predictions=False)]
    found = compare_results(paths, resamples=50)
    assert found.source == "systems" and "no predictions beside" in found.notes[0]
    with pytest.raises(UsageError, match="--level utterance needs the predictions"):
        compare_results(paths, level="utterance")
    with pytest.raises(UsageError, match="has no predictions beside it"):
        compare_results(paths, intersection=True)


def test_ranks_are_those_of_the_leaderboards(make: Make) -> None:
    made = {"a": scores(1, 0.2, 20), "b": scores(2, 0.25, 20), "c": scores(3, 2.0, 20), "d": scores(4, 2.2, 20)}
    paths = [make(name, side, n_systems=20) for name, side in made.items()]
    found = compare_results(paths)
    results = [json.loads((path / "result.json").read_text()) for path in paths]
    for result in results:
        result["task"]["scale"] = [1.0, 5.0]
    board = ranked([as_result(result) for result in results], "mos")
    members = found.rankings[0].members
    assert [(m.label, m.rank, m.tied, m.against, m.p) for m in members] == [
        (place.row.name, place.rank, place.tied, place.against, place.p) for place in board
    ]
    assert len({m.rank for m in members}) > 1 and any(m.tied for m in members)


def test_every_pair_or_each_against_one(make: Make) -> None:
    paths = [make(name, scores(seed, error)) for name, seed, error in (("a", 1, 2.0), ("b", 2, 0.1), ("c", 3, 0.9))]

    def sides(**options: Any) -> list[tuple[str, str]]:
        return [(pair.a, pair.b) for pair in compare_results(paths, resamples=20, **options).pairs]

    assert sides() == [("a", "b"), ("a", "c"), ("b", "c")]
    assert sides(against="c") == [("a", "c"), ("b", "c")]
    best = compare_results(paths, resamples=20).rankings[0].members[0].label
    assert sides(against="best") == [(name, best) for name in "abc" if name != best]
    with pytest.raises(UnknownName, match='no result called "d"'):
        sides(against="d")


def test_results_of_one_name_are_told_apart_by_their_path(make: Make) -> None:
    paths = [make("a", scores(1), folder="old"), make("a", scores(2), folder="new")]
    pair = compare_results(paths, resamples=20).pairs[0]
    assert (pair.a, pair.b) == (f"a ({paths[0]})", f"a ({paths[1]})")
    assert compare_results(paths, resamples=20, against=str(paths[0])).pairs[0].b == f"a ({paths[0]})"
    with pytest.raises(UsageError, match="2 results have this name"):
        compare_results(paths, against="a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value["task"].update(split="dev"), "is about custom/dev, not custom/test"),
        (lambda value: value["task"].update(version=2), "task version 2, not 1"),
        (lambda value: value["task"].update(digest="sha256:0000"), "other labels"),
        (lambda value: value["task"].update(system_truth="official"), "system truth is official, not split-mean"),
    ],
)
@pytest.mark.parametrize("with_predictions", [True, False])
def test_what_keeps_results_apart_is_named(
    make: Make, change: Callable[[dict[str, Any]], None], message: str, with_predictions: bool
) -> None:
    paths = [make(name, scores(seed), with_predictions=with_predictions) for name, seed in (("a", 1), ("b", 2))]
    rewrite(paths[1], change)
    with pytest.raises(DataError, match=message):
        compare_results(paths)


def test_tables_of_other_clips_or_another_truth_are_refused(make: Make) -> None:
    a, b, c = (make(name, scores(seed), with_predictions=False) for name, seed in (("a", 1), ("b", 2), ("c", 3)))
    rewrite(b, lambda value: value["systems"][2].update(mos_truth=1.0))
    with pytest.raises(DataError, match="the truth of 's2' is 1 in the one"):
        compare_results([a, b])
    rewrite(c, lambda value: value["systems"][2].update(n_utterances=4))
    with pytest.raises(DataError, match="not the same number of each system"):
        compare_results([a, c])
    rewrite(c, lambda value: value["systems"].pop())
    with pytest.raises(DataError, match=r"1 systems are only in one of them \(s5\)"):
        compare_results([a, c])
    rewrite(c, lambda value: value.update(systems=[]))
    with pytest.raises(DataError, match="nor a per-system table of mos"):
        compare_results([a, c])


def test_other_clips_are_an_error_until_the_intersection_is_asked_for(make: Make) -> None:
    a, b = scores(1), scores(2)
    paths = [make("a", a), make("b", b, drop=2)]
    with pytest.raises(DataError, match=r"(?s)30 clips scored, 2 of them not by all \(first: u000\).*--intersection"):
        compare_results(paths)
    found = compare_results(paths, intersection=True, level="utterance", metrics=["mae"], resamples=50)
    assert found.counts.clips == 28
    assert [one.left_out for one in found.results] == [2, 0]
    assert any("2 scored clips are left out" in note for note in found.notes)
    human = labels()[2]
    assert found.pairs[0].value_a == pytest.approx(np.abs(a - human)[2:].mean())


def test_the_system_truth_of_a_file_is_used_and_must_be_the_same(make: Make, tmp_path: Path) -> None:
    official = tmp_path / "official.csv"
    official.write_text("system_id,mos\n" + "".join(f"s{at},{5 - at * 0.3}\n" for at in range(N_SYSTEMS)))
    paths = [make(name, scores(seed), system_truth=str(official)) for name, seed in (("a", 1), ("b", 2))]
    pair = compare_results(paths, metrics=["mae"], resamples=50).pairs[0]
    means = system_means(scores(1), group(labels()[1]))
    assert pair.value_a == pytest.approx(np.abs(means - (5 - 0.3 * np.arange(N_SYSTEMS))).mean())
    rewrite(paths[1], lambda value: value["systems"][3].update(mos_truth=1.25))
    with pytest.raises(DataError, match=r"official.csv.*: the truth of 's3' is 1.25 in the one and 4.1 in the other"):
        compare_results(paths)


def test_results_without_systems_are_compared_clip_by_clip(make: Make) -> None:
    paths = [make(name, scores(seed), systems=False) for name, seed in (("a", 1), ("b", 2))]
    with pytest.raises(UsageError, match="no systems: pass --level utterance"):
        compare_results(paths)
    found = compare_results(paths, level="utterance", resamples=200)
    assert (found.unit, found.counts.systems) == ("utterance", 0)
    assert found.pairs[0].ci is not None and found.pairs[0].p is not None and found.pairs[0].exact is False
    assert any("taken as independent" in line for line in found.explanation)


def test_a_constant_predictor_has_no_correlation_and_the_others_are_still_compared(make: Make) -> None:
    paths = [make("a", scores(1)), make("flat", np.full(30, 3.0)), make("c", scores(3))]
    found = compare_results(paths, metrics=["lcc", "mse"], resamples=50)
    by_pair = {(pair.metric, pair.a, pair.b): pair for pair in found.pairs}
    flat = by_pair["lcc", "a", "flat"]
    assert (flat.value_b, flat.difference, flat.ci, flat.p) == (None, None, None, None)
    assert flat.reason and "every predicted score is the same" in flat.reason
    assert by_pair["lcc", "a", "c"].p is not None and by_pair["mse", "a", "flat"].p is not None
    assert [m.label for m in found.rankings[0].members if m.rank is None] == ["flat"]


def test_two_systems_have_errors_but_neither_interval_nor_correlation(make: Make) -> None:
    paths = [make(name, scores(seed, n_systems=2), n_systems=2) for name, seed in (("a", 1), ("b", 2))]
    mse, srcc = compare_results(paths, metrics=["mse", "srcc"], resamples=50).pairs
    assert mse.difference is not None and mse.ci is None and mse.p is not None
    assert mse.reason and "resampling systems needs at least 3" in mse.reason
    assert srcc.difference is None and srcc.reason and "needs at least 3 systems" in srcc.reason


def test_wrong_options_and_broken_predictions_are_explained(make: Make) -> None:
    a, b = make("a", scores(1)), make("b", scores(2))
    for paths, options, message in (
        ([a], {}, "at least two results, got 1"),
        ([a, a / "result.json"], {}, "given 2 times"),
        ([a, b], {"level": "clip"}, "--level clip: use one of utterance, system"),
        ([a, b], {"resamples": 0}, "resamples 0: at least 1"),
    ):
        with pytest.raises(UsageError, match=message):
            compare_results(paths, **options)
    with pytest.raises(UnknownName, match=r'no metric called "scc".*"srcc"'):
        compare_results([a, b], metrics=["scc"])
    with pytest.raises(UnknownName, match=r'no dimension of .* called "moss".*"mos"'):
        compare_results([a, b], dimensions=["moss"])
    text = (b / "predictions.csv").read_text().splitlines()
    (b / "predictions.csv").write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(DataError, match="says that 30 clips were scored, the predictions have 29"):
        compare_results([a, b])
    (b / "predictions.csv").write_text("\n".join([*text[:-1], text[-2]]) + "\n")
    with pytest.raises(DataError, match="name 'u028' twice"):
        compare_results([a, b])


def test_the_json_has_its_documented_keys_and_is_strict(make: Make) -> None:
    found = compare_results([make("a", scores(1)), make("b", scores(2))], metrics=["lcc"], resamples=20).as_json()
    assert found["schema"] == SCHEMA
    assert list(found) == [
        *("schema", "task", "level", "unit", "source", "counts", "results", "comparisons", "groups", "options"),
        *("notes", "explanation"),
    ]
    assert set(found["comparisons"][0]) == {
        *("dimension", "metric", "a", "b", "value_a", "value_b", "difference", "ci", "degenerate", "undefined", "p"),
        *("p_holm", "p_smallest", "too_few", "exact", "swaps", "williams", "better", "reason"),
    }
    assert set(found["comparisons"][0]["williams"]) == {"t", "df", "p"}
    assert set(found["groups"][0]["members"][0]) == {"label", "value", "rank", "tied", "against", "p", "too_few"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert as_typed(found, Comparison, "found").as_json() == found


def test_a_comparison_shows_itself_in_python(make: Make) -> None:
    found = compare_results([make("a", scores(1)), make("b", scores(2))], resamples=20)
    assert repr(found).startswith("<Comparison of a, b on ") and "of 1 differences shown>" in repr(found)
    assert "Comparison of a, b on" in found._repr_html_() and "<table" in found._repr_html_()
    (row,) = found.to_frame().to_dict("records")
    assert (row["a"], row["b"], row["difference"]) == ("a", "b", found.pairs[0].difference)
    assert (row["low"], row["high"]) == found.pairs[0].ci
