"""The command line: one module per verb, exit codes in one place."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code (see :data:`mosharness.harness.cli.boundary.EXIT_CODES`)."""
    from ..core.quiet import messages_apart

    words = sys.argv[1:] if arguments is None else arguments
    messages_apart()
    try:
        if _is_plain_listing(words):
            from .boundary import exit_code_of
            from .listing import list_names

            sys.exit(exit_code_of(lambda: list_names(words[1], as_json="--json" in words)))
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
    sys.exit(run_app(words))


def _is_plain_listing(words: list[str]) -> bool:
    """``ls tasks`` and ``ls predictors`` need no parser, which takes as long to load as the rest of the listing."""
    plain = words[:2] in (["ls", "tasks"], ["ls", "predictors"]) and set(words[2:]) <= {"--json"}
    return plain and not Path("mosharness.yaml").is_file()
