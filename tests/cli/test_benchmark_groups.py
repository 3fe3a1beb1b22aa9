"""``run --task GROUP`` over fixtures of every set of MOS-Bench, and the generalisation board that comes of it."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit" / "tasks"))
from layout_benchmarks import WRITERS, write_benchmark
from layout_bvcc import write_bvcc
from layout_nisqa import write_nisqa
from layout_somos import write_somos
from mosharness.tasks import task_groups

Cli = Callable[..., Any]
SETS = 17


def write_sets(root: Path) -> None:
    """Every set of MOS-Bench in its official layout."""
    for name in task_groups()["mosbench"].tasks:
        if name in WRITERS:
            write_benchmark(name, root)
    write_bvcc(root / "bvcc", audio=True)
    write_somos(root / "somos", audio=True)
    write_nisqa(root / "nisqa", audio=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mosbench")
    write_sets(root)
    return root


@pytest.fixture
def two(toy: ModuleType, tmp_path: Path) -> str:
    """Two predictors: ``toy``, and ``flat``, which hears something else and was trained on BVCC."""
    from dataclasses import replace

    from mosharness.predictors import PREDICTORS

    if "flat" not in PREDICTORS:
        heard = property(lambda self: ("bvcc/train", "somos/test"))
        fields = {"card": replace(toy.Toy.card, name="flat"), "trained_on": heard}
        PREDICTORS.add("flat", type("Flat", (toy.Toy,), fields))
    (tmp_path / "flat.txt").write_text("0.1 3.0 0.5")
    return f"toy={tmp_path / 'toy.txt'},flat={tmp_path / 'flat.txt'}"


def figures_of(folder: Path, level: str) -> tuple[float, float]:
    """SRCC and MSE of stored predictions by scipy, not by this package."""
    from scipy.stats import spearmanr

    with (folder / "predictions.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["status"] != "failed"]
    pairs = np.array([(float(row["mos"]), float(row["mos_truth"])) for row in rows])
    if level == "system":
        names = sorted({row["system_id"] for row in rows})
        places = {name: [at for at, row in enumerate(rows) if row["system_id"] == name] for name in names}
        pairs = np.array([pairs[at].mean(axis=0) for at in places.values()])
    return float(spearmanr(pairs[:, 0], pairs[:, 1])[0]), float(np.mean((pairs[:, 0] - pairs[:, 1]) ** 2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::scipy.stats.ConstantInputWarning")
def test_mosbench_end_to_end(cli: Cli, data: Path, two: str, tmp_path: Path) -> None:
    results, boards = tmp_path / "results", tmp_path / "boards"
    done = cli("run", "--task", "mosbench", "--predictor", two, "--data-root", data, "--output", results)
    assert done.code == 0, done.err[-2000:]
    assert done.out.count("summary") == 2 and "not at hand" not in done.err  # system level, utterance level
    assert sum(1 for _ in results.rglob("result.json")) == 2 * SETS
    assert cli("leaderboard", "--results", results, "--output", boards, "--published", data.parent).code == 0
    board = json.loads((boards / "generalisation-mosbench.json").read_text())
    assert board["schema"] == "mosharness.generalisation/1" and board["without_a_row"] == []
    assert len(board["sets"]) == SETS
    _check_sets(board, results)
    _check_means(board)
    page = (boards / "generalisation-mosbench.md").read_text()
    assert "our reading" in page and "17 sets, 2 rows" in page and "‡" in page and "†" in page
    lines = (boards / "generalisation-mosbench.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * SETS
    assert cli("leaderboard", "--results", results, "--output", boards, "--published", data.parent, "--check").code == 0


def _check_sets(board: dict[str, Any], results: Path) -> None:
    for one in board["sets"]:
        scores, errors = {}, {}
        for name, row in one["rows"].items():
            for level in ("system", "utterance"):
                figures = row["figures"][level]
                if level == "system" and one["set"].startswith("hablamos"):
                    assert figures["srcc"]["value"] is None  # it has no systems
                    continue
                srcc, mse = figures_of(results / one["set"] / name, level)
                assert figures["srcc"].get("value") == pytest.approx(srcc, abs=1e-9, nan_ok=True) or np.isnan(srcc)
                assert figures["mse"]["value"] == pytest.approx(mse, abs=1e-9)
            scores[name], errors[name] = figures_of(results / one["set"] / name, one["level"])
        for name, row in one["rows"].items():
            own = row["aggregates"]
            assert own["srcc_difference"] == pytest.approx(max(scores.values()) - scores[name], abs=1e-9)
            assert own["mse_difference"] == pytest.approx(errors[name] - min(errors.values()), abs=1e-9)
            assert own["mse_ratio"] == pytest.approx(errors[name] / min(errors.values()))
            if max(scores.values()) > 0:
                assert own["srcc_ratio"] == pytest.approx(scores[name] / max(scores.values()))
            others = [value for other, value in scores.items() if other != name]
            assert own["rank"] == 1 + sum(v > scores[name] for v in others) + sum(v == scores[name] for v in others) / 2


def _check_means(board: dict[str, Any]) -> None:
    for row in board["rows"]:
        assert row["coverage"] == 1.0
        for key, mean in row["means"].items():
            cells = [one["rows"][row["name"]]["aggregates"].get(key) for one in board["sets"]]
            values = np.array([value for value in cells if value is not None])
            assert mean["value"] == pytest.approx(values.mean())
            if np.ptp(values) == 0:
                assert mean["degenerate"] and mean["ci"] is None
                continue
            drawn = np.random.default_rng(7).choice(values, (4000, values.size)).mean(axis=1)
            assert mean["ci"] == pytest.approx(np.quantile(drawn, (0.025, 0.975)), abs=0.15 * (np.ptp(values) + 1e-9))
    marks = {row["name"]: row["training"] for row in board["rows"]}
    assert marks["flat"] == {"in-domain": 1, "seen": 1, "other data": SETS - 2} and marks["toy"] == {"none": SETS}
    unseen = next(row for row in board["rows"] if row["name"] == "flat")["unseen"]["value"]
    clean = [one["rows"]["flat"] for one in board["sets"] if one["set"] not in ("bvcc/test", "somos/test")]
    assert unseen == pytest.approx(np.mean([row["aggregates"]["srcc"] for row in clean]))


def test_what_is_at_hand_runs_and_the_rest_is_listed(cli: Cli, data: Path, two: str, tmp_path: Path) -> None:
    some = tmp_path / "some"
    some.mkdir()
    for name in ("bc23_hub", "tcd_voip"):
        (some / name).symlink_to(data / name)
    output = tmp_path / "results"
    done = cli("run", "--task", "mosbench", "--predictor", two, "--data-root", some, "--output", output)
    assert done.code == 0 and sum(1 for _ in output.rglob("result.json")) == 4
    assert "not at hand, so not run: bvcc, somos" in done.err and "hablamos: Zenodo record 17024887" in done.err
    nothing = cli("run", "--task", "voicemos", "--predictor", two, "--data-root", tmp_path / "none")
    assert nothing.code == 2 and "none of these tasks is at hand" in nothing.err


def test_lists_globs_and_names_that_there_are_not(
    cli: Cli, data: Path, two: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSHARNESS_DATA", str(data))
    toy = two.partition(",")[0]
    done = cli("run", "--task", "bc23_h*,tcd_voip", "--predictor", toy, "--output", tmp_path, "--json")
    assert done.code == 0 and [one["task"]["name"] for one in done.json] == ["bc23_hub", "tcd_voip"]
    named = cli("run", "--task", "tcd_voip,tencent", "--predictor", toy, "--output", tmp_path)
    assert named.code == 2 and "tencent" in named.err  # asked for by name, so its absence is an error
    for given, said in (("mosbenhc", "mosbench"), ("zz*", "No name matches"), ("bc23_hub,nowhere", "nowhere")):
        wrong = cli("run", "--task", given, "--predictor", toy, "--output", tmp_path)
        assert wrong.code == 2 and said in wrong.err
    assert "mosbench  " in cli("ls", "tasks").out


def test_groups_name_tasks_that_there_are() -> None:
    from mosharness.tasks import TASKS

    groups = task_groups()
    assert set(groups) == {"voicemos", "mosbench", "urgent", "all"} and not set(groups) & set(TASKS)
    for group in groups.values():
        assert set(group.tasks) <= set(TASKS) and len(set(group.tasks)) == len(group.tasks)
    assert sum(len(TASKS.card(name).test_splits) for name in groups["mosbench"].tasks) == SETS
