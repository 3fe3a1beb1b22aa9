"""Weights that are not trained here: what recipes name, and the semantic branch in checkpoint folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...harness.core.config import build_config, config_dict
from ...harness.core.errors import CheckpointError, MosharnessError, UsageError
from ...harness.core.files import read_json, write_json
from ..base import check_tensors, load_tensors, save_tensors, tensors_digest
from .config import CODES, WEIGHTS_DEPEND_ON, ApgmosConfig, StageSettings
from .gptsovits_hub import CHINESE_HUBERT, PUBLISHED, VARIABLE, fetched, of_hub
from .semantic.origin import VqOrigin

if TYPE_CHECKING:
    from torch import Tensor

    from ..layers.ssl.backbone import SslBackbone
    from .auditory.ecapa import Ecapa
    from .semantic.distortion import SemanticDistortion

WEIGHTS, FACTS = "semantics.safetensors", "semantics.json"
RANDOM = "random"


def read_wav2vec2(config: ApgmosConfig, settings: StageSettings, stage: str) -> SslBackbone | None:
    """wav2vec 2.0 with the weights that a stage starts from; ``None`` for fresh ones.

    Raises:
        UsageError, CheckpointError, HubError: If they are not named, not there, or do not fit; says what to do.
    """
    from ..layers.ssl.backbone import SslBackbone
    from ..layers.ssl.pretrained import load_pretrained

    if settings.wav2vec2 == RANDOM or (not settings.wav2vec2 and config.size == "tiny"):
        return None
    if not settings.wav2vec2:
        raise UsageError(
            f"stage {stage}: settings.wav2vec2 names no start weights: set it to facebook/wav2vec2-base, a folder or a "
            f"file (--set train.{stage}.settings.wav2vec2=...), or to random"
        )
    backbone = SslBackbone("wav2vec2", config.size)
    try:
        load_pretrained(backbone, settings.wav2vec2, "wav2vec2")
    except MosharnessError as error:
        raise _in_stage(error, stage, "wav2vec2") from error
    return backbone


def read_ecapa(config: ApgmosConfig, settings: StageSettings, stage: str) -> Ecapa:
    """The ECAPA-TDNN with the weights of the SpeechBrain file that a stage names.

    Raises:
        CheckpointError: If the file is not there or does not fit.
    """
    from .auditory.ecapa import Ecapa

    encoder = Ecapa(config.D_f, config.encoder)
    try:
        encoder.load_speechbrain(Path(settings.ecapa).expanduser())
    except MosharnessError as error:
        raise _in_stage(error, stage, "ecapa") from error
    return encoder


def make_semantics(config: ApgmosConfig, settings: StageSettings, stage: str) -> SemanticDistortion:
    """The semantic branch with the weights that a stage names.

    Where it names none, a codebook of GPT-SoVITS and its HuBERT are looked for in ``$MOSHARNESS_GPTSOVITS``, then taken
    from the hub, and HuBERT under a k-means codebook is ``facebook/hubert-base-ls960``. Random weights are always the
    same ones.

    Raises:
        UsageError, CheckpointError, HubError: If they are not named, not there, or do not fit; says what to do.
    """
    import torch

    from .semantic.distortion import SemanticDistortion
    from .semantic.sources import load_semantics, read_vq

    hubert, vq = named_sources(settings, config.size)
    codes, rate, weights = CODES[config.size], "25hz", None
    try:
        if settings.vq_source != RANDOM:
            vq = fetched(vq, stage)
            weights = read_vq(settings.vq_source, vq)
            codes, rate = weights.codebook_size, weights.frame_rate
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            semantic = SemanticDistortion(config.size, codes, frame_rate=rate)  # type: ignore[arg-type]
        if weights is not None:
            weights.put_into(semantic)
    except MosharnessError as error:
        raise _in_stage(error, stage, "vq", codebook_hint(settings, stage, named=bool(vq))) from error
    try:
        load_semantics(semantic, hubert=fetched(hubert, stage), vq_source=settings.vq_source, vq=vq)
    except MosharnessError as error:
        raise _in_stage(error, stage, "hubert", hubert_hint(settings)) from error
    return semantic


def codebook_hint(settings: StageSettings, stage: str, named: bool) -> str:
    """What else to do about a codebook that cannot be read."""
    if settings.vq_source != "gptsovits":
        return ""
    hint = f", or {VARIABLE}: the folder with {PUBLISHED[0]} or another of {', '.join(PUBLISHED[1:])}"
    if not named:
        where = f"train.{stage}.settings"
        hint += f"; or the substitute: --set {where}.vq_source=kmeans {where}.vq=FOLDER"
    return hint


def hubert_hint(settings: StageSettings) -> str:
    """What else to do about a HuBERT that cannot be read."""
    return f", or {VARIABLE}: the folder with {CHINESE_HUBERT}" if settings.vq_source == "gptsovits" else ""


def named_sources(settings: StageSettings, size: str = "tiny") -> tuple[str, str]:
    """HuBERT and codebook as the stage names them, or those of the folder ``$MOSHARNESS_GPTSOVITS``, or of the hub.

    The published ones are of the base size; a miniature takes none from the hub.
    """
    hubert, vq = settings.hubert, settings.vq
    if settings.vq_source != "gptsovits":
        return hubert or (RANDOM if settings.vq_source == RANDOM else "facebook/hubert-base-ls960"), vq
    folder = os.environ.get(VARIABLE, "")
    if folder and not vq:
        paths = [Path(folder).expanduser() / name for name in PUBLISHED]
        vq = str(next((path for path in paths if path.is_file()), paths[0]))
    if folder and not hubert:
        hubert = str(Path(folder).expanduser() / CHINESE_HUBERT)
    if size == "base":
        hubert, vq = hubert or of_hub(CHINESE_HUBERT), vq or of_hub(PUBLISHED[0])
    return hubert, vq


@contextmanager
def said_in(stage: str, name: str, hint: str) -> Iterator[None]:
    """Errors within say stage, setting and what to do."""
    try:
        yield
    except MosharnessError as error:
        raise _in_stage(error, stage, name, hint) from error


def _in_stage(error: MosharnessError, stage: str, name: str, hint: str = "") -> MosharnessError:
    """The error with the stage, the setting that it is about, and what to do."""
    kind: type[MosharnessError] = UsageError if isinstance(error, UsageError) else CheckpointError
    setting = "settings." if str(error).startswith(f"{name}:") else ""
    return kind(f"stage {stage}: {setting}{error} (--set train.{stage}.settings.{name}=...{hint})")


def semantic_digest(semantic: SemanticDistortion) -> Tensor:
    """The branch's weights as 32 bytes, which are kept with what is trained on its output."""
    import torch

    text = tensors_digest(semantic.state_dict()).removeprefix("sha256:")
    return torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8)


