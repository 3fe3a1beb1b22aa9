"""MOS predictors behind one contract. A new one is a folder here and a line in the table below."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..harness.core.registry import Registry

if TYPE_CHECKING:
    from .base import Predictor, PredictorCard, resolve_device

PREDICTORS: Registry[type[Predictor]] = Registry(
    "predictor",
    {
        "apgmos": "mosharness.predictors.apgmos:Apgmos",
        "audiobox": "mosharness.predictors.audiobox:Audiobox",
        "distillmos": "mosharness.predictors.distillmos:DistillMos",
        "dnsmos": "mosharness.predictors.dnsmos:Dnsmos",
        "dnsmos_p808": "mosharness.predictors.dnsmos:DnsmosP808",
        "drasp": "mosharness.predictors.drasp:Drasp",
        "dsp": "mosharness.predictors.dsp:Dsp",
        "jsqa": "mosharness.predictors.jsqa:Jsqa",
        "nisqa": "mosharness.predictors.nisqa:Nisqa",
        "nisqa_tts": "mosharness.predictors.nisqa:NisqaTts",
        "plcmos": "mosharness.predictors.plcmos:Plcmos",
        "sfissl": "mosharness.predictors.sfissl:SfiSsl",
        "sslmos": "mosharness.predictors.sslmos:SslMos",
        "utmos": "mosharness.predictors.utmos:Utmos",
        "utmosv2": "mosharness.predictors.utmosv2:Utmosv2",
    },
    group="mosharness.predictors",
    hint="`mosharness ls predictors` shows them all.",
)

VERBS: Registry[Any] = Registry(
    "predictor with verbs",
    {
        "apgmos": "mosharness.predictors.apgmos.verbs:app",
        "jsqa": "mosharness.predictors.jsqa.verbs:app",
        "nisqa": "mosharness.predictors.nisqa.verbs:app",
    },
    group="mosharness.verbs",
)
"""Predictor to its own verbs, a ``typer.Typer`` application: ``mosharness PREDICTOR VERB`` runs one.

Imported when a verb is run. Third parties register theirs under the entry point group ``mosharness.verbs``.
"""

FORMER_VERBS = {"codebook": ("apgmos", "codebook"), "pairs": ("jsqa", "pairs")}
"""Former names of verbs to predictor and verb; they still work, with a note."""

GATE_PREDICTORS = ("distillmos", "dnsmos:sig", "dnsmos:bak")
"""What a gate judges by when nothing is named: overall quality, signal and background, by weights that may be passed on
and used for anything (extra ``open``)."""

OPEN_PREDICTORS = ("distillmos", "dnsmos")
"""What scores when nothing is named: predictors that need no download and no licence."""


def load_predictor(
    name: str, checkpoint: str | Path | None = None, device: str = "auto", *, precision: Any = "float32", **config: Any
) -> Predictor:
    """A predictor with weights, ready to score.

    Args:
        name: A registry name; ``mosharness ls predictors`` shows them.
        checkpoint: A folder written by ``save_pretrained``, an official file of the reference implementation, a hub
            id ``owner/name[@commit]``, or ``None`` for the published default (from the predictor's environment
            variable, the cache or a download). A predictor that needs no weights takes ``None``.
        device: ``auto`` (CUDA if present), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``float32``, ``bfloat16`` or ``float16``.
        config: Settings of the predictor.

    Raises:
        UnknownName: For an unknown predictor or setting.
        CheckpointError: If the weights are absent or do not fit.
        HubError: If a download does not work.
    """
    from .load import load

    return load(PREDICTORS[name], checkpoint, device, precision, config)


__all__ = [
    "FORMER_VERBS",
    "GATE_PREDICTORS",
    "OPEN_PREDICTORS",
    "PREDICTORS",
    "VERBS",
    "Predictor",
    "PredictorCard",
    "load_predictor",
    "resolve_device",
]


def __getattr__(name: str) -> Any:
    """Those of ``base``, imported on first use: listing the names needs none of it."""
    if name in ("Predictor", "PredictorCard", "resolve_device"):
        return getattr(import_module(f"{__name__}.base"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
