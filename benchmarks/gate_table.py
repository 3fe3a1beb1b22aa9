"""What passed a gate although every ear would object, rebuilt and gated: verdicts with signals, row by row.

    MOSHARNESS_NISQA_WEIGHTS=FOLDER python benchmarks/gate_table.py FOLDER FOLDER [FOLDER ...]

takes renderings of the same texts by one system. The second is treated in the ways of the table and gated against the
first by the default predictors and by nisqa with nisqa_tts, with every signal at its default. Then every ordered pair
of the renderings is gated as it is. Scores come from the prediction cache where it has them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

import numpy as np
import soundfile
from gate_signals import TREATMENTS
from mosharness.harness.audio.resample import resample
from mosharness.harness.gates.api import Loaded, gate
from mosharness.harness.gates.console import headline
from mosharness.harness.gates.schema import GateReport

SETS: Mapping[str, tuple[str, ...]] = {"default": (), "nisqa": ("nisqa", "nisqa_tts")}
SPEAKERS = 12
Build = Callable[[Path, Path], Mapping[str, object]]
"""Fills the second folder from the first; returns options of the gate."""


def each(treat: Callable[[np.ndarray, int], np.ndarray]) -> Build:
    """Every file treated."""

    def build(source: Path, target: Path) -> Mapping[str, object]:
        for path in clips(source):
            wave, rate = soundfile.read(path)
            soundfile.write(target / f"{path.stem}.flac", np.clip(treat(wave, rate), -1, 1 - 2**-15), rate)
        return {}

    return build


def clips(folder: Path) -> list[Path]:
    """Audio files of a folder."""
    return sorted(path for path in folder.iterdir() if path.suffix in (".flac", ".wav"))


def noisy(decibel: float) -> Build:
    """White noise at a ratio."""
    generator = np.random.default_rng(0)

    def treat(wave: np.ndarray, _: int) -> np.ndarray:
        return wave + generator.standard_normal(wave.size) * wave.std() * 10 ** (-decibel / 20)

    return each(treat)


def lower_rate(source: Path, target: Path) -> Mapping[str, object]:
    """Three quarters of the sampling rate, with leave to mix rates."""
    for path in clips(source):
        wave, rate = soundfile.read(path, dtype="float32")
        new = 16_000 if rate > 16_000 else 12_000
        soundfile.write(target / f"{path.stem}.flac", resample(wave, rate, new, "soxr_hq").samples, new)
    return {"allow_mixed_rates": True}


def cut_wav(source: Path, target: Path) -> Mapping[str, object]:
    """All as they are, one as a WAV without the second half of its bytes."""
    for path in clips(source):
        wave, rate = soundfile.read(path)
        soundfile.write(target / f"{path.stem}.wav", wave, rate, subtype="PCM_16")
    first = clips(target)[0]
    data = first.read_bytes()
    first.write_bytes(data[: int(0.55 * len(data))])
    return {}


def joined_mp3(source: Path, target: Path) -> Mapping[str, object]:
    """Two MP3 streams end to end: the first half of the clip, and a buzz."""
    for path in clips(source):
        wave, rate = soundfile.read(path)
        half, parts = wave.size // 2, b""
        for at, part in enumerate((wave[:half], buzz(wave.size - half, rate))):
            soundfile.write(target / f"part{at}.mp3", part, rate, format="MP3")
            parts += (target / f"part{at}.mp3").read_bytes()
            (target / f"part{at}.mp3").unlink()
        (target / f"{path.stem}.mp3").write_bytes(parts)
    return {}


def buzz(samples: int, rate: int) -> np.ndarray:
    """A sawtooth of 120 Hz."""
    return 0.3 * (2 * ((np.arange(samples) * 120 / rate) % 1) - 1)


def some_buzz(count: int) -> Build:
    """A few files replaced by a buzz, all others as they are."""

    def build(source: Path, target: Path) -> Mapping[str, object]:
        for at, path in enumerate(clips(source)):
            wave, rate = soundfile.read(path)
            soundfile.write(target / f"{path.stem}.flac", buzz(wave.size, rate) if at < count else wave, rate)
        return {}

    return build


def all_same(source: Path, target: Path) -> Mapping[str, object]:
    """The audio of one text in every file."""
    middle = clips(source)[len(clips(source)) // 2]
    for path in clips(source):
        shutil.copy(middle, target / path.name)
    return {}


TABLE: Mapping[str, Build] = {
    **{title: each(treat) for title, treat in TREATMENTS.items()},
    "lower sampling rate, --allow-mixed-rates": lower_rate,
    "one WAV with half its bytes gone": cut_wav,
    "second half destroyed, MP3s end to end": joined_mp3,
    "one text a buzz": some_buzz(1),
    "two texts a buzz": some_buzz(2),
    "all files the same audio": all_same,
    "noise at 40 dB": noisy(40),
    "noise at 10 dB": noisy(10),
}


def reasons(report: GateReport) -> str:
    """The verdict, and everything that is not a pass."""
    verdicts: dict[str, list[str]] = {"fail": [], "inconclusive": []}
    for entry in (*report.entries, *report.floors):
        if entry.verdict != "pass" and getattr(entry, "scope", "") != "pooled":
            verdicts[entry.verdict].append(entry.name)
    parts = [f"{kind}: {', '.join(dict.fromkeys(names))}" for kind, names in verdicts.items() if names]
    errors = dict.fromkeys(finding.code for finding in report.findings if finding.level == "error")
    if errors:
        parts.append(f"errors: {', '.join(errors)}")
    return f"**{report.verdict}**" + (f" ({'; '.join(parts)})" if parts else "")


def speakers(sources: tuple[Path, Path], folder: Path) -> tuple[Path, Path]:
    """Both renderings as :data:`SPEAKERS` folders; one folder of the candidate is noisy."""
    sides = []
    for source, name in zip(sources, ("old", "new"), strict=True):
        for at in range(SPEAKERS):
            target = folder / name / f"speaker{at:02d}"
            target.mkdir(parents=True)
            if name == "new" and at == 7:
                noisy(33)(source, target)
                continue
            for path in clips(source):
                shutil.copy(path, target / path.name)
        sides.append(folder / name)
    return sides[0], sides[1]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    given = parser.parse_args()
    sets = {name: SETS[name] for name in given.sets or SETS if name != "nisqa" or os.environ.get(WEIGHTS)}
    baseline, again = given.folders[:2]
    loaded: Loaded = {}
    print(f"| every file of {again.name} against {baseline.name} | {' | '.join(sets)} |\n|---|{'---|' * len(sets)}")
    for title, build in TABLE.items():
        with tempfile.TemporaryDirectory() as place:
            options = build(again, Path(place))
            row = [reasons(gate(baseline, place, names, loaded=loaded, **options)) for names in sets.values()]
        print(f"| {title} | {' | '.join(row)} |", flush=True)
    with tempfile.TemporaryDirectory() as place:
        sides = speakers((baseline, again), Path(place))
        for title, options in (("", {}), (", --slice folder", {"slice_by": ("folder",)})):
            reports = [gate(*sides, names, loaded=loaded, **options) for names in sets.values()]
            row = [f"{reasons(report)} {speaker_words(report)}" for report in reports]
            print(f"| one of {SPEAKERS} speakers noisy{title} | {' | '.join(row)} |", flush=True)
    print("\n| baseline, candidate | " + " | ".join(sets) + " |\n|---|" + "---|" * len(sets))
    for old, new in permutations(given.folders, 2):
        row = []
        for names in sets.values():
            report = gate(old, new, names, loaded=loaded)
            found = [finding.code for finding in report.findings if finding.level != "note"]
            row.append(f"{headline(report)}; findings: {', '.join(found) or 'none'}")
        print(f"| {old.name}, {new.name} | {' | '.join(row)} |", flush=True)


def speaker_words(report: GateReport) -> str:
    """What is said of folders: the warning, and the slices that failed."""
    warned = [finding.message for finding in report.findings if finding.code == "unnamed_slices"]
    failed = [f"{entry.name} {entry.voice}" for entry in report.entries if entry.scope == "slice"]
    failed = [
        f"{entry.name} of {entry.voice}"
        for entry in report.entries
        if entry.scope == "slice" and entry.verdict == "fail"
    ]
    return "; ".join([*warned, *failed])


WEIGHTS = "MOSHARNESS_NISQA_WEIGHTS"

if __name__ == "__main__":
    main()
