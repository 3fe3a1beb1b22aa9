"""``mosharness doctor``: versions, device, caches, data roots and weights at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import typer

from . import common
from .show import print_json, print_table


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("doctor")(doctor)


def doctor(as_json: common.AsJson = False) -> None:
    """Show what a bug report should say, and what is ready to use on this machine."""
    from ...predictors import GATE_PREDICTORS, OPEN_PREDICTORS
    from ...predictors.at_hand import with_weights
    from ...tasks import TASKS
    from ..core.paths import cache_root, data_root
    from ..core.provenance import provenance
    from ..hub.hub import describe_cache, is_offline

    facts: dict[str, Any] = provenance("cpu")
    facts["offline"] = is_offline()
    facts["devices"] = _devices()
    facts["cores"] = len(os.sched_getaffinity(0))
    facts["cache"] = str(cache_root())
    facts["cached"] = [{"what": what, "path": str(path), "bytes": size} for what, path, size in describe_cache()]
    roots = {name: data_root(name) for name in TASKS}
    facts["default_predictors"] = {"predict": list(OPEN_PREDICTORS), "gate": list(GATE_PREDICTORS)}
    facts["predictors"] = {name: "ready" if one.here else one.reason for name, one in with_weights().items()}
    facts["data"] = {name: str(root) for name, root in roots.items() if root is not None and root.is_dir()}
    if as_json:
        print_json(facts)
        return
    packages = " ".join(f"{name} {version}" for name, version in facts["packages"].items())
    commit = f"{facts['commit'] or 'no checkout'}{' (changed)' if facts['dirty'] else ''}"
    rows = [
        ["mosharness", f"{facts['mosharness']}, commit {commit}"],
        ["python", facts["python"]],
        ["packages", packages],
        ["devices", ", ".join(facts["devices"])],
        ["cores", facts["cores"]],
        ["network", "switched off" if facts["offline"] else "allowed"],
        ["cache", facts["cache"]],
        *[[f"  {one['what']}", f"{one['path']} ({one['bytes']} bytes)"] for one in facts["cached"]],
        *_weights(facts),
        [
            "data sets",
            ", ".join(f"{name}: {path}" for name, path in facts["data"].items()) or "only what is part of mosharness",
        ],
    ]
    print_table(["what", "here"], rows)


def _weights(facts: Mapping[str, Any]) -> list[list[str]]:
    """What scores when nothing is named, and which of all predictors have their weights here."""
    ready = [name for name, state in facts["predictors"].items() if state == "ready"]
    rows = [["by default", "; ".join(f"{verb}: {', '.join(of)}" for verb, of in facts["default_predictors"].items())]]
    for name in facts["default_predictors"]["predict"]:
        if name not in ready:
            rows.append([f"  {name}", f"not ready: {facts['predictors'][name]}"])
    return [*rows, ["ready", ", ".join(ready) or "no predictor: none has its weights here"]]


def _devices() -> list[str]:
    import torch

    names = [f"cuda:{at} {torch.cuda.get_device_name(at)}" for at in range(torch.cuda.device_count())]
    return ["cpu", *names]
