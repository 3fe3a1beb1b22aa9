"""A column that is said once appears in every form of a board; tables of systems stay safe as CSV."""

from __future__ import annotations

import csv
import io
import json

from mosharness.harness.boards import boards_csv, boards_json, boards_latex, columns, exports, page
from mosharness.harness.boards.columns import Column
from mosharness.harness.boards.systems import system_files


def test_a_new_column_is_one_line(samples, board_of, monkeypatch):
    seed = Column(
        "seed",
        lambda entry: entry.row.options.seed,
        heading="Seed",
        pages=("rows",),
        latex=("r", lambda entry: str(entry.row.options.seed)),
    )
    for module in (columns, exports, page):
        monkeypatch.setattr(module, "COLUMNS", (*columns.COLUMNS, seed))
    boards = [board_of(samples.result("mine", options__seed=17))]
    assert "| Commit | Date | Seed |" in page.task_page(boards[0], drawn=True)
    assert next(csv.DictReader(io.StringIO(boards_csv(boards))))["seed"] == "17"
    table = json.loads(boards_json(boards))["tasks"][0]["splits"][0]["dimensions"][0]["tables"][0]
    assert table["rows"][0]["seed"] == 17
    assert "Rank & Row & Seed & " in boards_latex(boards)


def test_names_of_columns_and_json_keys_are_said_once():
    names = [column.name for column in columns.COLUMNS]
    keys = [column.json if column.json is not None else column.name for column in columns.COLUMNS if column.json != ""]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)


def test_a_table_of_systems_disarms_formulas_and_keeps_every_digit(samples, board_of):
    entries = samples.systems(0.2)
    entries[0]["system_id"] = '=cmd|" /C calc"!A0'
    ((path, text),) = system_files([board_of(samples.result("mine", table=entries))]).items()
    assert path == "systems/speech-test-mine.csv"
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 20
    assert '\'=cmd|" /C calc"!A0' in {row["system_id"] for row in rows}
    labels = [float(row["mos_label"]) for row in rows]
    assert labels == sorted((entry["mos_truth"] for entry in entries), reverse=True)
    assert all(line.startswith('"') for line in text.splitlines())
