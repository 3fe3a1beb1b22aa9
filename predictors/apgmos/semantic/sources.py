"""Weights for the semantic branch: HuBERT from one place, projection and codebook from another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ....harness.core.errors import CheckpointError, UsageError
from ...base import tensors_digest
from ...layers.ssl.backbone import SslBackbone
from ...layers.ssl.pretrained import load_pretrained
from .codebook_file import read_codebook
from .distortion import SemanticDistortion
from .gptsovits import read_gptsovits
from .origin import VqOrigin, VqSource
from .weights import VqWeights

RANDOM = "random"
CHINESE_HUBERT = "TencentGameMate/chinese-hubert-base"
"""What GPT-SoVITS's codebook was trained on; shipped with it as the folder ``chinese-hubert-base``."""


def load_hubert(model: SemanticDistortion, source: str, setting: str = "hubert") -> str:
    """Put weights into HuBERT.

    Args:
        model: Changed in place.
        source: A folder of ``transformers`` (``chinese-hubert-base``, say), a fairseq file, a hub id (those without a
            commit of ours as ``owner/name@COMMIT``), or ``random``, which keeps the fresh weights.
        setting: What the setting or option that gave ``source`` is called, for messages.

    Returns:
        A name for the record.

    Raises:
        CheckpointError: If the weights do not fit.
        HubError: If a download does not work.
        UsageError: If ``source`` is nothing of these.
    """
    return load_backbone(model.hubert, source, setting)


def load_backbone(hubert: SslBackbone, source: str, setting: str = "hubert") -> str:
    """As :func:`load_hubert`, into the HuBERT alone."""
    if not source:
        raise UsageError(
            f"hubert: name the weights of HuBERT under the codebook: a folder, a file, or a hub id "
            f"({CHINESE_HUBERT}@COMMIT for a codebook of GPT-SoVITS, facebook/hubert-base-ls960 for one of ours)"
        )
    return RANDOM if source == RANDOM else load_pretrained(hubert, source, setting)


def hubert_digest(model: SemanticDistortion) -> str:
    """Digest of HuBERT's tensors, which a codebook of ours is tied to."""
    return tensors_digest(model.hubert.model.state_dict())


def read_vq(vq_source: VqSource, source: str | Path) -> VqWeights:
    """Read a projection and a codebook.

    Args:
        vq_source: ``gptsovits`` (``source`` is a generator file) or ``kmeans`` (a folder that
            ``mosharness apgmos codebook`` wrote).
        source: The file or folder.

    Raises:
        CheckpointError: If it is absent, damaged, or of another kind.
        UsageError: If no source is named, or there is nothing to read.
    """
    if vq_source not in ("gptsovits", "kmeans"):
        raise UsageError(f"vq_source: {vq_source}: gptsovits and kmeans can be read from a file")
    path = Path(source).expanduser()
    if not str(source):
        raise UsageError(
            f"vq: name the {'generator file of GPT-SoVITS' if vq_source == 'gptsovits' else 'folder of the codebook'}; "
            "without GPT-SoVITS's weights, `mosharness apgmos codebook` makes a substitute for vq_source: kmeans"
        )
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    if path.is_dir() != (vq_source == "kmeans"):
        kind = (
            "a folder, which vq_source: kmeans takes" if path.is_dir() else "a file, which vq_source: gptsovits takes"
        )
        raise CheckpointError(f"{path}: this is {kind}")
    return read_gptsovits(path) if vq_source == "gptsovits" else read_codebook(path)


def load_semantics(model: SemanticDistortion, *, hubert: str, vq_source: VqSource, vq: str = "") -> VqOrigin:
    """Fill the whole branch.

    Args:
        model: Changed in place; its ``origin`` is what is returned.
        hubert: See :func:`load_hubert`.
        vq_source: Where projection and codebook come from; ``random`` keeps the fresh ones, for tests.
        vq: See :func:`read_vq`.

    Raises:
        CheckpointError: If anything does not fit, or a codebook of ours was made from another HuBERT.
        HubError: If a download does not work.
        UsageError: If a source is not named.
    """
    if vq_source == RANDOM:
        origin = VqOrigin(hubert=load_hubert(model, hubert), layer=model.hubert.n_layers)
    else:
        weights = read_vq(vq_source, vq)  # first: it is small, and a wrong path should show before a download
        weights.put_into(model)
        name = load_hubert(model, hubert)
        tied = weights.origin.hubert_sha256
        if tied and tied != hubert_digest(model):
            raise CheckpointError(
                f"{vq}: this codebook was made from {weights.origin.hubert or 'another HuBERT'}, not from the weights "
                f"in {hubert}; its codes would mean nothing there"
            )
        origin = replace(
            weights.origin, hubert=weights.origin.hubert or name, layer=weights.origin.layer or model.hubert.n_layers
        )
    model.origin = origin
    return origin
