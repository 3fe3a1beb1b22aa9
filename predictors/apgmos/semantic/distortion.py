"""The semantic branch: HuBERT, then what one layer of the codebook cannot express (equation 6 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...layers.ssl.backbone import SslBackbone
from ...layers.ssl.shapes import Size, frame_counts
from .quantizer import FrameRate, SemanticQuantizer, Semantics

EPSILON = 1e-7


class SemanticDistortion(SemanticQuantizer):
    """HuBERT, ``ssl_proj`` and the first quantizer layer: waves in, residuals out, exact per clip in any batch.

    Frozen and in eval mode whatever is asked. Beside the names of :class:`SemanticQuantizer` its ``state_dict`` holds
    ``hubert.model.*`` (names of ``transformers``). Fresh weights are random; ``sources.py`` loads others. A recipe must
    list the module among its frozen parts, because the engine lets everything else train.

    Args:
        size: HuBERT's size: ``base``, or ``tiny``, the miniature for tests and demonstrations.
        codebook_size: Number of codes; GPT-SoVITS has 1024.
        frame_rate: ``25hz`` or ``50hz``.
        one_by_one: Run HuBERT clip by clip, unpadded. Codes are discrete: in a batch, sums in another order can turn
            the choice between two codes that are equally near, and with it a whole frame of the residual. ``False``
            batches, with the group norm taken over each clip's own length: states are equal to about 1e-6, and so are
            residuals except at such ties. For caches of training data on a GPU.
    """

    def __init__(
        self,
        size: Size = "base",
        codebook_size: int = 1024,
        *,
        frame_rate: FrameRate = "25hz",
        one_by_one: bool = True,
    ) -> None:
        hubert = SslBackbone("hubert", size)
        super().__init__(hubert.channels, codebook_size, frame_rate=frame_rate)
        self.one_by_one = one_by_one
        self.hubert = hubert
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Semantics:
        """Residuals of a batch.

        Args:
            waves: ``(n, samples)`` at 16 kHz in -1 to 1, padded at the end with anything. Each clip is brought to zero
                mean and unit variance over its true length here (GPT-SoVITS skips that, and HuBERT's group norm makes
                it nearly irrelevant; the model's own preprocessor does it, so do we).
            lengths: True samples per clip, at least 400; ``None`` when nothing is padded.

        Raises:
            UsageError: If a clip is too short for one HuBERT frame or longer than the batch.
        """
        states, counts = self.states(waves, lengths)
        return self.quantise(states, counts)

    @torch.no_grad()
    def states(self, waves: Tensor, lengths: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """HuBERT's last states ``(n, frames, channels)`` and the valid frames per clip; see :meth:`forward`."""
        if lengths is None:
            known = [waves.shape[-1]] * len(waves)
        else:
            known = lengths.tolist() if isinstance(lengths, Tensor) else list(lengths)
        ready = normalise_by_length(waves, known)
        if not self.one_by_one or len(waves) == 1 or len(known) != len(waves):
            batched: tuple[Tensor, Tensor] = self.hubert(ready, known)
            return batched
        rows = [self.hubert(ready[at : at + 1, :length], [length])[0][0] for at, length in enumerate(known)]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(frame_counts(known), device=waves.device)


def normalise_by_length(waves: Tensor, lengths: Sequence[int]) -> Tensor:
    """Each clip at zero mean and unit variance over its true length, zeros behind it.

    ``(x - mean) / sqrt(variance + 1e-7)`` in float64, so silence stays finite.

    Args:
        waves: ``(n, samples)``.
        lengths: True samples per clip.
    """
    ready = torch.zeros_like(waves, dtype=torch.float32)
    for row, wave, length in zip(ready, waves, lengths, strict=False):
        exact = wave[:length].double()
        row[:length] = (exact - exact.mean()) / (exact.var(correction=0) + EPSILON).sqrt()
    return ready
