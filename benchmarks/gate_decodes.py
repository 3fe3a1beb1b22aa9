"""How many files a gate decodes: 9 + 9 files, both NISQA predictors, first without scores in the cache, then with.

    MOSHARNESS_NISQA_WEIGHTS=FOLDER python benchmarks/gate_decodes.py BASELINE CANDIDATE [--keep FOLDER]

The first nine files of each folder are copied, so that nothing of an earlier gate is known; the prediction cache is an
empty folder of its own. Three gates run in one process: *cold* (nothing known), *warm* (the same again) and *changed*
(one candidate file rendered again). A decode is a file that is turned into samples. With ``--keep`` the reports are
written below that folder, to be compared. Exits with 1 unless the counts are 18, 0 and 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

FILES = 9
EXPECTED = {"cold": 2 * FILES, "warm": 0, "changed": 1}


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
    """The files that are decoded within the block: every decoded file passes the checks of the reader once."""
    import mosharness.harness.audio.read as reader

    decoded: list[str] = []
    original = reader.check_samples

    def check(samples: Any, *arguments: Any, path: str = "", **options: Any) -> Any:
        decoded.append(path)
        return original(samples, *arguments, path=path, **options)

    reader.check_samples = check
    try:
        yield decoded
    finally:
        reader.check_samples = original


def gate(place: Path, report: Path) -> tuple[int, float]:
    """Run one gate; how many files it decoded and how long it took."""
    from mosharness.harness.cli.app import run_app

    report.mkdir(parents=True, exist_ok=True)
    command = ["gate", "--baseline", str(place / "baseline"), "--candidate", str(place / "candidate")]
    command += ["--predictor", "nisqa", "--predictor", "nisqa_tts", "--min-n", "5", "--report", str(report), "--quiet"]
    started = time.perf_counter()
    with counted() as decoded, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = run_app([*command, "--device", "cpu"])
    assert code in (0, 1, 3), code
    return len(decoded), time.perf_counter() - started


def main() -> int:
    """Print the table; 1 when a count is not the expected one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("baseline", type=Path)
    parser.add_argument("candidate", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for the reports")
    arguments = parser.parse_args()
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ["MOSHARNESS_CACHE"] = str(place / "cache")
        for side in ("baseline", "candidate"):
            (place / side).mkdir()
            for path in sorted(getattr(arguments, side).iterdir())[:FILES]:
                shutil.copy(path, place / side / path.name)
        print(
            f"{FILES} + {FILES} files, nisqa and nisqa_tts\n\n| gate | files decoded | seconds |\n| --- | ---: | ---: |"
        )
        for name in EXPECTED:
            if name == "changed":
                path = min((place / "candidate").iterdir())
                samples, rate = soundfile.read(path, dtype="float32")
                soundfile.write(path, np.asarray(0.99 * samples), rate, subtype="PCM_16")
            counts[name], seconds = gate(place, (arguments.keep or place / "reports") / name)
            print(f"| {name} | {counts[name]} | {seconds:.2f} |")
    print(f"\nas expected: {'yes' if counts == EXPECTED else 'NO'}")
    return 0 if counts == EXPECTED else 1


if __name__ == "__main__":
    sys.exit(main())
