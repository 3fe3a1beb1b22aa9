"""Official NISQA checkpoints (``nisqa.tar``, ``nisqa_mos_only.tar``, ``nisqa_tts.tar`` and fine-tunings of them).

They are PyTorch zip files with ``args`` (plain values, which define front end and network) and ``model_state_dict``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...harness.core.errors import CheckpointError
from ...harness.hub.hub import Download
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import as_mapping, find_state, held
from .config import NisqaConfig

COMMIT = "fe84f0f252abec382b24367d5b22498a7ce34dbb"
ADDRESS = f"https://raw.githubusercontent.com/gabrielmittag/NISQA/{COMMIT}/weights"
TERMS = "CC BY-NC-SA 4.0 (non-commercial, share-alike; G. Mittag et al., github.com/gabrielmittag/NISQA)"


@dataclass(frozen=True)
class Published:
    """One of the three published files."""

    filename: str
    sha256: str
    size: int
    what: str
    trained_on: tuple[str, ...]


PUBLISHED: dict[str, Published] = {
    "nisqa": Published(
        "nisqa.tar",
        "7ec4cf937514dd3f8860b21e66fabd8ca87a168572675ef8d979c4c4ad2e805c",
        1_051_663,
        "NISQA v2.0 weights",
        ("nisqa/train",),
    ),
    "nisqa_mos_only": Published(
        "nisqa_mos_only.tar",
        "16b2632bea0a481b1bba485587a8da2265f2c7797b525712ae0c072986ee783c",
        907_215,
        "NISQA v2.0 weights (MOS only)",
        ("nisqa/train",),
    ),
    "nisqa_tts": Published(
        "nisqa_tts.tar",
        "c556a954cd9536360b4fe6f524ad432816509cd22f436f345b281a7851360656",
        1_237_159,
        "NISQA-TTS v1.0 weights",
        (),
    ),
}
"""By variant. NISQA-TTS was trained on Blizzard and Voice Conversion Challenge clips, which are none of our splits."""

FRONT_END_ARGS = {
    "ms_n_fft": "n_fft",
    "ms_hop_length": "hop_s",
    "ms_win_length": "window_s",
    "ms_n_mels": "n_mels",
    "ms_fmax": "fmax",
    "ms_sr": "sample_rate",
    "ms_seg_length": "segment_frames",
    "ms_seg_hop_length": "segment_hop",
    "ms_max_segments": "segment_limit",
    "cnn_dropout": "cnn_dropout",
}
ATTENTION_ARGS = {
    "td_sa_d_model": "attention_width",
    "td_sa_nhead": "attention_heads",
    "td_sa_num_layers": "attention_layers",
    "td_sa_h": "attention_hidden",
    "td_sa_dropout": "attention_dropout",
    "pool_att_h": "pool_hidden",
    "pool_att_dropout": "pool_dropout",
}
LSTM_ARGS = {"cnn_fc_out_h": "cnn_features", "td_lstm_h": "lstm_width", "td_lstm_num_layers": "lstm_layers"}

ATTENTION_KIND = {"cnn_model": "adapt", "td": "self_att", "td_2": "skip", "pool": "att", "td_sa_pos_enc": False}
LSTM_KIND = {
    "cnn_model": "standard",
    "td": "lstm",
    "td_2": "skip",
    "pool": "last_step_bi",
    "td_lstm_bidirectional": True,
}


def download(variant: str) -> Download:
    """The pinned published file of a variant; its licence is shown when it is loaded (see ``Nisqa.from_official``)."""
    known = PUBLISHED[variant]
    return Download(
        url=f"{ADDRESS}/{known.filename}",
        sha256=known.sha256,
        filename=known.filename,
        size=known.size,
        what=known.what,
        instead=f"set MOSHARNESS_NISQA_WEIGHTS to {known.filename} or its folder, or pass --checkpoint PATH",
    )


def read_official(path: Path, variant: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read an official file: of the published ones, of the original's trainer, or bare weights.

    Args:
        path: The file.
        variant: What the user asked for; bare weights need it, as they do not say their front end.

    Returns:
        Settings of :class:`NisqaConfig` by name, and tensors under our names. Arguments that define nothing of the
        network (training settings, paths) are ignored.

    Raises:
        CheckpointError: If the file is no NISQA checkpoint, or of a network that is none of the three.
    """
    content = read_weights(path)
    state = find_state(content, lambda name: name.startswith(OWN), path)
    if state is None:
        raise CheckpointError(
            f"{path}: not a NISQA checkpoint; one holds a dict with args and model_state_dict, as nisqa.tar does (this "
            f"one holds {held(content)})"
        )
    if "args" in content:
        args = as_mapping(content["args"])
        if args is None:
            raise CheckpointError(f"{path}: args must be a dict of settings")
        settings = settings_from_args(args, str(path))
    else:
        settings = _bare_settings(state, path, variant)
    return settings, rename(state, key_map(NisqaConfig(**settings)), str(path))


OWN = ("cnn.model.", "time_dependency.model.", "pool_layers.", "pool.model.")
"""How the original's names begin."""


