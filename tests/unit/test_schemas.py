"""The committed JSON schemas are those of the classes, and committed files are valid under them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.results.store import find_results
from mosharness.harness.schemas import FORMATS, main, schema_of, stale


def test_the_committed_schemas_are_those_of_the_classes(repository: Path) -> None:
    assert stale(repository / "docs" / "schemas") == []


def test_a_stale_or_foreign_schema_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "old.json").write_text("{}")
    assert main([str(tmp_path), "--check"]) == 1
    assert "run.json" in (said := capsys.readouterr().err) and "old.json" in said


@pytest.mark.parametrize("name", FORMATS)
def test_every_schema_is_a_schema(name: str) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema_of(name))


def test_committed_results_are_valid_and_broken_ones_are_not(repository: Path) -> None:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema_of("run"))
    value: dict[str, Any] = {}
    for path, result in find_results(repository / "leaderboards" / "results"):
        value = result.as_plain()
        assert not list(validator.iter_errors(value)), path
        assert json.loads(path.read_text("utf-8"))["name"] == value["name"]
    value["systems"][0]["mos"] = "high"
    value["counts"]["scored"] = -1
    places = sorted(error.json_path for error in validator.iter_errors(value))
    assert places == ["$.counts.scored", "$.systems[0].mos"]
