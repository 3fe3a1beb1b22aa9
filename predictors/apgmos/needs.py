"""What the stages of APG-MOS start from, looked up before a training begins, and the room that their features take."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...harness.recipes.needs import Need, checked
from ..empty import empty_weights
from ..layers.ssl.backbone import SslBackbone
from ..layers.ssl.needs import ssl_need
from .gptsovits_hub import CHINESE_HUBERT, PUBLISHED, VARIABLE, fetched, gptsovits_need, of_hub
from .semantic.sources import load_backbone, read_vq
from .semantics import RANDOM, codebook_hint, hubert_hint, named_sources, read_ecapa, read_wav2vec2, said_in

if TYPE_CHECKING:
    from .config import ApgmosConfig, Part, StageSettings


def encoder_needs(config: ApgmosConfig, settings: StageSettings, part: Part, stage: str) -> list[Need]:
    """Weights that a fresh encoder starts from: wav2vec 2.0 in stage ``w2v``, the ECAPA-TDNN in stage ``apm``."""
    setting, found = f"train.{stage}.settings.", []
    if part == "w2v" and settings.wav2vec2 != RANDOM and (settings.wav2vec2 or config.size == "base"):
        name = "wav2vec 2.0"
        if settings.wav2vec2:
            with empty_weights():
                backbone = SslBackbone("wav2vec2", config.size)
            instead = f"set {setting}wav2vec2 to a folder or file, or to random"
            found.append(ssl_need(settings.wav2vec2, setting + "wav2vec2", backbone, instead=instead))
        else:
            need = Need("weights", name, setting=setting + "wav2vec2")
            found.append(checked(need, partial(read_wav2vec2, config, settings, stage)))
    if part == "apm" and settings.ecapa:
        need = Need("weights", "ECAPA-TDNN of SpeechBrain", setting=setting + "ecapa", where=settings.ecapa)
        found.append(checked(need, partial(read_ecapa, config, settings, stage)))
    return found


def feature_rate(config: ApgmosConfig, settings: StageSettings, part: Part) -> float:
    """Bytes of features that a stage keeps for a second of audio; figures of ``docs/predictors/apgmos.md``."""
    rate = {"apm": 10_000, "w2v": 0, "sdm": 38_000, "joint": 77_000}[part]
    if part == "joint" and config.has_semantic_queries:
        rate += 38_000
    return rate * (2.0 if settings.features == "float32" else 1.0)


def semantic_needs(config: ApgmosConfig, settings: StageSettings, stage: str) -> list[Need]:
    """What :func:`~.semantics.make_semantics` would load: the codebook, and HuBERT under it."""
    hubert, vq = named_sources(settings, config.size)
    found = []
    if settings.vq_source != RANDOM:
        need = _need(vq, f"codebook ({settings.vq_source})", "vq", stage)

        def codebook() -> object:
            with said_in(stage, "vq", codebook_hint(settings, stage, named=bool(vq))):
                return read_vq(settings.vq_source, fetched(vq, stage))

        found.append(checked(need, codebook) if need.status == "here" else need)
    if hubert != RANDOM:
        with empty_weights():
            backbone = SslBackbone("hubert", config.size)
        of_hub_id = bool(hubert) and hubert != of_hub(CHINESE_HUBERT) and not Path(hubert).expanduser().exists()
        if of_hub_id and not os.environ.get(VARIABLE):
            return [*found, ssl_need(hubert, f"train.{stage}.settings.hubert", backbone)]
        need = _need(hubert, "HuBERT under the codebook", "hubert", stage)

        def model() -> object:
            with said_in(stage, "hubert", hubert_hint(settings)):
                return load_backbone(backbone, fetched(hubert, stage))

        found.append(checked(need, model) if need.status == "here" else need)
    return found


def _need(source: str, name: str, key: str, stage: str) -> Need:
    """What the hub has of GPT-SoVITS, or a path that is still to be read."""
    if source in (of_hub(PUBLISHED[0]), of_hub(CHINESE_HUBERT)):
        return gptsovits_need(source, stage)
    return Need("weights", name, setting=f"train.{stage}.settings.{key}", where=source)
