"""Checkpoints of other implementations, as far as they can be read without guessing.

No official code was found. A public evaluation platform runs checkpoints called ``checkpoint_BVCC.pkl`` and
``checkpoint_SOMOS.pkl``, and much of the paper reads as SHEET does, whose files are pickles of ``{"model": state dict,
"optimizer": ..., "steps": ..., "epochs": ...}``. That wrapper is read here. Names below ``w2v.`` may be those of
transformers, with the weight norm under its older or newer names, or those of fairseq; all others are taken only if
they are exactly ours. Everything that differs is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...harness.core.errors import CheckpointError
from ..layers.pickles.files import read_weights
from ..layers.pickles.states import find_state, held
from ..trainable import Trainable

P = TypeVar("P", bound=Trainable)
SHOWN = 40


def from_official(cls: type[P], path: Path, config: Mapping[str, Any], options: Mapping[str, Any]) -> P:
    """A predictor from a SHEET-style file, or from a bare state dict.

    Raises:
        CheckpointError: If the file is none of these, or any name or shape differs; the message lists what.
    """
    content = read_weights(path)
    predictor = cls.empty(config, **options)
    own = predictor.network.state_dict()
    state = renamed(read_state(content, own, path), predictor, str(path))
    problems = differences(own, state)
    if problems:
        listed = "\n  ".join(problems[:SHOWN])
        more = f"\n  and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise CheckpointError(
            f"{path}: {len(problems)} of its tensors or ours do not match, and nothing is guessed:\n  {listed}{more}\n"
            "  If this is an official file, its layout is not known here: please report these names"
        )
    predictor.load_tensors({name: state.get(name, own[name]) for name in own})
    return predictor


def read_state(content: Any, own: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The state dict of a file, under ``model`` or bare, whatever stands before its names.

    Args:
        content: What the file holds.
        own: Tensors of our network; a file has at least one of their names.
        path: For messages.

    Raises:
        CheckpointError: If there is none.
    """
    state = find_state(content, lambda name: name in own or name.startswith("w2v."), path)
    if state is None:
        raise CheckpointError(
            f"{path}: no state dict under 'model', or bare, with names of APG-MOS (it holds {held(content)}); pass a "
            "file as SHEET saves them, or a folder written by save_pretrained"
        )
    return state


def renamed(state: Mapping[str, Any], predictor: Trainable, source: str) -> dict[str, Any]:
    """Tensors of wav2vec 2.0 under our names, as far as they are known by another; the rest as it is.

    Raises:
        CheckpointError: If two tensors of the file are the same one of ours.
    """
    from ..layers.ssl.official import key_map, new_weight_norm

    network: Any = predictor.network
    if "w2v" not in network.parts:
        return dict(state)
    backbone: Any = network.get_submodule("w2v")
    names = {new_weight_norm(name): name for name in backbone.model.state_dict()}
    known = {new_weight_norm(theirs): names[new_weight_norm(ours)] for theirs, ours in key_map(backbone).items()}
    known |= names
    ready: dict[str, Any] = {}
    for name, value in state.items():
        inner = new_weight_norm(name.removeprefix("w2v.").removeprefix("model."))
        ours = f"w2v.model.{known[inner]}" if name.startswith("w2v.") and inner in known else name
        if ours in ready:
            raise CheckpointError(f"{source}: two of its tensors are {ours} here; the second is called {name}")
        ready[ours] = value
    return ready


def differences(own: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Lines about every name that only one side has, and every shape that differs.

    The digest of the semantic branch is ours alone and may be absent.
    """
    from .network import DIGEST

    lines = [f"missing: {name} {tuple(own[name].shape)}" for name in own if name not in given and name != DIGEST]
    lines += [f"not known: {name} {tuple(value.shape)}" for name, value in given.items() if name not in own]
    for name, value in given.items():
        if name in own and tuple(own[name].shape) != tuple(value.shape):
            lines.append(f"another shape: {name} {tuple(value.shape)}, ours {tuple(own[name].shape)}")
    return lines
