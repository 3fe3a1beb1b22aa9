"""The typed result: both schemas are read, written is what was read, and wrong values are named by their place."""

from __future__ import annotations

import copy
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError
from mosharness.harness.core.typed import plain
from mosharness.harness.results.measure import measure_rows
from mosharness.harness.results.parts import Estimate
from mosharness.harness.results.predictions import Scored
from mosharness.harness.results.schema import FIRST_SCHEMA, SCHEMA, as_result
from mosharness.harness.results.store import find_results, read_result, write_result


@pytest.fixture
def stored(repository: Path) -> dict[str, Any]:
    """The JSON of a committed result."""
    path = repository / "leaderboards" / "results" / "demo" / "test" / "jsqa" / "result.json"
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def test_what_is_written_is_what_was_read(repository: Path, tmp_path: Path) -> None:
    for path, result in find_results(repository / "leaderboards" / "results"):
        before = json.loads(path.read_text("utf-8"))
        assert before["schema"] in (FIRST_SCHEMA, SCHEMA)
        before["schema"] = SCHEMA
        before["predictor"].setdefault("stated", "")  # the first files of run/1 were written without it
        write_result(tmp_path / result.name, result)
        assert json.loads((tmp_path / result.name / "result.json").read_text("utf-8")) == before
        assert read_result(tmp_path / result.name) == result


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("task", "version"), "1", r"\$\.task\.version: expected `int`, got `str`"),
        (("task", "scale"), [1], r"\$\.task\.scale: .*length 2"),
        (("task", "name"), "../../etc", r"\$\.task: task name '\.\./\.\./etc' will not do"),
        (("task", "dimensions"), [], r"\$\.task: dimensions is empty"),
        (("counts", "scored"), -1, r"\$\.counts\.scored: .*>= 0"),
        (("counts",), {}, r"\$\.counts: object missing required field `total`"),
        (("metrics", "system", "mos", "srcc", "value"), "0.9", r"\$\.metrics\.system\.mos\.srcc\.value: expected"),
        (("metrics", "system", "mos", "lcc", "ci"), [0.1], r"\$\.metrics\.system\.mos\.lcc\.ci: .*length 2"),
        (("ceiling", "system", "mos"), 3, r"\$\.ceiling\.system\.mos: expected `object`"),
        (("systems", 3, "mos"), "high", r"\$\.systems\[3\]: mos is 'high', expected a number or null"),
        (("systems", 2), 3, r"\$\.systems\[2\]: expected an object, got int"),
        (("options", "interval"), "voices", r"\$\.options\.interval: invalid enum value 'voices'"),
        (("schema",), "mosharness.run/9", r"schema is 'mosharness.run/9', this version reads"),
    ],
)
def test_a_wrong_value_is_named_by_file_and_place(
    stored: dict[str, Any], place: tuple[str | int, ...], value: Any, message: str
) -> None:
    broken: Any = copy.deepcopy(stored)
    part = broken
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(DataError, match=rf"there/result\.json: {message}"):
        as_result(broken, "there/result.json")


def test_a_metric_and_a_field_that_this_version_does_not_know_leave_a_result_valid(stored: dict[str, Any]) -> None:
    stored["metrics"]["system"]["mos"]["later"] = {"value": 0.5, "ci": None, "reason": "no interval"}
    stored["later"] = {"any": "thing"}
    result = as_result(stored)
    assert result.estimate("system", "mos", "later").value == 0.5
    assert result.estimate("system", "mos", "never").reason == "not in the result file"


def test_not_finite_numbers_and_numpy_numbers_become_json() -> None:
    assert plain(Estimate(value=np.float64(0.5), ci=(np.float64(0.1), float("nan")))) == {
        "value": 0.5,
        "ci": [0.1, None],
    }


def test_the_table_of_systems_has_columns_named_after_the_dimensions() -> None:
    rows = [Scored.of(f"u{at}", "ab"[at % 2], {"mi": at, "ta": 2.0 * at}, {"mi": at, "ta": 1.0}) for at in range(4)]
    measured = measure_rows(rows, ("mi", "ta"))
    expected = {"system_id": "a", "n_utterances": 2, "mi": 1.0, "mi_truth": 1.0, "ta": 2.0, "ta_truth": 1.0}
    assert plain(measured.systems)[0] == expected


def test_the_frame_is_tidy(stored: dict[str, Any]) -> None:
    frame = as_result(stored).to_frame()
    assert list(frame.columns) == ["level", "dimension", "metric", "value", "low", "high", "n", "method", "reason"]
    assert len(frame) == 12
    row = frame[(frame.level == "system") & (frame.metric == "srcc")].iloc[0]
    entry = stored["metrics"]["system"]["mos"]["srcc"]
    assert [row.value, row.low, row.high] == [entry["value"], *entry["ci"]]
    assert (row.n, row.dimension) == (18, "mos")


def test_repr_and_cards_say_what_was_scored_and_keep_names_inert(stored: dict[str, Any]) -> None:
    stored["name"] = "<script>|x\n"
    result = as_result(stored)
    entry = stored["metrics"]["system"]["mos"]["srcc"]
    shown = f"{entry['value']:.3f} [{entry['ci'][0]:.3f}, {entry['ci'][1]:.3f}]"
    assert repr(result).startswith(f"<Result <script>|x on demo/test: system srcc {shown}; 162 clips scored")
    assert "<script>" not in result._repr_html_() and html.escape("<script>|x") in result._repr_html_()
    assert "\\<script\\>\\|x" in result.as_markdown() and "not human ratings" in result.as_markdown()
    assert f"| system | mos | {shown} |" in result.as_markdown()
