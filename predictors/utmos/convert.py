"""The published file of UTMOS22 strong: where it lies, and its tensors under our names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ...harness.hub.hub import Download
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from ..layers.ssl.official import from_fairseq
from .network import UtmosNetwork

FILE = "utmos22_strong_step7459_v1.pt"
RELEASE = f"https://github.com/tarepan/SpeechMOS/releases/download/v1.0.0/{FILE}"
MIRROR = f"https://huggingface.co/k2-fsa/TTS_eval_models/resolve/main/mos/{FILE}"
PREFIX = "wav2vec2."
PLAIN = {"domain_emb": "domain", "judge_emb": "judge"}
PROJECTION = ("projection.0.weight", "projection.0.bias", "projection.2.weight", "projection.2.bias")


def download(sha256: str | None) -> Download:
    """The published file; its digest is recorded on the first download unless one is demanded."""
    return Download(
        url=RELEASE,
        mirrors=(MIRROR,),
        sha256=sha256 or "",
        filename=FILE,
        what="UTMOS22 strong weights",
        license="MIT",
        instead=f"pass --checkpoint with {FILE}",
    )


def read_official(path: Path) -> dict[str, Any]:
    """The state dict of an official file.

    Raises:
        CheckpointError: If it is none.
    """
    content = read_weights(path)
    wanted = (PREFIX + "post_extract_proj.weight", "blstm.weight_ih_l0", *PLAIN, *PROJECTION)
    state = find_state(content, lambda name: name in wanted, path)
    if state is None or not all(name in state for name in wanted):
        raise CheckpointError(
            f"{path}: no UTMOS22 strong checkpoint; one is a state dict with {', '.join(wanted[:4])} (it holds "
            f"{held(content)})"
        )
    return state


def to_network(state: dict[str, Any], network: UtmosNetwork, path: Path) -> dict[str, Any]:
    """Official tensors under the names of ``network``.

    Raises:
        CheckpointError: If they do not fit.
    """
    inner = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    tensors = {
        f"backbone.model.{name}": value for name, value in from_fairseq(inner, network.backbone, str(path)).items()
    }
    for name, value in state.items():
        if name in PLAIN:
            tensors[PLAIN[name]] = value
        elif name.startswith("blstm."):
            tensors["recurrent." + name.removeprefix("blstm.")] = value
        elif name in PROJECTION:
            tensors[name] = value
        elif not name.startswith(PREFIX):
            raise CheckpointError(f"{path}: a tensor that UTMOS22 strong does not have: {name}")
    return tensors
