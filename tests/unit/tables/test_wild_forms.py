"""Ratings and labels as they lie around: each form reads as the plain one, or is refused with a way out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mosharness.harness.core.errors import MosharnessError
from mosharness.harness.tables.match import match_clips
from mosharness.harness.tables.truth import read_truth
from mosharness.tasks.metadata import read_metadata

CLIPS = [f"sys{system}_u{at}" for system in "ABC" for at in range(2)]
RATINGS = {clip: [1 + at % 5, 1 + (at + 1) % 5, 1 + at // 2] for at, clip in enumerate(CLIPS)}
MEANS = {clip: sum(given) / 3 for clip, given in RATINGS.items()}
PEOPLE = ("anna", "bob", "cem")
ACR = ("Bad", "Poor", "Fair", "Good", "Excellent")


def clips(header: str, row: Callable[[str], str]) -> str:
    return "\n".join([header, *map(row, CLIPS)]) + "\n"


def ratings(header: str, row: Callable[[str, str, int], str]) -> str:
    return (
        "\n".join([header, *(row(clip, PEOPLE[who], RATINGS[clip][who]) for clip in CLIPS for who in range(3))]) + "\n"
    )


def system(clip: str) -> str:
    return clip.partition("_")[0]


PLAIN = clips("file,system,mos", lambda clip: f"{clip}.wav,{system(clip)},{MEANS[clip]}")
FORMS: dict[str, str | bytes] = {
    "total at the end": PLAIN + f"Total,,{sum(MEANS.values())}\n",
    "mean behind a blank line": PLAIN + "\nMean,,3\nStd,,1\n",
    "titles above": "Listening test March,,\nmade by someone,,\n,,\n" + PLAIN,
    "markdown": clips(
        "| file | system | mos |\n|---|:-:|---|", lambda clip: f"| {clip}.wav | {system(clip)} | {MEANS[clip]} |"
    ),
    "numbers as text": clips("file,system,mos", lambda clip: f"{clip}.wav,{system(clip)},'{MEANS[clip]}"),
    "windows paths": clips("path,system,mos", lambda clip: f"D:\\test\\{clip}.wav,{system(clip)},{MEANS[clip]}"),
    "addresses": clips(
        "file_url,con,MOS,std", lambda clip: f"https://x.org/a/{clip}.wav,{system(clip)},{MEANS[clip]},1"
    ),
    "gzip": gzip.compress(PLAIN.encode()),
    "JSON by column": json.dumps(
        {"file": CLIPS, "system": [system(clip) for clip in CLIPS], "mos": [MEANS[clip] for clip in CLIPS]}
    ),
    "crowd platform": ratings(
        "HITId,WorkerId,Input.audio_url,Input.system,Answer.mos",
        lambda clip, who, grade: f"H,{who},https://s3/b/{clip}.wav,{system(clip)},{grade}",
    ),
    "votes": ratings(
        "workerid,file_name,condition,vote", lambda clip, who, grade: f"{who},{clip}.wav,{system(clip)},{grade}"
    ),
    "words": ratings(
        "file,system,listener,rating", lambda clip, who, grade: f"{clip}.wav,{system(clip)},{who},{ACR[grade - 1]}"
    ),
    "grades with words": ratings(
        "file,system,listener,rating",
        lambda clip, who, grade: f"{clip}.wav,{system(clip)},{who},{grade} - {ACR[grade - 1]}",
    ),
    "a rating not given": ratings(
        "file,system,listener,rating", lambda clip, who, grade: f"{clip}.wav,{system(clip)},{who},{grade}"
    )
    + "sysA_u0.wav,sysA,dora,NA\nsysA_u1.wav,sysA,dora,\n",
    "clips as columns": "listener,"
    + ",".join(f"{clip}.wav" for clip in CLIPS)
    + "\n"
    + "".join(f"{who}," + ",".join(str(RATINGS[clip][at]) for clip in CLIPS) + "\n" for at, who in enumerate(PEOPLE)),
    "a form": '"Timestamp","Email",'
    + ",".join(f'"Rate {clip}.wav"' for clip in CLIPS)
    + "\n"
    + "".join(
        f'"2026/01/02 10:00","{who}@x",' + ",".join(f'"{RATINGS[clip][at]}"' for clip in CLIPS) + "\n"
        for at, who in enumerate(PEOPLE)
    ),
}


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("form", FORMS)
def test_a_form_reads_as_the_plain_one(tmp_path: Path, form: str) -> None:
    truth = read_truth(write(tmp_path, FORMS[form]))
    own = match_clips([name for name, _, _ in truth.rows], CLIPS).clips
    found = {name: (made, scores["mos"]) for name, made, scores in truth.rows}
    assert {clip: found[own[clip]][1] for clip in CLIPS} == pytest.approx(MEANS)
    whole = form in ("clips as columns", "a form")
    assert {clip: found[own[clip]][0] for clip in CLIPS} == {clip: "" if whole else system(clip) for clip in CLIPS}


def test_what_was_left_out_is_said(tmp_path: Path) -> None:
    for form, said in {
        "total at the end": "1 row of totals left out (Total)",
        "titles above": "3 lines above the header left out",
        "words": "rating: bad to excellent as 1 to 5",
        "a rating not given": "18 ratings of 6 clips by 4 listeners, 2 rows without a rating left out",
        "clips as columns": "clips were columns",
    }.items():
        understood = read_truth(write(tmp_path, FORMS[form])).understood
        assert said in understood or said.replace("4 listeners", "3 listeners") in understood, understood
    metadata = read_metadata(write(tmp_path, FORMS["a rating not given"]))
    assert metadata.records[0]["n_ratings"] == "3" and "2 rows without a rating left out" in metadata.understood


def test_columns_of_listeners_and_files_without_header_are_named(tmp_path: Path) -> None:
    wide = write(
        tmp_path,
        clips("clip,system,anna,bob,cem", lambda clip: f"{clip},{system(clip)},{','.join(map(str, RATINGS[clip]))}"),
    )
    with pytest.raises(MosharnessError, match="--column ratings=anna,bob,cem"):
        read_truth(wide)
    truth = read_truth(wide, {"ratings": "anna,bob,cem"})
    assert dict(truth.ratings["mos"]) == RATINGS and truth.listeners["sysA_u0"] == list(PEOPLE)
    bare = write(tmp_path, ratings("", lambda clip, who, grade: f"{system(clip)},{clip}.wav,{grade},x,{who}").lstrip())
    with pytest.raises(MosharnessError, match="There is no header: say what is where by number"):
        read_truth(bare)
    named = read_truth(bare, {"utterance_id": "2", "system_id": "1", "listener": "5", "mos": "3"})
    assert {name: scores["mos"] for name, _, scores in named.rows} == pytest.approx(
        {f"{clip}.wav": mean for clip, mean in MEANS.items()}
    )


@pytest.mark.parametrize(
    ("cell", "way_out"),
    [("53%", "without %"), ("3.2±0.3", "write the mean alone"), ("NA", "leave the row out where there is no rating")],
)
def test_what_is_no_label_is_refused_with_a_way_out(tmp_path: Path, cell: str, way_out: str) -> None:
    with pytest.raises(MosharnessError, match=way_out):
        read_truth(write(tmp_path, f"file,system,mos\na.wav,s,3\nb.wav,s,{cell}\n"))


def test_a_system_without_a_column_is_said(tmp_path: Path) -> None:
    understood = read_truth(write(tmp_path, "file,système,mos\na.wav,s,3\nb.wav,t,4\n")).understood
    assert "no systems (not read: système; --column system_id=HEADER" in understood
