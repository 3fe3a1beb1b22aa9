"""The stored outcome of ``mosharness check``: by the identity of what was checked, in the cache folder.

An outcome belongs to one fingerprint: weights, settings, package, device and precision. So it is kept where scores of
that fingerprint are kept, not beside the results of one folder; a run that finds it writes it into its result, which
carries it to boards and to other machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..harness.core.errors import MosharnessError
from ..harness.core.files import digest, json_ready, write_json
from ..harness.core.paths import cache_root
from ..harness.core.provenance import own_version
from ..harness.core.typed import Typed, plain, read_typed
from .identity import UNIDENTIFIED

if TYPE_CHECKING:
    from .base import Predictor
    from .conformance import CheckResult


class CheckLine(Typed):
    """One check: its name, whether it passed, and what it found."""

    name: str
    passed: bool
    detail: str


class CheckRecord(Typed):
    """What ``check`` found.

    Attributes:
        predictor: Registry name.
        fingerprint: What was checked, as results and the prediction cache know it.
        mosharness: Version that checked.
        checks: In the order they ran.
    """

    predictor: str
    fingerprint: dict[str, Any]
    mosharness: str
    checks: tuple[CheckLine, ...]
    schema: Literal["mosharness.check/1"] = "mosharness.check/1"

    @property
    def faults(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(one.name for one in self.checks if not one.passed)


def record_path(fingerprint: dict[str, Any]) -> Path:
    """Where the outcome for a fingerprint lies."""
    return cache_root() / "checks" / f"{digest(fingerprint).removeprefix('sha256:')}.json"


def store_check(predictor: Predictor, results: Sequence[CheckResult]) -> str:
    """Keep an outcome.

    Returns:
        Why it could not be kept; empty where it was.
    """
    fingerprint = predictor.fingerprint()
    if fingerprint["weights"] == UNIDENTIFIED:
        return "nothing identifies these weights, so no result can be known to be of what was checked"
    lines = tuple(CheckLine(name=one.name, passed=one.passed, detail=one.detail) for one in results)
    record = CheckRecord(
        predictor=predictor.name, fingerprint=json_ready(fingerprint), mosharness=own_version(), checks=lines
    )
    path = record_path(fingerprint)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, plain(record))
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror})"
    return ""


def stored_check(predictor: Predictor) -> CheckRecord | None:
    """The outcome for exactly this predictor; ``None`` where it was not checked, or by fewer checks than there are."""
    from .conformance import CHECKS

    path = record_path(predictor.fingerprint())
    try:
        record = read_typed(path, CheckRecord) if path.is_file() else None
    except (MosharnessError, OSError):
        return None
    if record is None or not {*CHECKS} <= {one.name for one in record.checks}:
        return None
    return record
