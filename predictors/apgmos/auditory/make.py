"""The front end that settings ask for."""

from __future__ import annotations

import torch

from .cochlea import Cochlea
from .config import FrontEndConfig
from .front_end import FrontEnd
from .mel import MelFrames


def make_front_end(config: FrontEndConfig, dtype: str | torch.dtype = "float32") -> FrontEnd:
    """The front end of these settings: :class:`~.cochlea.Cochlea` or :class:`~.mel.MelFrames`."""
    return MelFrames.from_config(config, dtype) if config.front_end == "mel" else Cochlea.from_config(config, dtype)
