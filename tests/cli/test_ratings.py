"""``mosharness ratings`` on forms that people keep, and rating rows as truth and as a folder's metadata."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.stats import noise_ceiling
from mosharness.harness.tables.truth import read_truth
from mosharness.tasks import load_task

Cli = Callable[..., Any]


def rows(name: str = "clip,system,score,rater") -> str:
    lines = [name]
    for clip in range(12):
        for who in range(6):
            value = 1 + (clip + who % 2) % 5
            lines.append(f"c{clip}.wav,s{clip % 3},{6 - value if who == 5 else value},p{who}")
    return "\n".join(lines) + "\n"


def test_a_report_names_who_disagrees_and_drops_nobody(cli: Cli, tmp_path: Path) -> None:
    path, target = tmp_path / "r.csv", tmp_path / "r.json"
    path.write_text(rows())
    outcome = cli("ratings", path, "-o", target)
    assert outcome.code == 0 and "Nobody was left out" in outcome.out and "without p5" in outcome.out
    found = json.loads(target.read_text())
    assert json.loads(cli("ratings", path, "--json").out) == found
    (one,) = found["dimensions"]
    assert one["ratings"] == 72 and one["ratings_per_clip"] == {"6": 12} and one["form"] == "acr"
    truth = read_truth(path)
    lists = [truth.ratings["mos"][clip] for clip, _, _ in truth.rows]
    people = [truth.listeners[clip] for clip, _, _ in truth.rows]
    ceiling = noise_ceiling(lists, [system for _, system, _ in truth.rows], people)
    assert one["ceiling"]["utterance"]["value"] == ceiling["utterance"]["value"]
    assert cli("ratings", path, "-o", target).code == 0, "its own report is replaced"
    rest = json.loads(cli("ratings", path, "--without", "p5", "--json").out)
    assert rest["without"] == ["p5"] and rest["dimensions"][0]["ratings"] == 60
    assert cli("ratings", path, "--without", "nobody").code == 2
    assert cli("ratings", path, "-o", path).code == 2 and path.read_text() == rows()


def test_stated_means_tell_who_was_left_out(cli: Cli, tmp_path: Path) -> None:
    path, means = tmp_path / "r.csv", tmp_path / "m.csv"
    path.write_text(rows())
    stated = {clip: scores["mos"] for clip, _, scores in read_truth(path, without=["p5"]).rows}
    means.write_text("id,mean\n" + "".join(f"{clip.removesuffix('.wav')},{value}\n" for clip, value in stated.items()))
    out = cli("ratings", path, "--means", means).out
    assert "without p5 all of them are as stated" in out
    assert "are those of these ratings" in cli("ratings", path, "--means", means, "--without", "p5").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("system_a;system_b;utt;preference;rater\nX;Y;1;A;p\nX;Y;2;tie;q\nY;X;3;X;p\n", "X : Y"),
        ("model1,model2,sample,cmos,worker_id\nX,Y,1,-2,p\nX,Y,2,-1,q\nX,Y,3,0,r\n", "-1.00"),
        ("utt,system,cmos,listener\n1,X,-1,p\n1,X,-2,q\n2,X,0,p\n2,X,1,q\n", "cmos, -3 to 3"),
        ("trial_id,rating_stimulus,rating_score,session_uuid\n"
         "t1,ref,100,u\nt1,x,20,u\nt1,ref,50,v\nt1,x,30,v\n", "mushra, 0 to 100"),
        ("utt_id,n1,n2,n3,n4,n5\na,0,0,1,2,5\nb,3,3,2,0,0\nc,0,4,4,0,0\n", "nobody says who rated"),
        ("file,mos\na.wav,1\na.wav,2\nb.wav,4\nb.wav,5\n", "nobody says who rated"),
    ],
)  # fmt: skip
def test_forms_of_listening_tests(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "test.csv"
    path.write_text(text)
    outcome = cli("ratings", path)
    assert outcome.code == 0 and said in outcome.out and "read " in outcome.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,mos\na,1\nb,2\n", "one row a clip"),
        ("system_a,system_b,vote\nX,Y,1\nX,Y,2\n", "Write A, B and tie"),
        ("system_a,system_b,vote\nX,Y,perhaps\n", "neither A, B nor tie"),
        ("system_a,system_b,vote\nX,X,A\n", "two systems are needed"),
        ("id,mos,rater\na,good,p\na,1,q\n", "not a finite number"),
    ],
)
def test_what_is_no_listening_test_is_refused_in_a_sentence(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "test.csv"
    path.write_text(text)
    outcome = cli("ratings", path)
    assert outcome.code == 2 and said in outcome.err


def test_rating_rows_as_metadata_give_what_a_task_needs(tmp_path: Path, write_wave: Callable[..., Path]) -> None:
    lines = ["wav,system,score,rater"]
    for clip in range(3):
        write_wave(tmp_path / f"c{clip}.wav", 0.3, seed=clip, rate=8000)
        lines += [f"c{clip}.wav,s,{1 + clip + who % 2},p{who}" for who in range(4)]
    (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n")
    row = load_task("folder", tmp_path).open("test").rows[1]
    assert row["mos"] == 2.5 and row["n_ratings"] == 4 and row["listeners"] == ["p0", "p1", "p2", "p3"]
    (tmp_path / "metadata.csv").write_text("path,system_id,n1,n2,n3,n4,n5\nc0.wav,s,1,1,0,0,0\nc1.wav,s,0,0,0,2,0\n")
    rows = load_task("folder", tmp_path).open("test").rows
    assert [row["mos"] for row in rows] == [1.5, 4.0] and rows[0]["ratings"] == [1.0, 2.0]


def test_real_listening_tests(cli: Cli, shared: Path) -> None:
    labels = shared / "data/mosbench_labels"
    found = json.loads(
        cli(
            "ratings",
            labels / "vmc24_track3_listener_wise.csv",
            "--means",
            labels / "vmc24_track3_answer.csv",
            "--json",
        ).out
    )
    assert [one["stated"]["differ"] for one in found["dimensions"]] == [125, 122, 125]
    assert {who for one in found["dimensions"] for who in one["stated"]["exact_without"]} == {"listener-1-F-20-30"}
    again = json.loads(cli("ratings", shared / "data/bvcc_rerating_sarulab/rerating.csv", "--json").out)["dimensions"][
        0
    ]
    truth = read_truth(shared / "data/bvcc_rerating_sarulab/rerating.csv")
    lists = [truth.ratings["mos"][clip] for clip, _, _ in truth.rows]
    ceiling = noise_ceiling(lists, [system for _, system, _ in truth.rows])
    assert again["ratings"] == 28880 and len(again["systems"]) == 95
    assert {level: one["value"] for level, one in again["ceiling"].items()} == {
        level: one["value"] for level, one in ceiling.items()
    }
