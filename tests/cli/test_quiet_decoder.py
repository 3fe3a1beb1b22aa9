"""Warnings of the MP3 decoder's own do not reach the user's screen; those of the program do."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

READ = """
import sys
from mosharness.harness.core import quiet
if sys.argv[1] == "apart":
    quiet.messages_apart()
with quiet.quiet_decoder():
    import os
    os.write(2, b"chatter\\n")
    print("program", file=sys.stderr)
os.write(2, b"afterwards\\n")
"""


def test_descriptor_two_is_silent_while_a_decoder_runs_and_python_is_heard() -> None:
    apart = subprocess.run([sys.executable, "-c", READ, "apart"], capture_output=True, text=True, check=True)
    assert apart.stderr.splitlines() == ["program", "afterwards"]
    together = subprocess.run([sys.executable, "-c", READ, "not"], capture_output=True, text=True, check=True)
    assert together.stderr.splitlines() == ["chatter", "program", "afterwards"]


def test_reading_an_mp3_with_a_wrong_length_header_is_quiet(tmp_path: Path) -> None:
    memory = io.BytesIO()
    soundfile.write(memory, np.random.default_rng(0).normal(scale=0.1, size=48_000), 16_000, format="MP3")
    (tmp_path / "cut.mp3").write_bytes(memory.getvalue()[: len(memory.getvalue()) // 2])
    probe = [sys.executable, "-c", f"import soundfile; soundfile.read({str(tmp_path / 'cut.mp3')!r})"]
    assert "Warning" in subprocess.run(probe, capture_output=True, text=True, check=True).stderr, "nothing to silence"
    read = (
        "import sys\nfrom mosharness.harness.core.quiet import messages_apart\nmessages_apart()\n"
        "from mosharness.harness.audio.read import read_audio\nclip = read_audio(sys.argv[1])\n"
        "print(clip.duration_s, file=sys.stderr)"
    )
    command = [sys.executable, "-c", read, str(tmp_path / "cut.mp3")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert float(said) > 1.0, "the program's own message is the only one"
