"""``gate`` with joined columns, ratios of sums, and slices, on audio and on tables."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]
Write = Callable[..., Path]
N = 22


@pytest.fixture
def sides(tmp_path: Path, write_wave: Write, toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Folders ``old`` and ``new`` with 22 texts each; the toy has default weights."""
    monkeypatch.setattr(toy.Toy, "local_weights", classmethod(lambda cls, config: tmp_path / "toy.txt"))
    for side, offset in (("old", 0), ("new", 100)):
        for at in range(N):
            write_wave(tmp_path / side / f"t{at:02d}.wav", 0.6 + 0.01 * at, seed=at + offset)
    return tmp_path / "old", tmp_path / "new"


def run(cli: Cli, old: object, new: object, *more: object) -> Any:
    return cli("gate", "--baseline", old, "--candidate", new, "--predictor", "toy", "--signals", "off", *more)


def table(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def words(extra: int = 0) -> list[dict[str, object]]:
    """Errors and words of every text: one error in a short text, one in a long one; ``extra`` more in the longest."""
    counts = [(1, 2), (1, 100), *[(0, 10)] * (N - 2)]
    rows = [{"id": f"t{at:02d}", "errors": errors, "words": count} for at, (errors, count) in enumerate(counts)]
    rows[1]["errors"] = 1 + extra
    return rows


WER = ("--score", "wer=errors/words", "--lower-is-better", "wer", "--margin", "wer=0.05")


def test_a_ratio_is_that_of_the_sums_and_one_verdict_holds_over_all(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = table(tmp_path / "old.csv", words()), table(tmp_path / "new.csv", words(60))
    joined = ("--scores", f"baseline={old}", "--scores", f"candidate={new}", *WER)
    outcome = run(cli, *sides, *joined, "--json")
    entries = {one["name"]: one for one in outcome.json["predictors"]}
    assert entries["toy"]["kind"] == "predictor" and entries["wer"]["kind"] == "column" and entries["wer"]["ratio"]
    total = 102 + 10 * (N - 2)
    assert entries["wer"]["mean_baseline"] == pytest.approx(2 / total)
    assert entries["wer"]["mean_candidate"] == pytest.approx(62 / total)
    assert entries["wer"]["mean_diff"] == pytest.approx(-60 / total) and entries["toy"]["verdict"] == "pass"
    assert outcome.json["verdict"] == entries["wer"]["verdict"] == "inconclusive" and outcome.code == 3
    drawn = run(cli, *sides, *joined, "--method", "bootstrap", "--json").json["predictors"][1]
    assert drawn["mean_diff"] == pytest.approx(-60 / total) and "resamples" in " ".join(drawn["notes"])
    worse = table(tmp_path / "worse.csv", [row | {"errors": 5} for row in words()])
    assert run(cli, *sides, "--scores", f"baseline={old}", "--scores", f"candidate={worse}", *WER).code == 1


def test_one_table_says_the_side_in_a_column_by_paths_or_by_headings(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    options = ("--score", "similarity", "--margin", "similarity=0.1", "--json")
    keys = [f"t{at:02d}" for at in range(N)]
    rows = [{"id": key, "side": side, "similarity": 0.8} for side in ("baseline", "candidate") for key in keys]
    for row in rows[N:]:
        row["similarity"] = 0.5
    forms: list[list[dict[str, object]]] = [
        rows,
        [{"system": {"baseline": "old"}.get(str(row["side"]), "NEW"), **row, "side": ""} for row in rows],
        [{"path": f"{'old' if at < N else 'new'}/{row['id']}.wav", "similarity": row["similarity"]}
         for at, row in enumerate(rows)],
        [{"id": key, "similarity_baseline": 0.8, "similarity_candidate": 0.5} for key in keys],
    ]  # fmt: skip
    for row in forms[1]:
        del row["side"]
    for form in forms:
        path = table(tmp_path / "sim.csv", form)
        outcome = run(cli, *sides, "--scores", path, *options)
        assert outcome.code == 1, (form[0], outcome.err)
        entry = outcome.json["predictors"][1]
        assert entry["mean_diff"] == pytest.approx(-0.3) and entry["verdict"] == "fail"


def test_columns_that_cannot_be_joined_are_said(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    path = table(tmp_path / "new.csv", words())
    both = ("--scores", f"baseline={path}", "--scores", f"candidate={path}")
    short = table(tmp_path / "short.csv", words()[1:])
    odd = table(tmp_path / "odd.csv", [row | {"errors": "many"} for row in words()])
    for options, said in (
        ((*both, *WER[:2], *WER[4:]), "--lower-is-better wer"),
        ((*both, *WER[:4], "--margin", "0.2"), "--margin wer=number"),
        ((*both, "--score", "wre", "--margin", "wre=1"), '"wre"'),
        (both, "--score COLUMN"),
        (("--scores", path, *WER), "found for both sides"),
        (("--scores", f"baseline={path}", "--scores", f"candidate={short}", *WER), "no row for t00 of the candidate"),
        (("--scores", f"baseline={path}", "--scores", f"candidate={odd}", *WER), "row 2: errors 'many'"),
        (("--scores", tmp_path / "nowhere.csv", *WER), "no such file"),
        ((*both, "--score", "a=b/", "--margin", "a=1"), "NAME=ERRORS/WORDS"),
    ):
        outcome = run(cli, *sides, *options)
        assert outcome.code == 2 and said in outcome.err, (options, outcome.err)


def manifest(path: Path, folder: Path, **columns: Callable[[int], object]) -> Path:
    rows = [
        {"path": f"{folder.name}/t{at:02d}.wav", "id": f"t{at:02d}", **{name: of(at) for name, of in columns.items()}}
        for at in range(N)
    ]
    return table(path, rows)


def test_columns_of_manifests_are_joined_and_a_saved_baseline_keeps_them(
    cli: Cli, sides: tuple[Path, Path], tmp_path: Path
) -> None:
    old = manifest(tmp_path / "old.csv", sides[0], latency=lambda at: 100 + at)
    new = manifest(tmp_path / "new.csv", sides[1], latency=lambda at: 180 + at % 3)
    options = ("--score", "latency", "--lower-is-better", "latency", "--margin", "latency=20")
    assert run(cli, old, new, *options).code == 1
    saved = tmp_path / "base.json"
    said = cli("gate", "--baseline", old, "--predictor", "toy", *options, "--save-baseline", saved)
    assert said.code == 0 and saved.is_file()
    outcome = run(cli, saved, new, *options, "--json")
    entry = outcome.json["predictors"][1]
    assert outcome.code == 1 and entry["name"] == "latency" and entry["mean_baseline"] == pytest.approx(110.5)
    assert run(cli, saved, manifest(tmp_path / "more.csv", sides[1], latency=lambda at: 101 + at), *options).code == 0


def test_every_slice_has_to_pass_and_those_that_fail_are_named(
    cli: Cli, tmp_path: Path, write_wave: Write, sides: tuple[Path, Path]
) -> None:
    for side, offset in (("a", 0), ("b", 100)):
        for speaker in range(5):
            for at in range(6):
                path = tmp_path / side / f"speaker{speaker}" / f"t{at}.wav"
                write_wave(path, 0.6 + 0.01 * at, seed=at + offset)
    scores = [
        {"id": f"speaker{speaker}/t{at}", "sim_baseline": 0.8, "sim_candidate": 0.4 + at / 50 if speaker == 3 else 0.8}
        for speaker in range(5)
        for at in range(6)
    ]
    joined = ("--scores", table(tmp_path / "sim.csv", scores), "--score", "sim", "--margin", "sim=0.1", "--json")
    folders = (tmp_path / "a", tmp_path / "b")
    whole = run(cli, *folders, *joined)
    warning = next(one for one in whole.json["findings"] if one["code"] == "unnamed_slices")
    assert "--slice folder" in warning["message"] and "speaker3 (sim -0.35)" in warning["message"]
    few = run(cli, *folders, *joined, "--slice", "folder")
    assert few.code == 2 and "speaker0 (6)" in few.err and "--min-n" in few.err
    outcome = run(cli, *folders, *joined, "--slice", "folder", "--min-n", 6)
    sliced = {
        one["voice"]: one for one in outcome.json["predictors"] if one["slice"] == "folder" and one["name"] == "sim"
    }
    assert outcome.code == 1 and [name for name, one in sliced.items() if one["verdict"] == "fail"] == ["speaker3"]
    assert sliced["speaker3"]["p_worse"] < 0.05 and len(sliced) == 5 and sliced["speaker3"]["scope"] == "slice"
    assert next(one["scope"] for one in outcome.json["predictors"] if one["name"] == "sim") == "all"
    shown = run(cli, *folders, *joined[:-1], "--slice", "folder", "--min-n", 6)
    assert "sim, folder speaker3" in shown.out and "5 slices by folder" in shown.err and "Holm" in shown.err
    for name, said in (("stile", '"stile"'), ("voice", "one slice")):
        assert said in run(cli, *folders, "--slice", name, "--min-n", 6).err


def test_a_slice_is_a_column_of_either_manifest(cli: Cli, sides: tuple[Path, Path], tmp_path: Path) -> None:
    old = manifest(tmp_path / "old.csv", sides[0], style=lambda at: "news" if at % 2 else "chat")
    outcome = run(cli, old, sides[1], "--slice", "style", "--min-n", 11, "--json")
    assert outcome.code == 0, outcome.err
    assert [one["voice"] for one in outcome.json["predictors"]] == ["", "chat", "news"]
    assert outcome.json["pairs"][1]["slices"] == {"style": "news"}
    new = manifest(tmp_path / "new.csv", sides[1], style=lambda at: "chat")
    assert "'news' in the baseline" in run(cli, old, new, "--slice", "style", "--min-n", 11).err


def test_outside_scores_take_ratios_too(cli: Cli, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = [
        {"system": system, "key": at, "errors": int(generator.integers(0, 3)), "words": 5 + at}
        for system in ("v1", "v2")
        for at in range(20)
    ]
    path = table(tmp_path / "scores.csv", rows)
    outcome = cli("gate", "--scores-csv", path, *WER, "--baseline", "v1", "--candidate", "v2", "--json")
    entry = outcome.json["predictors"][0]
    errors = [sum(int(str(row["errors"])) for row in rows if row["system"] == name) for name in ("v1", "v2")]
    assert entry["mean_baseline"] == pytest.approx(errors[0] / 290) and entry["ratio"]
    assert entry["mean_candidate"] == pytest.approx(errors[1] / 290)
