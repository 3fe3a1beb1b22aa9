"""The switch for all downloads: ours and those of the hub libraries."""

from __future__ import annotations

import os
import sys
from typing import Any

OFFLINE_VARIABLES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE")
_OWN_SWITCHES = ("MOSHARNESS_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_LIBRARY_FLAGS = {  # read from the environment when the library is imported; set here where that is past
    "huggingface_hub.constants": ("HF_HUB_OFFLINE",),
    "datasets.config": ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"),
    "evaluate.config": ("HF_EVALUATE_OFFLINE",),
}

_state: dict[str, Any] = {"offline": False, "set": []}


def set_offline(offline: bool) -> None:
    """Switch all downloads off (the global option ``--offline``), ours and those of the hub libraries; or on again.

    ``True`` sets ``HF_HUB_OFFLINE``, ``HF_DATASETS_OFFLINE`` and ``HF_EVALUATE_OFFLINE``, which the libraries read when
    they are imported; in libraries that are imported already it sets what they read then. ``False`` takes back what an
    earlier ``True`` did and leaves variables that the user set.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if offline:
        for name in OFFLINE_VARIABLES:
            if not _is_true(os.environ.get(name)):
                _state["set"].append((name, os.environ.get(name)))
                os.environ[name] = "1"
    else:
        for name, before in _state["set"]:
            os.environ.pop(name, None)
            if before is not None:
                os.environ[name] = before
        _state["set"] = []
    _state["offline"] = offline
    for module, flags in _LIBRARY_FLAGS.items():
        if module in sys.modules:
            for flag in flags:
                setattr(sys.modules[module], flag, offline or _is_true(os.environ.get(flag)))


def is_offline() -> bool:
    """Whether downloads are off: by :func:`set_offline`, ``MOSHARNESS_OFFLINE=1`` or ``HF_HUB_OFFLINE=1``."""
    return bool(offline_because())


def offline_because() -> str:
    """The option or variable that switched downloads off; empty while they are on."""
    if _state["offline"]:
        return "--offline"
    return next((f"{name}={os.environ[name]}" for name in _OWN_SWITCHES if _is_true(os.environ.get(name))), "")


def _is_true(value: str | None) -> bool:
    return (value or "").upper() in {"1", "ON", "YES", "TRUE"}
