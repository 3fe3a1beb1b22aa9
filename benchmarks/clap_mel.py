"""How fast is CLAP's mel front end? Ours against ``ClapFeatureExtractor`` of transformers, one process, taking turns.

    python benchmarks/clap_mel.py
    python benchmarks/clap_mel.py --repeat 31 --json

Both sides get the same clips (fixed lengths, 48 kHz, float32) and do the same work: fill the window up by repetition
and make 1001 frames of 64 mel bands in decibels. Medians over alternating rounds: torch set to one thread, to two, and
two clips at once as the decoding threads take them (the extractor is numpy and uses one thread). Exits with 1 when the
results differ by more than 2e-4 dB, when ours is less than 8 times as fast with one thread, or when a setting of two
threads makes it slower by more than a quarter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from mosharness.predictors.layers.clap.mel import fill_window, log_mel
from mosharness.predictors.layers.clap.shapes import HIGHEST_HZ, LOWEST_HZ, SAMPLE_RATE

LENGTHS_S = (10.0, 3.3, 7.5, 1.2, 9.9)
TOLERANCE_DB = 2e-4
REQUIRED = 8.0
SLOWER = 1.25
CALLS = 8  # of ours in one turn, so that a turn is as long as one of the extractor


def sound(seconds: float, seed: int) -> np.ndarray:
    """A tone, a rising tone and noise."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = np.random.default_rng(seed).standard_normal(time.size)
    rising = np.sin(2 * np.pi * (300.0 + 50.0 * time) * time)
    return (0.3 * np.sin(2 * np.pi * 220.0 * time) + 0.2 * rising + 0.05 * noise).astype(np.float32)


def timed(work: Callable[[], Any], times: int) -> tuple[float, float]:
    """Wall and processor seconds of one call, the mean of several."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(times):
        work()
    return (time.perf_counter() - wall) / times, (time.process_time() - processor) / times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=15, help="rounds; every way runs once in each")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=LOWEST_HZ, frequency_max=HIGHEST_HZ)
    clips = [sound(seconds, at) for at, seconds in enumerate(LENGTHS_S)]

    def theirs() -> list[np.ndarray]:
        return [
            extractor(clip, sampling_rate=SAMPLE_RATE, return_tensors="np")["input_features"][0, 0] for clip in clips
        ]

    def ours() -> list[np.ndarray]:
        return [log_mel(fill_window(clip)) for clip in clips]

    pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,))

    def at_once() -> list[np.ndarray]:
        return list(pool.map(lambda clip: log_mel(fill_window(clip)), clips))

    apart = max(float(np.abs(one - other).max()) for one, other in zip(ours(), theirs(), strict=True))
    ways = {
        "transformers": (1, 1, theirs),
        "ours, 1 thread": (1, CALLS, ours),
        "ours, 2 threads": (2, CALLS, ours),
        "ours, 2 at once": (2, CALLS, at_once),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(given.repeat + 1):
        for name, (threads, times, work) in ways.items():
            torch.set_num_threads(threads)
            spent = timed(work, times)
            if turn:  # the first turn warms up
                seconds[name].append(spent)
    medians, processor = (
        {name: statistics.median(value[kind] for value in values) / len(clips) for name, values in seconds.items()}
        for kind in (0, 1)
    )
    one, two = medians["ours, 1 thread"], medians["ours, 2 threads"]
    ratio, scaling = medians["transformers"] / one, two / one
    found = {
        "milliseconds_per_clip": {name: round(1e3 * value, 3) for name, value in medians.items()},
        "processor_milliseconds_per_clip": {name: round(1e3 * value, 3) for name, value in processor.items()},
        "times_as_fast_1_thread": round(ratio, 2),
        "times_as_fast_2_threads": round(medians["transformers"] / two, 2),
        "times_as_fast_2_at_once": round(medians["transformers"] / medians["ours, 2 at once"], 2),
        "two_threads_to_one": round(scaling, 3),
        "largest_difference_db": apart,
        "clips": len(clips),
        "rounds": given.repeat,
    }
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"CLAP's log-mel, {len(clips)} clips of {', '.join(map(str, LENGTHS_S))} s, {given.repeat} rounds")
        for name, value in medians.items():
            print(
                f"  {name:16s} {1e3 * value:8.2f} ms a clip {medians['transformers'] / value:7.2f} x   processor time "
                f"{1e3 * processor[name]:7.2f} ms {processor['transformers'] / processor[name]:7.2f} x"
            )
        print(f"  largest difference {apart:.1e} dB; two threads take {scaling:.2f} of the time of one")
    faults = []
    if apart > TOLERANCE_DB:
        faults.append(f"differs by {apart:.1e} dB ({TOLERANCE_DB:g} allowed)")
    if ratio < REQUIRED:
        faults.append(f"only {ratio:.2f} times as fast with one thread ({REQUIRED:g} required)")
    if scaling > SLOWER:
        faults.append(f"two threads take {scaling:.2f} of the time of one")
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
