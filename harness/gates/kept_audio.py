"""Compressed copies of a baseline's audio beside its file: a report can play what the candidate is judged by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..audio.read import AudioLimits, read_audio
from ..audio.resample import resample
from ..core.errors import DataError
from ..core.files import atomic_write
from .baseline import SUFFIX, ScoredSide, audio_folder
from .schema import GateFinding
from .sides import Rendering

RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Sampling rates that Opus knows."""


def keep_audio(side: ScoredSide, baseline: Path) -> tuple[ScoredSide, list[GateFinding]]:
    """Write a copy of every file as Ogg Opus; copies of audio that is no longer in the baseline go.

    Args:
        side: Scored files; those of a saved baseline have no audio to copy.
        baseline: File of the baseline, which the copies lie beside.

    Returns:
        The side whose renderings name their copies, and what was noticed.

    Raises:
        DataError: If a copy cannot be written.
    """
    folder = audio_folder(baseline)
    done: list[Rendering] = []
    wanted: set[Path | None] = set()
    try:
        folder.mkdir(exist_ok=True)
        for file in side.renderings:
            target = folder / f"{file.content[:24]}{SUFFIX}"
            if file.path is None:
                done.append(file)
                continue
            if not target.is_file():
                write_opus(file.path, target)
            done.append(replace(file, audio=target))
        wanted = {file.audio for file in done}
        for path in folder.glob(f"*{SUFFIX}"):
            if path not in wanted:
                path.unlink()
        size = sum(path.stat().st_size for path in folder.glob(f"*{SUFFIX}"))
    except OSError as error:
        raise DataError(f"{folder}: the audio cannot be kept ({error.strerror or error})") from error
    message = f"{len(wanted)} clips are kept in {folder} ({size / 1e6:.1f} MB); keep that folder beside {baseline.name}"
    return replace(side, renderings=done), [GateFinding("note", "kept_audio", message, "baseline")]


def write_opus(source: Path, target: Path) -> None:
    """Decode a file and write it as mono Ogg Opus at the next rate that Opus knows."""
    import soundfile

    clip = read_audio(source, AudioLimits(max_seconds=None))
    rate = next((rate for rate in RATES if rate >= clip.sample_rate), RATES[-1])
    samples = clip.samples
    if rate != clip.sample_rate:
        samples = resample(samples, clip.sample_rate, rate, "soxr_hq").samples
    with atomic_write(target, "wb") as stream:
        soundfile.write(stream, samples.clip(-1, 1), rate, format="OGG", subtype="OPUS")
