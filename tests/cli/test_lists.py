"""Lists of files and gate tables in the forms that people keep."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mosharness.harness.core.errors import DataError
from mosharness.harness.engine.predict import collect, read_list
from mosharness.harness.gates.sides import read_side
from mosharness.harness.gates.table import read_systems

Cli = Callable[..., Any]
NAMES = ("a/x.wav", "a/y.flac", "z.wav")


@pytest.mark.parametrize(
    ("name", "content", "ids"),
    [
        ("l.csv", "path\na/x.wav\na/y.flac\nz.wav\n", ["a/x", "a/y", "z"]),
        ("l.csv", "wav_path;utt_id;sentence\na/x.wav;1;hi\na/y.flac;2;ho\nz.wav;3;\n", ["1", "2", "3"]),
        ("l.tsv", "file\tname\na\\x.wav\tx\na\\y.flac\ty\nz.wav\tz\n", ["x", "y", "z"]),
        ("l.jsonl", "\n".join(json.dumps({"audio": name, "key": name[:3]}) for name in NAMES), ["a/x", "a/y", "z.w"]),
        ("l.txt", "a/x.wav\r\na/y.flac\r\nz.wav\r\n", ["a/x", "a/y", "z"]),
        ("wav.scp", "one a/x.wav\ntwo a/y.flac\nthree z.wav\n", ["one", "two", "three"]),
        ("l.csv", "what,note\na/x.wav,1\na/y.flac,2\nz.wav,3\n", ["a/x", "a/y", "z"]),
    ],
)
def test_a_list_of_clips_is_read(tmp_path: Path, name: str, content: str, ids: list[str]) -> None:
    (tmp_path / name).write_text(content, newline="")
    clips, understood = read_list(tmp_path / name)
    assert [clip.utterance_id for clip in clips] == ids
    assert [str(clip.path) for clip in clips] == [str(tmp_path / one) for one in NAMES]
    assert str(tmp_path / name) in understood and "path = " in understood and "3 rows" in understood
    assert collect([str(tmp_path / name)]).lines == [f"read {understood}"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("file,wav\na.wav,b.wav\n", "path could be the column 'file' or 'wav'; rename one"),
        ("path,utterance_id\na.wav,1\nb.wav,1\n", "rows 2 and 3 are both called '1'"),
        ("path,utterance_id\n,1\n", "row 2: the path is empty"),
        ("id,mos\n1,2\n", "no column path"),
        ("path\n", "no rows"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "l.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        read_list(tmp_path / "l.csv")


def test_predict_says_how_it_read_a_list(
    tmp_path: Path, cli: Cli, write_wave: Callable[..., Path], toy: ModuleType
) -> None:
    write_wave(tmp_path / "a.wav")
    (tmp_path / "l.csv").write_text("filename;id\na.wav;7\n")
    found = cli("predict", tmp_path / "l.csv", "--predictor", "toy", "--checkpoint", tmp_path / "toy.txt")
    assert found.code == 0, found.err
    assert "text with semicolons; path = filename, utterance_id = id; 1 rows" in found.err
    assert [row["utterance_id"] for row in csv.DictReader(io.StringIO(found.out))] == ["7"]


def test_gate_tables_and_manifests(tmp_path: Path) -> None:
    forms = {
        "plain": "system,key,mos\nold,1,3.5\nold,2,4.0\nnew,1,3.0\n",
        "german": "System;Key;MOS\nold;1;3,5\nold;2;4,0\nnew;1;3,0\n",
        "names": "model\tutterance_id\tmos\nold\t1\t3.5\nold\t2\t4.0\nnew\t1\t3.0\n",
    }
    for content in forms.values():
        (tmp_path / "t.csv").write_text(content)
        old, new = read_systems(tmp_path / "t.csv", ["old", "new"], ["mos"])
        assert [(str(unit.key), unit.scores["mos"]) for unit in old] == [("1", 3.5), ("2", 4.0)]
        assert [unit.scores["mos"] for unit in new] == [3.0]
    (tmp_path / "t.csv").write_text("what,key,mos\nold,1,3.5\n")
    with pytest.raises(DataError, match="no column system; the header is"):
        read_systems(tmp_path / "t.csv", ["old"], ["mos"])
    (tmp_path / "m.csv").write_text("wav_path;utt_id\na.wav;t1\nb.wav;t2\n")
    assert [str(one.key) for one in read_side(tmp_path / "m.csv", "--baseline").renderings] == ["t1", "t2"]
