"""``python -m mosharness.tasks.demo.voices FOLDER``: write the embedded clips of free synthesizers."""

from __future__ import annotations

import argparse
import sys

from . import write


def main() -> int:
    """Write, say what; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m mosharness.tasks.demo.voices",
        description="Write embedded speech of free synthesizers, which nobody rated, as WAV files.",
    )
    parser.add_argument("folder", help="is made if absent")
    folder = parser.parse_args().folder
    try:
        counts = write(folder)
    except OSError as error:
        print(f"{folder}: the clips cannot be written there ({error.strerror or error})", file=sys.stderr)
        return 2
    listed = ", ".join(f"{name} {number} clips" for name, number in counts.items())
    print(f"{folder}: {listed}; card.md says what they are")
    return 0


if __name__ == "__main__":
    sys.exit(main())
