"""The room that renderings of one system leave the margins of a gate's signals, and what treatments do to them.

``python benchmarks/gate_signals.py FOLDER FOLDER [FOLDER ...]`` takes renderings of the same texts by the same system.
For every ordered pair, with all texts and with random subsets of ``--texts``, it gates the signals alone and prints how
often each fails or stays undecided, and the smallest margin at which 99 % of these gates pass. Then it treats the
second rendering and gates it against the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
from mosharness.harness.audio.read import AudioLimits, read_audio
from mosharness.harness.audio.signals import measure_signals
from mosharness.harness.gates.options import GateOptions, PerScore
from mosharness.harness.gates.signals import SIGNALS, compare_signals
from mosharness.harness.gates.units import TextScores

Wave = tuple[np.ndarray, int]
Treat = Callable[[np.ndarray, int], np.ndarray]


def padded(lead: float, trail: float) -> Treat:
    """Silence before and behind, in s."""
    return lambda wave, rate: np.concatenate([np.zeros(int(lead * rate)), wave, np.zeros(int(trail * rate))])


def band(hertz: float) -> Treat:
    """Nothing above a frequency."""

    def limited(wave: np.ndarray, rate: int) -> np.ndarray:
        spectrum = np.fft.rfft(wave)
        spectrum[np.fft.rfftfreq(wave.size, 1 / rate) > hertz] = 0
        return np.fft.irfft(spectrum, wave.size)

    return limited


TREATMENTS: Mapping[str, Treat] = {
    "last 0.6 s twice more": lambda wave, rate: np.concatenate([wave, *[wave[-int(0.6 * rate) :]] * 2]),
    "2 s of silence behind": padded(0, 2),
    "1 s of silence before": padded(1, 0),
    "0.5 s of silence before": padded(0.5, 0),
    "last 22 % missing": lambda wave, rate: wave[: int(0.78 * wave.size)],
    "pause of 0.4 s within": lambda wave, rate: np.insert(wave, wave.size // 2, np.zeros(int(0.4 * rate))),
    "nothing above 8 kHz": band(8_000),
    "nothing above 3.4 kHz": band(3_400),
    "6 dB softer": lambda wave, rate: wave / 2,
    "6 times louder, clipped": lambda wave, rate: np.clip(6 * wave, -1, 1),
    "5 % slower": lambda wave, rate: np.interp(np.arange(0, wave.size, 1 / 1.05), np.arange(wave.size), wave),
}


def read_folder(folder: Path) -> dict[str, Wave]:
    """Every clip of a folder by its name without suffix."""
    limits = AudioLimits(max_seconds=60.0)
    clips = {path.stem: read_audio(path, limits) for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: (clip.samples, clip.sample_rate) for name, clip in clips.items()}


def texts_of(clips: Mapping[str, Wave], treat: Treat | None = None) -> dict[str, TextScores]:
    """Signals of every clip."""
    found = {}
    for name, (wave, rate) in clips.items():
        treated = wave if treat is None else treat(wave.astype(np.float64), rate).astype(np.float32)
        found[name] = TextScores(name, name, {}, "", measure_signals(treated, rate))
    return found


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--subsets", type=int, default=50)
    given = parser.parse_args()
    sides = {folder.name: texts_of(read_folder(folder)) for folder in given.folders}
    common = sorted(set.intersection(*(set(side) for side in sides.values())))
    generator = np.random.default_rng(0)
    counts = {name: {"pass": 0, "fail": 0, "inconclusive": 0} for name in SIGNALS}
    needed: dict[str, list[float]] = {name: [] for name in SIGNALS}
    options = GateOptions(margin=PerScore(0.2))
    for old, new in permutations(sides.values(), 2):
        for at in range(given.subsets + 1):
            some = common if at == 0 else sorted(generator.choice(common, min(given.texts, len(common)), replace=False))
            for one in compare_signals([old[key] for key in some], [new[key] for key in some], options):
                counts[one.name][one.verdict] += 1
                bounds = (one.lower, one.upper) if one.two_sided else (one.lower,)
                needed[one.name].append(
                    max(0.0, *(abs(bound) if one.two_sided else -bound for bound in bounds if bound is not None), 0.0)
                )
    print(f"{len(sides)} renderings, {len(common)} texts; gates with all texts and {given.subsets} times {given.texts}")
    print("| signal | margin | fail | inconclusive | pass | margin for 99 % |\n|---|---|---|---|---|---|")
    for name, found in counts.items():
        print(
            f"| `{name}` | {SIGNALS[name].margin:g} {SIGNALS[name].unit} | {found['fail']} | {found['inconclusive']} | "
            f"{found['pass']} | {np.quantile(needed[name], 0.99):.3g} |"
        )
    first, second = given.folders[:2]
    old, clips = sides[first.name], read_folder(second)
    print(f"\n| every file of {second.name} | signals that fail against {first.name} |\n|---|---|")
    for title, treat in TREATMENTS.items():
        new = texts_of(clips, treat)
        found_now = compare_signals([old[key] for key in common], [new[key] for key in common], options)
        failed = [f"`{one.name}` {one.mean_diff:+.2f}" for one in found_now if one.verdict == "fail"]
        print(f"| {title} | {', '.join(failed) or 'none'} |")


if __name__ == "__main__":
    main()
