"""Laws of the front ends and the encoder of APG-MOS, for any length, cut and level."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.predictors.apgmos.auditory.cochlea import Cochlea, bin_edges
from mosharness.predictors.apgmos.auditory.ecapa import Ecapa
from mosharness.predictors.apgmos.auditory.front_end import FrontEnd
from mosharness.predictors.apgmos.auditory.mel import MelFrames

lengths = st.integers(1, 30_000)
seeds = st.integers(0, 2**32 - 1)


@lru_cache
def made(kind: str, **given: Any) -> FrontEnd:
    return MelFrames(channels=5) if kind == "mel" else Cochlea(channels=3, pooling=kind, **given)  # type: ignore[arg-type]


def wave(samples: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(0.1 * np.random.default_rng(seed).standard_normal(samples).astype(np.float32))


@settings(max_examples=20)
@given(
    samples=st.lists(lengths, min_size=1, max_size=4), seed=seeds, kind=st.sampled_from(["blocks", "adaptive", "mel"])
)
def test_a_clip_in_a_batch_is_the_clip_alone(samples: list[int], seed: int, kind: str) -> None:
    front_end = made(kind)
    clips = [wave(length, seed + at) for at, length in enumerate(samples)]
    batch = torch.stack([torch.nn.functional.pad(clip, (0, max(samples) - len(clip)), value=7.0) for clip in clips])
    frames, counts = front_end(batch, samples)
    assert counts.tolist() == [max(1, length // 400) for length in samples]
    for row, count, clip in zip(frames, counts.tolist(), clips, strict=True):
        assert torch.allclose(row[:count], front_end(clip[None])[0][0], atol=1e-6)
        assert not row[count:].any()


@settings(max_examples=20)
@given(samples=st.integers(1, 60_000), seed=seeds, cuts=st.lists(st.integers(0, 60_000), max_size=6))
def test_how_a_stream_is_cut_makes_no_difference(samples: int, seed: int, cuts: list[int]) -> None:
    cochlea = made("blocks")
    assert isinstance(cochlea, Cochlea)
    clip = wave(samples, seed)
    edges = sorted({0, samples, *(cut for cut in cuts if cut < samples)})
    streamed = torch.cat(list(cochlea.stream(clip[start:end] for start, end in pairwise(edges))))
    assert torch.equal(streamed, cochlea(clip[None])[0][0])


@settings(max_examples=15)
@given(samples=lengths, seed=seeds)
def test_uneven_bins_are_torch_s_adaptive_pooling_of_the_full_rate_form(samples: int, seed: int) -> None:
    cochlea = made("adaptive", dtype="float64")
    assert isinstance(cochlea, Cochlea)
    clip = wave(samples, seed)[None]
    full = cochlea.cochleagram(clip).transpose(1, 2)
    expected = torch.nn.functional.adaptive_avg_pool1d(full, max(1, samples // 400)).transpose(1, 2)
    assert torch.allclose(cochlea(clip)[0], expected, atol=1e-6)


@given(samples=st.integers(1, 10**7), bins=st.integers(1, 1000))
def test_bins_cover_everything_and_share_at_most_one_sample(samples: int, bins: int) -> None:
    bins = min(bins, samples)
    edges = bin_edges(samples, bins)
    assert edges[0, 0] == 0 and edges[-1, 1] == samples
    overlaps = edges[:-1, 1] - edges[1:, 0]
    assert ((overlaps == 0) | (overlaps == 1)).all()


@settings(max_examples=15)
@given(samples=lengths, seed=seeds, gain=st.floats(0.01, 100.0), kind=st.sampled_from(["blocks", "adaptive"]))
def test_gain_comes_out_as_its_cube_root(samples: int, seed: int, gain: float, kind: str) -> None:
    cochlea = made(kind, dtype="float64")
    clip = wave(samples, seed)[None].double()
    plain, louder = cochlea(clip)[0], cochlea(gain * clip)[0]
    assert louder.numpy() == pytest.approx(plain.numpy() * gain ** (1 / 3), rel=1e-5, abs=1e-7)


@settings(max_examples=10)
@given(samples=lengths, kind=st.sampled_from(["blocks", "adaptive"]))
def test_silence_stays_silence(samples: int, kind: str) -> None:
    assert not made(kind)(torch.zeros(1, samples))[0].any()


@settings(max_examples=10)
@given(samples=st.integers(400, 20_000), more=st.integers(1, 20_000), seed=seeds)
def test_frames_depend_on_the_past_only(samples: int, more: int, seed: int) -> None:
    cochlea = made("blocks", dtype="float64")
    clip = wave(samples + more, seed)[None]
    count = samples // 400
    assert torch.allclose(cochlea(clip)[0][:, :count], cochlea(clip[:, :samples])[0][:, :count], atol=1e-4)


@lru_cache
def small_ecapa() -> Ecapa:
    torch.manual_seed(0)
    return Ecapa(4, "tiny").eval()


@settings(max_examples=15)
@given(counts=st.lists(st.integers(5, 60), min_size=1, max_size=4), seed=seeds)
def test_embedding_in_a_batch_is_that_of_the_clip_alone(counts: list[int], seed: int) -> None:
    ecapa = small_ecapa()
    batch = torch.from_numpy(np.random.default_rng(seed).random((len(counts), max(counts), 4), np.float32))
    with torch.inference_mode():
        together = ecapa(batch, counts)
        for at, count in enumerate(counts):
            assert torch.allclose(together[at], ecapa(batch[at : at + 1, :count])[0], atol=1e-5)
