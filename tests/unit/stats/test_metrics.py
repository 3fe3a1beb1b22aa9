"""Single values: scipy is the oracle, and what does not exist says why."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError, MosharnessError, UsageError
from mosharness.harness.stats import (
    METRICS,
    Metric,
    describe,
    ktau,
    lcc,
    mae,
    measure,
    metric_names,
    metric_table,
    mse,
    register_metric,
    rmse,
    shown_metrics,
    srcc,
)
from scipy import stats


def pairs_with_ties(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    human = generator.integers(4, 21, n) / 4
    return np.round(human + generator.normal(0, 0.6, n), 1), human


@pytest.mark.parametrize("n", [3, 4, 20, 187, 1066])
def test_values_equal_numpy_and_scipy_with_ties(n):
    x, y = pairs_with_ties(n)
    assert mse(x, y) == pytest.approx(np.mean((x - y) ** 2), abs=1e-15)
    assert rmse(x, y) == pytest.approx(np.sqrt(np.mean((x - y) ** 2)), abs=1e-15)
    assert mae(x, y) == pytest.approx(np.mean(np.abs(x - y)), abs=1e-15)
    assert lcc(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert srcc(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert ktau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def test_kendall_is_tau_b_and_neither_a_nor_c():
    x, y = [1, 2, 3, 4, 4], [1, 2, 2, 3, 4]
    concordant, tied_x, tied_y = 8, 1, 1
    assert ktau(x, y) == pytest.approx(concordant / math.sqrt((concordant + tied_x) * (concordant + tied_y)))
    assert ktau(x, y) != pytest.approx(concordant / 10)


FIRST = ["mse", "lcc", "srcc", "ktau", "rmse", "mae"]
"""What results have always had; a metric added later stands behind them."""


def test_the_order_of_the_metrics_is_fixed():
    assert list(METRICS) == list(measure(*pairs_with_ties(9)))
    assert list(METRICS)[: len(FIRST)] == FIRST
    assert [METRICS[name].higher_is_better for name in FIRST] == [False, True, True, True, False, False]


@pytest.mark.parametrize("name", ["lcc", "srcc", "ktau"])
@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, 2.0], [1.0, 2.0], "needs at least 3 items, there are 2"),
        ([2.5, 2.5, 2.5], [1.0, 2.0, 3.0], r"every predicted score is the same \(2.5\)"),
        ([1.0, 2.0, 3.0], [4.0, 4.0, 4.0], r"every human score is the same \(4\)"),
    ],
)
def test_a_correlation_that_does_not_exist_is_nan_with_a_reason(name, x, y, words):
    assert math.isnan(METRICS[name].function(x, y))
    value = measure(x, y)[name]
    assert math.isnan(value.value)
    assert value.reason is not None
    assert re.search(words, value.reason)


def test_errors_exist_where_correlations_do_not():
    found = measure([2.0, 2.0], [1.0, 3.0])
    assert found["mse"].value == found["mae"].value == found["rmse"].value == 1.0
    assert found["mse"].reason is None


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, math.nan, 2.0], [1.0, 2.0, 3.0], r"predicted scores: 1 of 3 are not finite \(first: item 1, nan\)"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, math.inf], "human scores: 1 of 3 are not finite"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "2 predicted scores but 3 human scores"),
        ([], [], "both sides are empty"),
        ([[1.0, 2.0]], [1.0, 2.0], r"one value per item, got an array of shape \(1, 2\)"),
    ],
)
def test_input_that_cannot_be_measured_is_an_error(x, y, words):
    with pytest.raises(DataError, match=words):
        measure(x, y)
    for metric in METRICS.values():
        with pytest.raises(DataError, match=words):
            metric.function(x, y)


def test_system_means_that_differ_by_rounding_noise_are_ties():
    x = np.array([1.0, 2.0, 2.0 + 4e-16, 4.0])
    y = np.array([1.0, 3.0, 2.0, 4.0])
    assert measure(x, y, rank_decimals=10)["ktau"].value == ktau([1, 2, 2, 4], y)
    assert measure(x, y)["ktau"].value != ktau([1, 2, 2, 4], y)


def test_a_new_metric_is_one_function_and_one_line():
    def worst(predicted: np.ndarray, human: np.ndarray) -> float:
        return float(np.max(np.abs(predicted - human)))

    with METRICS.added(Metric("worst", worst, higher_is_better=False)):
        assert measure([1.0, 2.0, 3.0], [1.0, 2.5, 5.0])["worst"].value == 2.0
    assert "worst" not in METRICS
    assert "worst" not in measure([1.0, 2.0, 3.0], [1.0, 2.5, 5.0])


def test_a_metric_has_the_levels_it_says_only():
    systems = list("aabbcc")
    spread = Metric("spread", lambda x, y: float(np.ptp(x)), higher_is_better=False, levels=("utterance",))
    with METRICS.added(spread):
        found = describe([1.0, 2.0, 3.0, 2.0, 4.0, 5.0], np.arange(6.0), systems, resamples=20)
        assert metric_names("system") == metric_names("utterance")[:-1]
        assert spread in shown_metrics("utterance")
        assert spread not in shown_metrics("system")
    assert list(found["utterance"]) == [*METRICS, "spread"]
    assert list(found["system"]) == list(METRICS)
    assert found["utterance"]["spread"]["ci"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "srcc"}, "srcc .* has that name or label already"),
        ({"name": "other", "label": "SRCC"}, "srcc .* has that name or label already"),
        ({"name": "Bad name"}, "a name is a small letter"),
        ({"name": "other", "label": "a|b"}, "label 'a|b'"),
        ({"name": "other", "levels": ("clip",)}, "choose from utterance, system"),
        ({"name": "other", "shown": "always"}, "choose one of summary, compact, main, full, hidden"),
    ],
)
def test_a_metric_that_cannot_stand_in_the_table_is_refused(options, words):
    before = list(METRICS)
    with pytest.raises(UsageError, match=words):
        register_metric(Metric(function=mse, higher_is_better=False, **options))
    assert list(METRICS) == before


@pytest.mark.parametrize(
    ("detail", "columns"),
    [
        ("summary", "SRCC MSE"),
        ("compact", "SRCC LCC MSE"),
        ("main", "SRCC LCC KTAU MSE"),
        ("full", "SRCC LCC KTAU MSE RMSE MAE"),
    ],
)
def test_tables_from_short_to_full(detail, columns):
    assert " ".join(one.label for one in shown_metrics(detail=detail) if one.name in FIRST) == columns
    assert shown_metrics(primary="mae", detail=detail)[0].name == "mae"


class Point:
    """An entry point as ``importlib.metadata`` has it."""

    def __init__(self, name: str, value: object) -> None:
        self.name, self.value, self.dist = name, "their.module:attribute", None
        self.loaded = value

    def load(self) -> object:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def test_packages_offer_metrics_by_entry_points(monkeypatch):
    theirs = Metric("worst", mse, higher_is_better=False)
    monkeypatch.setattr(metric_table, "entry_points", lambda group: [Point("worst", theirs)])
    table = metric_table.MetricTable(METRICS["mse"])
    assert table["mse"] is METRICS["mse"]
    assert list(table) == ["mse", "worst"]
    for broken, words in (
        (ImportError("no"), "cannot be imported"),
        (mse, "is no Metric"),
        (METRICS["mse"], "that name or label already"),
    ):
        monkeypatch.setattr(metric_table, "entry_points", lambda group, it=broken: [Point("worst", it)])
        with pytest.raises(MosharnessError, match=words):
            list(metric_table.MetricTable(METRICS["mse"]))


def test_equal_orders_correlate_with_exactly_one():
    generator = np.random.default_rng(0)
    for n in range(3, 60):
        human = generator.integers(0, n, n).astype(float)
        human[0], human[1] = -1.0, n
        assert srcc(np.exp(human / n), human) == 1.0
        assert srcc(-human, human) == -1.0


def test_the_documentation_lists_every_metric_as_the_table_says(repository):
    page = (repository / "docs" / "statistics.md").read_text("utf-8")
    lines = [
        f"| `{one.name}` | {one.label} | {one.title} | {'high' if one.higher_is_better else 'low'} | "
        f"{one.unit or 'none'} | {one.shown} |"
        for one in METRICS.values()
    ]
    assert [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 7] == lines
