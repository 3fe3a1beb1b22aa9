"""The errors a user can meet, and the exit code each one ends with.

    MosharnessError                 exit 2
    ├── UsageError                  a wrong option or combination of options
    ├── UnknownName                 no task, predictor, metric or key of that name
    ├── DataError                   a label file, manifest or layout that is not as it must be
    │   ├── DataMissing             the data set is not on this machine
    │   └── AudioError              one audio file that cannot be used
    ├── CheckpointError             weights that cannot be loaded or do not fit
    ├── HubError                    a download that did not work
    ├── NotAtHand                   several things that a training needs are not on this machine
    ├── PredictionError             a prediction file or a predictor's output that cannot be used
    ├── CheckFailed                 exit 1: `check` or `verify` found a fault, a leaderboard is stale
    └── ClipsFailed                 exit 4: finished, but more clips failed than allowed

A message says what is wrong, where, and what to do next. The command line prints it without a
traceback; anything that is not a ``MosharnessError`` is an internal error and exits with 70.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MosharnessError(Exception):
    """Base of every error that a user's input can cause.

    Attributes:
        exit_code: What the command line exits with.
    """

    exit_code = 2


class UsageError(MosharnessError):
    """An option, or a combination of options, that makes no sense."""


class UnknownName(MosharnessError):
    """A name that is not registered.

    Args:
        kind: What was looked for, in the singular (``"task"``).
        name: The name that was given.
        known: Every name that would have been accepted.
        hint: A sentence that ends the message, for instance how to list the names.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        message = f'no {kind} called "{name}".'
        if near:
            message += " Did you mean " + " or ".join(f'"{candidate}"' for candidate in near) + "?"
        elif known:
            message += " Known: " + ", ".join(known) + "."
        if hint:
            message += f" {hint}"
        super().__init__(message)
        self.kind, self.name, self.known = kind, name, known


class DataError(MosharnessError):
    """A label file, manifest or folder that is not as the task needs it."""


class DataMissing(DataError):
    """The data of a task is not on this machine. The message is a whole screen: what, licence, where, next command."""


class AudioError(DataError):
    """One audio source that cannot be used.

    Args:
        code: Short machine-readable cause, e.g. ``"unreadable"`` (see ``audio/read.py``).
        message: One sentence for people, without the file name.
        path: The file, as the user gave it.
    """

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.code, self.reason, self.path = code, message, path


class CheckpointError(MosharnessError):
    """Weights that cannot be loaded, or that do not fit the model."""


class HubError(MosharnessError):
    """A download from a model hub or a web address that did not work."""


class NotAtHand(MosharnessError):
    """Things that a training needs are not on this machine; the message lists all, each with what to do."""


class PredictionError(MosharnessError):
    """A prediction file that cannot be used, or a predictor that returned something unusable."""


class CheckFailed(MosharnessError):
    """``check`` or ``verify`` found a fault, or a leaderboard is stale."""

    exit_code = 1


class ClipsFailed(MosharnessError):
    """The run finished and was stored, but more clips failed than ``--allow-failed``."""

    exit_code = 4
