"""How fast are ``dnsmos`` and ``distillmos``? Against the packages whose weights they take, in one process.

    python benchmarks/open_weights.py
    python benchmarks/open_weights.py --threads 1 --clips 16 --rounds 1

Needs the extra ``open`` (the packages are imported here, librosa with them). Clips of 2 to 15 s at 16 kHz (seeded),
in memory. The packages take one clip at a time with ``--threads`` threads of their runtime; ours is ``predict`` with
as many workers. The clips go in groups of eight; for each the two take turns, and who is first changes. Medians of the
groups' ratios, of wall and of processor time. DNSMOS of the package
always computes P.808 as well: our time for that is printed, and nothing is taken off. Then the difference on 8 clips
of 3 to 30 s at 8 to 48 kHz (``--skip-rates`` leaves it out), the start of ``mosharness predict`` on one clip, and the
size of the extra. Exits with 1 when outputs differ by more than 1e-3 or ``dnsmos`` is less than 2 times as fast.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from importlib.metadata import distribution
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mosharness.predictors import load_predictor

SAMPLE_RATE = 16_000
TOLERANCE = 1e-3
GROUPS = 8
REQUIRED = {"dnsmos": 2.0}
RATES = ((3.0, 8_000), (5.0, 11_025), (9.3, 16_000), (11.2, 22_050), (12.0, 24_000), (16.5, 32_000), (20.0, 44_100))
LONGEST = (30.0, 48_000)
PACKAGES = ("distillmos", "xls-r-sqa", "speechmos", "onnxruntime")
BROUGHT_ALONG = ("flatbuffers", "protobuf", "librosa", "numba", "llvmlite")


def clip(seconds: float, rate: int, seed: int) -> np.ndarray:
    """A harmonic tone with syllables in noise."""
    random = np.random.default_rng([7, seed])
    time_s = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(random.uniform(90, 250) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time_s))) / rate
    tone = sum(np.sin(order * phase) / order for order in range(1, 20))
    envelope = np.clip(np.sin(2 * np.pi * random.uniform(2, 5) * time_s) + 0.3, 0.0, None)
    wave = 0.1 * envelope * tone + 10 ** random.uniform(-4, -1.5) * random.standard_normal(time_s.size)
    return np.asarray(wave.clip(-1, 1), np.float32)


class Theirs:
    """The packages, each clip on its own, with so many threads in the runtime of ONNX."""

    def __init__(self, threads: int) -> None:
        # Python puts this script's folder first, where numba (of librosa) would take coverage.py for the package.
        sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
        import distillmos  # type: ignore[import-untyped]
        import onnxruntime  # type: ignore[import-untyped]
        from speechmos import dnsmos  # type: ignore[import-untyped]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession
        onnxruntime.InferenceSession = lambda path: session(path, options, providers=["CPUExecutionProvider"])
        self._dnsmos = dnsmos
        with redirect_stdout(StringIO()):
            self._distillmos: Any = distillmos.ConvTransformerSQAModel().eval()

    def dnsmos(self, wave: np.ndarray) -> list[float]:
        """Overall, signal, background, P.808."""
        scores = self._dnsmos.run(wave, SAMPLE_RATE)
        return [float(scores[name]) for name in ("ovrl_mos", "sig_mos", "bak_mos", "p808_mos")]

    def distillmos(self, wave: np.ndarray) -> list[float]:
        with torch.no_grad():
            return [float(self._distillmos(torch.from_numpy(wave)[None]))]


def spent(function: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of one call, in seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - processor


def compare(name: str, theirs: Theirs, waves: Sequence[np.ndarray], rounds: int, threads: int) -> tuple[float, float]:
    """Prints the times; gives how many times as fast ours is, and the largest difference."""
    predictor = load_predictor(name, device="cpu")
    one = getattr(theirs, name)
    found: dict[str, np.ndarray] = {}
    one(waves[0])
    predictor.predict(waves[:1], SAMPLE_RATE, workers=threads)

    def theirs_of(group: Sequence[np.ndarray]) -> None:
        found["theirs"] = np.array([one(wave) for wave in group])

    def ours_of(group: Sequence[np.ndarray]) -> None:
        found["ours"] = predictor.predict(group, SAMPLE_RATE, workers=threads)

    rows, largest = [], 0.0
    for at in range(rounds * GROUPS):
        group = waves[at % GROUPS :: GROUPS]
        torch.set_num_threads(threads)
        turns = [lambda: theirs_of(group), lambda: ours_of(group)]  # noqa: B023
        order = (0, 1) if at % 2 else (1, 0)
        pair = {turn: spent(turns[turn]) for turn in order}
        rows.append((pair[0], pair[1]))
        largest = max(largest, float(np.abs(found["ours"] - found["theirs"][:, : found["ours"].shape[1]]).max()))
    for who, at in (("package", 0), ("ours", 1)):
        wall, processor = (sum(row[at][kind] for row in rows) / rounds for kind in (0, 1))
        print(
            f"{name:10} {who:8} {wall:7.1f} s wall, {processor:7.1f} s of processors, {wall / len(waves):.2f} s a clip"
        )
    ratios = [[first[kind] / second[kind] for first, second in rows] for kind in (0, 1)]
    wall, processor = (statistics.median(values) for values in ratios)
    print(f"{name:10} {wall:.2f} times as fast ({processor:.2f} by processor time), largest difference {largest:.1e}")
    return wall, largest


def at_other_rates(theirs: Theirs, folder: Path) -> float:
    """Largest difference on files at several rates and lengths, each package resampling as its own program does."""
    import librosa
    import soundfile
    import torchaudio

    largest = 0.0
    for seed, (seconds, rate) in enumerate((*RATES, LONGEST)):
        path = folder / f"{rate}.wav"
        soundfile.write(path, clip(seconds, rate, 100 + seed), rate, subtype="FLOAT")
        samples = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        resampled = samples if rate == SAMPLE_RATE else torchaudio.transforms.Resample(rate, SAMPLE_RATE)(samples)
        wanted = theirs.distillmos(resampled.numpy()) + theirs.dnsmos(librosa.load(path, sr=SAMPLE_RATE)[0].clip(-1, 1))
        names = ("distillmos", "dnsmos", "dnsmos_p808")
        found = np.concatenate([load_predictor(name, device="cpu").predict([path])[0] for name in names])
        difference = float(np.abs(found - wanted).max())
        print(f"{seconds:5.1f} s at {rate:5} Hz: largest difference {difference:.1e}")
        largest = max(largest, difference)
    return largest


def size_mb(name: str) -> float:
    """Size of an installed distribution in MB."""
    files = distribution(name).files or []
    return sum(path.stat().st_size for path in (Path(str(one.locate())) for one in files) if path.is_file()) / 1e6


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--skip-rates", action="store_true")
    options = parser.parse_args()
    lengths = np.random.default_rng(1).uniform(2.0, 15.0, options.clips)
    waves = [clip(seconds, SAMPLE_RATE, at) for at, seconds in enumerate(lengths)]
    print(f"{len(waves)} clips, {lengths.sum():.0f} s, {options.threads} threads, {options.rounds} rounds")
    theirs = Theirs(options.threads)
    faults = []
    for name in ("dnsmos", "distillmos"):
        ratio, largest = compare(name, theirs, waves, options.rounds, options.threads)
        if largest > TOLERANCE or ratio < REQUIRED.get(name, 0.0):
            faults.append(name)
    small = load_predictor("dnsmos_p808", device="cpu")
    wall, processor = spent(lambda: small.predict(waves, SAMPLE_RATE, workers=options.threads))
    print(f"dnsmos_p808, which the package computes as well: ours {wall:.1f} s wall, {processor:.1f} s of processors")
    with tempfile.TemporaryDirectory() as folder:
        if not options.skip_rates and at_other_rates(theirs, Path(folder)) > TOLERANCE:
            faults.append("rates")
        import soundfile

        path = Path(folder, "clip.wav")
        soundfile.write(path, clip(3.0, SAMPLE_RATE, 0), SAMPLE_RATE)
        for name in ("distillmos", "dnsmos", "dnsmos_p808", "plcmos"):
            command = [str(Path(sys.executable).with_name("mosharness")), "predict", str(path), "--predictor", name]
            command += ["--no-cache", "--device", "cpu"]
            times = [spent(lambda: subprocess.run(command, check=True, capture_output=True))[0] for _ in range(3)]  # noqa: B023
            print(f"start of predict with {name}, one clip of 3 s: {statistics.median(times):.1f} s")
    sizes = {name: size_mb(name) for name in PACKAGES + BROUGHT_ALONG}
    print(f"extra on disk: {sum(sizes.values()):.0f} MB ({', '.join(f'{one} {sizes[one]:.0f}' for one in sizes)})")
    print("failed: " + ", ".join(faults) if faults else "all within their limits")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
