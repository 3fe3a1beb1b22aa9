"""How long a gate takes on 40 + 40 clips of 3 s with the default predictors and signals, start-up included, on what.

    python benchmarks/gate_time.py FOLDER_WITH_SPEECH [--predictor P ...]

The clips are cut from the speech in the folder (repeated where it is shorter), the candidate is the same a little
quieter with a trace of noise, so that nothing is byte-identical. Each repetition is a new process bound to two cores,
first without the prediction cache, then with every score in it. Parts are those of ``seconds`` in ``gate.json``;
*start and end of the program* is what the clock on the wall has beyond them: interpreter, imports, command line,
report. Exits with 1 when the median is 5 s or more, or 1.5 s or more with all scores cached.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

CLIPS, SECONDS = 40, 3.0
LIMITS_S = {False: 5.0, True: 1.5}
"""By whether all scores are cached."""
PARTS = {
    "load": "pairing files, loading torch and weights",
    "listen": "decoding and checks",
    "score": "scoring (mel spectrograms, networks)",
    "decide": "statistics",
}


def make_clips(source: Path, folder: Path) -> None:
    """Write ``baseline`` and ``candidate`` with :data:`CLIPS` clips each."""
    waves = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".wav", ".flac"))
    if not waves:
        raise SystemExit(f"{source}: no wav or flac files")
    generator = np.random.default_rng(0)
    for at in range(CLIPS):
        samples, rate = soundfile.read(waves[at % len(waves)], dtype="float32")
        samples = samples if samples.ndim == 1 else samples.mean(axis=1)
        length, start = int(SECONDS * rate), at // len(waves) * rate // 7
        clip = np.resize(samples[start:], length)
        quieter = 0.97 * clip + 1e-4 * generator.standard_normal(length)
        for side, ready in (("baseline", clip), ("candidate", quieter)):
            (folder / side).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / side / f"{at:02d}.wav", ready.clip(-0.999, 0.999), rate, subtype="PCM_16")


def one_run(folder: Path, cores: set[int], predictors: list[str], cached: bool) -> dict[str, float]:
    """Seconds by part, and ``wall`` and ``cpu`` of the whole process."""
    command = [sys.executable, "-m", "mosharness", "gate", "--json", "--device", "cpu"]
    command += ["--baseline", str(folder / "baseline"), "--candidate", str(folder / "candidate")]
    command += [word for name in predictors for word in ("--predictor", name)]
    command += [] if cached else ["--no-cache"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "MOSHARNESS_CACHE": str(folder / "cache")},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1, 3):
        raise SystemExit(done.stderr)
    result = json.loads(done.stdout)
    assert result["predictors"][0]["n"] == CLIPS
    parts: dict[str, float] = {name: result["seconds"][name] for name in PARTS}
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**parts, "outside": wall - result["seconds"]["all"], "wall": wall, "cpu": cpu}


def main() -> int:
    """Print the table; 1 when the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path, help="folder of wav or flac files with speech")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--predictor", action="append", default=[])
    arguments = parser.parse_args()
    cores = set(sorted(os.sched_getaffinity(0))[:2])
    met = True
    chosen = ", ".join(arguments.predictor) or "default predictors"
    print(f"{CLIPS} + {CLIPS} clips of {SECONDS:g} s, {chosen}, all signals")
    with tempfile.TemporaryDirectory() as place:
        make_clips(arguments.speech, Path(place))
        for cached, limit in LIMITS_S.items():
            if cached:
                one_run(Path(place), cores, arguments.predictor, cached)
            runs = [one_run(Path(place), cores, arguments.predictor, cached) for _ in range(arguments.repeat)]
            met &= show(runs, "all scores cached" if cached else "nothing cached", limit, len(cores))
    return 0 if met else 1


def show(runs: list[dict[str, float]], title: str, limit: float, cores: int) -> bool:
    """Print one table; whether the limit is met."""
    print(f"\n{title}, {cores} cores, {len(runs)} runs; load of the machine: {os.getloadavg()[0]:.1f}\n")
    print("| part | median, s | lowest, s |\n| --- | ---: | ---: |")
    names = {
        "outside": "start and end of the program",
        **PARTS,
        "wall": "**all, on the wall**",
        "cpu": "CPU time of both cores",
    }
    for name, words in names.items():
        values = [run[name] for run in runs]
        print(f"| {words} | {statistics.median(values):.2f} | {min(values):.2f} |")
    met = statistics.median(run["wall"] for run in runs) < limit
    print(f"\nunder {limit:g} s: {'yes' if met else 'NO'}")
    return met


if __name__ == "__main__":
    sys.exit(main())
