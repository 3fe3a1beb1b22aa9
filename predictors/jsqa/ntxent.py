"""The contrastive loss of pretraining: NT-Xent over the signals of a batch of pairs."""

from __future__ import annotations

import torch
from torch import Tensor


def similarities(embeddings: Tensor) -> Tensor:
    """Cosine of every two rows: ``(n, d)`` to ``(n, n)``."""
    unit = torch.nn.functional.normalize(embeddings, dim=1)
    return unit @ unit.T


def per_signal(embeddings: Tensor, partner: Tensor, temperature: float = 1.0) -> Tensor:
    """``-log(exp(s(i, partner) / t) / sum over k != i of exp(s(i, k) / t))`` for every signal (paper, equation 1).

    Args:
        embeddings: ``(n, d)``, not normalised.
        partner: The other signal of each one's pair, int64 ``(n,)``.
        temperature: The paper's is 1.

    Returns:
        ``(n,)``.
    """
    scaled = similarities(embeddings) / temperature
    itself = torch.eye(len(scaled), dtype=torch.bool, device=scaled.device)
    return torch.nn.functional.cross_entropy(scaled.masked_fill(itself, -torch.inf), partner, reduction="none")


def ntxent(first: Tensor, second: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean loss of a batch of pairs, both ``(pairs, d)``; a scalar.

    For N pairs and temperature 1 it is ``log(2N - 1)`` when all embeddings are alike (2.708 for the paper's 8), and at
    its best, with the pairs at the corners of a regular simplex,
    ``log(e + (2N - 2) exp(-1 / (N - 1))) - 1`` (1.698 for 8).
    """
    pairs = len(first)
    partner = torch.arange(2 * pairs, device=first.device).roll(pairs)
    return per_signal(torch.cat([first, second]), partner, temperature).mean()
