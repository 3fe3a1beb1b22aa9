"""The pytest plugin: a gate as a test. pytest loads it by itself once the package is installed.

The fixture ``mos_gate`` gates a candidate and fails the test unless the verdict is ``pass``. The marker of the same
name gives its arguments, and gates before the test's body where the test does not ask for the fixture. Every pytest
session imports this module, so nothing heavy is imported before a gate runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

MARKER = "mos_gate"
MOST_FINDINGS = 20
PER_SCORE = ("margin", "floor", "utterance_floor", "max_drop")
LOADED = pytest.StashKey[dict[Any, Any]]()
"""Predictors of this session by what was asked for: weights are read once, not once per test."""


class MosGate:
    """What the fixture ``mos_gate`` is: call it with a candidate and a baseline.

    Args:
        item: The test that it works for; the marker's arguments are its defaults.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._defaults: dict[str, Any] = {}
        for marker in reversed(list(item.iter_markers(MARKER))):  # the marker closest to the test counts most
            if marker.args:
                pytest.fail(f"@pytest.mark.{MARKER} takes arguments by name only", pytrace=False)
            self._defaults |= marker.kwargs

    def __call__(self, **arguments: Any) -> dict[str, Any]:
        """Run a gate and fail the test unless it passes.

        Args:
            **arguments: Those of :func:`run_gate`; they win over the marker's.

        Returns:
            The result as in ``gate.json``, when the gate passes.
        """
        __tracebackhide__ = True
        from .core.errors import MosharnessError

        wanted = {**self._defaults, **arguments}
        try:
            result = run_gate(**wanted, loaded=self._item.config.stash.setdefault(LOADED, {}))
        except MosharnessError as error:
            pytest.fail(f"mos_gate could not run: {error}", pytrace=False)
        self._item.user_properties.append((MARKER, result["verdict"]))
        if result["exit_code"]:
            pytest.fail(failure_text(result), pytrace=False)
        return result


