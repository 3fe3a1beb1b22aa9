"""A miniature SFI-SSL, and AudioMOS Track 3 in its official layout with sound."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mosharness.predictors.sfissl import SfiSsl

TINY: dict[str, Any] = {"backbone": "hubert-tiny", "features": 16, "widths": (24, 32)}


@pytest.fixture
def make() -> Callable[..., SfiSsl]:
    """``make(key=value)``: a miniature with settings, weights drawn by seed 0."""

    def build(**settings: Any) -> SfiSsl:
        torch.manual_seed(0)
        return SfiSsl({**TINY, **settings}, device="cpu")

    return build


@pytest.fixture(scope="session")
def track3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``post_eval_distro`` with 12 clips of train and dev, 12 of test, at 16, 24 and 48 kHz."""
    folder = Path(__file__).parents[1] / "tasks"
    sys.path.insert(0, str(folder))
    try:
        from layout_multisr import write_multisr
    finally:
        sys.path.remove(str(folder))
    made: Path = write_multisr(tmp_path_factory.mktemp("track3"), audio=True)
    return made
