"""Sizes of CLAP as transformers configurations, and the constants of its input.

``base`` is the checkpoint that MusicEval's baseline and DRASP use: HTSAT-base with RoBERTa-base, projections of 512,
no fusion. ``tiny`` is a miniature with the same input, for tests and demonstrations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from transformers import ClapConfig

Size = Literal["tiny", "base"]

SAMPLE_RATE = 48_000
"""What CLAP hears, in Hz."""
WINDOW = 480_000
"""Samples of its window: 10 s."""
N_FFT, HOP, N_MELS = 1024, 480, 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
FRAMES = WINDOW // HOP + 1
"""Mel frames of a window, both ends included."""
TEXT_TOKENS = 77
"""Longest text in tokens, first and last included; the original cuts there."""
TEXT_DIMENSIONS = ("ta",)
"""Dimensions whose head sees the text's embedding behind that of the audio."""
START, PAD, END = 0, 1, 2
"""RoBERTa's special tokens."""

SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "tiny": {
        "audio": {
            "patch_embeds_hidden_size": 8,
            "hidden_size": 64,
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 2, 4],
        },
        "text": {
            "vocab_size": 512,
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": TEXT_TOKENS + 2,
        },
        "both": {"projection_dim": 32},
    },
    "base": {
        "audio": {
            "patch_embeds_hidden_size": 128,
            "hidden_size": 1024,
            "depths": [2, 2, 12, 2],
            "num_attention_heads": [4, 8, 16, 32],
        },
        "text": {},
        "both": {"projection_dim": 512},
    },
}


def transformers_config(size: Size) -> ClapConfig:
    """The configuration of a size.

    RoBERTa's layer norms have an epsilon of 1e-5, which ``ClapTextConfig`` does not know (its default moves text
    embeddings by 5e-5).
    """
    from transformers import ClapConfig

    shape = SIZES[size]
    config = ClapConfig(
        audio_config={**shape["audio"], "enable_fusion": False},
        text_config={**shape["text"], "layer_norm_eps": 1e-5},
        **shape["both"],
    )
    config._attn_implementation = "eager"
    return config
