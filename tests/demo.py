"""What ``make demo`` does: train, evaluate on unseen systems and speakers, write and show a leaderboard."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from mosharness.harness.cli.app import run_app


def main(place: Path) -> int:
    """Run the three commands, saying each; returns the first exit code that is not 0."""
    clock = time.perf_counter()
    results, boards = place / "results", place / "leaderboards"
    commands = [
        ["run", "--task", "demo", "--predictor", "dsp", "--train", "--output", str(results)],
        ["verify", str(results / "demo" / "test" / "dsp")],
        ["leaderboard", "--results", str(results), "--output", str(boards), "--task", "demo"],
    ]
    for command in commands:
        print(f"\n$ mosharness {' '.join(command)}", flush=True)
        code = run_app(command)
        if code:
            return code
    print(f"\n{(boards / 'demo.md').read_text('utf-8')}")
    print(f"leaderboard: {boards / 'demo.md'}")
    for plot in sorted(boards.rglob("*.png")):
        print(f"plot:        {plot}")
    print(f"work took {time.perf_counter() - clock:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="mosharness-demo-"))))
