"""Reports of a gate: JUnit XML, markdown, console."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.core.errors import UsageError
from mosharness.harness.gates.comment import LARGEST, MARKER, comment_markdown
from mosharness.harness.gates.console import headline
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.junit import junit_xml, xml_text
from mosharness.harness.gates.options import GateOptions, PerScore, parse_per_score
from mosharness.harness.gates.outputs import Outputs, write_report
from mosharness.harness.gates.schema import GateFinding, GateReport, Skipped, UtteranceFloor, Worst
from mosharness.harness.gates.summary import LARGEST_BYTES, summary_markdown
from mosharness.harness.gates.units import TextScores
from msgspec.structs import replace

ATTRIBUTES = {
    "testsuites": set[str](),
    "testsuite": {
        "name", "package", "id", "timestamp", "hostname", "time", "tests", "failures", "errors", "skipped",
    },
    "testcase": {"name", "classname", "time"},
    "property": {"name", "value"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "properties": set[str](),
    "system-out": set[str](),
    "system-err": set[str](),
}  # fmt: skip
ORDER = ("properties", "testcase", "system-out", "system-err")


def check_structure(text: str) -> ET.Element:
    """What both published schemas ask for: attributes, order, one outcome per case; and counts that add up."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag], element.tag
        assert all(value == " ".join(value.split()) for value in element.attrib.values())
    for number, suite in enumerate(root):
        tags = [child.tag for child in suite]
        assert suite.tag == "testsuite" and tags == sorted(tags, key=ORDER.index)
        assert all(tags.count(tag) == 1 for tag in ORDER if tag != "testcase")
        assert suite.attrib["id"] == str(number) and suite.attrib["name"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert float(suite.attrib["time"]) >= 0
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[kind]) == sum(case.find(tag) is not None for case in cases)
        for case in cases:
            assert case.attrib["name"] and case.attrib["classname"]
            assert len(case) <= 1 and all(child.tag in ("failure", "error", "skipped") for child in case)
    return root


def total(root: ET.Element, kind: str) -> int:
    """Sum over the suites: tests, failures, errors or skipped."""
    return sum(int(suite.attrib[kind]) for suite in root)


def units(count: int, shift: float = 0.0, prefix: str = "t", voice: str = "") -> list[TextScores]:
    return [
        TextScores(f"{prefix}{at:05d}", f"folder/{prefix}{at:05d}.wav", {"mos": 3 + (at * 7 % 11) / 10 + shift}, voice)
        for at in range(count)
    ]


def result(
    shift: float = 0.0, count: int = 24, options: GateOptions | None = None, findings: Sequence[GateFinding] = ()
) -> GateReport:
    new = [
        TextScores(unit.text, unit.source, {"mos": unit.scores["mos"] + 0.1 * (at % 3 - 1)})
        for at, unit in enumerate(units(count, shift))
    ]
    return decide(units(count), new, ["mos"], options or GateOptions(), findings=findings)


def test_a_pass_is_a_document_without_failures() -> None:
    root = check_structure(junit_xml(result()))
    assert (total(root, "failures"), total(root, "errors"), total(root, "tests")) == (0, 0, 26)
    assert [suite.attrib["name"] for suite in root] == ["mos", "texts", "sanity"]
    properties = {one.attrib["name"]: one.attrib["value"] for one in root.iter("property")}
    assert properties["n"] == "24" and float(properties["mean_diff"]) == pytest.approx(0, abs=1e-9)


def test_a_failure_is_one_test_case_with_the_worst_utterances() -> None:
    root = check_structure(junit_xml(result(-0.5)))
    (failure,) = root.iter("failure")
    assert failure.attrib["type"] == "fail" and "\n" not in failure.attrib["message"]
    assert "worst utterances:" in (failure.text or "") and "t00000" in (failure.text or "")


def test_inconclusive_is_a_failure_unless_it_is_allowed() -> None:
    assert total(check_structure(junit_xml(result(-0.2))), "failures") == 1
    allowed = result(-0.2, options=GateOptions(allow_inconclusive=True))
    assert allowed.exit_code == 0 and total(check_structure(junit_xml(allowed)), "failures") == 0
    assert "allowed by --allow-inconclusive" in headline(allowed)


def test_floors_errors_and_skipped_files_have_cases_of_their_own() -> None:
    findings = [GateFinding("error", "silent", "a.wav: silence", "candidate", "a", "a.wav")]
    found = decide(
        units(24), units(24), ["mos"], GateOptions(floor=parse_per_score(["9"], "--floor")), findings=findings,
        skipped=[Skipped(key="b", side="candidate", path="b.wav", reason="empty: no bytes", code="empty")],
    )  # fmt: skip
    root = check_structure(junit_xml(found))
    assert (total(root, "failures"), total(root, "errors"), total(root, "skipped")) == (1, 1, 1)
    assert [one.attrib["message"] for one in root.iter("skipped")] == ["empty: no bytes"]


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_any_name_gives_a_document_that_is_read_back(name: str) -> None:
    findings = [GateFinding("error", "silent", f"{name}: silence", "candidate", name, name)]
    old = [TextScores(f"{name}{at}", name, {"mos": 3.0 + at}) for at in range(3)]
    new = [TextScores(f"{name}{at}", name, {"mos": 1.0 + at * at}) for at in range(3)]
    found = decide(old, new, ["mos"], GateOptions(min_n=3), findings=findings)
    check_structure(junit_xml(found))
    summary = summary_markdown(found)
    assert all(line.count("|") - line.count("\\|") in (0, 6, 11) for line in summary.splitlines())


