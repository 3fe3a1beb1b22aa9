"""Memory: the mono signal counts, not the channels, not the length that a header claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

CHILD = """
import re, sys
from mosharness.harness.audio.read import AudioError, AudioLimits, clip_from_array, read_audio
import numpy as np, soundfile
def kilobytes(name):  # not getrusage: its peak is inherited from the parent
    return int(re.search(name + r":\\s*(\\d+)", open("/proc/self/status").read())[1])
clip_from_array(np.sin(np.arange(16000.0)), 16000)
before = kilobytes("VmRSS")
try:
    clip = read_audio(sys.argv[1], AudioLimits(max_seconds=eval(sys.argv[2])))
    print("samples", clip.samples.size, end=" ")
except AudioError as error:
    print(error.code, 0, end=" ")
print((kilobytes("VmHWM") - before) // 1024)
"""


def read_in_child(file: Path, max_seconds: str) -> tuple[str, int, int]:
    """Outcome, samples, and growth of the resident memory in MiB."""
    command = [sys.executable, "-c", CHILD, str(file), max_seconds]
    outcome, samples, growth = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return outcome, int(samples), int(growth)


def write_long(file: Path, seconds: int, sample_rate: int, channels: int) -> None:
    block = np.random.default_rng(0).integers(-9000, 9000, (sample_rate, channels)).astype(np.int16)
    with soundfile.SoundFile(file, "w", sample_rate, channels) as stream:
        for _ in range(seconds):
            stream.write(block)


def test_memory_follows_the_mono_signal_not_the_channels(tmp_path):
    file = tmp_path / "clip.wav"
    write_long(file, 10, 48_000, 64)  # 117 MiB as float32, 1.8 MiB mono
    outcome, samples, growth = read_in_child(file, "60.0")
    assert (outcome, samples) == ("samples", 480_000)
    assert growth < 40


@pytest.mark.slow
def test_three_quarters_of_an_hour_of_stereo_stay_well_below_two_gibibytes(tmp_path):
    file = tmp_path / "hour.wav"
    write_long(file, 2700, 48_000, 2)  # 45 minutes: 494 MiB mono
    outcome, samples, growth = read_in_child(file, "None")
    assert (outcome, samples) == ("samples", 2700 * 48_000)
    assert growth < 1200


def test_ten_hours_are_refused_from_the_header(tmp_path, raw_wav):
    file = tmp_path / "clip.wav"
    size = 10 * 3600 * 48_000 * 2
    file.write_bytes(raw_wav(b"", sample_rate=48_000, size=size - 2**31))
    with file.open("r+b") as stream:
        stream.truncate(44 + size - 2**31)  # sparse: takes no space
    outcome, _, growth = read_in_child(file, "None")
    assert outcome == "too_long"
    assert growth < 40


def test_a_claimed_length_reserves_no_memory(tmp_path, encoded):
    noise = encoded(np.random.default_rng(0).normal(scale=0.1, size=8000), 4000, "FLAC")
    claimed = 2**27
    field = int.from_bytes(noise[18:26], "big") >> 36 << 36 | claimed
    file = tmp_path / "clip.flac"
    file.write_bytes(noise[:18] + field.to_bytes(8, "big") + noise[26:])
    outcome, samples, growth = read_in_child(file, "None")
    assert (outcome, samples) == ("samples", 8000)
    assert growth < 40
