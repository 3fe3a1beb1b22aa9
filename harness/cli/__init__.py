"""The command line: one module per verb, exit codes in one place."""

from __future__ import annotations

import sys
import traceback


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code (see :data:`mosharness.harness.cli.app.EXIT_CODES`)."""
    from ..core.quiet import messages_apart

    messages_apart()
    try:
        from .app import run_app
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # the verbs cannot even be listed: a package is absent or damaged
        traceback.print_exc()
        print(
            f"mosharness: error: internal error: {type(error).__name__}: {error}. The installation is incomplete, or "
            "this is a defect of mosharness; install it again, or report it.",
            file=sys.stderr,
        )
        sys.exit(70)
    sys.exit(run_app(sys.argv[1:] if arguments is None else arguments))
