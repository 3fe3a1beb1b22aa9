"""Make a folder of every odd audio file we could think of, and say what must happen to each.

Also a program: ``python tests/cli/bad_inputs.py`` scores the folder and prints the table of ``docs/bad-inputs.md``.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000


@dataclass(frozen=True)
class Odd:
    """One odd input: its file name, what it is, how it is made, and what must come of it."""

    name: str
    what: str
    make: Callable[[Path], object]
    status: str
    code: str = ""


def speech(seconds: float = 1.0, rate: int = RATE, level: float = 0.2) -> np.ndarray:
    """Noise with a slow envelope: active, neither clipped nor silent."""
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(7).standard_normal(time.size)
    return (level * noise * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))).clip(-0.95, 0.95)


def sound(
    samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16", form: str | None = None
) -> Callable[[Path], object]:
    def make(path: Path) -> object:
        with path.open("wb") as stream:
            kind = form or {".ogg": "OGG", ".opus": "OGG"}.get(path.suffix.lower(), path.suffix[1:].upper())
            soundfile.write(stream, samples, rate, subtype=subtype, format=kind)
        return None

    return make


def wave_header(data_bytes: int, rate: int = RATE, channels: int = 1) -> bytes:
    fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    riff = min(data_bytes + 36, 0xFFFFFFFF)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", data_bytes)
    )


def pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def raw(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def cut(make: Callable[[Path], object], keep: float) -> Callable[[Path], object]:
    def made(path: Path) -> object:
        make(path)
        return path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    return made


def joined(*makes: Callable[[Path], object]) -> Callable[[Path], object]:
    def made(path: Path) -> object:
        parts = []
        for make in makes:
            make(path)
            parts.append(path.read_bytes())
        return path.write_bytes(b"".join(parts))

    return made


def destroyed(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def made(path: Path) -> object:
        make(path)
        content = path.read_bytes()
        half = len(content) // 2
        return path.write_bytes(content[:half] + np.random.default_rng(4).bytes(len(content) - half))

    return made


def listening_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # socket names are short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(3 << 30)


GOOD = speech()
STEREO = np.stack([GOOD, np.roll(GOOD, 4000)], axis=1)
MP3, OGG = sound(GOOD, subtype="MPEG_LAYER_III"), sound(GOOD, subtype="VORBIS")
LONG_MP3 = sound(np.tile(GOOD, 8), subtype="MPEG_LAYER_III")
ODD = (
    Odd("good.wav", "an ordinary file", sound(GOOD), "ok"),
    Odd("empty.wav", "0 bytes", raw(b""), "failed", "empty"),
    Odd("text.wav", "a text file", raw(b"hello, this is not audio\n" * 40), "failed", "unreadable"),
    Odd("zip.wav", "a zip archive's first bytes", raw(b"PK\x03\x04" + bytes(2000)), "failed", "unreadable"),
    Odd("noise.mp3", "random bytes called .mp3", raw(np.random.default_rng(3).bytes(4000)), "failed", "unreadable"),
    Odd("header.wav", "a header and no samples", raw(wave_header(0)), "failed", "empty"),
    Odd("half-header.wav", "cut inside the header", raw(wave_header(32_000)[:30]), "failed", "unreadable"),
    Odd("joined.mp3", "two MP3 files in one: both are heard", joined(MP3, MP3), "ok"),
    Odd("joined.ogg", "two Ogg files in one: both are heard", joined(OGG, OGG), "ok"),
    Odd("destroyed.mp3", "the second half overwritten", destroyed(LONG_MP3), "failed", "partly_decoded"),
    Odd(
        "under-declared.wav",
        "declares 0.25 s, holds 1 s",
        raw(wave_header(8_000) + pcm(GOOD[:16_000])),
        "failed",
        "partly_decoded",
    ),
    Odd("m4a.wav", "MPEG-4 audio called .wav", raw(b"\0\0\0\x1cftypM4A " + bytes(2000)), "failed", "unreadable"),
    Odd("truncated.wav", "cut in the middle", cut(sound(GOOD), 0.6), "warning", "truncated"),
    Odd(
        "lying-header.wav",
        "claims 200 MB, holds 1 s",
        raw(wave_header(200_000_000) + pcm(GOOD)),
        "warning",
        "truncated",
    ),
    Odd("streamed.wav", "unknown length in the header", raw(wave_header(0xFFFFFFFF) + pcm(GOOD)), "ok"),
    Odd("cut.flac", "a FLAC cut in the middle", cut(sound(GOOD), 0.5), "failed", "unreadable"),
    Odd(
        "nan.wav",
        "one NaN",
        sound(np.where(np.arange(GOOD.size) == 99, np.nan, GOOD), subtype="FLOAT"),
        "failed",
        "non_finite",
    ),
    Odd(
        "inf.wav",
        "one infinity",
        sound(np.where(np.arange(GOOD.size) == 99, np.inf, GOOD), subtype="DOUBLE"),
        "failed",
        "non_finite",
    ),
    Odd("silence.wav", "digital silence", sound(np.zeros(RATE)), "failed", "silent"),
    Odd("dither.wav", "noise of one bit", sound(np.sign(GOOD) / 32768), "failed", "silent"),
    Odd("constant.wav", "0.5 throughout", sound(np.full(RATE, 0.5)), "failed", "silent"),
    Odd("antiphase.wav", "two channels that cancel", sound(np.stack([GOOD, -GOOD], axis=1)), "failed", "silent"),
    Odd(
        "click.wav",
        "one click in silence",
        sound(np.where(np.arange(RATE) == 8000, 0.8, 0.0)),
        "warning",
        "low_activity",
    ),
    Odd("quiet.wav", "peak under -40 dBFS", sound(GOOD * 0.007), "warning", "low_level"),
    Odd("clipped.wav", "hard clipping", sound((GOOD * 30).clip(-1, 1)), "warning", "heavy_clipping"),
    Odd("offset.wav", "DC offset 0.2", sound(GOOD * 0.5 + 0.2), "warning", "dc_offset"),
    Odd("hot.wav", "floats above full scale", sound(GOOD * 1.35, subtype="FLOAT"), "warning", "float_peak"),
    Odd("integers.wav", "floats scaled to 32767", sound(GOOD * 32767, subtype="FLOAT"), "failed", "integer_scaled"),
    Odd("short.wav", "0.2 s", sound(GOOD[:3200]), "warning", "short"),
    Odd("one-sample.wav", "a single sample", sound(GOOD[:1]), "failed", "silent"),
    Odd("tiny.wav", "5 ms, under the predictor's minimum", sound(GOOD[:80]), "failed", "too_short"),
    Odd("long.wav", "11 minutes", sound(speech(660, 4000), 4000, "PCM_U8"), "failed", "too_long"),
    Odd("slow.wav", "1 kHz sampling rate", sound(GOOD, 1000), "failed", "rate_out_of_range"),
    Odd("fast.wav", "1 MHz sampling rate", sound(GOOD, 1_000_000), "failed", "rate_out_of_range"),
    Odd("odd-rate.wav", "44,101 Hz", sound(speech(1.0, 44_101), 44_101), "ok"),
    Odd("narrow.wav", "8 kHz", sound(speech(1.0, 8000), 8000), "ok"),
    Odd("studio.wav", "192 kHz, 24 bit", sound(speech(1.0, 192_000), 192_000, "PCM_24"), "ok"),
    Odd("eight-bit.wav", "8 bit", sound(GOOD, subtype="PCM_U8"), "ok"),
    Odd("int32.wav", "32-bit integers", sound(GOOD, subtype="PCM_32"), "ok"),
    Odd("double.wav", "64-bit floats", sound(GOOD, subtype="DOUBLE"), "ok"),
    Odd("ulaw.wav", "mu-law", sound(GOOD, subtype="ULAW"), "ok"),
    Odd("music.mp3", "MP3", sound(GOOD, subtype="MPEG_LAYER_III"), "ok"),
    Odd("music.ogg", "Ogg Vorbis", sound(GOOD, subtype="VORBIS"), "ok"),
    Odd("music.opus", "Opus", sound(GOOD, subtype="OPUS"), "ok"),
    Odd("music.aiff", "AIFF", sound(GOOD), "ok"),
    Odd("LOUD.WAV", "suffix in capitals", sound(GOOD, form="WAV"), "ok"),
    Odd("flac-inside.wav", "a FLAC called .wav", sound(GOOD, form="FLAC"), "warning", "wrong_suffix"),
    Odd("stereo.wav", "two different channels", sound(STEREO), "warning", "stereo_differs"),
    Odd("surround.wav", "6 channels", sound(np.repeat(GOOD[:, None], 6, axis=1)), "warning", "multichannel"),
    Odd("many.wav", "64 channels", sound(np.repeat(GOOD[:, None], 64, axis=1)), "warning", "multichannel"),
    Odd("link.wav", "a link to a good file", lambda path: path.symlink_to("good.wav"), "ok"),
    Odd("broken-link.wav", "a link to nothing", lambda path: path.symlink_to("nowhere.wav"), "failed", "missing"),
    Odd("loop.wav", "a link to itself", lambda path: path.symlink_to("loop.wav"), "failed", "missing"),
    Odd("pipe.wav", "a named pipe", lambda path: os.mkfifo(path), "failed", "not_a_file"),
    Odd("socket.wav", "a socket", listening_socket, "failed", "not_a_file"),
    Odd("sparse.wav", "3 GB of nothing", sparse, "failed", "unreadable"),
    Odd("new\nline.wav", "a newline in the name", sound(GOOD), "ok"),
    Odd("-dash.wav", "a leading dash", sound(GOOD), "ok"),
    Odd("=1+1.wav", "a formula as a name", sound(GOOD), "ok"),
    Odd('quote",comma.wav', "a quote and a comma in the name", sound(GOOD), "ok"),
    Odd("grüße-\N{FACE WITH TEARS OF JOY}.wav", "an umlaut and an emoji", sound(GOOD), "ok"),
    Odd(os.fsdecode(b"latin-\xe9.wav"), "a name that is no UTF-8", sound(GOOD), "ok"),
    Odd("x" * 240 + ".wav", "a name of 244 characters", sound(GOOD), "ok"),
    Odd("twin.wav", "shares its stem with twin.flac", sound(GOOD), "ok"),
    Odd("twin.flac", "shares its stem with twin.wav", sound(GOOD), "ok"),
)


def make_folder(root: Path) -> None:
    """Every odd input, and some files that are no inputs at all."""
    root.mkdir(parents=True, exist_ok=True)
    for odd in ODD:
        odd.make(root / odd.name)
    (root / "notes.txt").write_text("not audio")
    (root / ".hidden.wav").write_bytes(b"")
    (root / "folder.wav").mkdir()
    sound(GOOD)(root / "folder.wav" / "inside.wav")
    (root / "linked-folder").symlink_to(root, target_is_directory=True)


def main() -> None:
    """Score the folder with the toy predictor and print a markdown table."""
    import csv

    from mosharness.harness.core.markdown import markdown_text as escape

    with tempfile.TemporaryDirectory() as place:
        folder, table = Path(place) / "odd", Path(place) / "out.csv"
        make_folder(folder)
        (Path(place) / "toy.txt").write_text("1.0 0.5 0.25")
        program = Path(__file__).parents[1] / "toy_predictor.py"
        options = ["--predictor", "toy", "--checkpoint", str(Path(place) / "toy.txt"), "-o", str(table)]
        command = [sys.executable, str(program), "0", "predict", str(folder), *options]
        environment = {**os.environ, "MOSHARNESS_CACHE": str(Path(place) / "cache")}
        subprocess.run(command, check=False, capture_output=True, env=environment)
        with table.open(newline="") as stream:
            rows = {row["path"].removeprefix(f"{folder}/"): row for row in csv.DictReader(stream)}
    from mosharness.harness.audio.read import printable

    print("| file | what it is | status | reason |\n|---|---|---|---|")
    for odd in ODD:
        row = rows[printable(odd.name)]
        cells = [printable(odd.name), odd.what, row["status"], row["reason"].replace(place, "...")]
        print(
            "| " + " | ".join(escape(cell) if len(cell) < 200 else escape(f"{cell[:20]}...") for cell in cells) + " |"
        )


if __name__ == "__main__":
    main()
