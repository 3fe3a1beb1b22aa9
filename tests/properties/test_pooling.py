"""Laws of the poolings: padding, order, batches."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.predictors.layers.pooling import POOLINGS, make_pooling
from mosharness.predictors.layers.pooling.attentive import DualResolution
from mosharness.predictors.layers.pooling.base import Pooling
from torch import Tensor

CHANNELS = 8
names = st.sampled_from(sorted(POOLINGS))
seeds = st.integers(0, 2**16)
segments = st.integers(1, 6)
rows = st.lists(st.integers(1, 20), min_size=1, max_size=4)


def make(name: str, seed: int, segment_size: int) -> Pooling:
    torch.manual_seed(seed)
    pooling = make_pooling(name, CHANNELS, segment_size=segment_size)
    if isinstance(pooling, DualResolution):
        torch.nn.init.constant_(pooling.alpha, 0.8)
        torch.nn.init.constant_(pooling.beta, -0.6)
    return pooling.eval()


def frames_of(seed: int, n: int, steps: int) -> Tensor:
    return torch.randn(n, steps, CHANNELS, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=60)
@given(name=names, seed=seeds, size=segments, lengths=rows, more=segments)
def test_padding_and_neighbours_never_change_a_result(
    name: str, seed: int, size: int, lengths: list[int], more: int
) -> None:
    pooling = make(name, seed, size)
    frames = frames_of(seed, len(lengths), max(lengths) + more)
    for row, length in enumerate(lengths):
        frames[row, length:] = torch.tensor([torch.nan, torch.inf, 1e30, -1e30] * 2)
    together = pooling(frames, torch.tensor(lengths))
    mask = torch.arange(frames.shape[1]) < torch.tensor(lengths)[:, None]
    torch.testing.assert_close(pooling(frames, mask=mask), together, rtol=0, atol=0)
    for row, length in enumerate(lengths):
        alone = pooling(frames[row : row + 1, :length])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-5, atol=1e-6)


@settings(max_examples=40)
@given(seed=seeds, size=segments, count=st.integers(1, 6), alias=st.sampled_from(["drasp", "gasp", "drap", "gsap"]))
def test_permuting_whole_segments_changes_nothing(seed: int, size: int, count: int, alias: str) -> None:
    pooling, frames = make(alias, seed, size), frames_of(seed, 2, size * count)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    shuffled = frames.view(2, count, size, CHANNELS)[:, order].reshape_as(frames)
    torch.testing.assert_close(pooling(shuffled), pooling(frames), rtol=1e-5, atol=2e-6)


@settings(max_examples=30)
@given(seed=seeds, steps=st.integers(2, 20), name=names)
def test_the_order_of_frames_matters_to_segments_only(seed: int, steps: int, name: str) -> None:
    pooling, frames = make(name, seed, 1), frames_of(seed, 2, steps)  # segments of one frame are frames
    order = torch.randperm(steps, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(pooling(frames[:, order]), pooling(frames), rtol=1e-5, atol=2e-6)


def test_the_order_within_and_across_segments_matters_to_drasp() -> None:
    pooling, frames = make("drasp", 0, 4), frames_of(0, 1, 16)
    crossed = frames[:, torch.arange(16).view(4, 4).T.flatten()]
    assert (pooling(crossed) - pooling(frames)).abs().max() > 1e-3


@settings(max_examples=30)
@given(seed=seeds, steps=st.integers(1, 12), times=st.integers(2, 4))
def test_repeating_every_segment_changes_nothing(seed: int, steps: int, times: int) -> None:
    """Means, deviations and softmax weights are those of the distribution of frames."""
    pooling, frames = make("drasp", seed, 3), frames_of(seed, 2, 3 * steps)
    torch.testing.assert_close(pooling(frames.repeat(1, times, 1)), pooling(frames), rtol=1e-4, atol=1e-5)


@settings(max_examples=30)
@given(seed=seeds, steps=st.integers(1, 15), shift=st.floats(-50.0, 50.0))
def test_statistics_follow_a_shift_and_deviations_ignore_it(seed: int, steps: int, shift: float) -> None:
    pooling, frames = make("statistics", seed, 4), frames_of(seed, 2, steps)
    before, after = pooling(frames), pooling(frames + shift)
    torch.testing.assert_close(after[:, :CHANNELS], before[:, :CHANNELS] + shift, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after[:, CHANNELS:], before[:, CHANNELS:], rtol=1e-3, atol=1e-4)
