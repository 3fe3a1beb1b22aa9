"""Which wav2vec 2.0 frames a query may look at (equation 10 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor


def band_mask(n_auditory: int, semantic: Tensor, frames: Tensor, tau: int) -> Tensor:
    """The mask of every clip of a batch.

    Auditory tokens see all frames. Semantic query ``i`` sees the frames ``j`` with
    ``|lambda * (i - N_a) - j| <= tau``, where ``lambda = N_w / N_s`` is the clip's own, of true lengths. Both sides are
    multiplied by ``N_s`` here, so everything is a whole number and no rounding decides about a frame.

    Args:
        n_auditory: ``N_a``, may be 0.
        semantic: ``N_s`` of each clip, ``(n,)``.
        frames: ``N_w`` of each clip, ``(n,)``, at least 1.
        tau: At least 1, so that every row keeps a frame.

    Returns:
        Bool ``(n, N_a + largest N_s, largest N_w)``, true where attention is allowed. Frames behind a clip's end are
        never allowed. Rows behind a clip's last semantic query, whose results nobody uses, see all its frames: a row
        without any would be no number.

    Example:
        >>> print(band_mask(2, torch.tensor([3]), torch.tensor([6]), 1)[0].int())
        tensor([[1, 1, 1, 1, 1, 1],
                [1, 1, 1, 1, 1, 1],
                [1, 1, 0, 0, 0, 0],
                [0, 1, 1, 1, 0, 0],
                [0, 0, 0, 1, 1, 1]], dtype=torch.int32)
    """
    device = frames.device
    count, width = semantic.to(device)[:, None, None], frames[:, None, None]
    rows = torch.arange(int(semantic.max()) if len(semantic) else 0, device=device)[None, :, None]
    columns = torch.arange(int(frames.max()), device=device)[None, None, :]
    band = (rows * width - columns * count).abs() <= tau * count
    band = band | (rows >= count)
    free = torch.ones((len(frames), n_auditory, columns.shape[-1]), dtype=torch.bool, device=device)
    return torch.cat([free, band.expand(len(frames), -1, columns.shape[-1])], 1) & (columns < width)


def valid_positions(n_auditory: int, semantic: Tensor, longest: int | None = None) -> Tensor:
    """Which query positions of a padded batch are real: bool ``(n, N_a + longest)``."""
    width = int(semantic.max()) if longest is None else longest
    rows = torch.arange(n_auditory + width, device=semantic.device)
    return rows[None, :] < (n_auditory + semantic)[:, None]


def position_weights(auditory: Tensor, other: Tensor, balance: bool = False) -> Tensor:
    """Weights whose sum is 1 in every row, for the mean over positions.

    Args:
        auditory: Bool ``(n, positions)``: the auditory positions that count.
        other: The same for all others.
        balance: Both groups get one half each, where both have members; otherwise every position counts the same.

    Returns:
        float32 ``(n, positions)``.
    """
    groups = [auditory.float(), other.float()]
    if balance:
        shares = [group / group.sum(1, keepdim=True).clamp(min=1.0) for group in groups]
        present = torch.stack([group.any(1, keepdim=True) for group in groups]).sum(0)
        return (shares[0] + shares[1]) / present
    both = groups[0] + groups[1]
    return both / both.sum(1, keepdim=True)
