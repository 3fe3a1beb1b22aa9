"""The typed files of a gate: what is written is read back, and what is damaged is named with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.choices import Method, choices
from mosharness.harness.core.errors import DataError
from mosharness.harness.core.typed import plain, read_typed
from mosharness.harness.gates.baseline import read_baseline
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.methods import METHODS
from mosharness.harness.gates.options import GateOptions, parse_per_score
from mosharness.harness.gates.outputs import write_report
from mosharness.harness.gates.schema import GateFinding, GateReport, Skipped
from mosharness.harness.gates.statistics import compare
from mosharness.harness.gates.units import TextScores
from mosharness.harness.schemas import schema_of

DOCS = Path(__file__).resolve().parents[3] / "docs"
BASELINE: dict[str, Any] = {
    "schema_version": 1,
    "kind": "gate-baseline",
    "front_end": {"max_seconds": 60.0, "mono": "mean of the channels", "sample_rate": "native"},
    "predictors": {"toy": {"fingerprint": {"version": 1}}},
    "files": [
        {
            "key": "a", "voice": "", "seed": "", "path": "a.wav", "audio_sha256": "0", "duration_s": 1.5,
            "sample_rate": 16_000, "rms_dbfs": -20.0, "scores": {"toy": 3.5},
        }
    ],
    "history": [],
}  # fmt: skip


def report(method: Method = "paired-t") -> GateReport:
    old = [TextScores(f"t{at}", "old", {"mos": 3 + at / 20}) for at in range(24)]
    new = [TextScores(f"t{at}", "new", {"mos": 3 + at / 20 - 0.3 + 0.1 * (at * 7 % 5)}) for at in range(24)]
    options = GateOptions(
        method=method,
        floor=parse_per_score(["3"], "--floor"),
        utterance_floor=parse_per_score(["3.1"], "--utt-floor"),
        max_drop=parse_per_score([] if method == "unpaired" else ["0.2"], "--max-utt-drop"),
    )
    findings = [GateFinding("warning", "short", "a.wav: short", "candidate", "a", "a.wav")]
    skipped = [Skipped(key="b", side="candidate", path="b.wav", reason="empty: no bytes", code="empty")]
    return decide(old, new, ["mos"], options, findings=findings, skipped=skipped)


@pytest.mark.parametrize("method", choices(Method))
def test_a_report_is_read_back_as_it_was_written(tmp_path: Path, method: Method) -> None:
    written = report(method)
    write_report(tmp_path, written)
    assert read_typed(tmp_path / "gate.json", GateReport) == written


def test_the_keys_of_a_report_are_those_that_the_page_names() -> None:
    content = plain(report())
    page = (DOCS / "gate.md").read_text("utf-8")
    for part in (content, *content["predictors"], *content["floors"], *content["skipped"], content["pairs"][0]):
        assert [key for key in part if f"`{key}`" not in page] == []
    assert [floor["kind"] for floor in content["floors"]] == ["mean", "utterance", "drop"]
    assert "baseline" not in content and "seconds" not in content  # outside scores have none


def test_every_method_has_its_function_its_choice_and_its_place_on_the_page() -> None:
    assert tuple(METHODS) == choices(Method)
    page = (DOCS / "gate.md").read_text("utf-8")
    for name, method in METHODS.items():
        assert f"`{name}`" in page and method.title
        found = compare([3.0, 3.2, 3.1, 2.9], [3.1, 3.1, 3.2, 3.0], method=name)
        assert found.verdict in ("pass", "inconclusive")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"files": []}, "holds no files"),
        ({"schema_version": 2}, "schema version 2"),
        ({"kind": "gate"}, "not a saved baseline"),
        ({"front_end": []}, "$.front_end: expected `object`"),
        ({"predictors": {"toy": 3}}, "$.predictors.toy: expected `object`"),
        ({"files": [BASELINE["files"][0] | {"scores": {"toy": "high"}}]}, "$.files[0].scores.toy: expected `float`"),
        ({"files": [BASELINE["files"][0] | {"sample_rate": 0}]}, "$.files[0].sample_rate: expected `int` >= 1"),
        ({"files": [BASELINE["files"][0] | {"rms_dbfs": float("inf")}]}, "$.files[0] (a.wav): holds a number"),
    ],
)
def test_a_damaged_baseline_is_named_with_the_place(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "base.json"
    path.write_text(json.dumps(BASELINE | change))
    with pytest.raises(DataError) as error:
        read_baseline(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and words.lower() in message.lower()


def test_a_baseline_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text(json.dumps(BASELINE | {"later": "ignored"}))
    saved = read_baseline(tmp_path / "base.json")
    assert (
        saved.files[0].scores == {"toy": 3.5} and saved.front_end.rate is None and saved.predictors["toy"].stated == ""
    )


@pytest.mark.parametrize("method", choices(Method))
def test_what_is_written_is_valid_under_the_schemas(method: Method) -> None:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema_of("gate"))
    content = plain(report(method))
    assert not list(validator.iter_errors(content))
    content["verdict"] = "maybe"
    assert [error.json_path for error in validator.iter_errors(content)] == ["$.verdict"]
    assert not list(Draft202012Validator(schema_of("gate-baseline")).iter_errors(BASELINE))
