"""The table beside a folder's clips, in forms that people keep: read as the plain one, or refused with a way out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from layout_audio import write_wav
from mosharness.harness.core.errors import DataError
from mosharness.tasks import load_task

CLIPS = {"a/u0.wav": ("a", 1.5), "a/u1.wav": ("a", 2.25), "b/u0.wav": ("b", 3.0), "b/u1.wav": ("b", 4.75)}
ROWS = [(name, system, score) for name, (system, score) in CLIPS.items()]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    root = tmp_path / "night"
    for name in CLIPS:
        write_wav(root / name, 16_000)
    return root


def lines(header: str, form: str) -> str:
    return "\n".join([header, *(form.format(n=n, s=s, v=v, c=str(v).replace(".", ",")) for n, s, v in ROWS)]) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", lines("path,system_id,mos", "{n},{s},{v}")),
        ("metadata.csv", lines("wav_path;system;MOS", "{n};{s};{c}")),
        ("metadata.csv", lines("file_name,model,score", "{n},{s},{v}")),
        ("metadata.csv", lines("filename,sys,mean_score,notes", "./{n},{s},{v},x")),
        ("metadata.csv", lines("deg\tsystem_id\tmos", "{n}\t{s}\t{v}").replace("\n", "\r\n")),
        ("metadata.csv", lines("path,system_id,mos", "/elsewhere/night/{n},{s},{v}")),
        ("metadata.csv", lines("path,system_id,mos", "D:\\x\\night\\{n},{s},{v}").replace("/", "\\")),
        ("metadata.csv", lines(",path,system_id,mos", "0,{n},{s},{v}")),
        ("metadata.csv", "\ufeff" + lines("# mine\npath, system_id, mos", "{n}, {s}, {v}")),
        ("metadata.csv", lines("id,system,mos", "{n},{s},{v}").replace(".wav", "")),
        ("metadata.tsv", lines("path\tsystem_id\tmos", "{n}\t{s}\t{v}")),
        ("metadata.jsonl", "\n".join(json.dumps({"file_name": n, "system": s, "mos": v}) for n, s, v in ROWS)),
        ("metadata.json", json.dumps([{"audio": n, "system": s, "score": v} for n, s, v in ROWS])),
    ],
)
def test_every_form_gives_the_same_rows(clips: Path, name: str, content: str) -> None:
    (clips / name).write_text(content, encoding="utf-8", newline="")
    loaded = load_task("folder", clips).open("test")
    rows = [(row["utterance_id"] + ".wav", row["system_id"], row["mos"]) for row in loaded.rows]
    assert rows == ROWS and all(row["audio_path"] for row in loaded.rows)
    plain = content.lstrip(",").startswith("path,system_id,mos\n")
    read = [finding.message for finding in loaded.findings if finding.code == "metadata"]
    assert bool(read) != plain and all("path = " in message and "mos = " in message for message in read)


def test_absolute_paths_below_the_folder_resolve(clips: Path) -> None:
    (clips / "metadata.csv").write_text(lines("path,system_id,mos", f"{clips}/{{n}},{{s}},{{v}}"))
    assert not load_task("folder", clips).open("test").missing_audio


def test_columns_by_option(clips: Path) -> None:
    (clips / "metadata.csv").write_text(lines("what,who,quality,mos", "{n},{s},{v},1"))
    loaded = load_task("folder", clips, columns="path=what,system_id=who,mos=quality").open("test")
    assert [row["mos"] for row in loaded.rows] == [score for *_, score in ROWS]


def test_one_row_a_rating(clips: Path) -> None:
    ratings = {name: [score - 0.5, score, score + 0.5] for name, _, score in ROWS}
    single = [f"{n},{s},L{k},{r}" for n, s, _ in ROWS for k, r in enumerate(ratings[n])]
    (clips / "metadata.csv").write_text("\n".join(["wav,system,rater,rating", *single]) + "\n")
    loaded = load_task("folder", clips).open("test")
    assert [(row["mos"], row["n_ratings"]) for row in loaded.rows] == [(score, 3) for *_, score in ROWS]
    assert loaded.ratings("mos") == list(ratings.values())
    assert loaded.rows[0]["listeners"] == ["L0", "L1", "L2"]
    assert "12 ratings of 4 clips by 3 listeners" in next(f.message for f in loaded.findings if f.code == "metadata")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("wav,system,rater,rating\na/u0.wav,a,x,1\na/u0.wav,b,y,2\n", "given two systems, 'a' and 'b'"),
        ("wav,system,rater,rating\na/u0.wav,a,x,1\na/u0.wav,a,y,good\n", "row 3 .*'good' is not a number"),
        ("path,system_id,mos\nu0,a,1\n", "not an audio file"),
        ("path,system_id,mos\n/elsewhere/a/u0.wav,a,1\n", "must lie below the folder"),
        ("a/u0.wav,1\na/u1.wav,2\n", "no header; the first line must name the columns"),
    ],
)
def test_the_rest_is_refused(clips: Path, content: str, words: str) -> None:
    (clips / "metadata.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        load_task("folder", clips).open("test")
