"""What do the checks cost, and do threads help? The audio reader against a bare soundfile.read, in one process.

    python benchmarks/decode.py
    python benchmarks/decode.py --clips 200 --threads 4

Reads generated clips (5 s of noise, 16-bit) from a temporary folder: WAV at 16 kHz, FLAC at 48 kHz, stereo WAV at
48 kHz. Prints the best of five rounds each, and the ratios. The bare way neither mixes channels nor checks anything.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile
from mosharness.harness.audio.read import read_audio

SECONDS = 5
KINDS = {"wav 16 kHz": ("wav", 16_000, 1), "flac 48 kHz": ("flac", 48_000, 1), "stereo wav 48 kHz": ("wav", 48_000, 2)}


def best(function: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of the fastest round."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Write the clips, time each way, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for kind, (suffix, rate, channels) in KINDS.items():
            noise = random.normal(scale=0.1, size=(SECONDS * rate, channels)).clip(-0.9, 0.9)
            files = [Path(folder, f"{rate}-{channels}-{number}.{suffix}") for number in range(options.clips)]
            for file in files:
                soundfile.write(file, noise, rate, subtype="PCM_16")
            bare = best(lambda files=files: [soundfile.read(file, dtype="float32") for file in files])  # type: ignore[misc]
            ours = best(lambda files=files: [read_audio(file) for file in files])  # type: ignore[misc]
            with ThreadPoolExecutor(options.threads) as pool:
                threads = best(lambda files=files, pool=pool: list(pool.map(read_audio, files)))  # type: ignore[misc]
            per_clip = 1e3 / options.clips
            print(
                f"{kind:18} bare {bare * per_clip:6.2f} ms/clip, ours {ours * per_clip:6.2f} ms/clip, "
                f"ratio {ours / bare:.2f}; {options.threads} threads {ours / threads:.2f} times the speed of one"
            )


if __name__ == "__main__":
    main()
