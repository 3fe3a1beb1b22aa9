"""Finding tensors by name in what a file holds, whoever wrapped or renamed them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError
from .standin import StandIn

WRAPPERS = (
    *("state_dict", "model_state_dict", "model", "module", "weight", "weights", "network", "net", "params"),
    *("generator", "embedding_model", "ema_state_dict", "model_ema", "ema"),
)
"""Keys under which trainers keep the tensors, the likeliest first."""
DEPTH = 3
SHOWN = 6
Known = Callable[[str], bool]


def find_state(content: Any, known: Known, path: Path) -> dict[str, Any] | None:
    """The tensors of a model by name, whatever is wrapped around them or put before their names.

    Looked for in what was read, and under the keys of :data:`WRAPPERS`; a whole module that was saved in the place of
    its state dict gives its tensors too. One prefix that all of a model's names share (``module.`` of DataParallel,
    ``model.`` of a Lightning module) is taken off; tensors beside it are left out, with a note on stderr.

    Args:
        content: What :func:`~.files.read_weights` returned.
        known: Whether a name is one of the model's.
        path: For messages.

    Returns:
        ``None`` where no name is known.

    Raises:
        CheckpointError: If two models are in it, or something under a known name is no tensor.
    """
    for state in _candidates(content, DEPTH):
        names = [name for name, value in state.items() if isinstance(name, str) and is_tensor(value)]
        prefix = common_prefix(names, known, path)
        if prefix is None:
            continue
        for name, value in state.items():
            inner = str(name).removeprefix(prefix)
            if not is_tensor(value) and str(name).startswith(prefix) and known(inner):
                raise CheckpointError(f"{path}: {name} is no tensor but {describe(value)}")
        beside = [name for name in names if not name.startswith(prefix)]
        if beside:
            print(
                f"mosharness: {path.name}: the model is below {prefix}; {len(beside)} tensors beside it are left out "
                f"(first: {beside[0]})",
                file=sys.stderr,
            )
        return {name.removeprefix(prefix): state[name] for name in names if name.startswith(prefix)}
    return None


def common_prefix(names: list[str], known: Known, path: Path) -> str | None:
    """What stands before a model's own names: nothing, or something that ends with a dot.

    The shortest one counts. ``None`` where no name is known.

    Raises:
        CheckpointError: If several of the same length are there: several models.
    """
    if any(map(known, names)):
        return ""
    found: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        for at in range(1, len(parts)):
            if known(".".join(parts[at:])):
                prefix = ".".join(parts[:at]) + "."
                found[prefix] = at
                break
    if not found:
        return None
    shortest = min(found.values())
    chosen = sorted(prefix for prefix, length in found.items() if length == shortest)
    if len(chosen) > 1:
        raise CheckpointError(
            f"{path}: holds {len(chosen)} models, below {' and '.join(chosen[:SHOWN])}; save the tensors of the one "
            "that you mean, with their names without the prefix, in a file of its own"
        )
    return chosen[0]


def _candidates(content: Any, depth: int) -> Iterator[Mapping[Any, Any]]:
    """Mappings that may be a state dict, outer ones first."""
    inner = as_mapping(content)
    if inner is None:
        return
    yield inner
    if depth:
        for key in WRAPPERS:
            if key in inner:
                yield from _candidates(inner[key], depth - 1)


def as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """A dictionary, or what a stand-in of one (or of a torch module) holds."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, StandIn):
        return None
    if value.entries:
        return value.entries
    if isinstance(value.state, dict):
        return module_state(value) if "_parameters" in value.state else value.state
    return None


def module_state(module: StandIn) -> dict[str, Any]:
    """The tensors of a torch module that was saved whole, under the names of its state dict."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", module)]
    seen: set[int] = set()
    while waiting:
        prefix, one = waiting.pop()
        if not isinstance(one, StandIn) or not isinstance(one.state, dict) or id(one) in seen:
            continue
        seen.add(id(one))
        left_out = one.state.get("_non_persistent_buffers_set") or ()
        for kind in ("_parameters", "_buffers"):
            held = one.state.get(kind)
            for name, value in held.items() if isinstance(held, dict) else ():
                if is_tensor(value) and name not in left_out:
                    found[f"{prefix}{name}"] = value
        inner = one.state.get("_modules")
        waiting += [(f"{prefix}{name}.", part) for name, part in inner.items()] if isinstance(inner, dict) else []
    return found


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor or an array."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def describe(value: Any) -> str:
    """What a value is, for messages."""
    return f"an object of {value.path}" if isinstance(value, StandIn) else f"a {type(value).__name__}"


def held(content: Any) -> str:
    """What was read, for messages: its keys, or its kind."""
    inner = as_mapping(content)
    if inner is None:
        return describe(content)
    names = sorted(map(str, inner))
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "") or "nothing"
