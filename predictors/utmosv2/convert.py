"""Official checkpoints: where they are, which to refuse, and how their names become ours.

A file is a bare state dict under the names of ``network.py``. Source of names, sizes and digests: the reference
repository at cc2700d and its large-file pointers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ...harness.core.files import file_sha256
from ...harness.hub.hub import Download
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from .config import Variant

REPOSITORY = "sarulab-speech/UTMOSv2"
SIZE = 818_531_314
SHA256 = (
    "c8149d988e4bbf3f347e6966b5d769de347a5f8c59ffca1dc4bd4bf5b8585e57",
    "b25a27b8ce23d722395f76a2fff7c259421950458ffb240066edd01d3f28cd1f",
    "c0beedbbed7ceef760adc556b925bf760639f281b20f75103b23fcdbdc5568f2",
    "ec4b56921617c762428195daef9449855798bfdd651c95933afa9a29212b8567",
    "f5176ac65f92653a14b3aea1878575a44ebe94ff7eaac4e9057029c19f52c720",
)
"""Of folds 0 to 4, of the set that replaced the first one on 15 September 2024."""

FAULTY = ("92fb17df", "06756833", "d784c0cd", "ed133fe9", "12659b9d")
"""How the digests of the first set (July 2024) begin: it was trained with all four windows equal by mistake."""

TERMS = (
    "the licence of the weight files is not stated (code: MIT); they were trained on SOMOS (CC BY-NC-SA 4.0), BVCC and "
    "Blizzard Challenge data, which have terms of their own"
)
NOTICE = f"UTMOSv2 weights: {TERMS}."

OWN = ("ssl.", "spec_long.", "backbones.", "encoder.model.")
"""How names begin in the joint model and in a branch alone."""

PREFIXES: dict[Variant, str] = {"ssl_only": "ssl.", "spec_only": "spec_long."}
_OLD = re.compile(r"(.*pos_conv_embed\.conv)\.weight_([gv])")
_NEW = re.compile(r"(.*pos_conv_embed\.conv)\.parametrizations\.weight\.original([01])")


def filename(fold: int) -> str:
    """The official name of a fold's file."""
    return f"fold{fold}_s42_best_model.pth"


def download(fold: int) -> Download:
    """The pinned published file of a fold."""
    return Download(
        url=f"https://huggingface.co/{REPOSITORY}/resolve/main/{filename(fold)}",
        sha256=SHA256[fold],
        filename=filename(fold),
        size=SIZE,
        what=f"UTMOSv2 weights, fold {fold}",
        license=TERMS,
        instead=f"pass --checkpoint with {filename(fold)} or the folder that holds it",
    )


def sha256_of(path: Path) -> str:
    """The file's digest, computed once per process while the file stays as it is."""
    status = path.stat()
    return _sha256_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _sha256_of(path: Path, size: int, modified: int) -> str:
    return file_sha256(path)


def check_digest(path: Path) -> int | None:
    """The fold whose published file this is, ``None`` for any other file.

    Raises:
        CheckpointError: For a file of the faulty first set.
    """
    found = sha256_of(path).removeprefix("sha256:")
    if found.startswith(FAULTY):
        raise CheckpointError(
            f"{path}: refused, this is a file of the first published set (sha256 {found[:12]}…), which was trained "
            f"with a wrong spectrogram setting; get the current one from https://huggingface.co/{REPOSITORY}"
        )
    return SHA256.index(found) if found in SHA256 else None


def read_official(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint, mapped from the file where its format allows, under today's weight-norm names.

    Raises:
        CheckpointError: If the file is damaged, wants to run code, or holds no tensors of this model.
    """
    content = read_weights(path)
    state = find_state(content, lambda name: name.startswith(OWN), path)
    if state is None:
        raise CheckpointError(
            f"{path}: no UTMOSv2 checkpoint; one is a bare state dict, {filename(0)} for example (it holds "
            f"{held(content)})"
        )
    return new_names(state)


def new_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Names that torch before 2.1 gave the weight norm, as torch gives them now."""
    return {
        f"{old[1]}.parametrizations.weight.original{'gv'.index(old[2])}"
        if (old := _OLD.fullmatch(name))
        else name: value
        for name, value in state.items()
    }


def old_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of :func:`new_names`."""
    return {
        f"{new[1]}.weight_{'gv'[int(new[2])]}" if (new := _NEW.fullmatch(name)) else name: value
        for name, value in state.items()
    }


def from_branch(state: Mapping[str, Any], variant: Variant) -> dict[str, Any]:
    """A branch that was trained alone, as part of the joint network: prefixed, and without its head."""
    prefix = PREFIXES[variant]
    return {f"{prefix}{name}": value for name, value in state.items() if name not in ("fc.weight", "fc.bias")}
