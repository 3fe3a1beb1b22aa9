"""Ids with blanks at their ends, and names that two systems spell in two ways: matched, and said."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mosharness.harness.core.ids import TidyIds, existing, with_spelling

Cli = Callable[..., Any]
NFC = "café-ü"
NFD = unicodedata.normalize("NFD", NFC)


def rows(spelled: str, blank: str = "") -> list[tuple[str, str, float]]:
    """Three systems of three clips, one with accents, one with a blank in every second row."""
    systems = ("alpha", "beta", spelled)
    return [
        (f"{spelled}-{at}-{k}", system + blank * (k % 2), 1.5 + at + k / 10)
        for at, system in enumerate(systems)
        for k in range(3)
    ]


@pytest.mark.parametrize(("truth", "predicted"), [(NFC, NFD), (NFD, NFC)])
def test_truth_and_predictions_in_two_spellings_match(tmp_path: Path, cli: Cli, truth: str, predicted: str) -> None:
    lines = [f"{name},{system},{score}" for name, system, score in rows(truth, blank=" ")]
    (tmp_path / "t.csv").write_text("utterance_id,system_id,mos\n" + "\n".join(lines) + "\n")
    lines = [f"{name} ,{score + 0.1}" for name, _, score in rows(predicted)]
    (tmp_path / "p.csv").write_text("utterance_id,mos\n" + "\n".join(lines) + "\n")
    (tmp_path / "s.csv").write_text(f"system_id,mos\nalpha,1.6\n beta,2.6\n{predicted} ,3.6\n")
    files = ("--truth", tmp_path / "t.csv", "--predictions", tmp_path / "p.csv", "--system-truth", tmp_path / "s.csv")
    found = cli("evaluate", *files, "--json")
    assert found.code == 0, found.err
    assert (found.json["counts"]["scored"], len(found.json["systems"])) == (9, 3)
    assert found.json["metrics"]["system"]["mos"]["mse"]["value"] == pytest.approx(0.01)
    assert "note: system ids with blanks at their ends, which are taken off: 3 (first: 'alpha ')" in found.err
    assert ("Unicode NFD" in found.err) == (truth == NFD)


@pytest.mark.parametrize(("listed", "on_disk"), [(NFC, NFD)])
def test_files_in_another_spelling_are_found(
    tmp_path: Path, cli: Cli, write_wave: Callable[..., Path], toy: ModuleType, listed: str, on_disk: str
) -> None:
    data = tmp_path / "data"
    lines = []
    for at, (name, system, score) in enumerate(rows("x")):
        folder = "plain" if at % 2 else listed
        write_wave(data / (folder if at % 2 else on_disk) / f"{name}-{on_disk}.wav", seed=at)
        lines.append(f"{folder}/{name}-{listed}.wav,{system}{' ' * (at == 4)},{score}")
    (data / "metadata.csv").write_text("path,system_id,mos\n" + "\n".join(lines) + "\n")
    weights = ("--predictor", "toy", "--checkpoint", tmp_path / "toy.txt")
    found = cli("run", "--task", "folder", "--data-root", data, *weights, "--output", tmp_path / "r")
    assert found.code == 0, found.err
    assert "9 scored, 0 missing" in found.out and "systems: 3" in found.out
    table = (tmp_path / "r/folder/test/toy/predictions.csv").read_text().splitlines()
    assert not any(line.partition(",")[0].endswith(".wav") for line in table), (
        "one file in two spellings is no collision"
    )
    assert "spell differently (Unicode NFC and NFD), taken as the same: 9" in found.err
    assert "system ids with blanks at their ends, which are taken off: 1" in found.err
    assert "not in metadata.csv" not in found.err
    assert cli("predict", data / "metadata.csv", *weights, "-o", tmp_path / "o.csv").code == 0


def test_two_files_that_differ_in_spelling_only_are_kept_apart(tmp_path: Path) -> None:
    assert with_spelling([NFC, NFD], NFD) == NFD
    assert with_spelling([NFD], NFC) == NFD
    assert with_spelling(["plain"], NFC) == ""
    (tmp_path / NFD).mkdir()
    (tmp_path / NFD / f"{NFC}.wav").write_bytes(b"")
    assert existing(tmp_path / NFC / f"{NFD}.wav").exists()
    assert existing(tmp_path / NFC / "ü.wav") == tmp_path / NFC / "ü.wav"


def test_what_is_changed_is_counted_once_an_id() -> None:
    tidy = TidyIds("system ids")
    assert [tidy(text) for text in ("a", "a ", "\u00a0a", NFD, "a ")] == ["a", "a", "a", NFC, "a"]
    assert [code for code, _ in tidy.notes] == ["id_blanks", "id_unicode"]
    assert "2 (first: 'a ')" in tidy.notes[0][1]


@pytest.mark.parametrize("blank", ["\t", "\xa0", "\u3000", "\u2009", "\u200b", "\ufeff", " \u200b\xa0"])
def test_blanks_of_every_kind_are_taken_off(tmp_path: Path, cli: Cli, blank: str) -> None:
    lines = [f"{name}|{blank * (at % 2)}{system}{blank * (at % 3 == 0)}|{score}" for at, (name, system, score) in
             enumerate(rows("gamma"))]  # fmt: skip
    (tmp_path / "t.csv").write_text("utterance_id|system_id|mos\n" + "\n".join(lines) + "\n")
    lines = [f"{blank}{name}|{score + 0.1}" for name, _, score in rows("gamma")]
    (tmp_path / "p.csv").write_text("utterance_id|mos\n" + "\n".join(lines) + "\n")
    found = cli("evaluate", "--truth", tmp_path / "t.csv", "--predictions", tmp_path / "p.csv", "--json")
    assert found.code == 0, found.err
    assert [row["system_id"] for row in found.json["systems"]] == ["alpha", "beta", "gamma"]
    assert "blanks at their ends, which are taken off" in found.err
