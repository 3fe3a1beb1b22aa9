"""Few systems: no rank, tie or "not shown" that the test could not have contradicted; no interval without width."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.numbers import with_interval, without_width
from mosharness.harness.stats.paired import system_swap_permutation
from mosharness.harness.stats.tied import tied_groups

Cli = Callable[..., Any]
NO_WIDTH = re.compile(r"\[([+-]?[\d.]+), \1\]")


class Field:
    """Systems with four clips each, and results of predictors on them."""

    def __init__(self, folder: Path, cli: Cli, n_systems: int) -> None:
        self.folder, self.cli = folder / f"s{n_systems}", cli
        self.folder.mkdir()
        random = np.random.default_rng(n_systems)
        means = np.linspace(1.6, 4.4, n_systems)
        self.labels = {
            f"s{at}/u{k}": means[at] + 0.2 * random.standard_normal() for at in range(n_systems) for k in range(4)
        }
        lines = [f"{name},{name[:2]},{label:.4f}" for name, label in self.labels.items()]
        self.write("truth.csv", "utterance_id,system_id,mos", lines)

    def write(self, name: str, header: str, lines: Sequence[str]) -> Path:
        (self.folder / name).write_text("\n".join([header, *lines]) + "\n")
        return self.folder / name

    def result(self, name: str, predict: Callable[[float], float], *more: object) -> Any:
        """Evaluate a predictor that maps labels."""
        file = self.write(f"{name}.csv", "utterance_id,mos", [f"{k},{predict(v)}" for k, v in self.labels.items()])
        found = self.cli("evaluate", "--predictions", file, "--truth", self.folder / "truth.csv", "--name", name,
                         "--output", self.folder / "results", *more)  # fmt: skip
        assert found.code == 0, found.err
        return found

    @property
    def results(self) -> list[Path]:
        return sorted((self.folder / "results/custom/test").iterdir())


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mosharness.harness.boards.build.can_draw", lambda: False)


@pytest.mark.parametrize("n_systems", [6])
def test_a_reversed_predictor_never_shares_the_first_rank(tmp_path: Path, cli: Cli, n_systems: int) -> None:
    field = Field(tmp_path, cli, n_systems)
    shown = field.result("good", lambda label: label + 0.05 * np.sin(40 * label))
    field.result("rev", lambda label: 6 - label)
    pair = cli("compare", *field.results, "--json").json["comparisons"][0]
    assert pair["better"] is None and pair["too_few"] > 0.05 and pair["too_few"] <= pair["p_holm"]
    field.result("other", lambda label: label + 0.4 * np.sin(70 * label))
    compared = cli("compare", *field.results)
    assert not NO_WIDTH.search(shown.out + compared.out), compared.out
    assert "1 =" not in compared.out and "not shown" not in compared.out and "too few systems (p >= 0." in compared.out
    assert cli("leaderboard", "--results", field.folder / "results", "--output", field.folder / "boards").code == 0
    page = (field.folder / "boards/custom.md").read_text()
    assert "1 =" not in page and not NO_WIDTH.search(page)
    assert "| too few systems (p >= 0." in page and "1.000 [degenerate]" in page
    table = cli("leaderboard", "--results", field.folder / "results", "--format", "json").json
    rows = next(one for one in table["tasks"] if one["task"] == "custom")["splits"][0]["dimensions"][0]["tables"][0]
    for row in rows["rows"]:
        assert row["rank"] is None and row["tied"] is None and row["too_few"] > 0.05
    srcc = rows["rows"][-1]["metrics"]["system"]["srcc"]
    assert (srcc["value"], srcc["ci"], srcc["degenerate"]) == (-1.0, None, True)


def test_enough_systems_are_ranked(tmp_path: Path, cli: Cli) -> None:
    field = Field(tmp_path, cli, 9)
    field.result("good", lambda label: label + 0.05 * np.sin(40 * label))
    field.result("rev", lambda label: 6 - label)
    field.result("other", lambda label: label + 0.4 * np.sin(70 * label))
    members = cli("compare", *field.results, "--json").json["groups"][0]["members"]
    assert {one["label"]: one["rank"] for one in members}["rev"] == 3
    assert all(one["too_few"] is None for one in members)


def test_the_cases_at_hand(shared: Path, tmp_path: Path, cli: Cli) -> None:
    cases = shared / "cases/few_systems"
    rows = [line.split(",") for line in (cases / "metadata.csv").read_text().split()[1:]]
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "utterance_id,system_id,mos\n" + "\n".join(f"{a.removesuffix('.wav')},{b},{c}" for a, b, c in rows)
    )
    for path in sorted(cases.glob("p_*.csv")):
        found = cli(
            "evaluate", "--predictions", path, "--truth", truth, "--name", path.stem, "--output", tmp_path / "r"
        )
        assert not NO_WIDTH.search(found.out), path
        assert ("lie outside the range of the labels" in found.err) == (path.stem == "p_scaled"), path
    compared = cli("compare", *sorted((tmp_path / "r/custom/test").iterdir()))
    assert "p_scaled: 24 of 24 predictions" in compared.err
    assert not re.search(r"1 =\s+p_rev", compared.out)


@pytest.mark.parametrize(
    ("predict", "noted"),
    [
        (lambda label: 100 * label, True),
        (lambda label: 0.01 * label, True),
        (lambda label: 100 * (label - 3), True),
        (lambda label: (label - 1) / 4, True),
        (lambda label: label + 0.8, False),
        (lambda label: 3.0, False),
    ],
)
def test_predictions_far_off_the_scale_get_a_note(
    tmp_path: Path, cli: Cli, predict: Callable[[float], float], noted: bool
) -> None:
    field = Field(tmp_path, cli, 6)
    found = field.result("p", predict, "--json")
    assert [one["code"] for one in found.json["findings"]] == (["off_scale"] if noted else [])
    if noted:
        cli("leaderboard", "--results", field.folder / "results", "--output", field.folder / "boards")
        assert "predictions of mos lie" in (field.folder / "boards/custom.md").read_text()


def test_the_smallest_p_is_what_the_swaps_allow() -> None:
    truth = np.arange(5.0)
    found = system_swap_permutation(truth, truth, truth[::-1])
    assert found.p == found.smallest == 4 / 32  # swapping the middle system changes nothing
    same = system_swap_permutation(truth, truth, truth)
    assert (same.p, same.smallest) == (1.0, 2 / 32)
    random = np.random.default_rng(0).standard_normal((3, 40))
    drawn = system_swap_permutation(*random, resamples=999)
    assert drawn.smallest == 1 / 1000
    apart = truth.copy()
    apart[0] += 5.0  # differs on one system only: either way round is as large
    assert system_swap_permutation(truth, truth, apart, "mse").smallest == 1.0


def test_a_row_that_no_test_can_place_does_not_hide_the_others() -> None:
    p, least = {"b": 0.8, "c": 0.001}, {"b": 0.5, "c": 0.001}
    placed = tied_groups("abc", lambda _, other: p[other], smallest=lambda _, other: least[other])
    assert [place.label for place in placed.values()] == ["1 (tie unknown)", "too few systems (p >= 0.5000)", "3"]


def test_ends_that_would_read_the_same_get_more_digits() -> None:
    assert with_interval(0.99995, (0.99991, 0.99999)) == "1.0000 [0.9999, 1.0000]"
    assert with_interval(2.0, (2.0, 2.0), sign="+") == "+2.000 [degenerate]"
    assert without_width(1 - 1e-16, 1.0) and not without_width(0.0, 1e-6)


def test_a_stored_interval_without_width_is_flagged_when_read() -> None:
    from mosharness.harness.core.typed import as_typed
    from mosharness.harness.results.parts import Estimate

    read = as_typed({"value": 1.0, "ci": [1.0, 1.0], "method": "bootstrap/systems"}, Estimate, "file")
    assert (read.ci, read.degenerate, read.text()) == (None, True, "1.000 [degenerate]")
    assert read.reason and read.reason.startswith("degenerate")


def test_a_study_flags_it_as_well() -> None:
    from mosharness.harness.study.report import shown
    from mosharness.harness.study.tables import Cell

    assert shown(Cell(1.0, None, None, (1.0,), None, degenerate=True)) == "1.000 [degenerate]"
    assert shown(Cell(1.0, (1.0, 1.0), None, (1.0,), None)) == "1.000 [degenerate]"
