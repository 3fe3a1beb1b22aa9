"""Which device a predictor runs on."""

from __future__ import annotations

import re

from ..harness.core.errors import UsageError


def resolve_device(device: str) -> str:
    """``auto`` to ``cuda`` or ``cpu``; anything else is checked.

    Raises:
        UsageError: For a device that is not there.
    """
    if device == "cpu":
        return device
    if device != "auto" and not re.fullmatch(r"cuda(:\d+)?", device):
        raise UsageError(f"--device {device}: use auto, cpu, cuda or cuda:N")
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    count = torch.cuda.device_count()
    if int(device.partition(":")[2] or 0) >= count:
        raise UsageError(f"--device {device}: {count} CUDA devices here")
    return device
