"""How fast and how exact is our cochlea? Against brian2hears, in one process, on one thread.

    python benchmarks/cochlea.py
    python benchmarks/cochlea.py --rounds 5 --front-end nyquist
    python benchmarks/cochlea.py --device cuda      # adds batches on a GPU

A speech-like clip of 10 s through 128 channels, cube root and means at 40 Hz included. The reference is the Gammatone
filter bank of brian2hears in float64 (``pip install brian2hears``; its one attribute that numpy 2 has dropped is
mended here while it is imported): its pure numpy path, and, where a compiler is at hand, its Cython path. The ways take
turns, round by round; times are processor seconds, wall time is printed beside. ``lfilter`` is the four sections by
torchaudio, with the same cube root and means. Prints seconds per second of audio, the ratio to the numpy path, and the
largest errors of the pooled values: absolute, relative where the reference exceeds 0.01, and absolute in digital
silence behind a burst. First of all, the memory that a file of 10 minutes adds. Exits with 1 when ours (float32) is
less than 20 times as fast, misses an error bound, or adds 256 MiB or more; also when brian2hears is not installed, so
that nothing could be measured against it.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from mosharness.predictors.apgmos.auditory.cochlea import Cochlea
from mosharness.predictors.apgmos.auditory.gammatone import coefficients
from mosharness.predictors.conformance import speech_like

RATE, CHANNELS, POOL = 16_000, 128, 400
REFERENCE = "brian2hears, numpy"
REQUIRED_RATIO, MEMORY_LIMIT = 20.0, 256.0
BOUNDS = {"float32": (1e-4, 6e-3), "float64": (1e-6, 1e-4)}  # pooled, silence behind a burst
BLOCKS = {"16384/4096": (16_384, 4096), "8192/2048": (8192, 2048)}
Array = np.ndarray[Any, Any]


# --- the reference ----------------------------------------------------------------------------------------------------


class _WithoutPtp(importlib.machinery.SourceFileLoader):
    """Reads brian2's units with ``np.ptp`` for ``np.ndarray.ptp``, which numpy 2 has no more."""

    def get_code(self, fullname: str) -> Any:
        source = self.get_data(self.path).replace(b"np.ndarray.ptp", b"np.ptp")
        return self.source_to_code(source, self.path)


