"""Measure the labels of the demo task: PESQ MOS-LQO of every degraded clip against its clean original.

    python -m mosharness.tasks.demo.measure           # writes labels.csv
    python -m mosharness.tasks.demo.measure --check   # measures again and compares; exit code 1 if any differs

It needs the package ``pesq`` (``uv pip install pesq``; a C compiler builds it), which mosharness itself does not: the
labels are stored. PESQ runs in mode ``wb`` (ITU-T P.862.2) on the 16-bit samples; four decimals are kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mosharness.harness.core.files import write_csv
from mosharness.tasks.demo.degrade import SAMPLE_RATE
from mosharness.tasks.demo.render import read_clip, render
from mosharness.tasks.demo.rows import labels, utterances
from mosharness.tasks.demo.systems import SPLITS

LABELS = Path(__file__).resolve().parent / "labels.csv"
TOLERANCE = 1e-3


def score(clip: str, path: str) -> float:
    """MOS-LQO of the file ``path`` against the clean clip, rounded to four decimals."""
    import soundfile
    from pesq import pesq

    degraded, _ = soundfile.read(path, dtype="int16")
    return round(float(pesq(SAMPLE_RATE, read_clip(clip), degraded, "wb")), 4)


def measure() -> dict[str, float]:
    """Render everything afresh and measure it; utterance id to MOS-LQO, in the order of the rows."""
    items = [item for split in SPLITS for item in utterances(split)]
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(os.cpu_count()) as pool:
        paths = render(Path(folder))
        files = [str(paths[item["utterance_id"]]) for item in items]
        values = list(pool.map(score, [item["clip"] for item in items], files, chunksize=8))
    return {item["utterance_id"]: value for item, value in zip(items, values, strict=True)}


def differences(measured: dict[str, float], stored: dict[str, float]) -> list[str]:
    """One line for each utterance that only one side has, or whose labels differ by more than 0.001."""
    lines = []
    for name in measured | stored:
        if name not in measured or name not in stored:
            lines.append(f"{name}: only {'stored' if name in stored else 'measured'}")
        elif abs(measured[name] - stored[name]) > TOLERANCE:
            lines.append(f"{name}: stored {stored[name]:.4f}, measured {measured[name]:.4f}")
    return lines


def main() -> int:
    """Measure, then write or compare; the exit code."""
    parser = argparse.ArgumentParser(description="Measure the labels of the demo task with PESQ.")
    parser.add_argument("--check", action="store_true", help="compare with labels.csv and write nothing")
    check = parser.parse_args().check
    if importlib.util.find_spec("pesq") is None:
        print("the package pesq is not installed: run `uv pip install pesq` first", file=sys.stderr)
        return 2
    measured = measure()
    if not check:
        write_csv(LABELS, ("utterance_id", "mos"), ((name, f"{value:.4f}") for name, value in measured.items()))
        print(f"{LABELS}: {len(measured)} labels written")
        return 0
    lines = differences(measured, labels())
    print("\n".join(lines) or f"all {len(measured)} labels agree within {TOLERANCE}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