def run_gate(
    *,
    baseline: str | Path | None = None,
    candidate: str | Path | None = None,
    predictors: Sequence[str] | Mapping[str, Any] = (),
    scores_csv: str | Path | None = None,
    scores: Sequence[str] = (),
    system_column: str = "system",
    key_column: str = "key",
    device: str = "auto",
    settings: Mapping[str, Any] | None = None,
    report: str | Path | None = None,
    history: str | Path | None = None,
    loaded: dict[Any, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """A gate from plain values; paths are relative to the current folder.

    Args:
        baseline: Folder, manifest or saved baseline; with ``scores_csv`` the name of a system.
        candidate: Folder or manifest; with ``scores_csv`` the name of a system.
        predictors: ``"NAME"`` or ``"NAME=CHECKPOINT"`` each, or loaded predictors by name.
        scores_csv: Long table of outside scores, instead of audio and predictors.
        scores: Columns of the table to gate.
        system_column: Column of the table with the system.
        key_column: Column of the table that pairs rows.
        device: Where predictors run.
        settings: Settings of the predictors, as ``--set`` gives them.
        report: Folder for the report, made when absent.
        history: File that gets a line with the figures.
        loaded: Predictors kept between gates, by what was asked for.
        **options: Fields of :class:`~mosharness.harness.gates.model.GateOptions` and
            :class:`~mosharness.harness.gates.run.AudioOptions`; a limit is a number, or a number by score name (the
            name ``""`` stands for every other score).

    Returns:
        The result as in ``gate.json``.

    Raises:
        MosharnessError: For what the command ``gate`` refuses with exit code 2.
    """
    from .core.errors import UsageError
    from .gates.report import check_file, check_folder, write_report

    gate, audio = _options(options)
    if baseline is None or candidate is None:
        raise UsageError("give candidate= and baseline=")
    if report is not None:
        check_folder(Path(report))
    if history is not None:
        check_file(Path(history), "history")
    if scores_csv is not None:
        if predictors or settings or any(name in audio.__dataclass_fields__ for name in options):
            raise UsageError("scores_csv brings its scores: predictors, settings and options of audio do not apply")
        if not scores:
            raise UsageError("scores_csv needs scores=[...]: the columns to gate")
        from .gates.table import gate_table

        result = gate_table(
            Path(scores_csv),
            str(baseline),
            str(candidate),
            _list(scores, "scores"),
            gate,
            system_column=system_column,
            key_column=key_column,
        )
    else:
        if scores:
            raise UsageError("scores names columns of scores_csv; audio is scored by predictors")
        from .gates.run import gate_audio

        def load() -> Mapping[str, Any]:
            return _load(predictors, device, settings or {}, {} if loaded is None else loaded)

        result = gate_audio(baseline, candidate, load, gate, audio).result
    if history is not None:
        from .gates.baseline import append_history

        append_history(Path(history), result)
    if report is not None:
        write_report(Path(report), result, None if history is None else Path(history))
    return result


def _options(options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Keywords as the options of the decision and those of reading audio."""
    from .core.errors import UnknownName, UsageError
    from .gates.model import GateOptions, PerScore
    from .gates.run import AudioOptions

    gate_fields, audio_fields = set(GateOptions.__dataclass_fields__), set(AudioOptions.__dataclass_fields__)
    chosen: dict[str, Any] = {}
    for name, value in options.items():
        if name not in gate_fields | audio_fields:
            raise UnknownName("argument of mos_gate", name, gate_fields | audio_fields)
        chosen[name] = value
        if name in PER_SCORE and not isinstance(value, PerScore):
            limits = dict(value) if isinstance(value, Mapping) else {"": value}
            try:
                numbers = {str(score): float(limit) for score, limit in limits.items()}
            except (TypeError, ValueError):
                raise UsageError(f"{name}={value!r}: give a number, or numbers by score name") from None
            default = numbers.pop("", 0.2 if name == "margin" else None)
            chosen[name] = PerScore(default, numbers)
        elif name == "lower_is_better":
            chosen[name] = tuple(_list(value, name))
    if chosen.get("max_skipped") is None and chosen.get("skip_broken"):
        chosen["max_skipped"] = 0
    return (
        GateOptions(**{name: value for name, value in chosen.items() if name in gate_fields}),
        AudioOptions(**{name: value for name, value in chosen.items() if name in audio_fields}),
    )


def _list(value: Sequence[str], name: str) -> list[str]:
    from .core.errors import UsageError

    if isinstance(value, str):
        raise UsageError(f"{name}={value!r}: give a list of names")
    return [str(one) for one in value]


def _load(
    predictors: Sequence[str] | Mapping[str, Any], device: str, settings: Mapping[str, Any], loaded: dict[Any, Any]
) -> Mapping[str, Any]:
    from .gates.scoring import load_predictors

    if isinstance(predictors, Mapping):
        return predictors
    specs = _list(predictors, "predictors")
    asked = (tuple(specs), device, repr(sorted(settings.items())))
    if asked not in loaded:
        loaded[asked] = load_predictors(specs, device=device, **settings)
    found: Mapping[str, Any] = loaded[asked]
    return found


def failure_text(result: Mapping[str, Any]) -> str:
    """Why a gate did not pass: verdict, table, worst utterances, findings.

    Args:
        result: As ``gate.json`` holds it.
    """
    from .core.markdown import plain
    from .gates.console import COLUMNS, advice, entry_cells, floor_line, headline

    entries = result["predictors"]
    parts = [plain(headline(result), 500)]
    if result.get("baseline"):
        parts[0] += f"\n{plain(result['candidate'])} against {plain(result['baseline'])}"
    if entries:
        rows = [[plain(cell) for cell in entry_cells(entry)] for entry in entries]
        lines = [f"  {plain(advice(entry), 500)}" for entry in entries if advice(entry)]
        parts.append("\n".join([columns([list(COLUMNS), *rows]), *lines]))
    parts += [plain(floor_line(floor), 500) for floor in result["floors"]]
    for name, lists in result["worst"].items():
        rows = [
            [
                plain(one["key"]),
                f"{one['score_baseline']:.3f}",
                f"{one['score_candidate']:.3f}",
                f"{one['diff']:+.3f}",
                plain(one["candidate"]),
            ]
            for one in lists["by_diff"]
        ]
        if rows:
            header = ["text", "baseline", "candidate", "difference", "file"]
            parts.append(f"worst by {plain(name)}\n{columns([header, *rows])}")
    findings = sorted(result["findings"], key=lambda one: ("error", "warning", "note").index(one["level"]))
    lines = [f"{one['level']}: {plain(one['message'], 500)}" for one in findings[:MOST_FINDINGS]]
    if len(findings) > MOST_FINDINGS:
        lines.append(f"and {len(findings) - MOST_FINDINGS} more findings; report= writes all of them")
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as lines with aligned columns.

    Example:
        >>> print(columns([["text", "n"], ["a", "20"]]))
        text  n
        a     20
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


@pytest.fixture
def mos_gate(request: pytest.FixtureRequest) -> MosGate:
    """Gate a candidate: ``mos_gate(candidate="new", baseline="old", predictors=["nisqa", "nisqa_tts"])``."""
    item = request.node
    assert isinstance(item, pytest.Item)
    return MosGate(item)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(candidate, baseline, predictors, margin=0.2, ...): gate a candidate system before the test's body; "
        "the defaults of the fixture mos_gate where the test asks for it",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Gate before the body of a marked test that does not do so itself."""
    if item.get_closest_marker(MARKER) is not None and MARKER not in getattr(item, "fixturenames", ()):
        MosGate(item)()
