"""A gate's report as JUnit XML for the test tab of a CI system.

One suite per score, with a case per voice and slice, one with a case per text, one for the sanity checks. A text fails
only for what fails the gate by itself (a loss beyond a drop limit that was missed, a broken file): of 40 texts, several
would miss the margin by chance. The layout is valid under both published schemas, that of Apache
Ant (windyroad/JUnit-Schema, the strict one: no attributes on the root, host name and time stamp required) and that of
Jenkins (junit-10.xsd): ``testsuites/testsuite/(properties, testcase*, system-out, system-err)``, at most one of
``failure``, ``error`` and ``skipped`` per test case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ..core.typed import UNSET
from .console import advice, entry_name, floor_line
from .schema import GateReport, MeanFloor, ScoreComparison, UtteranceFloor
from .units import TextKey

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


def junit_xml(report: GateReport) -> str:
    """The document, UTF-8 declared, with a final newline.

    Args:
        report: As :func:`~mosharness.harness.gates.decide.decide` returns it.
    """
    seconds = 0.0 if report.seconds is UNSET else report.seconds.all
    names = dict.fromkeys(entry.name for entry in (*report.entries, *report.floors))
    root = ET.Element("testsuites")
    suites = [_score_suite(name, report) for name in names]
    suites += [_text_suite(report)] if report.pairs else []
    suites.append(_sanity_suite(report))
    for number, suite in enumerate(suites):
        attributes = {
            "package": "mosharness.gate",
            "id": str(number),
            "timestamp": report.time.removesuffix("Z"),
            "hostname": "localhost",  # the schema wants one; a report names no machine
            **{kind: str(count) for kind, count in _count(suite).items()},
            "time": f"{seconds if number == 0 else 0.0:.3f}",
        }
        suite.attrib.update(attributes)
        root.append(suite)
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


def _suite(name: str) -> tuple[ET.Element, ET.Element]:
    suite = ET.Element("testsuite", {"name": line(name) or "unnamed"})
    return suite, ET.SubElement(suite, "properties")


def _close(suite: ET.Element, lines: Sequence[str] = ()) -> ET.Element:
    ET.SubElement(suite, "system-out").text = xml_text("\n".join(lines), 20_000)
    ET.SubElement(suite, "system-err")
    return suite


def _case(suite: ET.Element, name: str) -> ET.Element:
    attributes = {"classname": f"gate.{suite.get('name')}", "name": line(name) or "unnamed", "time": "0"}
    return ET.SubElement(suite, "testcase", attributes)


def _score_suite(name: str, report: GateReport) -> ET.Element:
    suite, properties = _suite(name)
    output = []
    entries = [entry for entry in report.entries if entry.name == name]
    for entry in entries:
        prefixes = {"voice": f"{entry.voice}.", "pooled": "pooled.", "slice": f"{entry.slice}.{entry.voice}."}
        prefix = prefixes.get(entry.scope, "")
        for figure in FIGURES:
            if getattr(entry, figure) is not None:
                _property(properties, prefix + figure, getattr(entry, figure))
    details = report.details.get(name)
    if details is not None:
        _property(properties, "dimension", details.dimension)
        _property(properties, "license_weights", details.license_weights)
        if details.stated:
            _property(properties, "stated", details.stated)
        _property(properties, "weights_sha256", details.checkpoint.sha256)
    for entry in entries:
        if entry.scope == "pooled":
            continue  # an extra that does not decide
        case = _case(suite, f"candidate is not worse than the baseline: {entry_name(entry)}")
        allowed = entry.verdict == "inconclusive" and not report.exit_code
        if entry.verdict != "pass" and not allowed:
            message = f"{entry.verdict}: {_bounds(entry)}"
            failure = ET.SubElement(case, "failure", {"message": line(message), "type": entry.verdict})
            failure.text = xml_text("\n".join([advice(entry), *_worst_lines(name, report)]), 20_000)
        else:
            output.append(f"{entry_name(entry)}: {entry.verdict}: {_bounds(entry)}")
    for floor in report.floors:
        if floor.name == name:
            case = _case(suite, f"{floor.kind} floor of {name}")
            allowed = floor.verdict == "inconclusive" and not report.exit_code
            if floor.verdict != "pass" and not allowed:
                ET.SubElement(case, "failure", {"message": line(floor_line(floor)), "type": "floor"})
    return _close(suite, output)


def _property(properties: ET.Element, name: str, value: object) -> None:
    ET.SubElement(properties, "property", {"name": line(name) or "unnamed", "value": line(value)})


def _bounds(entry: ScoreComparison) -> str:
    if entry.lower is None:
        return f"difference {entry.mean_diff:+.4f}, margin {entry.margin:g}"
    return (
        f"difference {entry.mean_diff:+.4f}, bounds {entry.lower:+.4f} to {entry.upper:+.4f}, margin {entry.margin:g}"
    )


def _worst_lines(name: str, report: GateReport) -> Sequence[str]:
    lists = report.worst.get(name)
    if lists is None or not lists.by_diff:
        return []
    return ["worst utterances:"] + [
        f"  {one.diff:+.3f}  {one.score_baseline:.3f} -> {one.score_candidate:.3f}  {one.key}  {one.candidate}"
        for one in lists.by_diff
    ]


def _text_suite(report: GateReport) -> ET.Element:
    """A case per text; its class is the suite, with the values of its slices behind."""
    suite, _ = _suite("texts")
    reasons = _text_failures(report)
    for pair in report.pairs:
        key = str(TextKey(pair.key, pair.voice))
        case = _case(suite, key)
        if pair.slices:
            values = ".".join(line(value).replace(".", "_") or "unnamed" for value in pair.slices.values())
            case.set("classname", f"gate.texts.{values}")
        if found := reasons.get(key):
            failure = ET.SubElement(case, "failure", {"message": line(found[0]), "type": "text"})
            changes = [f"{name} {one.baseline:.3f} -> {one.candidate:.3f}" for name, one in pair.scores.items()]
            failure.text = xml_text("\n".join([*found, *changes, pair.candidate, pair.text]))
    return _close(suite)


def _text_failures(report: GateReport) -> dict[str, list[str]]:
    """Why single texts fail, by text: limits that were missed and name it, and errors of its files."""
    reasons: dict[str, list[str]] = {}
    for floor in report.floors:
        allowed = floor.verdict == "inconclusive" and not report.exit_code
        if isinstance(floor, MeanFloor) or floor.verdict == "pass" or allowed:
            continue
        below = isinstance(floor, UtteranceFloor)
        said = f"{floor.name} below {floor.floor:g}" if below else f"lost more than {floor.floor:g} ({floor.name})"
        for key in floor.bad:
            reasons.setdefault(key, []).append(said)
    for finding in report.findings:
        if finding.level == "error" and finding.key:
            reasons.setdefault(finding.key, []).append(finding.message)
    return reasons


def _sanity_suite(report: GateReport) -> ET.Element:
    suite, _ = _suite("sanity")
    errors = [finding for finding in report.findings if finding.level == "error"]
    for number, finding in enumerate(errors, start=1):
        case = _case(suite, finding.path or f"{finding.code} {number}")
        ET.SubElement(case, "error", {"message": line(finding.message), "type": line(finding.code)})
    for skipped in report.skipped:
        case = _case(suite, f"{skipped.side} {skipped.path}")
        ET.SubElement(case, "skipped", {"message": line(skipped.reason)})
    votes = [finding for finding in report.findings if finding.code == "votes"]
    for finding in votes:
        case = _case(suite, "listeners do not prefer the baseline")
        if report.exit_code and (report.votes is UNSET or report.votes.verdict != "pass"):
            ET.SubElement(case, "failure", {"message": line(finding.message), "type": "votes"})
    if not errors:
        _case(suite, "no file of the candidate is broken or missing")
    return _close(suite)
