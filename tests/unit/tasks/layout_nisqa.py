"""A dozen clips and more in the official layout of the NISQA Corpus."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

from layout_audio import write_wav

COLUMNS = """db con file con_description filename_deg filename_ref source lang votes mos noi col dis loud
noi_std col_std dis_std loud_std mos_std filepath_deg filepath_ref filter wbgn_snr""".split()  # noqa: SIM905
"""Official order: ``col`` comes before ``dis``."""
DIMENSIONS = ("mos", "noi", "dis", "col", "loud")
CONDITIONS = {
    "NISQA_TRAIN_SIM": (("1", 1), ("2", 1), ("3", 1)),
    "NISQA_TRAIN_LIVE": (("1", 1), ("2", 1)),
    "NISQA_VAL_SIM": (("1", 1), ("2", 1), ("3", 1)),
    "NISQA_VAL_LIVE": (("skype live ", 1), ("phone", 1)),
    "NISQA_TEST_FOR": (("1", 4), ("2", 4)),
    "NISQA_TEST_P501": (("1", 4), ("2", 4)),
    "NISQA_TEST_LIVETALK": (("1 ", 4), ("2 ", 4)),
}
"""Sub-set to (condition as printed, clips)."""


def clips(subset: str) -> list[dict[str, str]]:
    """The rows of a sub-set's table, in file order."""
    rows = []
    for condition, count in CONDITIONS[subset]:
        for take in range(count):
            number = len(rows) + 1
            name = f"c{number:05}_{subset[6:].lower()}_{take + 1:02}.wav"
            scores = {
                name: 1 + (number * step % 16) / 4 + 1e-15
                for name, step in zip(DIMENSIONS, (3, 5, 7, 9, 11), strict=True)
            }
            row = dict.fromkeys(COLUMNS, "") | {"db": subset, "con": condition, "filename_deg": name, "votes": "5"}
            row |= {"con_description": "codec, FER 10% ", "filepath_deg": f"{subset}/deg/{name}"}
            rows.append(row | {dimension: f"{value:.15f}" for dimension, value in scores.items()})
    return rows


def write_nisqa(folder: Path, *, subset_tables: bool = True, corpus_tables: bool = True, audio: bool = False) -> Path:
    """Write ``NISQA_Corpus`` below ``folder``; returns it."""
    corpus = folder / "NISQA_Corpus"
    every = []
    for subset in CONDITIONS:
        rows = clips(subset)
        every += rows
        (corpus / subset / "deg").mkdir(parents=True)
        if subset_tables:
            write_table(corpus / subset / f"{subset}_file.csv", rows)
            write_table(corpus / subset / f"{subset}_con.csv", conditions(rows))
        if audio:
            for row in rows:
                write_wav(corpus / row["filepath_deg"], 48000)
    if corpus_tables:
        write_table(corpus / "NISQA_corpus_file.csv", every)
        write_table(corpus / "NISQA_corpus_con.csv", conditions(every))
    return corpus


def conditions(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The table of conditions: means over the clips."""
    table = []
    for key in dict.fromkeys((row["db"], row["con"]) for row in rows):
        members = [row for row in rows if (row["db"], row["con"]) == key]
        means = {name: str(fmean(float(row[name]) for row in members)) for name in DIMENSIONS}
        table.append({"db": key[0], "con": key[1]} | means)
    return table


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """Write a table with the columns of its first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
