"""From an error to an exit code: the one place where a command ends."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from ..core.errors import MosharnessError
from .show import error_line, say

EXIT_CODES = {
    0: "done",
    1: "gate failed, check or verify found a fault, or a leaderboard is stale",
    2: "wrong usage or input; data or weights absent; a download that did not work",
    3: "gate inconclusive",
    4: "finished, but more clips failed than --allow-failed",
    70: "internal error",
    130: "interrupted; what was finished is kept: the same command goes on, training with --resume",
}
INTERRUPTED = 130


def exit_code_of(work: Callable[[], int]) -> int:
    """Do the work and return its exit code; an error is a sentence on stderr, with a traceback only for our defects."""
    try:
        code = work()
        sys.stdout.flush()
        return code
    except MosharnessError as error:
        error_line(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted; what was finished is kept: the same command goes on from there (training: add --resume)")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        traceback.print_exc()
        error_line(
            f"internal error: {type(error).__name__}: {error}. This is a defect of mosharness; please report it."
        )
        return 70
