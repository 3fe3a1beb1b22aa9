"""Kinds and sizes of the backbones as transformers configurations, and the arithmetic of their frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

from ....harness.core.errors import UsageError
from ....harness.core.lazy import LazyModule

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedConfig
else:
    np = LazyModule("numpy")

Kind = Literal["wav2vec2", "hubert", "wavlm"]
Size = Literal["tiny", "tiny_large", "base", "large"]

SAMPLE_RATE = 16_000
KERNELS = (10, 3, 3, 3, 3, 2, 2)
STRIDES = (5, 2, 2, 2, 2, 2, 2)
HOP = 320
"""Samples from one frame to the next: the product of the strides."""
SHORTEST = 400
"""Samples under which no frame comes out; 25 ms."""

_BASE: dict[str, Any] = {"feat_extract_norm": "group", "do_stable_layer_norm": False, "conv_bias": False}
_LARGE: dict[str, Any] = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
_MINIATURE: dict[str, Any] = {
    "conv_dim": (16,) * 7,
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}

_DROPOUT = {"hidden_dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.0, "feat_proj_dropout": 0.1}
"""Those with which wav2vec2-base was trained; transformers' own defaults differ."""

SIZES: dict[str, dict[str, Any]] = {
    "tiny": {**_BASE, **_MINIATURE},
    "tiny_large": {**_LARGE, **_MINIATURE},
    "base": {
        **_BASE,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
    },
    "large": {
        **_LARGE,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
}
"""``base`` is that of wav2vec2-base, hubert-base-ls960 and wavlm-base(-plus); ``large`` that of wav2vec2-large-lv60 and
XLSR-53, hubert-large-ll60k and wavlm-large (which has no convolution biases). ``tiny`` and ``tiny_large`` have the
structure of the two in miniature: for tests and demonstrations."""


def transformers_config(kind: Kind, size: Size = "base", layers: int | None = None) -> PreTrainedConfig:
    """The configuration of a backbone, made here and never read from a hub.

    Augmentation inside the model is off (``apply_spec_augment``, ``layerdrop``): recipes that want it say so.

    Args:
        kind: Family.
        size: One of :data:`SIZES`.
        layers: Transformer layers to keep, counted from the input; ``None`` keeps all.

    Raises:
        UsageError: If the size has fewer layers than asked for.
    """
    import transformers

    if kind not in get_args(Kind) or size not in SIZES:
        raise UsageError(f"no backbone {kind}-{size}; kinds: {', '.join(get_args(Kind))}; sizes: {', '.join(SIZES)}")
    settings = dict(SIZES[size])
    if kind == "wavlm":
        settings["conv_bias"] = False
    if layers is not None:
        if not 1 <= layers <= settings["num_hidden_layers"] and not size.startswith("tiny"):
            raise UsageError(f"{kind}-{size} has {settings['num_hidden_layers']} layers, {layers} cannot be kept")
        settings["num_hidden_layers"] = layers
    settings |= {
        "conv_kernel": KERNELS,
        "conv_stride": STRIDES,
        "apply_spec_augment": False,
        "layerdrop": 0.0,
        **_DROPOUT,
    }
    classes = {"wav2vec2": "Wav2Vec2Config", "hubert": "HubertConfig", "wavlm": "WavLMConfig"}
    config: PreTrainedConfig = getattr(transformers, classes[kind])(**settings)
    return config


def frame_counts(
    lengths: Iterable[int], kernels: Iterable[int] = KERNELS, strides: Iterable[int] = STRIDES
) -> list[int]:
    """Frames that clips of these lengths (samples at 16 kHz) give: ``(n - kernel) // stride + 1`` per convolution.

    Example:
        >>> frame_counts([399, 400, 16_000, 48_000])
        [0, 1, 49, 149]
    """
    counts = [int(length) for length in lengths]
    for kernel, stride in zip(kernels, strides, strict=True):
        counts = [max(0, (count - kernel) // stride + 1) for count in counts]
    return counts


def needed_frames(kernels: Iterable[int] = KERNELS[1:], strides: Iterable[int] = STRIDES[1:]) -> int:
    """Frames of the first convolution that one frame of the last one needs.

    Example:
        >>> needed_frames()
        79
    """
    frames = 1
    for kernel, stride in zip(reversed(list(kernels)), reversed(list(strides)), strict=True):
        frames = (frames - 1) * stride + kernel
    return frames


def normalise(samples: np.ndarray, epsilon: float = 1e-7) -> np.ndarray:
    """A clip with zero mean and unit variance, as ``(x - mean) / sqrt(variance + epsilon)``.

    To be applied to each clip before padding; the statistics are float64.

    Args:
        samples: Shape ``(n,)``.
        epsilon: 1e-7 as in transformers and fairseq.
    """
    wave = samples.astype(np.float64)
    return np.asarray((wave - wave.mean()) / np.sqrt(wave.var() + epsilon), np.float32)
