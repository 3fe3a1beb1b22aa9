"""Clips that weights have heard are found by content: renamed, in another format, under the name of another task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile
from mosharness.predictors.seen_content import MOST, SIZE, pack, unpack

Cli = Callable[..., Any]


def test_copies_of_training_clips_are_found_and_marked(cli: Cli, rated: Path, tmp_path: Path) -> None:
    output = tmp_path / "r"
    trained = cli("train", "-t", "folder", "-p", "dsp", "--data-root", rated, "-o", output)
    assert trained.code == 0, trained.err
    checkpoint = output / "folder/dsp/checkpoint"
    kept = json.loads((checkpoint / "card.json").read_text())["trained_data"]["folder/train"]
    assert len(unpack(kept["heard_clips"])) == 12 and len(unpack(kept["heard_systems"])) == 4
    other, lines = tmp_path / "other", ["path,system_id,mos"]
    table = [line.split(",") for line in (rated / "metadata.csv").read_text().splitlines()[1:]]
    chosen = [row for row in table if row[3] == "train"][:4] + [row for row in table if row[3] == "test"][:8]
    other.mkdir()
    for at, (name, system, mos, _) in enumerate(chosen):
        samples, rate = soundfile.read(rated / name, dtype="int16")
        soundfile.write(other / f"new{at}.flac", samples, rate)
        lines.append(f"new{at}.flac,made-{system},{mos}")
    (other / "metadata.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "mine.yaml").write_text("name: mine\nsource: {folder: other}\n")
    command = ["run", "-t", tmp_path / "mine.yaml", "-p", "dsp", "--checkpoint", checkpoint, "-o", output]
    outcome = cli(*command, "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json["predictor"]["overlap"]
    assert (found["clips"], found["of_clips"], found["ids"], found["systems"]) == (4, 12, 0, 0)
    assert found["data"] == ["folder/train"]
    assert any("4 of 12 clips by content (in folder/train)" in one["message"] for one in outcome.json["findings"])
    assert cli("verify", output / "mine/test/dsp").code == 0
    assert cli("leaderboard", "--results", output, "-o", tmp_path / "b").code == 0
    page = (tmp_path / "b/mine.md").read_text()
    assert "**seen in training**" in page and "4 of 12 clips heard in training, by content" in page


def test_what_is_kept_is_bounded() -> None:
    many = pack(map(str, range(MOST + 500)))
    assert len(unpack(many)) == MOST and len(many) < 1.4 * SIZE * MOST
    assert unpack("no base64!") == set()