def save_semantics(folder: Path, semantic: SemanticDistortion | None, origin: VqOrigin | None) -> None:
    """Write the branch beside the weights, in a file of its own that pruned scoring never opens; and where it is from.

    Args:
        folder: Of the checkpoint.
        semantic: ``None`` writes no weights and leaves a file that is there.
        origin: ``None``: nothing semantic took part in training.
    """
    if semantic is not None:
        save_tensors(folder / WEIGHTS, semantic.state_dict())
    facts = {"origin": origin.to_dict() if origin is not None else None}
    if semantic is not None:
        facts |= {"codes": len(semantic.codebook.embed), "frame_rate": semantic.frame_rate}  # type: ignore[dict-item]
    elif (folder / FACTS).is_file() and origin is not None:
        facts = {**read_json(folder / FACTS), **facts}
    write_json(folder / FACTS, facts)


def read_origin(folder: Path) -> VqOrigin | None:
    """Where the semantic branch of a checkpoint's training came from; ``None``: there was none."""
    facts = read_json(folder / FACTS) if (folder / FACTS).is_file() else {}
    origin = facts.get("origin") if isinstance(facts, dict) else None
    return VqOrigin.from_dict(origin, f"{folder / FACTS}: origin") if isinstance(origin, dict) else None


def needed_files(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """The weights of the branch, if scores with these settings need them and the checkpoint was saved with them."""
    settings = build_config(ApgmosConfig, dict(config), f"{folder}/config.json")
    facts = read_json(folder / FACTS) if (folder / FACTS).is_file() else {}
    return (WEIGHTS,) if settings.scores_semantics and isinstance(facts, dict) and "codes" in facts else ()


def refuse_other_settings(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse settings that the weights in a checkpoint folder were not trained with.

    Raises:
        CheckpointError: Naming the first.
    """
    saved = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    config_of = saved.get("config") if isinstance(saved, dict) else None
    trained: dict[str, Any] = config_of if isinstance(config_of, dict) else {}
    defaults = config_dict(ApgmosConfig())  # of settings that are newer than the checkpoint
    for name in WEIGHTS_DEPEND_ON:
        theirs, wanted = trained.get(name, defaults[name]), config.get(name)
        theirs, wanted = (list(one) if isinstance(one, tuple) else one for one in (theirs, wanted))
        if name in config and wanted != theirs:
            raise CheckpointError(
                f"{folder}: trained with {name} = {theirs!r}, not {config[name]!r}; leave the setting out, or train "
                "with it"
            )


def load_semantics_from(folder: Path, config: ApgmosConfig) -> SemanticDistortion:
    """The branch of a checkpoint folder.

    Raises:
        CheckpointError: If it is not there or does not fit.
    """
    import torch

    from ..empty import empty_weights
    from .semantic.distortion import SemanticDistortion

    if not (folder / WEIGHTS).is_file() or not (folder / FACTS).is_file():
        instead = ". queries: pruned does without" if config.has_auditory_queries else ""
        raise CheckpointError(
            f"{folder}: no {WEIGHTS}, which {config.scored} needs: the branch was left "
            "out when this checkpoint was copied, or took no part in its training" + instead
        )
    facts = read_json(folder / FACTS)
    if not isinstance(facts, dict) or not isinstance(facts.get("codes"), int):
        raise CheckpointError(f"{folder / FACTS}: does not describe {WEIGHTS}")
    with empty_weights():
        semantic = SemanticDistortion(config.size, facts["codes"], frame_rate=facts.get("frame_rate", "25hz"))
    tensors = load_tensors(folder / WEIGHTS)
    check_tensors(semantic.state_dict(), tensors, str(folder / WEIGHTS))
    semantic.load_state_dict({name: torch.as_tensor(value) for name, value in tensors.items()})
    semantic.origin = read_origin(folder) or VqOrigin()
    return semantic