def test_forbidden_characters_go_and_all_others_stay() -> None:
    assert xml_text("".join(map(chr, range(32)))) == "\t\n\r"
    assert xml_text("é漢\U0001f600\ufffd") == "é漢\U0001f600\ufffd"
    assert xml_text("\ud800\ufffe\uffff") == ""


def test_the_summary_of_ten_thousand_clips_stays_small() -> None:
    long = "n" * 150
    findings = [GateFinding("warning", "short", f"{long}{at}: short", path=f"{long}{at}") for at in range(10_000)]
    found = result(-0.5, count=10_000, options=GateOptions(worst=10_000), findings=findings)
    floor = UtteranceFloor(name=long, floor=1, bad=(long,) * 9, max_bad=0, verdict="fail")
    skipped = Skipped(key="b", side="candidate", path=long, reason="empty")
    found = replace(found, skipped=(skipped,) * 10_000, floors=(floor,) * 10_000)
    text = summary_markdown(found)
    assert len(text.encode()) < 200_000 < LARGEST_BYTES
    assert "9995 more findings" in text and "9950 more files" in text and "9950 more floors" in text
    check_structure(junit_xml(found))


def test_a_summary_that_is_too_long_is_cut_at_a_line() -> None:
    found = result()
    line = replace(found.worst["mos"].by_diff[0], key="é" * 199, candidate="é" * 199)
    lists = Worst(by_diff=(line,) * 50, by_score=found.worst["mos"].by_score)
    found = replace(found, worst={f"mos{at}": lists for at in range(50)})
    text = summary_markdown(found)
    assert len(text.encode()) < LARGEST_BYTES + 100 and text.endswith("The rest was cut; see gate.json\n")


def test_every_voice_decides_and_the_pool_does_not() -> None:
    old = units(24, voice="a") + units(24, voice="b")
    new = units(24, voice="a") + units(24, -0.3, voice="b")
    found = decide(old, new, ["mos"], GateOptions())
    assert [(one.scope, one.voice, one.verdict) for one in found.predictors] == [
        ("voice", "a", "pass"), ("voice", "b", "fail"), ("pooled", "", "pass"),
    ]  # fmt: skip
    assert found.verdict == "fail" and found.predictors[2].n == 24
    assert headline(found) == "gate: FAIL (fail: mos, voice b)"
    check_structure(junit_xml(found))


def test_limits_by_name_go_before_the_one_for_all() -> None:
    limits = parse_per_score(["0.2", "a=0.1"], "--margin")
    assert limits == PerScore(0.2, {"a": 0.1}) and limits.of("a") == 0.1 and limits.of("b") == 0.2


def test_the_comment_has_the_verdict_first_and_tables_that_fold() -> None:
    text = comment_markdown(result(-0.5))
    assert text.startswith(MARKER + "\n\n### ❌ gate: FAIL")
    assert "- **fail** mos: -0.500 (bounds" in text
    opened = re.findall(r"<details>\n<summary>([^<]*)</summary>\n\n", text)
    assert opened == ["Scores (1)", "Worst texts"] and text.count("\n\n</details>") == 2


@pytest.mark.parametrize("name", ["</details><script>", "a|b", "<img src=x onerror=1>", "x`[y](http://z)", "é" * 150])
def test_a_comment_of_any_size_and_any_name_can_be_posted(name: str) -> None:
    findings = [GateFinding("warning", f"c{at % 90}", f"{name}{at}: short", path=f"{name}{at}") for at in range(9000)]
    old = [TextScores(f"{name}{at}", name, {name + str(one): 3.0 for one in range(40)}) for at in range(30)]
    new = [TextScores(f"{name}{at}", name, {name + str(one): 2.0 + at / 99 for one in range(40)}) for at in range(30)]
    text = comment_markdown(decide(old, new, [name + str(one) for one in range(40)], GateOptions(), findings=findings))
    assert len(text.encode()) <= LARGEST and text.startswith(MARKER) and text.endswith("beside it.\n")
    assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
    assert set(re.findall(r"(?<!\\)<(?!!--)[^>]*>", text)) <= {"<details>", "</details>", "<summary>", "</summary>"}


def test_a_report_that_is_named_as_a_file_is_that_one(tmp_path: Path) -> None:
    for name, start in (("a.html", "<!DOCTYPE html>"), ("b.md", MARKER), ("c.XML", "<?xml"), ("d.json", "{")):
        assert write_report(tmp_path / name, result()) == [tmp_path / name]
        assert (tmp_path / name).read_text("utf-8").startswith(start)
        Outputs(tmp_path / name).check([])  # an earlier one may be replaced
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(UsageError, match="--report"):
        Outputs(tmp_path / "mine.html").check([])


def test_every_text_is_a_case_that_fails_only_for_what_fails_the_gate() -> None:
    old = units(24)
    new = [TextScores(one.text, one.source, {"mos": one.scores["mos"] - 2.0 * (at == 5)}) for at, one in enumerate(old)]
    found = decide(old, new, ["mos"], GateOptions(max_drop=PerScore(1.0)))
    found = replace(found, pairs=tuple(replace(one, slices={"style": "a.b"}) for one in found.pairs))
    root = check_structure(junit_xml(found))
    texts = next(suite for suite in root if suite.attrib["name"] == "texts")
    cases = texts.findall("testcase")
    assert len(cases) == 24 and {case.attrib["classname"] for case in cases} == {"gate.texts.a_b"}
    (failed,) = [case for case in cases if case.find("failure") is not None]
    assert failed.attrib["name"] == "t00005" and failed[0].attrib["message"] == "lost more than 1 (mos)"
    assert total(check_structure(junit_xml(result(-0.5))), "failures") == 1
