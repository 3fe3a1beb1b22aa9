"""The scoring pipeline: whatever happens to a clip, it ends as a row, in its place."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosharness.harness.audio.read import AudioLimits, Waveform
from mosharness.harness.core.clip import Clip, Outcome
from mosharness.harness.core.errors import AudioError, CheckpointError
from mosharness.harness.engine.pipeline import plan_batches, score_batches, source_duration
from mosharness.harness.engine.scorer import BatchScorer

RATE = 16_000


def tone(seconds: float = 0.6, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(np.arange(round(seconds * RATE)) / 5)).astype(np.float32)


class Peak(BatchScorer):
    """Scores a clip with its peak; can be told to misbehave."""

    dimensions: tuple[str, ...] = ("mos",)
    device: str = "cpu"
    parallel_score: bool = False

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[str] = set()

    def limits(self) -> AudioLimits:
        return AudioLimits(max_seconds=5.0)

    def prepare_clip(self, clip: Waveform) -> Any:
        return float(np.abs(clip.samples).max())

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        self.batches.append(len(batch))
        self.threads.add(threading.current_thread().name)
        return np.array([[value] for value in batch])


def run(scorer: Any, sources: Sequence[Any], batches: Sequence[Sequence[int]] = (), **options: Any) -> list[Outcome]:
    items = [Clip(f"clip{at}", source) for at, source in enumerate(sources)]
    batches = batches or [range(len(items))]
    rows: dict[int, Outcome] = {}
    for batch, done in zip(batches, score_batches(scorer, items, batches, **options), strict=True):
        rows.update(zip(batch, done, strict=True))
    return [rows[at] for at in range(len(items))]


def test_rows_come_in_the_order_of_the_batches_with_length_rate_and_digest() -> None:
    rows = run(Peak(), [(tone(level=0.1), RATE), (tone(level=0.4), RATE), (tone(level=0.2), RATE)], [(2, 0), (1,)])
    assert [row.utterance_id for row in rows] == ["clip0", "clip1", "clip2"]
    assert [row.scores[0] for row in rows] == pytest.approx([0.1, 0.4, 0.2], abs=1e-4)
    assert {(row.status, row.reason, row.duration_s, row.sample_rate) for row in rows} == {("ok", "", 0.6, RATE)}
    assert len({row.content for row in rows}) == 3
    assert all(len(row.content) == 64 for row in rows)


def test_a_clip_that_cannot_be_read_is_a_failed_row_and_the_others_are_scored(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    rows = run(Peak(), [(tone(), RATE), tmp_path / "absent.wav", tmp_path / "text.wav", (tone(6.0), RATE), b""])
    assert [row.status for row in rows] == ["ok", "failed", "failed", "failed", "failed"]
    assert [row.code for row in rows[1:]] == ["missing", "unreadable", "too_long", "empty"]
    assert all(math.isnan(row.scores[0]) and math.isnan(row.duration_s) for row in rows[1:])


def test_a_finding_makes_a_warning_with_its_reason() -> None:
    (row,) = run(Peak(), [(tone(0.3), RATE)])
    assert row.status == "warning"
    assert row.reason.startswith("short: ")
    assert math.isfinite(row.scores[0])


class RefusesLoud(Peak):
    def prepare_clip(self, clip: Waveform) -> Any:
        if np.abs(clip.samples).max() > 0.5:
            raise AudioError("too_loud", "louder than this model takes", clip.path)
        if np.abs(clip.samples).max() < 0.1:
            raise RuntimeError("internal   trouble\nwith this clip")
        return super().prepare_clip(clip)


def test_a_refusal_of_the_predictor_keeps_its_code_and_a_crash_becomes_predictor_error() -> None:
    rows = run(RefusesLoud(), [(tone(level=0.8), RATE), (tone(), RATE), (tone(level=0.05), RATE)])
    assert [row.status for row in rows] == ["failed", "ok", "failed"]
    assert rows[0].reason == "too_loud: louder than this model takes"
    assert rows[2].reason == "predictor_error: RuntimeError: internal trouble with this clip"
    assert rows[0].duration_s == 0.6


class FailsOnLoud(Peak):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        if max(batch) > 0.5:
            raise ValueError("the whole batch fails")
        return super().score(batch)


def test_a_batch_that_fails_is_scored_clip_by_clip() -> None:
    scorer = FailsOnLoud()
    rows = run(scorer, [(tone(level=level), RATE) for level in (0.2, 0.8, 0.4)])
    assert [row.status for row in rows] == ["ok", "failed", "ok"]
    assert rows[1].reason == "predictor_error: ValueError: the whole batch fails"
    assert scorer.batches == [1, 1]


class RunsOut(Peak):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        raise MemoryError


def test_a_lack_of_memory_is_named() -> None:
    (row,) = run(RunsOut(), [(tone(), RATE)])
    assert row.reason == "out_of_memory: not enough memory for this clip"


class NotFinite(Peak):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.array([[math.nan if value > 0.5 else value] for value in batch])


def test_a_score_that_is_not_finite_fails_its_clip_only() -> None:
    rows = run(NotFinite(), [(tone(level=0.8), RATE), (tone(), RATE)])
    assert [row.status for row in rows] == ["failed", "ok"]
    assert rows[0].reason == "not_finite: the predictor returned nan"
    assert rows[0].content


class WrongShape(Peak):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.zeros(3)


def test_an_output_of_the_wrong_shape_is_an_error_of_the_predictor() -> None:
    (row,) = run(WrongShape(), [(tone(), RATE)])
    assert row.reason == "predictor_error: ValueError: the predictor returned shape (3,) instead of (1, 1)"


class Unusable(Peak):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        raise CheckpointError("no weights at all")


def test_an_error_that_concerns_every_clip_ends_the_run() -> None:
    with pytest.raises(CheckpointError, match="no weights"):
        run(Unusable(), [(tone(), RATE)])


class Cache:
    def __init__(self, known: dict[str, tuple[float, ...]]) -> None:
        self.known = known

    def get(self, content: str) -> tuple[float, ...] | None:
        return self.known.get(content)


@pytest.mark.parametrize("parallel", [False, True])
def test_cache_hits_are_not_scored_again(parallel: bool) -> None:
    sources = [(tone(level=level), RATE) for level in (0.1, 0.2, 0.3)]
    first = run(Peak(), sources)
    scorer = Peak()
    scorer.parallel_score = parallel  # type: ignore[attr-defined]
    rows = run(scorer, sources, cache=Cache({first[1].content: (4.5,)}))
    assert [row.cached for row in rows] == [False, True, False]
    assert rows[1].scores == (4.5,)
    assert sum(scorer.batches) == 2


def test_without_content_nothing_is_digested() -> None:
    assert [row.content for row in run(Peak(), [(tone(), RATE)], content=False)] == [""]


def test_a_parallel_predictor_is_scored_clip_by_clip_in_the_decoding_threads() -> None:
    scorer = Peak()
    scorer.parallel_score = True  # type: ignore[attr-defined]
    rows = run(scorer, [(tone(level=0.1 + at / 50), RATE) for at in range(12)], [range(6), range(6, 12)], workers=3)
    assert scorer.batches == [1] * 12
    assert all(name.startswith("decode") for name in scorer.threads)
    assert [row.scores[0] for row in rows] == pytest.approx([0.1 + at / 50 for at in range(12)], abs=1e-3)
    plain = Peak()
    run(plain, [(tone(), RATE)] * 3)
    assert plain.threads == {threading.current_thread().name}
    assert plain.batches == [3]


def test_a_parallel_predictor_on_a_gpu_keeps_its_batches() -> None:
    scorer = Peak()
    scorer.parallel_score, scorer.device = True, "cuda"
    run(scorer, [(tone(), RATE)] * 3)
    assert scorer.batches == [3]


def test_torch_runs_single_threaded_in_the_threads_and_as_before_afterwards() -> None:
    import torch

    class Counts(Peak):
        def prepare_clip(self, clip: Waveform) -> Any:
            return float(torch.get_num_threads())

    before = torch.get_num_threads()
    rows = run(Counts(), [(tone(), RATE)] * 4)
    assert {row.scores for row in rows} == {(1.0,)}
    assert torch.get_num_threads() == before


def test_a_run_that_is_left_early_stops_its_threads() -> None:
    items = [Clip(f"clip{at}", (tone(), RATE)) for at in range(6)]
    rows = score_batches(Peak(), items, [(at,) for at in range(6)])
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_durations_come_from_shapes_and_headers_and_are_zero_when_unknown(tmp_path: Path) -> None:
    import soundfile

    soundfile.write(tmp_path / "tone.wav", tone(0.5), RATE)
    assert source_duration(tmp_path / "tone.wav") == 0.5
    assert source_duration((tone(0.25), RATE)) == 0.25
    assert source_duration((np.zeros((RATE, 2)), RATE)) == 1.0
    for odd in (tmp_path / "absent.wav", b"junk", (np.float32(1.0), RATE), (tone(), 0), (tone(), "16k")):
        assert source_duration(odd) == 0.0  # type: ignore[arg-type]


LENGTHS = st.lists(st.floats(0.0, 30.0) | st.just(math.nan), max_size=40)


@given(durations=LENGTHS, clips=st.integers(1, 8), seconds=st.floats(1.0, 100.0), seed=st.integers(0, 99))
def test_a_plan_holds_every_clip_once_within_its_limits_whatever_the_order(
    durations: list[float], clips: int, seconds: float, seed: int
) -> None:
    ids = [f"u{at:03d}" for at in range(len(durations))]
    plan = plan_batches(durations, ids, max_clips=clips, max_seconds=seconds)
    assert sorted(at for batch in plan for at in batch) == list(range(len(durations)))
    for batch in plan:
        longest = max((durations[at] for at in batch if math.isfinite(durations[at])), default=0.0)
        assert len(batch) <= clips
        assert len(batch) == 1 or len(batch) * longest <= seconds + 1e-9
    order = np.random.default_rng(seed).permutation(len(durations))
    shuffled = plan_batches(
        [durations[at] for at in order], [ids[at] for at in order], max_clips=clips, max_seconds=seconds
    )
    assert [[ids[order[at]] for at in batch] for batch in shuffled] == [[ids[at] for at in batch] for batch in plan]
