"""The whole network: encoder, the head that scores, and while pretraining perhaps a projection head."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from .config import JsqaConfig
from .encoder import Encoder, pooled

LOWEST, HIGHEST = 1.0, 5.0


class Head(nn.Module):
    """Four linear layers, leaky ReLU (slope 0.01) after the first three, and ``1 + 4 * sigmoid`` (paper).

    The paper has a leaky ReLU after each layer; after the last only the sigmoid makes sense. Its slope is not stated:
    PyTorch's default, which is also CDPAM's in its linear layers.

    Args:
        inputs: Values of the embedding.
        widths: Outputs of the first three layers.
        outputs: Scores per clip.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], outputs: int = 1) -> None:
        super().__init__()
        sizes = [inputs, *widths, outputs]
        self.layers = nn.ModuleList(nn.Linear(one, two) for one, two in pairwise(sizes))

    def forward(self, embedding: Tensor) -> Tensor:
        """``(n, inputs)`` to scores ``(n, outputs)`` from 1 to 5."""
        *hidden, last = self.layers
        for layer in hidden:
            embedding = nn.functional.leaky_relu(layer(embedding))
        return LOWEST + (HIGHEST - LOWEST) * torch.sigmoid(last(embedding))


class Projection(nn.Sequential):
    """CDPAM's projection head, each layer halving: linear, batch norm, leaky ReLU (slope 0.01), dropout 0.1, linear.

    CDPAM's code drops out after the second layer too; the paper puts activation and dropout behind the first only.

    Args:
        inputs: Values of the embedding.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__(
            nn.Linear(inputs, inputs // 2),
            nn.BatchNorm1d(inputs // 2),
            nn.LeakyReLU(),
            nn.Dropout(0.1),
            nn.Linear(inputs // 2, inputs // 4),
        )


class JsqaNetwork(nn.Module):
    """Encoder, mean over time, first half of the outputs; :attr:`head` scores it.

    Attributes:
        encoder: See :class:`~.encoder.Encoder`.
        head: See :class:`Head`.
        projection: Only while a stage pretrains with it.
    """

    def __init__(self, config: JsqaConfig, outputs: int = 1) -> None:
        super().__init__()
        self.encoder = Encoder(config.filters, config.layers)
        self.head = Head(config.embedding, config.head_widths, outputs)
        self.projection: Projection | None = None

    def embedding(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The first ("acoustic") half of the pooled states, ``(n, width / 2)``, not normalised."""
        whole = pooled(*self.encoder(waves, lengths))
        return whole[:, : whole.shape[1] // 2]

    def forward(self, waves: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scores ``(n, outputs)`` of ``waves`` ``(n, samples)`` whose true lengths are ``lengths`` ``(n,)``."""
        scores: Tensor = self.head(self.embedding(waves, lengths).float())
        return scores

    def contrasted(self, waves: Tensor) -> Tensor:
        """What the contrastive loss compares: the embedding, or its projection where there is one."""
        embedding = self.embedding(waves)
        return embedding if self.projection is None else self.projection(embedding)
