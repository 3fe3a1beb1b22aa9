"""Mini-batch k-means: finds clusters, the same bits every time, also after an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import DataError
from mosharness.predictors.apgmos.semantic.kmeans import (
    KMeansSettings,
    KMeansState,
    assign,
    fit,
    most_steps,
    plus_plus,
)

SMALL = KMeansSettings(clusters=8, batch=64, epochs=5, patience=1000, starts=3, seed=5)


def blobs(seed: int = 0, n: int = 600, clusters: int = 8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = 5.0 * generator.standard_normal((clusters, 6))
    labels = generator.integers(0, clusters, n)
    return (centres[labels] + 0.1 * generator.standard_normal((n, 6))).astype(np.float32), centres


def test_separated_clusters_are_found() -> None:
    frames, centres = blobs()
    found = fit(frames, SMALL)
    distances = np.linalg.norm(found.centres[:, None] - centres, axis=-1)
    assert distances.min(0).max() < 0.1
    sizes, inertia = assign(frames, found.centres)
    assert sizes.sum() == len(frames) and (sizes > 0).all()
    assert inertia == pytest.approx(6 * 0.01, rel=0.2)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    frames, _ = blobs()
    first, second = fit(frames, SMALL), fit(frames, SMALL)
    assert np.array_equal(first.centres, second.centres) and np.array_equal(first.weights, second.weights)
    other = fit(frames, KMeansSettings(clusters=8, batch=64, epochs=5, patience=1000, starts=3, seed=6))
    assert not np.array_equal(first.centres, other.centres)


@pytest.mark.parametrize("stop", [1, 2, 7])
def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    frames, _ = blobs()
    path = tmp_path / "state.npz"

    def interrupt(state: KMeansState) -> None:
        if state.step == stop:
            state.save(path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(frames, SMALL, on_step=interrupt)
    resumed = fit(frames, SMALL, state=KMeansState.load(path))
    whole = fit(frames, SMALL)
    assert np.array_equal(resumed.centres, whole.centres) and np.array_equal(resumed.weights, whole.weights)
    assert (resumed.step, resumed.stale, resumed.best) == (whole.step, whole.stale, whole.best)


def test_it_stops_after_the_steps_allowed_or_without_improvement() -> None:
    frames, _ = blobs()
    assert fit(frames, SMALL).step == most_steps(600, SMALL) == 46
    patient = KMeansSettings(clusters=8, batch=64, epochs=1000, patience=4, starts=3)
    stopped = fit(frames, patient)
    assert stopped.stale == 4 and stopped.step < most_steps(600, patient)


def test_as_many_frames_as_clusters_are_their_own_centres() -> None:
    frames = np.eye(8, 6, dtype=np.float32) + np.arange(8, dtype=np.float32)[:, None]
    found = fit(frames, SMALL)
    assert assign(frames, found.centres)[1] == pytest.approx(0.0, abs=1e-10)


def test_too_few_or_equal_frames_are_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match="7 frames for 8 clusters: give more audio"):
        fit(np.ones((7, 6), np.float32), SMALL)
    with pytest.raises(DataError, match="only 1 of the frames differ"):
        fit(np.zeros((20, 6), np.float32), SMALL)


def test_starts_are_distinct_rows_spread_over_the_clusters() -> None:
    frames, _ = blobs()
    chosen = plus_plus(torch.from_numpy(frames), 8, np.random.default_rng(0))
    assert len(set(chosen)) == 8
    distances = torch.cdist(torch.from_numpy(frames[chosen]), torch.from_numpy(frames[chosen]))
    assert (distances + torch.eye(8) * 100).min() > 1.0


def test_settings_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="clusters = 0"):
        KMeansSettings(clusters=0)
