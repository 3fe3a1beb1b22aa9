"""Our NISQA in the layout of the original: a ``.tar`` that its ``run_predict.py`` and trainer load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...harness.core.files import atomic_write
from .config import NisqaConfig
from .convert import ATTENTION_ARGS, ATTENTION_KIND, FRONT_END_ARGS, LSTM_ARGS, LSTM_KIND, key_map

UNUSED = (
    *("td_sa_pool_size", "td_sa_pos_enc", "td_lstm_dropout", "td_lstm_bidirectional", "cnn_pool_1", "cnn_pool_2"),
    *("cnn_pool_3", "td_2_sa_d_model", "td_2_sa_nhead", "td_2_sa_pool_size", "td_2_sa_pos_enc", "td_2_sa_num_layers"),
    *("td_2_sa_h", "td_2_sa_dropout", "td_2_lstm_h", "td_2_lstm_num_layers", "td_2_lstm_dropout"),
    *("td_2_lstm_bidirectional", "pool_lstm_dropout", "pool_lstm_h", "pool_lstm_num_layers"),
    *("pool_lstm_bidirectional", "de_align", "de_align_apply", "de_align_dim", "de_fuse_dim", "de_fuse"),
)
"""Arguments that the original's networks read and that are ``None`` where a network has no such part."""

TRAINING: dict[str, Any] = {
    "tr_epochs": 500,
    "tr_early_stop": 30,
    "tr_bs": 80,
    "tr_bs_val": 1,
    "tr_lr": 0.001,
    "tr_lr_patience": 15,
    "tr_num_workers": 0,
    "tr_parallel": False,
    "tr_ds_to_memory": False,
    "tr_ds_to_memory_workers": 6,
    "tr_verbose": 2,
    "tr_device": "cpu",
}
"""The original's settings of a training, which it wants to find; they say nothing of how these weights came about."""


def args_of(config: NisqaConfig, name: str) -> dict[str, Any]:
    """The original's ``args`` for a network of ours.

    Args:
        config: Its settings; what only ours have (``max_segments``) is not in them.
        name: Of the model, shown by the original.
    """
    tts = config.variant == "nisqa_tts"
    args: dict[str, Any] = {"pretrained_model": False, "name": name, **TRAINING, **dict.fromkeys(UNUSED)}
    args |= dict.fromkeys((*ATTENTION_ARGS, *LSTM_ARGS))
    args |= {theirs: _plain(getattr(config, ours)) for theirs, ours in FRONT_END_ARGS.items()}
    args |= {theirs: _plain(getattr(config, ours)) for theirs, ours in (LSTM_ARGS if tts else ATTENTION_ARGS).items()}
    args |= LSTM_KIND if tts else ATTENTION_KIND
    args |= {f"cnn_c_out_{at}": channels for at, channels in enumerate(config.channels, start=1)}
    args["cnn_kernel_size"] = (3, 3)
    if tts:
        args["td_lstm_dropout"] = 0
    else:
        args |= {f"cnn_pool_{at}": list(pool) for at, pool in enumerate(config.pools, start=1)}
    several = config.variant == "nisqa"
    return {
        **args,
        "pool_output_size": 1,
        "model": "NISQA_DIM" if several else "NISQA",
        "dim": several,
        "double_ended": False,
    }


def _plain(value: Any) -> Any:
    """Whole numbers as such: the original hands ``ms_fmax`` on as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() and value else value


def export(predictor: Any, path: Path, name: str = "") -> Path:
    """Write a predictor as the original stores its models: ``args`` and ``model_state_dict``, float32.

    Args:
        predictor: A :class:`~.Nisqa`.
        path: The file; the original expects the suffix ``.tar``.
        name: Of the model; the file's name without suffix by default.

    Returns:
        ``path``.
    """
    import torch

    own = predictor.network.state_dict()
    names = key_map(predictor.config)
    state = {theirs: own[ours].detach().cpu().clone() for theirs, ours in names.items()}
    content = {"args": args_of(predictor.config, name or path.stem), "model_state_dict": state}
    with atomic_write(path, "wb") as stream:
        torch.save(content, stream)
    return path
