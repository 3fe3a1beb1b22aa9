"""Scoring many clips: rows for every clip, cache, journal, resumption, locks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from mosharness.harness.core.clip import Clip, Finding, Outcome
from mosharness.harness.core.errors import UsageError
from mosharness.harness.engine.cache import PredictionCache
from mosharness.harness.engine.journal import Journal
from mosharness.harness.engine.pipeline import plan_batches
from mosharness.harness.engine.score import score_items


@pytest.fixture
def items(tmp_path: Path, write_wave: Callable[..., Path]) -> list[Clip]:
    """Eleven clips of mixed length; one text file among them."""
    made = [Clip(f"u{at:02d}", write_wave(tmp_path / f"{at}.wav", 0.3 + 0.1 * at, seed=at)) for at in range(10)]
    bad = tmp_path / "bad.wav"
    bad.write_text("no audio")
    return [*made[:5], Clip("u99", bad), *made[5:]]


def test_every_clip_gets_a_row_in_its_place(toy: ModuleType, items: list[Clip]) -> None:
    rows = score_items(toy.Toy(), items).rows
    assert [row.utterance_id for row in rows] == [item.utterance_id for item in items]
    assert [row.status for row in rows].count("failed") == 1
    failed = rows[5]
    assert failed.status == "failed" and failed.reason.startswith("unreadable: ") and np.isnan(failed.scores[0])
    assert all(np.isfinite(row.scores[0]) for row in rows if row.status != "failed")


def test_scores_do_not_depend_on_order_workers_or_batch(toy: ModuleType, items: list[Clip]) -> None:
    predictor = toy.Toy()
    first = {row.utterance_id: row.scores for row in score_items(predictor, items, use_cache=False).rows}
    again = score_items(predictor, items[::-1], workers=1, use_cache=False).rows
    assert {row.utterance_id: repr(row.scores) for row in again} == {name: repr(one) for name, one in first.items()}
    alone = [score_items(predictor, [item], use_cache=False).rows[0] for item in items]
    for row in alone:
        assert row.scores == pytest.approx(first[row.utterance_id], abs=1e-5, nan_ok=True)


def test_the_cache_answers_the_second_time_and_only_for_the_same_predictor(toy: ModuleType, items: list[Clip]) -> None:
    first = score_items(toy.Toy(), items)
    second = score_items(toy.Toy(), items)
    assert (first.cached, second.cached) == (0, 10)
    assert [repr(row.scores) for row in second.rows] == [repr(row.scores) for row in first.rows]
    assert score_items(toy.Toy({"gain": 2.0}), items).cached == 0
    assert score_items(toy.Toy(), items, use_cache=False).cached == 0


def test_the_cache_knows_the_audio_not_the_file_name(toy: ModuleType, items: list[Clip], tmp_path: Path) -> None:
    score_items(toy.Toy(), items[:1])
    copy = tmp_path / "copy.wav"
    copy.write_bytes(Path(str(items[0].source)).read_bytes())
    assert score_items(toy.Toy(), [Clip("other", copy)]).cached == 1


def test_a_broken_cache_costs_time_and_is_reported(
    toy: ModuleType, items: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "predictions.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 30)
    outcome = score_items(toy.Toy(), items)
    assert "without the prediction cache" in outcome.notes[0]
    assert sum(row.status == "failed" for row in outcome.rows) == 1


def test_a_snapshot_of_the_cache_does_not_see_later_entries(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    early = PredictionCache({"predictor": "p"}, path)
    early.put([Outcome("a", (1.5,), 1.0, 16_000, "ok", (), "abc")])
    assert early.get("abc") is None
    late = PredictionCache({"predictor": "p"}, path)
    assert late.get("abc") == (1.5,)
    assert PredictionCache({"predictor": "p"}, path, bound=early.bound).get("abc") is None
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT COUNT(*) FROM scores").fetchone() == (1,)


def interrupted(journal: Path, keep: int) -> None:
    """Cut a journal as a kill would: ``keep`` whole batches, then half a line."""
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: keep + 1]) + lines[keep + 1][:20])


def test_a_resumed_run_equals_an_undisturbed_one_bit_for_bit(
    toy: ModuleType, items: list[Clip], tmp_path: Path
) -> None:
    journal = tmp_path / "out" / ".progress.jsonl"
    whole = score_items(toy.Toy(), items, journal=journal, use_cache=False)
    interrupted(journal, 1)
    resumed = score_items(toy.Toy(), items, journal=journal, use_cache=False)
    assert 0 < resumed.resumed < len(items)
    assert [repr(row) for row in resumed.rows] == [repr(row) for row in whole.rows]


def test_a_resumed_run_reads_the_cache_as_it_was(
    toy: ModuleType, items: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    doubled = [*items, Clip("u00-again", items[0].source)]
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "one"))
    whole = score_items(toy.Toy(), doubled, journal=tmp_path / "one.jsonl")
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "two"))
    score_items(toy.Toy(), doubled, journal=tmp_path / "two.jsonl")
    interrupted(tmp_path / "two.jsonl", 1)
    resumed = score_items(toy.Toy(), doubled, journal=tmp_path / "two.jsonl")
    assert resumed.resumed > 0
    assert [repr(row) for row in resumed.rows] == [repr(row) for row in whole.rows]


def test_a_journal_of_another_run_is_started_anew(toy: ModuleType, items: list[Clip], tmp_path: Path) -> None:
    journal = tmp_path / "j.jsonl"
    score_items(toy.Toy(), items, journal=journal, use_cache=False)
    other = score_items(toy.Toy({"gain": 3.0}), items, journal=journal, use_cache=False)
    assert other.resumed == 0
    assert json.loads(journal.read_text().splitlines()[0])["digest"].startswith("sha256:")


def test_changed_audio_is_scored_again(
    toy: ModuleType, items: list[Clip], tmp_path: Path, write_wave: Callable[..., Path]
) -> None:
    journal = tmp_path / "j.jsonl"
    before = score_items(toy.Toy(), items, journal=journal, use_cache=False)
    write_wave(Path(str(items[0].source)), 0.3, seed=77, level=0.3)
    after = score_items(toy.Toy(), items, journal=journal, use_cache=False)
    assert after.resumed == 0
    assert after.rows[0].scores != before.rows[0].scores


def test_two_processes_never_score_into_the_same_place(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with (
        Journal(path, "sha256:1", {}),
        pytest.raises(UsageError, match="another process"),
        Journal(path, "sha256:1", {}),
    ):
        pass


@pytest.mark.parametrize("rubbish", [b"", b"\x00\xff\n", b"[]\n", b'{"digest": 1}\n', b'{"digest": "sha256:1"}\n'])
def test_a_damaged_journal_is_started_anew(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(rubbish)
    with Journal(path, "sha256:1", {"cache_bound": 3}) as journal:
        assert not journal.resumed
        journal.add(0, [Outcome("a", (float("nan"),), 1.0, 16_000, "failed", (Finding("x", "y"),))])
    with Journal(path, "sha256:1", {"cache_bound": 9}) as journal:
        assert journal.extra == {"cache_bound": 3}
        assert journal.done[0][0].reason == "x: y" and np.isnan(journal.done[0][0].scores[0])


def test_the_plan_is_a_function_of_lengths_and_ids_alone() -> None:
    generator = np.random.default_rng(0)
    durations = generator.uniform(1.0, 9.0, 50).round(1).tolist()
    ids = [f"u{at:02d}" for at in range(50)]
    plan = plan_batches(durations, ids, max_clips=8, max_seconds=30.0)
    assert sorted(at for batch in plan for at in batch) == list(range(50))
    assert all(len(batch) == 1 or len(batch) * durations[batch[0]] <= 30.0 for batch in plan)
    order = generator.permutation(50)
    shuffled = plan_batches([durations[at] for at in order], [ids[at] for at in order], max_clips=8, max_seconds=30.0)
    named = [[ids[at] for at in batch] for batch in plan]
    assert [[ids[order[at]] for at in batch] for batch in shuffled] == named
