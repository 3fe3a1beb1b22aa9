"""``mosharness train``: fit a predictor on a task and keep the checkpoint where ``run`` finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import common
from .show import print_json


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.command("train")(train)


def train(
    task: Annotated[str, typer.Option("--task", help="Task whose train split is used.")],
    predictor: Annotated[str, typer.Option("--predictor", help="Predictor to train.")],
    data_root: common.DataRoot = None,
    output: common.Output = Path("results"),
    device: common.Device = "auto",
    seed: common.Seed = 0,
    set_: common.Settings = None,
    as_json: common.AsJson = False,
) -> None:
    """Train a predictor on a task; the checkpoint goes to <output>/<task>/<predictor>/checkpoint."""
    from ...tasks import load_task
    from ..core.files import read_json
    from ..run import checkpoint_folder
    from ..training import train_predictor

    for_predictor, for_task = common.split_settings(set_)
    loaded = load_task(task, data_root, **for_task)
    train_predictor(predictor, loaded, output=output, device=device, config=for_predictor, seed=seed, show=True)
    folder = checkpoint_folder(output, task, predictor)
    facts = read_json(folder / "training.json")
    if as_json:
        print_json({"checkpoint": str(folder), **facts})
    else:
        print(f"trained {predictor} on {task} in {facts['time']['train_s']} s; stored in {folder}")
        for key, value in facts["report"].items():
            print(f"  {key}: {value}")
