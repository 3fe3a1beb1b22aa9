"""``mosharness apgmos codebook``: a substitute for GPT-SoVITS's codebook, from clean speech by k-means."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...harness.cli import common
from ...harness.cli.show import print_json, say
from ...harness.core.errors import ClipsFailed, UsageError

if TYPE_CHECKING:
    from ...harness.core.clip import Clip


app = typer.Typer(help="Verbs of the predictor apgmos.", no_args_is_help=True)


@app.callback()
def verbs() -> None:
    """Verbs of the predictor apgmos."""


@app.command("codebook")
def codebook(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the codebook; made if absent.")],
    hubert: Annotated[
        str,
        typer.Option("--hubert", help="Weights of HuBERT: a folder, a file, a hub id owner/name[@commit], or random."),
    ],
    audio: Annotated[
        list[str] | None, typer.Option("--audio", help="Clean speech: folders, files, manifests; may repeat.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Take the clips of a task instead of --audio.")] = None,
    split: Annotated[str, typer.Option("--split", help="Split of the task; never an evaluation split.")] = "train",
    system: Annotated[
        list[str] | None,
        typer.Option("--system", help="Only systems of the task with this id (* and ? match); may repeat."),
    ] = None,
    data_root: common.DataRoot = None,
    corpus: Annotated[
        str | None, typer.Option("--corpus", help="Name of the audio for the record; else of the task or folder.")
    ] = None,
    size: Annotated[Literal["base", "tiny"], typer.Option("--size", help="Of HuBERT; tiny is for tests.")] = "base",
    clusters: Annotated[int, typer.Option("--clusters", min=1, help="Codes.")] = 1024,
    frames: Annotated[
        int, typer.Option("--frames", min=1, help="Frames (25 a second) to use at most; a good codebook takes 500000.")
    ] = 500_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of every draw.")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Frames per step.")] = 10_000,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the frames at most.")] = 100,
    patience: Annotated[
        int, typer.Option("--patience", min=1, help="Steps without improvement after which to stop.")
    ] = 100,
    starts: Annotated[int, typer.Option("--starts", min=1, help="k-means++ starts to choose from.")] = 20,
    device: common.Device = "auto",
    workers: common.Workers = None,
    allow_failed: common.AllowFailed = 0,
    overwrite: common.Overwrite = False,
    as_json: common.AsJson = False,
) -> None:
    """Cluster HuBERT frames of clean speech into a codebook for the predictor apgmos (vq_source: kmeans).

    A substitute: the paper took GPT-SoVITS's codebook. Every score made with it says so. Interrupted, the same command
    goes on where it was.
    """
    from ..base import resolve_device
    from .semantic.kmeans import KMeansSettings, most_steps
    from .semantic.make_codebook import ENOUGH, CodebookSettings, make_codebook

    if bool(audio) == bool(task):
        raise UsageError("name either --audio (files, folders) or --task")
    if system and not task:
        raise UsageError("--system chooses systems of a --task")
    entries, name = _task_entries(task, split, data_root, system) if task else _audio_entries(audio or [])
    settings: Any = CodebookSettings(
        hubert,
        corpus or name,
        size,
        frames,
        KMeansSettings(clusters, batch, epochs, patience, starts, seed),
    )
    place = resolve_device(device)
    facts = make_codebook(
        entries, settings, output, device=place, workers=workers, show=not as_json, overwrite=overwrite
    )
    used, failed = facts["origin"]["frames"], facts["clips"]["failed"]
    if as_json:
        print_json(facts)
    else:
        early = facts["kmeans"]["steps"] < most_steps(used, settings.kmeans)
        stopped = f" (stopped: no improvement in {patience} steps)" if early else ""
        print(f"{facts['label']}")
        made, origin = facts["kmeans"], facts["origin"]
        print(
            f"  {facts['clips']['used']} clips, {used} frames ({used / 25 / 3600:.2f} h); "
            f"{made['steps']} steps{stopped}; mean squared distance "
            f"{origin['inertia']:.4g}; {made['unused']} codes unused"
        )
        print(
            f"  stored in {output}; `mosharness train --predictor apgmos` takes it with --set "
            f"train.joint.settings.vq_source=kmeans train.joint.settings.vq={output} "
            f"train.joint.settings.hubert={hubert} (a recipe with these under the stage's settings)"
        )
    if used < min(frames, ENOUGH):
        say(
            f"note: {used} frames are fewer than the {min(frames, ENOUGH)} that were asked for: all there are were used"
        )
    for one in failed[:5]:
        say(f"  {one['utterance_id']}: {one['reason']}")
    if len(failed) > allow_failed:
        raise ClipsFailed(
            f"the codebook is stored, but {len(failed)} clips could not be used ({allow_failed} allowed); mend them "
            f"and name a new -o, or pass --allow-failed {len(failed)}"
        )


def _audio_entries(paths: list[str]) -> tuple[list[Clip], str]:
    from ...harness.core.printable import printable
    from ...harness.engine.predict import collect

    collected = collect(paths)
    if collected.passed_over:
        say(f"note: passed over {collected.passed_over}")
    return list(collected.entries), ", ".join(printable(Path(path).resolve().name) for path in paths)


def _task_entries(task: str, split: str, data_root: Path | None, systems: list[str] | None) -> tuple[list[Clip], str]:
    """The clips of one split, refusing those that results are reported on."""
    from ...harness.core.clip import Clip
    from ...harness.core.errors import DataError
    from ...tasks import load_task

    loaded = load_task(task, data_root)
    names = loaded.resolve_split(split)
    if split.startswith("test") or set(names) & set(loaded.card.test_splits):
        raise UsageError(
            f"--split {split}: results of {task} are reported on it; a codebook that has seen it would make them "
            "worthless. Take the train split"
        )
    rows = [row for name in names for row in loaded.open(name).rows if row["audio_path"]]
    if systems:
        rows = [row for row in rows if any(fnmatchcase(row["system_id"], pattern) for pattern in systems)]
    if not rows:
        chosen = f" of the systems {', '.join(systems)}" if systems else ""
        raise DataError(f"{task}/{split}: no clips with audio{chosen}")
    entries = [Clip(row["utterance_id"], Path(row["audio_path"])) for row in rows]
    label = f"{task}/{split}" + (f" ({', '.join(systems)})" if systems else "")
    return entries, label
