"""JUnit output under the two schemas in common use, and through a third-party reader."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.junit import junit_xml
from mosharness.harness.gates.options import GateOptions, parse_per_score
from mosharness.harness.gates.schema import GateFinding, GateReport, Seconds, Skipped
from mosharness.harness.gates.units import TextScores
from msgspec.structs import replace

SCHEMAS = Path(__file__).parent / "schemas"


@cache
def schema(name: str) -> Any:
    xmlschema = pytest.importorskip("xmlschema")
    return xmlschema.XMLSchema(SCHEMAS / f"{name}.xsd")


def validate(text: str) -> None:
    for name in ("junit-ant", "junit-jenkins"):
        schema(name).validate(text)


def gate(shift: float, name: str = "text", seconds: float | None = 1.5) -> GateReport:
    """A gate of two scores on 24 texts, with a broken file, a skipped one and floors."""
    keys = [f"{name}{at:02d}" for at in range(24)]
    old = [TextScores(key, name, {"mos": 3 + at / 40, "other": 4.0}) for at, key in enumerate(keys)]
    new = [
        TextScores(key, name, {"mos": 3 + at / 40 + shift + 0.1 * (at % 3 - 1), "other": 4.0})
        for at, key in enumerate(keys)
    ]
    findings = [GateFinding("error", "silent", f"{name}: silence", "candidate", name, name)] if shift < -0.4 else []
    skipped = [Skipped(key="b", side="candidate", path=name, reason="empty")] if shift < -0.4 else []
    options = GateOptions(floor=parse_per_score(["3.2"], "--floor"), max_skipped=1)
    found = decide(old, new, ["mos", "other"], options, findings=findings, skipped=skipped)
    if seconds is None:
        return found
    return replace(found, seconds=Seconds(load=0.0, listen=0.0, score=0.0, decide=0.0, all=seconds))


@pytest.mark.parametrize("shift", [0.0, -0.2, -0.5])
def test_every_verdict_validates_and_a_third_party_reader_finds_the_same_cases(shift: float) -> None:
    junitparser = pytest.importorskip("junitparser")
    result = gate(shift)
    text = junit_xml(result)
    validate(text)
    read = junitparser.JUnitXml.fromstring(text.encode())
    suites = {suite.name: suite for suite in read}
    assert list(suites) == ["mos", "other", "texts", "sanity"]
    assert sum(suite.time for suite in suites.values()) == pytest.approx(1.5)
    entry = result.predictors[0]
    properties = {one.name: one.value for one in suites["mos"].properties()}
    assert float(properties["mean_diff"]) == pytest.approx(entry.mean_diff, abs=1e-6)
    outcomes = {case.name: [type(one).__name__ for one in case.result] for suite in suites.values() for case in suite}
    verdict = [] if entry.verdict == "pass" else ["Failure"]
    assert outcomes["candidate is not worse than the baseline: mos"] == verdict
    assert outcomes["candidate is not worse than the baseline: other"] == []
    broken = shift < -0.4
    assert (["Error"] in outcomes.values(), ["Skipped"] in outcomes.values()) == (broken, broken)
    totals = [(suite.tests, suite.failures, suite.errors, suite.skipped) for suite in suites.values()]
    read.update_statistics()
    assert [(suite.tests, suite.failures, suite.errors, suite.skipped) for suite in read] == totals
    if verdict:
        failure = next(case for case in suites["mos"] if case.result).result[0]
        assert failure.type == entry.verdict and "worst utterances:" in failure.text


@given(st.text(max_size=40))
@settings(max_examples=25, deadline=None)
def test_any_name_validates(name: str) -> None:
    validate(junit_xml(gate(-0.5, name, None)))


def test_the_schemas_refuse_what_they_should() -> None:
    xmlschema = pytest.importorskip("xmlschema")
    text = junit_xml(gate(-0.5))
    for old, new in (
        ('hostname="localhost"', ""),
        ("<testsuites>", '<testsuites verdict="fail">'),
        ("<system-err />", "<system-err /><testcase name='late' classname='x' time='0' />"),
        ('type="silent"', ""),
    ):
        assert old in text
        with pytest.raises(xmlschema.XMLSchemaException):
            validate(text.replace(old, new))
