"""Poolings: from the frames of a clip to one vector, over its valid frames only.

The eight of Table I of the DRASP paper (arXiv 2508.21407) and two more that its repository has. All take
``(frames (n, T, C), counts (n,))`` and give ``(n, output_channels)``, so any predictor with frames can use any of them.
Nothing here imports torch before a pooling is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ....harness.core.errors import UnknownName

if TYPE_CHECKING:
    from .base import Pooling


@dataclass(frozen=True)
class PoolingKind:
    """One pooling.

    Attributes:
        title: As leaderboards and the paper's Table I call it.
        aliases: Other accepted names; the first is the option of the DRASP repository, where it has the pooling.
        in_paper: Whether Table I has it.
    """

    title: str
    aliases: tuple[str, ...] = ()
    in_paper: bool = True


POOLINGS: dict[str, PoolingKind] = {
    "average": PoolingKind("Average Pooling", ("tap", "mean")),
    "statistics": PoolingKind("Statistics Pooling", ("tsp",)),
    "attentive": PoolingKind("Attentive Pooling", ("sap",)),
    "attentive_statistics": PoolingKind("Attentive Statistics Pooling", ("asp",)),
    "segmental_attentive_statistics": PoolingKind("Segmental Attentive Statistics Pooling", ("gasp",)),
    "drasp": PoolingKind("DRASP", ("drsp",)),
    "multihead_attentive": PoolingKind("Multi-head Attentive Pooling", ("mha",)),
    "multires_multihead_attentive": PoolingKind("Multi-resolution Multi-head Attentive Pooling", ("mrmha",)),
    "segmental_attentive": PoolingKind("Segmental Attentive Pooling", ("gsap",), in_paper=False),
    "dual_resolution_attentive": PoolingKind("Dual-resolution Attentive Pooling", ("drap",), in_paper=False),
}
"""Name to kind, the eight of the paper first and in its order."""

PAPER_POOLINGS = tuple(name for name, kind in POOLINGS.items() if kind.in_paper)
"""The eight of Table I."""


def pooling_name(name: str) -> str:
    """The full name of a pooling given by its name or an alias.

    Raises:
        UnknownName: If there is none.

    Example:
        >>> pooling_name("drsp"), pooling_name("mean"), pooling_name("statistics")
        ('drasp', 'average', 'statistics')
    """
    for full, kind in POOLINGS.items():
        if name == full or name in kind.aliases:
            return full
    raise UnknownName("pooling", name, [*POOLINGS, *(alias for kind in POOLINGS.values() for alias in kind.aliases)])


def make_pooling(
    name: str,
    channels: int,
    *,
    segment_size: int = 4,
    num_heads: int = 4,
    head_width: int = 64,
    deviations: bool = False,
    zero_pad_remainder: bool = False,
) -> Pooling:
    """The pooling of that name with fresh weights. Settings that it has no use for are not looked at.

    Args:
        name: Of :data:`POOLINGS`, or an alias.
        channels: Width of the frames.
        segment_size: Frames in a segment, for the segmental ones and DRASP. 4, as the DRASP repository's scripts for
            AudioBox; what the paper took for CLAP is not stated.
        num_heads: Heads of the two multi-head ones; unknown for the paper, 4 is our choice.
        head_width: Hidden width of a head in the multi-resolution one (our choice).
        deviations: Whether the two multi-head ones append standard deviations; Table I's names carry no "statistics",
            so they do not.
        zero_pad_remainder: Whether zeros that fill the last segment count in its mean when no counts are given, as in
            the repository. By default a short last segment is the mean of the frames it has.

    Returns:
        A module; ``output_channels`` tells the width of its result.

    Raises:
        UnknownName: If there is none of that name.
        UsageError: If a setting does not fit.
    """
    from . import attentive, multihead

    full = pooling_name(name)
    if full in ("multihead_attentive", "multires_multihead_attentive"):
        if full == "multihead_attentive":
            return multihead.MultiHeadAttentive(channels, num_heads, deviations)
        return multihead.MultiResolutionMultiHeadAttentive(channels, num_heads, head_width, deviations)
    if full == "average":
        return attentive.Average(channels)
    if full == "statistics":
        return attentive.Statistics(channels)
    with_deviations = full not in ("attentive", "segmental_attentive", "dual_resolution_attentive")
    if full.startswith("attentive"):
        return attentive.Attentive(channels, with_deviations)
    if full.startswith("segmental"):
        return attentive.SegmentalAttentive(channels, segment_size, with_deviations, zero_pad_remainder)
    return attentive.DualResolution(channels, segment_size, with_deviations, zero_pad_remainder)


__all__ = ["PAPER_POOLINGS", "POOLINGS", "PoolingKind", "make_pooling", "pooling_name"]
