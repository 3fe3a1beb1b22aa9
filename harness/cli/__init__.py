"""The command line: one module per verb, exit codes in one place."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code (see :data:`mosharness.harness.cli.app.EXIT_CODES`)."""
    from .app import run_app

    sys.exit(run_app(sys.argv[1:] if arguments is None else arguments))
