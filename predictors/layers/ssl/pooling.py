"""Poolings over the frames of a backbone; see ``predictors/pooling`` for all of them."""

from __future__ import annotations

from ..pooling import make_pooling
from ..pooling.attentive import Average
from ..pooling.base import frame_mask, require_frames

MeanPooling = Average

__all__ = ["MeanPooling", "frame_mask", "make_pooling", "require_frames"]
