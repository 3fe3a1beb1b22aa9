"""Tables as people write them: every form reads as the plain one does, or is refused with a way out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import DataError, MosharnessError, PredictionError, UnknownName, UsageError
from mosharness.harness.results.outside import (
    matched_ids,
    read_outside,
    read_predictions_of,
)
from mosharness.harness.tables.fields import parse_columns
from mosharness.harness.tables.match import match_clips
from mosharness.harness.tables.system_truth import read_system_truth
from mosharness.harness.tables.truth import read_truth

CLIPS = [f"sys{at // 3}-utt{at % 3}" for at in range(9)]
VALUES = [1.0 + 0.375 * at for at in range(9)]
PLAIN = dict(zip(CLIPS, VALUES, strict=True))


def csv(header: str, line: Callable[[str, float], str] = lambda name, value: f"{name},{value}", end: str = "\n") -> str:
    return end.join([*([header] if header else []), *(line(*pair) for pair in PLAIN.items()), ""])


def swapped(value: float) -> str:
    return str(value).replace(".", ",")


FORMS: dict[str, str | bytes] = {
    "plain": csv("utterance_id,mos"),
    "bom": b"\xef\xbb\xbf" + csv("utterance_id,mos").encode(),
    "utf16": csv("utterance_id,mos").encode("utf-16"),
    "utf16 be without a mark": csv("utterance_id,mos").encode("utf-16-be"),
    "windows-1252": csv("utterance_id,mos,Hörer", lambda n, v: f"{n},{v},Jürgen").encode("cp1252"),
    "crlf": csv("utterance_id,mos", end="\r\n"),
    "cr": csv("utterance_id,mos", end="\r"),
    "semicolon": csv("utterance_id;mos", lambda n, v: f"{n};{v}"),
    "decimal comma": csv("utterance_id;mos", lambda n, v: f"{n};{swapped(v)}"),
    "decimal comma, no header": csv("", lambda n, v: f"{n};{swapped(v)}"),
    "quoted decimal comma": csv("utterance_id,mos", lambda n, v: f'{n},"{swapped(v)}"'),
    "decimal comma and whole numbers": csv("utterance_id;mos", lambda n, v: f"{n};{swapped(v).removesuffix(',0')}"),
    "sep line": "sep=;\r\n" + csv("utterance_id;mos", lambda n, v: f"{n};{v}", end="\r\n"),
    "tab": csv("utterance_id\tmos", lambda n, v: f"{n}\t{v}"),
    "bar": csv("utterance_id|mos", lambda n, v: f"{n}|{v}"),
    "blanks": csv("", lambda n, v: f"{n}   {v}"),
    "blanks and header": csv("utterance_id mos", lambda n, v: f"{n} {v}"),
    "blank behind commas": csv("utterance_id, mos", lambda n, v: f"{n}, {v} "),
    "quoted": csv('"utterance_id","mos"', lambda n, v: f'"{n}","{v}"'),
    "upper": csv("UTTERANCE ID,MOS"),
    "comments": "# made tonight\n# by me\n" + csv("utterance_id,mos"),
    "header in a comment": csv("# utterance_id,mos"),
    "blank lines": "\n\n" + csv("utterance_id,mos") + "\n  \n\n",
    "trailing comma": csv("utterance_id,mos,", lambda n, v: f"{n},{v},"),
    "trailing comma below the header": csv("utterance_id,mos", lambda n, v: f"{n},{v},"),
    "data frame index": csv(",utterance_id,mos", lambda n, v: f"{CLIPS.index(n)},{n},{v}"),
    "unnamed index": csv("Unnamed: 0,utterance_id,mos", lambda n, v: f"{CLIPS.index(n)},{n},{v}"),
    "folders": csv("utterance_id,mos", lambda n, v: f"/data/night/{n}.wav,{v}"),
    "windows paths": csv("wav_path,score", lambda n, v: f"C:\\night\\{n}.WAV,{v}"),
    "m4a": csv("file,prediction", lambda n, v: f"{n}.m4a,{v}"),
    "case": csv("name,mos", lambda n, v: f"{n.upper()},{v}"),
    "utmosv2": csv("file_path,predicted_mos", lambda n, v: f"/x/{n}.wav,{v}"),
    "nisqa": csv("deg,mos_pred,noi_pred,model", lambda n, v: f"{n}.wav,{v},3,NISQAv2"),
    "sheet": csv("wav_path,system_id,sample_id,avg_score,answer", lambda n, v: f"d/{n}.wav,{n[:4]},{n[5:]},3,{v}"),
    "distillmos": csv("filename,mos", lambda n, v: f"./out/{n}.flac,{v}"),
    "ours": csv("path,utterance_id,mos,duration_s,status,reason", lambda n, v: f"x,{n},{v},1,ok,"),
    "versa": csv("", lambda n, v: json.dumps({"key": n, "utmos": v})),
    "versa txt": csv("", lambda n, v: str({"key": n, "utmos": v})),
    "json list": json.dumps([{"id": name, "score": value} for name, value in PLAIN.items()]),
    "json mapping": json.dumps(PLAIN),
    "json mapping of objects": json.dumps({name: {"mos": value} for name, value in PLAIN.items()}),
    "json results": json.dumps({"results": [{"file": name, "mos": value} for name, value in PLAIN.items()]}),
    "colons": csv("", lambda n, v: f"{n}.wav: {v}"),
    "challenge systems": csv("systems,MOS"),
    "worker": csv("clip,mos,worker", lambda n, v: f"{n},{v},W"),
}


def write(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def by_clip(path: Path, **columns: str) -> dict[str, float]:
    outside = read_predictions_of(path, ("mos",), columns, CLIPS)
    return {clip: outside.values[name]["mos"] for name, clip in matched_ids(CLIPS, outside.values).clips.items()}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_as_the_plain_one(tmp_path: Path, form: str) -> None:
    assert by_clip(write(tmp_path, FORMS[form])) == PLAIN


def test_parquet_reads_as_well(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"file": [f"{name}.wav" for name in CLIPS], "mos": VALUES}), tmp_path / "t.parquet")
    assert by_clip(tmp_path / "t.parquet") == PLAIN


PREDICTIONS = {"challenge systems", "nisqa", "versa", "versa txt", "utmosv2", "m4a", "sheet"}
"""Forms whose names of columns say that they hold predictions."""


@pytest.mark.parametrize("form", [form for form in FORMS if form not in PREDICTIONS])
def test_truth_reads_the_same_forms(tmp_path: Path, form: str) -> None:
    truth = read_truth(write(tmp_path, FORMS[form]))
    scores = {name: scores["mos"] if "mos" in scores else scores["score"] for name, _, scores in truth.rows}
    assert {clip: scores[name] for name, clip in match_clips(CLIPS, list(scores)).clips.items()} == PLAIN


def test_what_was_understood_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, csv("wav;predicted_mos", lambda n, v: f"{n}.wav;{swapped(v)}"))
    line = read_predictions_of(path, ("mos",), {}, CLIPS).understood
    assert line == f"{path}: text with semicolons, decimal commas; utterance_id = wav, mos = predicted_mos; 9 rows"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (csv("filename,OVRL,P808_MOS", lambda n, v: f"{n}.wav,{v},1"), ["'OVRL' or 'P808_MOS'", "--column mos=OVRL"]),
        (csv("id,mos,mos_pred", lambda n, v: f"{n},3,{v}"), ["'mos' or 'mos_pred'", "--column mos=mos"]),
        (csv("id,mos,pred_sslmos", lambda n, v: f"{n},3,{v}"), ["'mos' or 'pred_sslmos'"]),
        (csv("", lambda n, v: json.dumps({"key": n, "utmos": v, "dns_overall": 1})), ["'utmos' or 'dns_overall'"]),
        (csv("id,what", lambda n, v: f"{n},{v}"), ["none of the columns mos", "--column NAME"]),
        (csv("thing,mos"), ["no column utterance_id", "--column utterance_id=HEADER"]),
        (csv("utterance_id,mos").replace("1.375", "inf"), ["row 3: 'inf' is not a finite number"]),
        (csv("utterance_id,mos").replace("1.375", "None"), ["'None' is not a finite number", "leave the cell empty"]),
        (csv("utterance_id,mos") + "sys0-utt0,1.0\n", ["row 11: 'sys0-utt0' occurs twice"]),
        (csv("utterance_id,mos") + "a,1,2\n", ["row 11 has 3 fields, expected 2"]),
        (csv("utterance_id,mos,mos", lambda n, v: f"{n},{v},{v}"), ["names mos twice"]),
        (csv('utterance_id,mos\n"a,1'), ["is a quote left open?"]),
        (b"PK\x03\x04" + bytes(99), ["a spreadsheet or zip archive; save it as CSV"]),
        (b"\x1f\x8b" + bytes(99), ["compressed (gzip); unpack it"]),
        (b"\x80\x04\x95" + bytes(99), ["a pickle, which is never loaded"]),
        ("# only\n#comments\n", ["nothing but comments"]),
        ("", ["the file is empty"]),
        ("{'key': 'a', 'utmos': __import__('os').getcwd()}\n", ["line 1 is neither JSON nor a Python dictionary"]),
        ("[1, 2]", ["expected an object"]),
        ("just one line of prose\n", ["no rows below the header"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_way_out(tmp_path: Path, content: Any, words: list[str]) -> None:
    with pytest.raises(MosharnessError) as caught:
        by_clip(write(tmp_path, content))
    assert "table.csv" in str(caught.value) and any(word in str(caught.value) for word in words), str(caught.value)
    if len(words) == 2 and words[1].startswith("--"):
        assert all(word in str(caught.value) for word in words)


def test_columns_are_named_by_the_user(tmp_path: Path) -> None:
    path = write(tmp_path, csv("thing,a,b", lambda n, v: f"{n},{v},1"))
    assert by_clip(path, utterance_id="Thing", mos="a") == PLAIN
    assert set(by_clip(path, utterance_id="thing", mos="b").values()) == {1.0}
    with pytest.raises(UnknownName, match='Did you mean "thing"'):
        by_clip(path, utterance_id="thingy")
    headless = write(tmp_path, csv("", lambda n, v: f"1,{v},{n}"), "h.csv")
    assert by_clip(headless, utterance_id="3", mos="2") == PLAIN
    with pytest.raises(UsageError, match="FIELD=HEADER"):
        parse_columns(["mos="])
    assert parse_columns(["truth.mos=a", "b"]) == {"truth.mos": "a", "": "b"}


def test_several_dimensions_by_their_names_in_any_case(tmp_path: Path) -> None:
    path = write(tmp_path, "sample_id,SIG,BAK_pred,ovr\na,1,2,3\nb,2,3,4\n")
    assert read_outside(path, ("ovr", "sig", "bak"))["a"] == {"ovr": 3.0, "sig": 1.0, "bak": 2.0}


# -- ids --------------------------------------------------------------------------------------------------------------


def test_one_id_is_the_end_of_the_other(tmp_path: Path) -> None:
    found = match_clips(["alpha/u0", "beta/u0", "u9"], ["/d/x/alpha/u0.wav", "D:\\beta\\u0.flac", "wav/U9.WAV"])
    assert list(found.clips.values()) == ["alpha/u0", "beta/u0", "u9"]
    assert set(found.ways) == {"folders", "suffixes", "upper and lower case"}
    apart = match_clips(["train/a", "b"], ["test/a", "c/b", "zz"])
    assert apart.clips == {"c/b": "b"} and apart.extra == ["test/a", "zz"]
    unclear = match_clips(["alpha/u0", "beta/u0"], ["u0"])
    assert unclear.unclear == {"u0": ["alpha/u0", "beta/u0"]} and not unclear.clips
    assert match_clips(["a", "A"], ["A", "a"]).clips == {"A": "A", "a": "a"}
    assert match_clips(["clip.v2"], ["clip.v2"]).clips == {"clip.v2": "clip.v2"}
    with pytest.raises(PredictionError, match=r"'x/a' and another row stand for the same utterance 'a' \('a\.wav'\)"):
        matched_ids(["a"], {"a.wav": {}, "x/a": {}})


# -- truth, ratings ---------------------------------------------------------------------------------------------------

SINGLE = [(f"c{at}", f"s{at % 3}", who, float(1 + (at * 7 + who * 3) % 5)) for at in range(6) for who in range(4)]
MEANS = {clip: sum(r[3] for r in SINGLE if r[0] == clip) / 4 for clip, *_ in SINGLE}


@pytest.mark.parametrize(
    "header",
    [
        "utterance_id,system_id,listener_id,mos",
        "wav,model,rater,rating",
        "uttID,sys,lisID,score",
        "stimulus,condition,worker_id,choice",
        "key,System,Subject,opinion",
        "filename,system,annotator,MOS",
    ],
)
def test_one_row_a_rating_gives_means_ratings_and_listeners(tmp_path: Path, header: str) -> None:
    lines = [f"{clip},{system},L{who},{score}" for clip, system, who, score in SINGLE]
    truth = read_truth(write(tmp_path, "\n".join([header, *lines])))
    assert {clip: scores["mos"] for clip, _, scores in truth.rows if "mos" in scores} == pytest.approx(MEANS)
    assert {system for _, system, _ in truth.rows} == {"s0", "s1", "s2"}
    assert truth.ratings["mos"]["c1"] == [score for clip, _, _, score in SINGLE if clip == "c1"]
    assert list(truth.listeners["c1"]) == ["L0", "L1", "L2", "L3"]
    assert "24 ratings of 6 clips by 4 listeners" in truth.understood


def test_ratings_beside_each_other_and_counts_of_grades(tmp_path: Path) -> None:
    by = {clip: [score for one, _, _, score in SINGLE if one == clip] for clip in MEANS}
    wide = "\n".join(["id,system,r1,r2,r3,r4", *(f"{c},s,{','.join(map(str, v))}" for c, v in by.items())])
    counts = "\n".join(
        ["id,system,mos,n1,n2,n3,n4,n5"]
        + [f"{c},s,{MEANS[c]:.3f},{','.join(str(v.count(g)) for g in range(1, 6))}" for c, v in by.items()]
    )
    for text in (wide, counts):
        truth = read_truth(write(tmp_path, text))
        assert {clip: scores["mos"] for clip, _, scores in truth.rows} == pytest.approx(MEANS, abs=1e-3)
        assert {clip: sorted(given) for clip, given in truth.ratings["mos"].items()} == {
            c: sorted(v) for c, v in by.items()
        }
    wrong = counts.replace(f"c0,s,{MEANS['c0']:.3f}", "c0,s,4.900")
    assert not read_truth(write(tmp_path, wrong)).ratings  # the counts are of something else


def test_repeated_clips_without_listeners_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = write(tmp_path, "id,mos,who\na,1,x\na,2,y\nb,3,x\nb,5,y\n")
    with pytest.raises(DataError, match=r"row 3: 'a' occurs twice.*--column listener=HEADER"):
        read_truth(path)
    assert read_truth(path, {"listener": "who"}).rows[1][2] == {"mos": 4.0}
    with pytest.raises(DataError, match="given two systems"):
        read_truth(write(tmp_path, "id,system,mos,rater\na,s,1,x\na,t,2,y\n"))


def test_system_scores_by_other_names(tmp_path: Path) -> None:
    for text in ("system_id,mos\na,1\nb,2\n", "System;MOS\na;1,0\nb;2,0\n", "system_ID,mean\na,1\nb,2\n", "a,1\nb,2\n"):
        assert read_system_truth(write(tmp_path, text), ("mos",)) == {"mos": {"a": 1.0, "b": 2.0}}


def test_ratings_give_the_ceiling_of_the_library(tmp_path: Path) -> None:
    from mosharness.harness.results.evaluate import evaluate_predictions
    from mosharness.harness.results.make import RunOptions
    from mosharness.harness.results.measure import MeasureOptions
    from mosharness.harness.stats import noise_ceiling

    lines = [f"{clip},{system},L{who},{score}" for clip, system, who, score in SINGLE]
    truth = write(tmp_path, "\n".join(["wav,system,rater,score", *lines]))
    predicted = write(tmp_path, "\n".join(f"{clip},{value + 0.1}" for clip, value in MEANS.items()), "p.csv")
    options = RunOptions(measure=MeasureOptions(resamples=20))
    said: list[str] = []
    result = evaluate_predictions(predicted, truth=truth, options=options, say=said.append)
    by = {clip: [row for row in SINGLE if row[0] == clip] for clip in MEANS}
    expected = noise_ceiling(
        [[row[3] for row in rows] for rows in by.values()],
        [rows[0][1] for rows in by.values()],
        [[f"L{row[2]}" for row in rows] for rows in by.values()],
    )
    for level in ("utterance", "system"):
        assert result.ceiling_of(level, "mos").value == pytest.approx(expected[level]["value"], nan_ok=True)
    assert result.extras["utterance"]["mos"].outlier_ratio
    assert len(said) == 2


# -- real files -------------------------------------------------------------------------------------------------------


def test_the_tables_at_hand(shared: Path) -> None:
    folder = shared / "cases/tables"
    labels = {clip: scores["mos"] for clip, _, scores in read_truth(folder / "truth.csv").rows}
    plain = {name: values["mos"] for name, values in read_outside(folder / "plain.csv", ("mos",)).items()}
    ways_out = {
        "dup_same": "occurs twice",
        "inf": "'inf'",
        "nan": "'nan'",
        "none": "'None'",
    }
    read = 0
    for path in sorted(folder.iterdir()):
        if path.stem in ways_out:
            with pytest.raises(MosharnessError, match=ways_out[path.stem]):
                read_predictions_of(path, ("mos",), {}, labels)
        elif path.stem not in ("truth", "const"):
            outside = read_predictions_of(path, ("mos",), {}, labels)
            matched = matched_ids(labels, outside.values).clips
            assert {clip: outside.values[name]["mos"] for name, clip in matched.items()} == plain, path.name
            read += 1
    assert read >= 25


def test_real_rating_files(shared: Path) -> None:
    """The official answers leave out listener 1 of the first panel: with the same ratings the means are theirs."""
    folder = shared / "data/mosbench_labels"
    truth = read_truth(folder / "vmc24_track3_listener_wise.csv")
    answers = {clip: scores for clip, _, scores in read_truth(folder / "vmc24_track3_answer.csv").rows}
    assert truth.dimensions == ("sig", "bak", "ovr") and len(truth.rows) == len(answers) == 280
    for clip, _, scores in truth.rows:
        kept = [not who.startswith("listener-1-") for who in truth.listeners[clip]]
        for name in truth.dimensions:
            given = truth.ratings[name][clip]
            assert len(given) == 5 and scores[name] == pytest.approx(sum(given) / 5)
            rest = [value for value, keep in zip(given, kept, strict=True) if keep]
            assert sum(rest) / len(rest) == pytest.approx(answers[clip][name])
    again = read_truth(shared / "data/bvcc_rerating_sarulab/rerating.csv")
    assert len(again.rows) == 3610 and {len(given) for given in again.ratings["mos"].values()} == {8}
    assert all(scores["mos"] == sum(again.ratings["mos"][clip]) / 8 for clip, _, scores in again.rows)
    wide = read_truth(shared / "data/audiomos25_track2_eval/ratings.csv")
    assert wide.dimensions == ("pq", "pc", "ce", "cu") and len(wide.ratings["cu"][wide.rows[0][0]]) == 10
