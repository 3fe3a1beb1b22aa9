"""Losses of APG-MOS (section 3.5 of the paper), on the decoder's scale of 1 to 5."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

ROUNDING = 1e-5
"""Labels whose distance is this close to the limit of a tie lie on it: 3.1 - 3.0 is below 0.1 in float32."""


def regression_loss(positions: Tensor, weights: Tensor, labels: Tensor, margin: float = 0.0) -> Tensor:
    """``L_reg``: mean over clips of the mean over positions of the distance to the clip's label.

    Taken "at the frame level" (supplement A of the paper). SHEET counts errors up to 0.5 as none (its tau); the paper
    does not say so, hence ``margin`` 0.

    Args:
        positions: Scores of query positions or frames, ``(n, positions)``; anything finite at padded ones.
        weights: The same shape: rows sum to 1, 0 at padded positions.
        labels: ``(n,)``.
        margin: Distances up to this count as 0.
    """
    distance = (positions - labels[:, None]).abs()
    if margin > 0.0:
        distance = distance * (distance > margin)
    return (distance * weights).sum(1).mean()


def ranking_loss(scores: Tensor, labels: Tensor, tie: float = 0.1) -> Tensor:
    """``L_rank``: cross-entropy of ``sigmoid(s_i - s_j)`` over all unordered pairs of a batch.

    The wanted value is 0.5 where the labels differ by less than ``tie`` (also where one is a little larger), else 1 or
    0. Labels exactly ``tie`` apart, float32 rounding aside, do not tie. Swapping a pair changes nothing, so ordered
    pairs have the same mean. 0 for one clip. Computed on logits, so any gap of scores is finite.

    Args:
        scores: Of clips, ``(n,)``.
        labels: ``(n,)``.
        tie: See above.
    """
    first, second = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    if not len(first):
        return scores.sum() * 0.0
    gap = labels[first] - labels[second]
    wanted = torch.where(gap.abs() < tie - ROUNDING, 0.5, (gap > 0).to(scores.dtype))
    return binary_cross_entropy_with_logits(scores[first] - scores[second], wanted)
