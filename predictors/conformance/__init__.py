"""Does a predictor keep its contract? Checks on generated sounds, for ours and for other people's alike.

No data set is needed. Each check says what it found; a predictor that fails one can still be used, and the rest of the
harness (batches, the cache, resumed runs) then gives numbers that depend on things they must not depend on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from ...harness.core.errors import MosharnessError
from . import clips, identity, largest, neighbours
from .subject import TOLERANCE, CheckResult, Fault, Subject, speech_like

if TYPE_CHECKING:
    from ..base import Predictor

__all__ = ["CHECKS", "TOLERANCE", "CheckResult", "check_predictor", "speech_like"]


def check_predictor(predictor: Predictor, *, device: str | None = None) -> list[CheckResult]:
    """Run every check on a loaded (trained) predictor.

    Args:
        predictor: The instance to check; it is left as it was.
        device: Where the saved copy is loaded; by default the predictor's own device.

    Returns:
        One result per check, in a fixed order. A check that raises has failed, with the error as its detail.
    """
    subject = Subject(predictor, device or predictor.device)
    with redirect_stdout(subject.printed):
        return [_run(name, check, subject) for name, check in CHECKS.items()]


def _run(name: str, check: Callable[[Subject], str], subject: Subject) -> CheckResult:
    try:
        return CheckResult(name, True, check(subject))
    except (Fault, MosharnessError) as error:
        return CheckResult(name, False, str(error))
    except Exception as error:
        return CheckResult(name, False, f"raised {type(error).__name__}: {' '.join(str(error).split())[:200]}")


def silent(subject: Subject) -> str:
    """Nothing was printed to stdout by all that came before."""
    text = " ".join(subject.printed.getvalue().split())
    if text:
        raise Fault(
            f"scoring prints to stdout ({text[:80]!r}), where tables and JSON go: use warnings or logging, and wrap a "
            "package that prints in contextlib.redirect_stdout(sys.stderr)"
        )
    return "nothing printed"


CHECKS: dict[str, Callable[[Subject], str]] = {
    "card": identity.card,
    "output": neighbours.output,
    "repeatable": neighbours.repeatable,
    "batch": neighbours.batch,
    "largest batch": largest.largest_batch,
    "order": neighbours.order,
    "workers": neighbours.workers,
    "padding": neighbours.padding,
    "rates": clips.rates,
    "mixed rates": largest.mixed_rates,
    "short clips": clips.short,
    "long clip": clips.long,
    "channels": clips.channels,
    "failed neighbour": clips.bad_neighbour,
    "input untouched": clips.untouched,
    "file or array": clips.file_or_array,
    "saving and loading": identity.round_trip,
    "stdout": silent,
    "fingerprint": identity.fingerprint,
}
"""Name to check, in the order they run."""
