"""What SHEET's checkpoints are: a self-supervised model of S3PRL, and two layers that score every frame.

``checkpoint-best.bin`` and ``.pkl`` are state dicts; ``config.yml`` beside them names the upstream and the layer. Names
below :data:`BACKBONE` are fairseq's (WavLM's its authors'). Source: unilight/sheet, class ``SSLMOS``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError

BACKBONE = "ssl_model.upstream.model."
HEADS = {f"mean_net_dnn.net.{at}.{name}": f"head.{at}.{name}" for at in (0, 3) for name in ("weight", "bias")}
"""The head's names to ours."""
LISTENERS = ("listener_embeddings.", "decoder_dnn.", "decoder_rnn.")
"""What only a model of listeners has."""
KINDS = {"wav2vec2": "wav2vec2", "hubert": "hubert", "wavlm": "wavlm", "xlsr": "wav2vec2", "xls_r": "wav2vec2"}
"""How names of S3PRL's upstreams begin, and the family; the longest first."""
CONFIG = "config.yml"


def settings_of(state: Mapping[str, Any], size: str, path: Path) -> dict[str, Any]:
    """Settings of :class:`~.config.SslMosConfig` for a file.

    Without ``config.yml`` beside it, the last layer and bounded scores are taken, as in all of SHEET's recipes, and
    that is said on stderr.

    Args:
        state: Its tensors.
        size: Of the backbone; ``hubert`` and ``wav2vec2`` of one size are the same network.
        path: The file.

    Raises:
        CheckpointError: For a model that has no place here; the message says why.
    """
    listeners = [name for name in state if name.startswith(LISTENERS)]
    if listeners:
        raise CheckpointError(
            f"{path}: a model of single listeners ({listeners[0]}), which sslmos has not; of SHEET's SSLMOS models "
            "those without use_listener_modeling load"
        )
    last = state.get("mean_net_dnn.net.3.weight")
    if last is None or last.shape[0] != 1:
        outputs = "no mean_net_dnn.net.3" if last is None else f"{last.shape[0]} classes"
        raise CheckpointError(f"{path}: a head with {outputs}; of SHEET's heads the scalar mean net loads")
    wavlm = any(name.startswith(BACKBONE) and ".grep_linear." in name for name in state)
    told = _told(path)
    kind = _kind(told.get("s3prl_name"), path) or ("wavlm" if wavlm else "wav2vec2")
    if (kind == "wavlm") != wavlm:
        raise CheckpointError(f"{path}: {CONFIG} names {told['s3prl_name']}, the tensors are those of another family")
    return {
        "backbone": f"{kind}-{size}",
        "head": "frames",
        "head_width": int(state["mean_net_dnn.net.0.weight"].shape[0]) if "mean_net_dnn.net.0.weight" in state else 64,
        "bounded": told.get("mean_net_range_clipping", True),
        "layer": _layer(told.get("ssl_model_layer_idx", -1), state, path),
        "normalize": size.endswith("large"),  # as S3PRL feeds them, by torch's layer norm
        "epsilon": 1e-5,
    }


def _told(path: Path) -> dict[str, Any]:
    """``model_params`` of the configuration beside a file; empty, and said so, where there is none."""
    beside = path.with_name(CONFIG)
    if not beside.is_file():
        print(
            f"mosharness: {path.name}: no {CONFIG} beside it; the last layer and scores bounded to 1 to 5 are taken, "
            "as in SHEET's recipes (--set bounded=false, --set layer=N for others)",
            file=sys.stderr,
        )
        return {}
    import yaml

    try:
        content = yaml.safe_load(beside.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{beside}: cannot be read as plain YAML ({reason}); mend it, or take it away") from error
    if not isinstance(content, dict) or not isinstance(content.get("model_params", {}), dict):
        raise CheckpointError(f"{beside}: no configuration of SHEET (model_type and model_params)")
    if content.get("model_type", "SSLMOS") != "SSLMOS":
        raise CheckpointError(f"{path}: a model of the type {content['model_type']}; of SHEET's, SSLMOS loads")
    told: dict[str, Any] = content.get("model_params", {})
    module, kind = told.get("ssl_module", "s3prl"), told.get("mean_net_output_type", "scalar")
    if module != "s3prl" or kind != "scalar":
        raise CheckpointError(f"{path}: {CONFIG} says {module} and {kind}; s3prl with the scalar mean net loads")
    if not isinstance(told.get("mean_net_range_clipping", True), bool):
        raise CheckpointError(f"{beside}: mean_net_range_clipping must be true or false")
    return told


def _kind(upstream: Any, path: Path) -> str:
    """The family of an upstream; empty where none is named."""
    if upstream is None:
        return ""
    for begins, kind in KINDS.items():
        if str(upstream).startswith(begins) and "conformer" not in str(upstream):
            return kind
    raise CheckpointError(
        f"{path}: {CONFIG} names the upstream {upstream!r}; sslmos has wav2vec 2.0, HuBERT and WavLM (s3prl_name "
        "wav2vec2..., hubert..., wavlm..., xlsr..., xls_r...)"
    )


def _layer(index: Any, state: Mapping[str, Any], path: Path) -> int | str:
    """SHEET counts as S3PRL does: 0 enters the first layer, the last one is the model's output, also as -1."""
    stem = f"{BACKBONE}encoder.layers."
    layers = 1 + max(
        (int(name.removeprefix(stem).split(".")[0]) for name in state if name.startswith(stem)), default=-1
    )
    if type(index) is not int or not -layers - 1 <= index <= layers:
        raise CheckpointError(f"{path}: ssl_model_layer_idx {index!r}; its model has states 0 to {layers}")
    index %= layers + 1
    return "last" if index == layers else index