class _Finder:
    """Puts :class:`_WithoutPtp` in the way of one module."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name != "brian2.units.fundamentalunits":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _WithoutPtp(spec.loader.name, spec.loader.path)
        return spec


def reference() -> Callable[[Array, tuple[float, float], bool], Array] | None:
    """Wave, range and whether by Cython, to pooled cochleagram; ``None`` if brian2hears is not installed."""
    if importlib.util.find_spec("brian2hears") is None:
        return None
    sys.meta_path.insert(0, _Finder())  # type: ignore[arg-type]
    import brian2
    import brian2hears

    brian2.prefs.codegen.target = "numpy"

    def run(wave: Array, ends: tuple[float, float], cython: bool) -> Array:
        sound = brian2hears.Sound(wave[:, None].astype(np.float64), samplerate=RATE * brian2.Hz)
        centres = brian2hears.erbspace(ends[0] * brian2.Hz, ends[1] * brian2.Hz, CHANNELS)
        bank = brian2hears.Gammatone(sound, centres)
        if cython and not bank.use_cython:
            raise RuntimeError("brian2hears found no compiler for its Cython path")
        bank.use_cython = cython
        electric = brian2hears.FunctionFilterbank(bank, lambda values: 3 * np.clip(values, 0, np.inf) ** (1 / 3))
        full = np.asarray(electric.process(duration=len(wave)))
        return full[: len(full) // POOL * POOL].reshape(-1, POOL, CHANNELS).mean(1)

    return run


def by_lfilter(wave: Array, cochlea: Cochlea, dtype: torch.dtype) -> Array:
    """The four second-order sections by torchaudio, one after the other."""
    from torchaudio.functional import lfilter

    numerators, denominators = (torch.from_numpy(one) for one in coefficients(cochlea.centre_frequencies, RATE))
    values = torch.from_numpy(wave).to(dtype)[None].expand(CHANNELS, -1)
    for stage in range(4):
        # the scale of 1/rate per stage cancels against the first stage's gain only at the end: spread it
        b = numerators[:, :, stage] * (RATE if stage else 1.0 / RATE**3)
        values = lfilter(values, denominators[:, :, stage].to(dtype), b.to(dtype), clamp=False, batching=True)
    roots = values[:, : values.shape[1] // POOL * POOL].clamp(min=0.0).pow(1 / 3)
    return 3.0 * roots.unflatten(-1, (-1, POOL)).mean(-1).T.numpy()


# --- memory -----------------------------------------------------------------------------------------------------------


def resident() -> float:
    """MiB of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def added(function: Callable[[], object]) -> float:
    """MiB by which the process grows at most while it runs, sampled every 2 ms."""
    before, highest, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            highest[0] = max(highest[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
        highest[0] = max(highest[0], resident())
    finally:
        done.set()
        watcher.join()
    return highest[0] - before


def chunks(minutes: float, size: int = RATE) -> Iterator[Array]:
    """Seconds of noise, one after the other."""
    random = np.random.default_rng(0)
    for _ in range(int(minutes * 60 * RATE / size)):
        yield (0.1 * random.standard_normal(size, dtype=np.float32)).astype(np.float32)


def grown_by(way: str, minutes: float) -> float:
    """MiB that a long file adds to this process: ``way`` is ``stream`` or ``tensor``, a space, a dtype."""
    kind, dtype = way.split()
    torch.fft.irfft(torch.fft.rfft(torch.randn(1, 16_384)), n=16_384)  # the libraries' own start-up
    if kind == "stream":
        return added(lambda: torch.cat(list(Cochlea(dtype=dtype).stream(chunks(minutes)))))
    wave = torch.from_numpy(np.concatenate(list(chunks(minutes))))[None]
    return added(lambda: Cochlea(dtype=dtype)(wave))


def memory(minutes: float) -> float:
    """Print what a long file adds, each way in a fresh process; the largest figure."""
    found = []
    for way in (f"{kind} {dtype}" for kind in ("stream", "tensor") for dtype in BOUNDS):
        command = [sys.executable, __file__, "--memory", way, "--minutes", str(minutes)]
        found.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        given = "beside the wave itself" if way.startswith("tensor") else "chunk by chunk"
        print(f"a file of {minutes:g} minutes, {way}: adds {found[-1]:.0f} MiB ({given}; tables and frames included)")
    return max(found)


# --- speed and errors -------------------------------------------------------------------------------------------------


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall time of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return time.process_time() - processor, time.perf_counter() - wall


def ours(cochlea: Cochlea) -> Callable[[Array], Array]:
    """Wave to pooled cochleagram."""
    return lambda wave: cochlea(torch.from_numpy(wave)[None])[0][0].numpy()


def on_gpu(device: str, length_s: float) -> None:
    """Batches on a GPU: seconds per second of audio."""
    cochlea = Cochlea().to(device)
    for clips in (1, 16, 64):
        waves = torch.randn(clips, int(length_s * RATE), device=device) * 0.1
        cochlea(waves)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(5):
            cochlea(waves)
        torch.cuda.synchronize()
        taken = (time.perf_counter() - start) / 5
        print(f"{device}, float32, {clips} clips of {length_s:g} s: {taken / clips / length_s:.2e} s per s of audio")


def make_ways(front_end: Any, probe: Array) -> dict[str, Callable[[Array], Array]]:
    """Name to a way from wave to pooled cochleagram; the reference first, where it is installed."""
    ways: dict[str, Callable[[Array], Array]] = {}
    plain = Cochlea(front_end)
    ends = plain.config.range
    original = reference()
    if original is None:
        print("brian2hears is not installed (pip install brian2hears): errors and ratios are against our float64")
    else:
        ways[REFERENCE] = lambda wave: original(wave, ends, False)
        try:
            original(probe, ends, True)
            ways["brian2hears, Cython"] = lambda wave: original(wave, ends, True)
        except Exception as error:  # no compiler, or one that fails: the row is left out, with the reason
            print(f"brian2hears, Cython: left out ({' '.join(str(error).split())[:100]})")
    for name, (block, overlap) in BLOCKS.items():
        for dtype in BOUNDS:
            ways[f"FFT {name} {dtype}"] = ours(Cochlea(front_end, dtype=dtype, block=block, overlap=overlap))
    if importlib.util.find_spec("torchaudio") is not None:
        ways["lfilter float64"] = lambda wave: by_lfilter(wave, plain, torch.float64)
        ways["lfilter float32"] = lambda wave: by_lfilter(wave, plain, torch.float32)
    return ways


def compare(front_end: Any, length_s: float, rounds: int) -> list[str]:
    """Print the table of times and errors; what was not met or not measured."""
    wave = speech_like(length_s, RATE, 0)
    burst = np.concatenate([wave[: RATE // 2], np.zeros(RATE // 2, np.float32)])
    ways = make_ways(front_end, burst)
    base = REFERENCE if REFERENCE in ways else "FFT 16384/4096 float64"
    found = {name: (way(wave), way(burst)) for name, way in ways.items()}  # also warms up
    truth, truth_burst = found[base]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            runs = [seconds(lambda way=way: way(wave)) for _ in range(5 if "FFT" in name else 1)]  # type: ignore[misc]
            times[name].append((statistics.median(one[0] for one in runs), statistics.median(one[1] for one in runs)))
    print(
        f"{length_s:g} s, {CHANNELS} channels, front end {front_end}, one thread, {rounds} rounds; pooled values 0 to "
        f"{truth.max():.2f}; machine load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':24} s per s of audio (wall)  times as fast   max abs   max rel  in silence   than {base}")
    faults = []
    if base != REFERENCE:
        faults.append(f"NOT MEASURED: speed and errors against {REFERENCE}, which is not installed")
    for name, taken in times.items():
        processor, wall = (statistics.median(one[at] for one in taken) / length_s for at in (0, 1))
        ratio = statistics.median(one[0] / other[0] for one, other in zip(times[base], taken, strict=True))
        error = np.abs(found[name][0] - truth)
        relative = (error[truth > 0.01] / truth[truth > 0.01]).max()
        silence = np.abs(found[name][1] - truth_burst).max()
        print(
            f"{name:24} {processor:12.4f} ({wall:.4f}) {ratio:14.1f} {error.max():9.1e} {relative:9.1e} {silence:11.1e}"
        )
        if name.startswith("FFT 16384"):
            bound, bound_silence = BOUNDS[name.split()[-1]]
            if error.max() > bound or silence > bound_silence:
                faults.append(f"NOT MET: {name}: errors above {bound:g} or, in silence, {bound_silence:g}")
        if base == REFERENCE and name == "FFT 16384/4096 float32" and ratio < REQUIRED_RATIO:
            faults.append(f"NOT MET: {name}: {ratio:.1f} times as fast as {base}, less than {REQUIRED_RATIO:g}")
    return faults


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the long file; 0 leaves it out")
    parser.add_argument("--front-end", choices=("paper", "nyquist"), default="nyquist")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--memory", help="only print the MiB that the long file adds: 'stream float32', 'tensor float64'"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        print(grown_by(options.memory, options.minutes))
        return 0
    largest = memory(options.minutes) if options.minutes else 0.0
    faults = compare(options.front_end, options.seconds, options.rounds)
    if largest >= MEMORY_LIMIT:
        faults.append(
            f"NOT MET: a file of {options.minutes:g} minutes adds {largest:.0f} MiB, {MEMORY_LIMIT:g} or more"
        )
    if options.device != "cpu" and torch.cuda.is_available():
        on_gpu(options.device, options.seconds)
    else:
        print("GPU: not measured")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
