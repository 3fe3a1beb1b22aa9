"""Every file of an audio-like suffix is a row in every verb, and what is not heard whole never passes a gate."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

Cli = Callable[..., Any]
Write = Callable[..., Path]
ADTS = b"\xff\xf1\x50\x80\x2e\x7f\xfc" * 40
OTHERS = {
    "a.aac": (ADTS, "AAC (an ADTS stream) takes the optional decoder: install mosharness[codec]"),
    "b.M4A": (b"\0\0\0\x18ftypM4A " * 20, "M4A (MPEG-4 audio) takes the optional decoder"),
    "c.amr": (b"#!AMR\n" + bytes(200), "AMR takes the optional decoder"),
    "d.pcm": (bytes(200), ".pcm files hold samples without a header"),
    "e.ape": (b"MAC " + bytes(200), "APE (Monkey's Audio) takes the optional decoder"),
    "f.wma": (b"nonsense", ".wma files takes the optional decoder"),
}


@pytest.fixture(autouse=True)
def _no_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torchcodec", None)


@pytest.fixture
def mixed(tmp_path: Path, write_wave: Write, toy: ModuleType) -> Path:
    """A folder of two readable clips and one of every other kind."""
    for name in ("x.wav", "y.wav"):
        write_wave(tmp_path / "mixed/sys" / name, seed=ord(name[0]))
    samples, rate = soundfile.read(tmp_path / "mixed/sys/x.wav")
    soundfile.write(tmp_path / "mixed/sys/z.caf", samples, rate)
    for name, (content, _) in OTHERS.items():
        (tmp_path / "mixed/sys" / name).write_bytes(content)
    return tmp_path / "mixed"


def test_predict_gives_every_file_a_row(mixed: Path, cli: Cli, tmp_path: Path) -> None:
    found = cli("predict", mixed, "--predictor", "toy", "--checkpoint", tmp_path / "toy.txt", "-o", tmp_path / "o.csv")
    assert found.code == 4
    rows = {Path(row["path"]).name: row for row in csv.DictReader(io.StringIO((tmp_path / "o.csv").read_text()))}
    assert set(rows) == {"x.wav", "y.wav", "z.caf", *OTHERS}
    assert rows["z.caf"]["mos"] == rows["x.wav"]["mos"] and rows["z.caf"]["status"] == "ok"
    for name, (_, reason) in OTHERS.items():
        assert (rows[name]["status"], rows[name]["mos"]) == ("failed", ""), name
        assert rows[name]["reason"].startswith("unreadable: ") and reason in rows[name]["reason"], rows[name]["reason"]


def test_a_labelled_row_of_such_a_file_counts(mixed: Path, cli: Cli, tmp_path: Path) -> None:
    lines = [
        f"sys/{path.name},{'ab'[at % 2]},{1 + at / 4}" for at, path in enumerate(sorted((mixed / "sys").iterdir()))
    ]
    (mixed / "metadata.csv").write_text("path,system_id,mos\n" + "\n".join(lines) + "\n")
    found = cli("run", "--task", "folder", "--data-root", mixed, "--predictor", "toy", "--checkpoint",
                tmp_path / "toy.txt", "--output", tmp_path / "results", "--json")  # fmt: skip
    assert found.code == 4, found.err
    counts = found.json["results"][0]["counts"] if "results" in found.json else found.json["counts"]
    assert (counts["total"], counts["scored"], counts["failed"]) == (9, 3, 6)


@pytest.mark.parametrize("case", ["aac", "destroyed", "half of them"])
def test_a_gate_does_not_pass_what_is_not_heard(
    tmp_path: Path, cli: Cli, write_wave: Write, toy: ModuleType, case: str
) -> None:
    for at in range(6):
        wave = write_wave(tmp_path / f"w{at}.wav", 6.0, seed=at)
        samples, rate = soundfile.read(wave)
        for side in ("old", "new"):
            (tmp_path / side).mkdir(exist_ok=True)
            soundfile.write(tmp_path / side / f"t{at}.mp3", samples, rate, format="MP3")
        broken = tmp_path / "new" / f"t{at}.mp3"
        if case == "aac":
            broken.unlink()
            broken.with_suffix(".aac").write_bytes(ADTS)
        elif case == "destroyed" or at % 2:
            data = broken.read_bytes()
            half = len(data) // 2
            broken.write_bytes(data[:half] + np.random.default_rng(at).bytes(len(data) - half))
    gate = ["gate", "--baseline", tmp_path / "old", "--min-n", 3, "--predictor", f"toy={tmp_path / 'toy.txt'}"]
    assert cli(*gate, "--candidate", tmp_path / "old", "--allow-same").code == 0  # the same audio, whole, passes
    found = cli(*gate, "--candidate", tmp_path / "new")
    assert found.code in (1, 2, 3), found.out
    assert ("AAC" if case == "aac" else "partly_decoded") in found.out + found.err
