"""A gate's result as JUnit XML for the test tab of a CI system.

One suite per score and one for the sanity checks. Only the comparison itself and the floors can fail for scores: with
40 utterances a test case each would fail by chance. The layout is the common subset of the published schemas:
``testsuites/testsuite/(properties, testcase*)``, one ``failure``, ``error`` or ``skipped`` per test case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from .console import advice, entry_name, floor_line

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, even escaped."""
LONGEST = 2_000
FIGURES = (
    "n",
    "margin",
    "mean_baseline",
    "mean_candidate",
    "mean_diff",
    "sd_diff",
    "lower",
    "upper",
    "p_noninf",
    "power_delta0",
    "n_for_90",
)


def xml_text(text: object, longest: int = LONGEST) -> str:
    """``text`` without the characters that XML 1.0 forbids, cut to ``longest``.

    Example:
        >>> xml_text("a" + chr(0) + "b" + chr(11) + "c" + chr(0xFFFE))
        'abc'
    """
    kept = FORBIDDEN.sub("", str(text))
    return kept if len(kept) <= longest else kept[: longest - 1] + "…"


def line(text: object) -> str:
    """As :func:`xml_text`, in one line: attributes hold no line breaks."""
    return " ".join(xml_text(text).split())


def junit_xml(result: Mapping[str, Any]) -> str:
    """The document, UTF-8 declared, with a final newline.

    Args:
        result: As :func:`~mosharness.harness.gates.decide.decide` returns it.
    """
    seconds = float((result.get("seconds") or {}).get("all") or 0.0)
    names = dict.fromkeys(entry["name"] for entry in (*result["predictors"], *result["floors"]))
    suites = [_score_suite(name, result) for name in names]
    suites.append(_sanity_suite(result))
    root = ET.Element("testsuites", {"name": "mosharness gate", "time": f"{seconds:.3f}"})
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        counts = _count(suite)
        for kind, count in counts.items():
            totals[kind] += count
            suite.set(kind, str(count))
        suite.set("time", f"{seconds if suite is suites[0] else 0.0:.3f}")
        root.append(suite)
    for kind in ("tests", "failures", "errors"):
        root.set(kind, str(totals[kind]))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _count(suite: ET.Element) -> dict[str, int]:
    cases = suite.findall("testcase")
    return {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }


def _suite(name: str) -> ET.Element:
    return ET.Element("testsuite", {"name": line(name)})


def _case(suite: ET.Element, name: str) -> ET.Element:
    attributes = {"classname": suite.get("name", ""), "name": line(name) or "unnamed", "time": "0"}
    return ET.SubElement(suite, "testcase", attributes)


def _score_suite(name: str, result: Mapping[str, Any]) -> ET.Element:
    suite = _suite(f"gate.{name}")
    entries = [entry for entry in result["predictors"] if entry["name"] == name]
    properties = ET.SubElement(suite, "properties")
    for entry in entries:
        prefix = {"voice": f"{entry['voice']}.", "pooled": "pooled."}.get(entry["scope"], "")
        for figure in FIGURES:
            if entry[figure] is not None:
                _property(properties, prefix + figure, entry[figure])
    details = (result.get("predictor_details") or {}).get(name)
    if details:
        for key in ("dimension", "license_weights"):
            _property(properties, key, details[key])
        _property(properties, "weights_sha256", details["checkpoint"]["sha256"])
    for entry in entries:
        if entry["scope"] == "pooled":
            continue  # an extra that does not decide
        case = _case(suite, f"candidate is not worse than the baseline: {entry_name(entry)}")
        allowed = entry["verdict"] == "inconclusive" and result["options"]["allow_inconclusive"]
        if entry["verdict"] != "pass" and not allowed:
            message = f"{entry['verdict']}: {_bounds(entry)}"
            failure = ET.SubElement(case, "failure", {"message": line(message), "type": entry["verdict"]})
            failure.text = xml_text("\n".join([advice(entry), *_worst_lines(name, result)]), 20_000)
        else:
            ET.SubElement(case, "system-out").text = xml_text(f"{entry['verdict']}: {_bounds(entry)}")
    for floor in result["floors"]:
        if floor["name"] == name:
            case = _case(suite, f"{floor['kind']} floor of {name}")
            if floor["verdict"] != "pass":
                ET.SubElement(case, "failure", {"message": line(floor_line(floor)), "type": "floor"})
    return suite


def _property(properties: ET.Element, name: str, value: object) -> None:
    ET.SubElement(properties, "property", {"name": line(name), "value": line(value)})


def _bounds(entry: Mapping[str, Any]) -> str:
    if entry["lower"] is None:
        return f"difference {entry['mean_diff']:+.4f}, margin {entry['margin']:g}"
    return (
        f"difference {entry['mean_diff']:+.4f}, bounds {entry['lower']:+.4f} to {entry['upper']:+.4f}, "
        f"margin {entry['margin']:g}"
    )


def _worst_lines(name: str, result: Mapping[str, Any]) -> Sequence[str]:
    lists = result["worst"].get(name)
    if not lists or not lists["by_diff"]:
        return []
    return ["worst utterances:"] + [
        f"  {one['diff']:+.3f}  {one['score_baseline']:.3f} -> {one['score_candidate']:.3f}  {one['key']}  "
        f"{one['candidate']}"
        for one in lists["by_diff"]
    ]


def _sanity_suite(result: Mapping[str, Any]) -> ET.Element:
    suite = _suite("gate.sanity")
    errors = [finding for finding in result["findings"] if finding["level"] == "error"]
    for number, finding in enumerate(errors, start=1):
        case = _case(suite, finding["path"] or f"{finding['code']} {number}")
        ET.SubElement(case, "error", {"message": line(finding["message"]), "type": line(finding["code"])})
    for entry in result["skipped"]:
        case = _case(suite, f"{entry['side']} {entry['path']}")
        ET.SubElement(case, "skipped", {"message": line(entry["reason"])})
    if not errors:
        _case(suite, "no file of the candidate is broken or missing")
    return suite
