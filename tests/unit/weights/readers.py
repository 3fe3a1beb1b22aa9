"""Every reader of other people's weight files, with a small file in the layout that it reads.

A reader is a state dict under the authors' names, the content that their files put around it, and a function that loads
a path and gives the tensors that came out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mosharness.predictors import PREDICTORS, load_predictor
from mosharness.predictors.apgmos.auditory.config import EcapaConfig

sys.path.append(str(Path(__file__).parents[1] / "clap"))
from laion_names import to_laion

SMALL_ECAPA = EcapaConfig((8, 8, 8, 8, 16), attention_channels=4, res2net_scale=2, se_channels=4, embedding=6)
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        name: Of the reader.
        state: Tensors under the authors' names.
        load: A path to the tensors that were loaded.
        pack: What the authors' files put around a state dict.
        beside: Text of files beside the weights.
        bare: Whether a state dict alone loads without being told more.
        any_format: Whether the same names load from safetensors and from the layout before zip archives too.
    """

    name: str
    state: State
    load: Callable[[Path], dict[str, Any]]
    pack: Callable[[State], Any] = field(default=lambda state: state)
    beside: dict[str, str] = field(default_factory=dict)
    bare: bool = True
    any_format: bool = True

    def write(self, folder: Path, content: Any, name: str = "weights.pt", **options: Any) -> Path:
        """Write a file of this reader."""
        folder.mkdir(parents=True, exist_ok=True)
        for other, text in self.beside.items():
            (folder / other).write_text(text)
        torch.save(content, folder / name, **options)
        return folder / name


def of_predictor(name: str, **config: Any) -> Callable[[Path], dict[str, Any]]:
    def load(path: Path) -> dict[str, Any]:
        return load_predictor(name, path, "cpu", **config).tensors()

    return load


def fresh(name: str, **config: Any) -> Any:
    torch.manual_seed(4)
    return PREDICTORS[name](config, device="cpu")


def renamed(predictor: Any, names: dict[str, str]) -> State:
    """Tensors of ours under other names: theirs to ours."""
    own = predictor.network.state_dict()
    return {theirs: own[ours].clone() for theirs, ours in names.items()}


def nisqa() -> Reader:
    from mosharness.predictors.nisqa.convert import key_map
    from mosharness.predictors.nisqa.export import args_of

    predictor = fresh("nisqa")
    args = args_of(predictor.config, "fine-tuned")

    def load(path: Path) -> dict[str, Any]:
        return load_predictor("nisqa", path, "cpu", variant="nisqa").tensors()

    state = renamed(predictor, key_map(predictor.config))
    return Reader("nisqa", state, load, lambda state: {"args": args, "model_state_dict": state})


def sslmos() -> Reader:
    from mosharness.predictors.layers.ssl.official import key_map

    predictor = fresh("sslmos", backbone="wav2vec2-tiny")
    names = {f"ssl_model.{one}": f"backbone.model.{ours}" for one, ours in key_map(predictor.network.backbone).items()}
    names |= {f"output_layer.{name}": f"head.{name}" for name in ("weight", "bias")}
    return Reader("sslmos", renamed(predictor, names), of_predictor("sslmos"))


def sheet() -> Reader:
    from mosharness.predictors.layers.ssl.official import key_map

    predictor = fresh("sslmos", backbone="wav2vec2-tiny", head="frames", bounded=True, normalize=False)
    keys = key_map(predictor.network.backbone)
    names = {f"ssl_model.upstream.model.{one}": f"backbone.model.{ours}" for one, ours in keys.items()}
    names |= {f"mean_net_dnn.net.{at}.{name}": f"head.{at}.{name}" for at in (0, 3) for name in ("weight", "bias")}
    return Reader("sheet", renamed(predictor, names), of_predictor("sslmos"))


def sfissl() -> Reader:
    from mosharness.predictors.sfissl.convert import NAMES

    predictor = fresh("sfissl", backbone="hubert-tiny", listener_rows=12)
    own = predictor.network.state_dict()
    back = {ours: theirs for theirs, ours in NAMES.items()}
    state = {back.get(name) or f"ssl_model.{name.removeprefix('backbone.model.')}": one for name, one in own.items()}
    return Reader("sfissl", state, of_predictor("sfissl"), lambda state: {"state_dict": state, "epoch": 3})


def apgmos() -> Reader:
    state = {name: one.clone() for name, one in fresh("apgmos", size="tiny").network.state_dict().items()}
    return Reader("apgmos", state, of_predictor("apgmos", size="tiny"), lambda state: {"model": state, "steps": 5})


def utmosv2() -> Reader:
    state = {name: one.clone() for name, one in fresh("utmosv2", size="tiny").network.state_dict().items()}
    return Reader("utmosv2", state, of_predictor("utmosv2", size="tiny"))


TRANSFORM = {axis: {"mean": 5.0 + at, "std": 1.5} for at, axis in enumerate(("CE", "CU", "PC", "PQ"))}
AUDIOBOX = {"use_weighted_layer_sum": True, "normalize_embed": True, "target_transform": TRANSFORM}


