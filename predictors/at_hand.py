"""Which weights a predictor would score with, and whether they are on this machine; nothing is fetched or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..harness.core.errors import MosharnessError
from .trained import checkpoint_folder


@dataclass(frozen=True)
class WeightsAtHand:
    """What was found.

    Attributes:
        kind: ``given``, ``trained here``, ``package or file``, ``published``, ``hub``, ``needs none`` or ``none``.
        where: Path or id; empty where there is none.
        here: Whether they are on this machine.
        reason: Why not, and what to do; empty where they are.
    """

    kind: str
    where: str
    here: bool
    reason: str = ""


def weights_at_hand(
    name: str,
    task: str = "",
    *,
    checkpoint: str | None = None,
    output: str | Path = "results",
    config: Mapping[str, Any] | None = None,
) -> WeightsAtHand:
    """Where the weights of a run come from, in the order in which a run looks for them.

    Args:
        name: Registry name of the predictor.
        task: Task that it is to score; one trained here for it goes before published weights.
        checkpoint: What the user gave.
        output: Folder of results.
        config: Settings of the predictor.
    """
    from . import PREDICTORS
    from .load import HUB_ID

    if checkpoint is not None:
        path = Path(checkpoint).expanduser()
        if path.exists():
            return WeightsAtHand("given", str(path), True)
        if HUB_ID.fullmatch(checkpoint):
            return WeightsAtHand("hub", checkpoint, False, f"{checkpoint} is fetched from the hub unless it is cached")
        return WeightsAtHand("given", checkpoint, False, f"{checkpoint}: no such file or folder, and not a hub id")
    if task and (checkpoint_folder(output, task, name) / "config.json").is_file():
        return WeightsAtHand("trained here", str(checkpoint_folder(output, task, name)), True)
    cls = PREDICTORS[name]
    try:
        settings = {**(cls.task_config(task) if task else {}), **(config or {})}
        local = cls.local_weights(settings)
        download = cls.default_weights(settings) if local is None else None
    except MosharnessError as error:
        return WeightsAtHand("none", "", False, str(error))
    if local is not None:
        return WeightsAtHand("package or file", str(local), True)
    if not cls.card.needs_weights:
        return WeightsAtHand("needs none", "", True)
    if download is None:
        return WeightsAtHand("none", "", False, "no published weights and none trained here: --train, or --checkpoint")
    from ..harness.hub.look import look_file

    looked = look_file(download)
    missing = f"{download.path.name} would be downloaded ({looked.reason})"
    return WeightsAtHand("published", str(looked.path), looked.here, "" if looked.here else missing)


def with_weights(task: str = "", output: str | Path = "results") -> dict[str, WeightsAtHand]:
    """Every registered predictor with what was found of its weights; one that cannot be imported says why."""
    from . import PREDICTORS

    found = {}
    for name in PREDICTORS:
        try:
            found[name] = weights_at_hand(name, task, output=output)
        except (MosharnessError, ImportError) as error:
            found[name] = WeightsAtHand("none", "", False, str(error))
    return found
