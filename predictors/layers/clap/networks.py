"""Scores from CLAP's embeddings: MusicEval's baseline and DRASP's variant of it, as torch modules.

DRASP (arXiv 2508.21407, section 3) puts another pooling in the place of the average over the last feature map; its
repository projects the pooled vector back to the width of the frames and passes it through CLAP's own projection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ....harness.core.errors import CheckpointError, UsageError
from ...base import check_tensors
from ..pickles.states import find_state, held
from ..pooling import make_pooling
from .backbone import ClapBackbone, FrameFeatures
from .official import from_laion
from .shapes import FRAMES, N_MELS, TEXT_DIMENSIONS, Size

OFFICIAL_HEADS = {
    "mi": "overall",
    "ta": "textual",
    "pq": "quality",
    "pc": "complexity",
    "ce": "enjoyment",
    "cu": "usefulness",
}
"""Dimension to the word before ``_mlp_layer1`` in the repositories' state dicts."""

UPSTREAM = "upstream_model.model."
"""Prefix of CLAP's own names there."""

ACTIVATIONS: dict[str, type[nn.Module]] = {"none": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU}


class MosHead(nn.Module):
    """Three linear layers, 256 and 64 wide. The repositories have no activation between them; the paper says MLP.

    Args:
        width: Of the input.
        activation: Name in :data:`ACTIVATIONS`.
    """

    def __init__(self, width: int, activation: str = "none") -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, 256), nn.Linear(256, 64), nn.Linear(64, 1)])
        self.activation = ACTIVATIONS[activation]()

    def forward(self, values: Tensor) -> Tensor:
        """``(n, width)`` to ``(n,)``."""
        first, second, last = self.layers
        scores: Tensor = last(self.activation(second(self.activation(first(values)))))
        return scores[:, 0]


class ClapMosNetwork(nn.Module):
    """Mel frames, and text for ``ta``, to scores on the label scale; not squashed, not clipped.

    Args:
        size: Of CLAP.
        dimensions: One head each.
        pooling: Name in ``predictors/pooling``.
        pooling_settings: For ``make_pooling``.
        frame_features: What is pooled, see :meth:`ClapBackbone.frames`.
        projection: Whether a linear layer brings the pooled vector to the width of the frames. Without it the pooling
            must keep that width; ``average`` without it is MusicEval's baseline.
        head_activation: Name in :data:`ACTIVATIONS`.

    Raises:
        UsageError: If a pooling that changes the width has no projection behind it.
    """

    def __init__(
        self,
        size: Size,
        dimensions: Sequence[str],
        *,
        pooling: str = "average",
        pooling_settings: Mapping[str, Any] | None = None,
        frame_features: FrameFeatures = "tokens64",
        projection: bool = True,
        head_activation: str = "none",
    ) -> None:
        super().__init__()
        self.dimensions = tuple(dimensions)
        self.frame_features: FrameFeatures = frame_features
        self.reads_text = any(name in TEXT_DIMENSIONS for name in dimensions)
        self.backbone = ClapBackbone(size, text=self.reads_text)
        width = self.backbone.channels
        self.pooling = make_pooling(pooling, width, **(pooling_settings or {}))
        self.pooling_proj: nn.Module = nn.Identity()
        if projection:
            self.pooling_proj = nn.Linear(self.pooling.output_channels, width)
        elif self.pooling.output_channels != width:
            raise UsageError(f"pooling {pooling} changes the width of the frames and needs projection: true")
        widths = {name: self.backbone.embedding * (1 + (name in TEXT_DIMENSIONS)) for name in dimensions}
        self.heads = nn.ModuleDict({name: MosHead(widths[name], head_activation) for name in dimensions})

    def pooled(self, mel: Tensor) -> Tensor:
        """``(n, 1001, 64)`` to what the pooling makes of the frames, ``(n, output_channels)``."""
        if mel.shape[1:] != (FRAMES, N_MELS):
            raise UsageError(f"mel frames of shape {tuple(mel.shape)}; (n, {FRAMES}, {N_MELS}) is needed")
        frames = self.backbone.frames(mel, self.frame_features)
        pooled: Tensor = self.pooling(frames)
        return pooled

    def forward(self, mel: Tensor, text: Tensor | None = None) -> Tensor:
        """Scores.

        Args:
            mel: ``(n, 1001, 64)``.
            text: Embeddings ``(n, embedding)`` of the prompts; needed where a dimension compares with the text.

        Returns:
            ``(n, dimensions)``.
        """
        audio = self.backbone.embed_audio(self.pooling_proj(self.pooled(mel)))
        if text is None and self.reads_text:
            raise UsageError("these dimensions need the prompts' embeddings")
        both = audio if text is None else torch.cat([audio, text.to(audio.dtype)], 1)
        scores = [head(both if name in TEXT_DIMENSIONS else audio) for name, head in self.heads.items()]
        return torch.stack(scores, 1)


def from_mos_predictor(state: Mapping[str, Any], network: ClapMosNetwork, where: str) -> dict[str, Any]:
    """Tensors of the repositories' ``MosPredictor`` under the names of ``network``.

    Args:
        state: ``upstream_model.model.<clap>``, ``pooling.*``, ``pooling_proj.*``, ``<word>_mlp_layer{1,2,3}.*``.
        network: Whose names and shapes decide; for one without text the heads that need it are left out.
        where: Name of the file, for messages.

    Raises:
        CheckpointError: If tensors are missing, not known, or of another shape.
    """
    clap = {name.removeprefix(UPSTREAM): value for name, value in state.items() if name.startswith(UPSTREAM)}
    tensors = {f"backbone.model.{name}": one for name, one in from_laion(clap, network.backbone, where).items()}
    words = {word: name for name, word in OFFICIAL_HEADS.items()}
    for name, value in state.items():
        if name.startswith(UPSTREAM):
            continue
        if name.startswith("pooling"):
            tensors[name] = value
            continue
        word, found, rest = name.partition("_mlp_layer")
        number, _, kind = rest.partition(".")
        if not found or word not in words or number not in ("1", "2", "3"):
            raise CheckpointError(f"{where}: {name} is not known")
        if words[word] in TEXT_DIMENSIONS and not network.reads_text:
            continue  # texts are off
        tensors[f"heads.{words[word]}.layers.{int(number) - 1}.{kind}"] = value
    expected = network.state_dict()
    check_tensors(expected, tensors, where)
    return tensors


def official_dimensions(state: Mapping[str, Any]) -> tuple[str, ...]:
    """Dimensions whose heads a ``MosPredictor`` has, in our order."""
    return tuple(name for name, word in OFFICIAL_HEADS.items() if f"{word}_mlp_layer1.weight" in state)


def official_state(content: Any, path: Path) -> dict[str, Any]:
    """The state dict of the repositories' training scripts in a file.

    Args:
        content: Of :func:`~.layers.pickles.files.read_weights`.
        path: For messages.

    Raises:
        CheckpointError: If it is none; a bare CLAP checkpoint is told apart.
    """
    state = find_state(content, lambda name: name.startswith(UPSTREAM), path)
    if state is not None:
        return state
    alone = ("audio_branch.", "audio_model.")
    if find_state(content, lambda name: name.startswith(alone), path) is not None:
        raise CheckpointError(
            f"{path}: this is CLAP alone, without heads; train from it (--set train.settings.pretrained=FILE)"
        )
    raise CheckpointError(
        f"{path}: no state dict of MusicEval's or DRASP's scripts (no tensors named {UPSTREAM}* or layer_weights.*; it "
        f"holds {held(content)})"
    )