def audiobox() -> Reader:
    from mosharness.predictors.audiobox.convert import key_map
    from mosharness.predictors.layers.ssl.official import key_map as wavlm_keys

    predictor = fresh("audiobox", size="tiny")
    backbone = predictor.network.backbone
    names = {f"wavlm_model.{one}": f"backbone.model.{ours}" for one, ours in wavlm_keys(backbone).items()}
    state = renamed(predictor, names | key_map(predictor.network))
    settings = {name: value for name, value in AUDIOBOX.items() if name != "target_transform"}
    return Reader(
        "audiobox",
        state,
        of_predictor("audiobox", size="tiny"),
        lambda state: {"state_dict": state, "model_cfg": settings, "target_transform": TRANSFORM},
        {"config.json": json.dumps(AUDIOBOX)},
    )


def drasp() -> Reader:
    from mosharness.predictors.layers.clap.networks import OFFICIAL_HEADS

    predictor = fresh("drasp", size="tiny")
    state, clap = {}, {}
    for name, one in predictor.network.state_dict().items():
        if name.startswith("backbone.model."):
            clap[name.removeprefix("backbone.model.")] = one
        elif name.startswith("heads."):
            _, dimension, _, number, kind = name.split(".")
            state[f"{OFFICIAL_HEADS[dimension]}_mlp_layer{int(number) + 1}.{kind}"] = one.clone()
        else:
            state[name] = one.clone()
    state |= {f"upstream_model.model.{name}": one for name, one in to_laion(clap).items()}
    return Reader("drasp", state, of_predictor("drasp", size="tiny"))


def fairseq() -> Reader:
    from mosharness.predictors.layers.ssl.backbone import SslBackbone
    from mosharness.predictors.layers.ssl.official import key_map
    from mosharness.predictors.layers.ssl.pretrained import load_pretrained

    torch.manual_seed(4)
    source = SslBackbone("hubert", "tiny")
    own = source.model.state_dict()

    def load(path: Path) -> dict[str, Any]:
        target = SslBackbone("hubert", "tiny")
        load_pretrained(target, str(path))
        return dict(target.model.state_dict())

    state = {theirs: own[ours].clone() for theirs, ours in key_map(source).items()}
    return Reader("fairseq", state, load, lambda state: {"args": None, "model": state})


def laion() -> Reader:
    from mosharness.predictors.layers.clap.backbone import ClapBackbone
    from mosharness.predictors.layers.clap.pretrained import load_pretrained

    torch.manual_seed(4)
    source = ClapBackbone("tiny", text=False)

    def load(path: Path) -> dict[str, Any]:
        target = ClapBackbone("tiny", text=False)
        load_pretrained(target, str(path))
        return dict(target.model.state_dict())

    state = to_laion(source.model.state_dict())
    return Reader("laion", state, load, lambda state: {"epoch": 15, "state_dict": state})


def ecapa() -> Reader:
    from mosharness.predictors.apgmos.auditory.ecapa import Ecapa

    small = SMALL_ECAPA
    torch.manual_seed(4)
    state = {name: one.clone() for name, one in Ecapa(12, small).state_dict().items()}

    def load(path: Path) -> dict[str, Any]:
        target = Ecapa(12, small)
        target.load_speechbrain(path)
        return dict(target.state_dict())

    return Reader("ecapa", state, load)


def gptsovits() -> Reader:
    from mosharness.predictors.apgmos.semantic.gptsovits import read_gptsovits
    from mosharness.predictors.apgmos.semantic.quantizer import SemanticQuantizer

    torch.manual_seed(4)
    state = {name: one.clone() for name, one in SemanticQuantizer(24, 16).state_dict().items()}
    return Reader(
        "gptsovits",
        state,
        lambda path: dict(read_gptsovits(path).tensors),
        lambda state: {"weight": state, "config": {"model": {}}, "info": ""},
        any_format=False,
    )


def imagenet() -> Reader:
    from mosharness.predictors.utmosv2 import starts

    predictor = fresh("utmosv2", size="tiny")
    body = predictor.network.spec_long.backbones[0]
    state = {name: one.clone() for name, one in body.state_dict().items() if one.is_floating_point()}

    network: Any = predictor.network

    def load(path: Path) -> dict[str, Any]:
        starts.load_imagenet(network, str(path))
        return dict(network.spec_long.backbones[1].state_dict())

    return Reader("imagenet", state, load)


def utmos() -> Reader:
    from mosharness.predictors.layers.ssl.official import key_map

    small = {"size": "tiny", "embedding": 8, "units": 8, "hidden": 8}
    predictor = fresh("utmos", **small)
    state = {}
    for name, one in predictor.network.state_dict().items():
        theirs = {"domain": "domain_emb", "judge": "judge_emb"}.get(name, name.replace("recurrent.", "blstm."))
        if not name.startswith("backbone."):
            state[theirs] = one.clone()
    names = {f"wav2vec2.{one}": f"backbone.model.{ours}" for one, ours in key_map(predictor.network.backbone).items()}
    return Reader("utmos", state | renamed(predictor, names), of_predictor("utmos", **small))


def distillmos() -> Reader:
    from mosharness.predictors.distillmos.convert import _keys

    state = renamed(fresh("distillmos"), dict(_keys()))
    return Reader("distillmos", state, of_predictor("distillmos"), lambda state: {"model": state})


MAKERS = (
    *(nisqa, sslmos, sheet, sfissl, apgmos, utmosv2, audiobox, drasp, fairseq, laion, ecapa, gptsovits, imagenet),
    *(utmos, distillmos),
)
NAMES = tuple(make.__name__ for make in MAKERS)


@cache
def reader(name: str) -> Reader:
    """A reader by name."""
    return next(make for make in MAKERS if make.__name__ == name)()
