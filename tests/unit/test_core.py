"""Registry, files, settings: the base modules."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosharness.harness.core import registry as registry_module
from mosharness.harness.core.config import build_config, parse_assignments, parse_yaml, read_yaml
from mosharness.harness.core.errors import DataError, MosharnessError, UnknownName, UsageError
from mosharness.harness.core.files import (
    atomic_write,
    check_name,
    csv_cell,
    csv_text,
    digest,
    dump_json,
    read_csv,
    read_json,
    write_csv,
    write_json,
)
from mosharness.harness.core.registry import Registry


def test_an_unknown_name_answers_with_near_matches() -> None:
    names: Registry[str] = Registry("task", {"bvcc": "math:pi", "somos": "math:e"}, hint="`ls` shows them.")
    with pytest.raises(UnknownName, match=r'no task called "bvc"\. Did you mean "bvcc"\? `ls` shows them\.'):
        names["bvc"]
    assert names["somos"] == math.e
    assert list(names) == ["bvcc", "somos"]


def test_third_party_entries_are_found_and_cannot_take_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("theirs", "math:tau", "g"), EntryPoint("ours", "math:tau", "g")]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points if group == "g" else [])
    names: Registry[float] = Registry("number", {"ours": math.pi}, group="g")
    assert names["ours"] == math.pi
    assert names["theirs"] == math.tau
    assert names.origin("theirs") == "math:tau"
    assert names.origin("ours") == "mosharness"


def test_a_broken_third_party_entry_is_named_and_does_not_break_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("broken", "no_such_module_anywhere:X", "g")]
    monkeypatch.setattr(registry_module, "entry_points", lambda group: points)
    names: Registry[float] = Registry("number", {"ours": math.pi}, group="g")
    assert list(names) == ["broken", "ours"]
    with pytest.raises(MosharnessError, match=r'the number "broken" of the installed package .* cannot be imported'):
        names["broken"]


def test_adding_a_taken_name_is_refused() -> None:
    names: Registry[float] = Registry("number", {"pi": math.pi})
    names.add("e", math.e)
    assert names["e"] == math.e
    with pytest.raises(MosharnessError, match="exists already"):
        names.add("pi", 3.0)


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    with atomic_write(path) as stream:
        stream.write("old")
    with pytest.raises(RuntimeError), atomic_write(path) as stream:
        stream.write("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_json_is_strict_and_the_same_for_the_same_value(tmp_path: Path) -> None:
    value = {"b": math.nan, "a": np.float64(0.5), "c": np.arange(2), "d": {"y", "x"}, "e": Path("p")}
    assert json.loads(dump_json(value)) == {"a": 0.5, "b": None, "c": [0, 1], "d": ["x", "y"], "e": "p"}
    assert digest(value) == digest(dict(reversed(value.items())))
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json")["a"] == 0.5
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DataError, match=r"bad\.json: not a readable JSON file"):
        read_json(tmp_path / "bad.json")


@given(st.text())
def test_csv_cells_never_start_a_formula_and_come_back(text: str) -> None:
    cell = csv_cell(text)
    assert csv_text(cell) == text
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        float(cell)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_csv_numbers_keep_every_digit(value: float) -> None:
    assert float(csv_cell(value)) == value


def test_csv_files_round_trip_and_keep_leading_zeros(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, ["system_id", "mos"], [["015", 3.5], ['a,b\n"c"', math.nan]])
    assert read_csv(path) == [{"system_id": "015", "mos": "3.5"}, {"system_id": 'a,b\n"c"', "mos": ""}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a,a\n1,2\n", "names a twice"),
        ("a,b\n1\n", "row 2 has 1 fields"),
        ("b\n1\n", "no column a"),
    ],
)
def test_malformed_csv_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"table.csv: .*{message}"):
        read_csv(path, ["a"])


def test_binary_and_absent_text_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"x\.csv: not a UTF-8 text file"):
        read_csv(tmp_path / "x.csv")
    with pytest.raises(DataError, match=r"y\.csv: No such file"):
        read_csv(tmp_path / "y.csv")


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", ".hidden", "a b", "x" * 65, "ä"])
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


@dataclass(frozen=True)
class Settings:
    rate: float = 1.0
    count: int = 3
    mode: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must not be negative")


def test_settings_are_converted_strictly() -> None:
    made = build_config(Settings, {"rate": 2, "names": ["x", "y"], "limit": 5, "mode": "b"}, "predictor p")
    assert made == Settings(2.0, 3, "b", ("x", "y"), 5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rat": 1.0}, 'no setting of predictor p called "rat". Did you mean "rate"'),
        ({"rate": "1e-5"}, "write 1e-05 with a decimal point"),
        ({"rate": "nan"}, "expected a finite number"),
        ({"count": 1.5}, "expected int"),
        ({"count": True}, "expected int"),
        ({"mode": "c"}, "expected one of 'a', 'b'"),
        ({"names": [1]}, "expected str"),
        ({"count": -1}, "count must not be negative"),
    ],
)
def test_wrong_settings_are_explained(values: dict[str, Any], message: str) -> None:
    with pytest.raises(MosharnessError) as caught:
        build_config(Settings, values, "predictor p")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["a: 1\na: 2\n", "a: &x [1]\nb: *x\n", "!!python/object/apply:os.system ['true']", "a: [", "? [1]\n: 2\n"],
)
def test_unacceptable_yaml_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"settings\.yaml"):
        read_yaml(path)


def test_yaml_that_is_too_large_is_refused() -> None:
    with pytest.raises(DataError, match="larger than"):
        parse_yaml("a: " + "x" * 1_000_001, "big")


def test_assignments_are_read_as_yaml() -> None:
    assert parse_assignments(["a=1", "b=x=y", "c=[1, 2]", "d=1.0e-5"]) == {"a": 1, "b": "x=y", "c": [1, 2], "d": 1e-5}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            parse_assignments(wrong)