def _bare_settings(state: Mapping[str, Any], path: Path, variant: str | None) -> dict[str, Any]:
    """Settings for weights without ``args``: those of the published file of that variant, if the user says so."""
    lstm = any(name.startswith("time_dependency.model.lstm.") for name in state)
    several = any(name.startswith("pool_layers.") for name in state)
    found = "nisqa_tts" if lstm else "nisqa" if several else "nisqa_mos_only"
    if variant is None:
        raise CheckpointError(
            f"{path}: weights alone, without args: what they hear (window, hop, mel bands) is not said. If they are a "
            f"fine-tuning of {PUBLISHED[found].filename}, say so: --set variant={found}"
        )
    return {"variant": found}


def settings_from_args(args: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The official ``args`` as settings of :class:`NisqaConfig`.

    Raises:
        CheckpointError: If they describe another network or lack a value.
    """
    variant = "nisqa_tts" if args.get("td") == "lstm" else "nisqa" if args.get("dim") else "nisqa_mos_only"
    tts = variant == "nisqa_tts"
    kind = {**(LSTM_KIND if tts else ATTENTION_KIND), "model": "NISQA_DIM" if variant == "nisqa" else "NISQA"}
    for name, wanted in kind.items():
        if args.get(name) != wanted:
            raise CheckpointError(
                f"{source}: {name} is {args.get(name)!r}; of the NISQA networks only those of nisqa.tar, "
                f"nisqa_mos_only.tar and nisqa_tts.tar are supported ({name} {wanted!r})"
            )
    if args.get("double_ended") or list(args.get("cnn_kernel_size") or ()) != [3, 3]:
        raise CheckpointError(f"{source}: double-ended networks and kernels other than 3x3 are not supported")
    names = {**FRONT_END_ARGS, **(LSTM_ARGS if tts else ATTENTION_ARGS)}
    shape = [f"cnn_c_out_{at}" for at in (1, 2, 3)] + ([] if tts else [f"cnn_pool_{at}" for at in (1, 2, 3)])
    absent = [name for name in (*names, *shape) if name not in args or (args[name] is None and name != "ms_sr")]
    if absent:
        raise CheckpointError(f"{source}: args lack {', '.join(absent)}")
    settings: dict[str, Any] = {ours: args[theirs] for theirs, ours in names.items()}
    for name in ("hop_s", "window_s", "fmax", "cnn_dropout", "attention_dropout", "pool_dropout"):
        if name in settings:
            settings[name] = float(settings[name])
    settings["channels"] = tuple(args[f"cnn_c_out_{at}"] for at in (1, 2, 3))
    if not tts:
        settings["pools"] = tuple(tuple(args[f"cnn_pool_{at}"]) for at in (1, 2, 3))
    return {"variant": variant, **settings}


def key_map(config: NisqaConfig) -> dict[str, str]:
    """Official parameter name to ours, for every tensor of the network."""
    return dict(_keys(config))


def _keys(config: NisqaConfig) -> Iterator[tuple[str, str]]:
    for at in range(6):
        for name in ("weight", "bias"):
            yield f"cnn.model.conv{at + 1}.{name}", f"cnn.convolutions.{at}.{name}"
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            yield f"cnn.model.bn{at + 1}.{name}", f"cnn.norms.{at}.{name}"
    if config.variant == "nisqa_tts":
        for name in ("weight", "bias"):
            yield f"cnn.model.fc_out.{name}", f"cnn.output.{name}"
            yield f"pool.model.linear.{name}", f"pools.0.output.{name}"
        for layer in range(config.lstm_layers):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                for side in ("", "_reverse"):
                    yield f"time_dependency.model.lstm.{name}_l{layer}{side}", f"time.lstm.{name}_l{layer}{side}"
        return
    for name in ("weight", "bias"):
        yield f"time_dependency.model.linear.{name}", f"time.input.{name}"
        yield f"time_dependency.model.norm1.{name}", f"time.norm.{name}"
        for layer in range(config.attention_layers):
            theirs, ours = f"time_dependency.model.layers.{layer}", f"time.layers.{layer}"
            yield f"{theirs}.self_attn.in_proj_{name}", f"{ours}.query_key_value.{name}"
            yield f"{theirs}.self_attn.out_proj.{name}", f"{ours}.attention_output.{name}"
            yield f"{theirs}.norm1.{name}", f"{ours}.attention_norm.{name}"
            yield f"{theirs}.linear1.{name}", f"{ours}.expand.{name}"
            yield f"{theirs}.linear2.{name}", f"{ours}.contract.{name}"
            yield f"{theirs}.norm2.{name}", f"{ours}.feed_forward_norm.{name}"
        for at in range(len(config.dimensions)):
            theirs = f"pool_layers.{at}.model" if config.variant == "nisqa" else "pool.model"
            for number, part in enumerate(("hidden", "attention", "output"), start=1):
                yield f"{theirs}.linear{number}.{name}", f"pools.{at}.{part}.{name}"


def rename(state: Mapping[str, Any], names: Mapping[str, str], source: str) -> dict[str, Any]:
    """Tensors under our names.

    Raises:
        CheckpointError: If official names are missing or not known.
    """
    missing, extra = sorted(set(names) - set(state)), sorted(set(state) - set(names))
    if missing or extra:
        parts = [f"{len(missing)} missing (first: {missing[0]})"] if missing else []
        parts += [f"{len(extra)} not known (first: {extra[0]})"] if extra else []
        raise CheckpointError(f"{source}: the tensors are not those of this network: {'; '.join(parts)}")
    return {ours: state[theirs] for theirs, ours in names.items()}
