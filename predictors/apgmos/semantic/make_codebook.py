"""The substitute for GPT-SoVITS's codebook: frames of clean speech, clustered (``mosharness apgmos codebook``)."""

from __future__ import annotations

import shutil
import time
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....harness.core.clip import Clip
from ....harness.core.config import config_dict
from ....harness.core.errors import CheckpointError, DataError, UsageError
from ....harness.core.files import digest, file_sha256, read_json
from ....harness.core.guard import guard_folder, guard_output, json_with
from ....harness.core.kept import difference, refuse_replacing
from ....harness.core.progress import progress_bar
from ....harness.engine.pipeline import default_workers
from ...layers.ssl.shapes import Size
from ...trainable import exact
from .codebook_file import FACTS, SCHEMA, TENSORS, make_tensors, write_codebook
from .distortion import SemanticDistortion
from .frames import FrameStore, extract
from .kmeans import KMeansSettings, KMeansState, assign, fit, most_steps
from .origin import VqOrigin
from .sources import hubert_digest, load_hubert

WORK = ".work"
SAVE_SECONDS = 20.0
OURS = (WORK, TENSORS, FACTS)
WORDS = {"clips": "audio", "hubert": "weights of HuBERT"}
ENOUGH = 500_000
"""Frames of 25 Hz that a good codebook takes: about six hours."""


@dataclass(frozen=True)
class CodebookSettings:
    """What to make.

    Attributes:
        hubert: Weights of HuBERT (see ``sources.py``).
        corpus: Name of the audio, for the record.
        size: HuBERT's size.
        frames: Frames to use; all where there are fewer.
        kmeans: How to cluster.
    """

    hubert: str
    corpus: str
    size: Size = "base"
    frames: int = ENOUGH
    kmeans: KMeansSettings = field(default_factory=KMeansSettings)


def make_codebook(
    entries: Sequence[Clip],
    settings: CodebookSettings,
    output: Path,
    *,
    device: str = "cpu",
    workers: int | None = None,
    show: bool = False,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Extract, cluster, store. Interrupted, the same call goes on; finished, it returns what is there.

    Args:
        entries: Clips of clean natural speech, never of an evaluation split.
        settings: What to make.
        output: Folder of the codebook.
        device: As resolved: ``cpu`` or ``cuda``.
        workers: Decoding threads; never change the result.
        show: Show progress on stderr.
        overwrite: Replace a codebook that was made otherwise.

    Returns:
        What ``vq.json`` holds.

    Raises:
        CheckpointError: If HuBERT's weights do not fit.
        DataError: If there are too few frames.
        UsageError: If the folder holds a codebook that was made otherwise (naming what differs), or other things.
    """
    _guard(output, overwrite=overwrite)
    model, name = _hubert(settings, device)
    tied = hubert_digest(model)
    clips = _contents(entries, workers, show)
    place = device.partition(":")[0]  # its arithmetic rounds otherwise: frames of two kinds of device are not mixed
    source = {"hubert": tied, "size": settings.size, "frames": settings.frames, "clips": clips, "device": place}
    key = digest({**source, "seed": settings.kmeans.seed})
    recipe = digest({"frames": key, "kmeans": config_dict(settings.kmeans), "corpus": settings.corpus})
    made_of = {**source, "clips": digest(clips), **config_dict(settings.kmeans), "corpus": settings.corpus}
    finished = None if overwrite else _finished(output, recipe, made_of)
    if finished is not None:
        return finished
    order = np.random.default_rng(settings.kmeans.seed).permutation(len(entries))
    ordered = sorted(entries, key=lambda entry: entry.utterance_id)
    with exact(device), FrameStore(output / WORK, key, model.channels) as store:
        with progress_bar("frames", total=settings.frames, done=store.total, show=show) as advance:
            extract(store, [ordered[at] for at in order], model, settings.frames, device=device, workers=workers,
                    on_clip=advance)  # fmt: skip
        frames = store.read()
        _check(store, settings)
        state = _cluster(frames, settings.kmeans, output / WORK / f"{recipe[7:23]}.npz", device, show)
        sizes, inertia = assign(frames, state.centres, device)
        failed = [{"utterance_id": clip, "reason": reason} for clip, _, reason in store.clips if reason]
        used = len(store.clips) - len(failed)
    origin = VqOrigin(
        "kmeans",
        hubert=name,
        hubert_sha256=tied,
        layer=model.hubert.n_layers,
        corpus=settings.corpus,
        clusters=settings.kmeans.clusters,
        frames=len(frames),
        seed=settings.kmeans.seed,
        inertia=inertia,
    )
    facts = {
        "recipe": recipe,
        "made_of": made_of,
        "kmeans": {**config_dict(settings.kmeans), "steps": state.step, "unused": int((sizes == 0).sum())},
        "clips": {"given": len(entries), "used": used, "failed": failed},
        "label": origin.label,
    }
    write_codebook(output, make_tensors(torch.from_numpy(state.centres), torch.from_numpy(sizes)), origin, facts)
    del frames
    shutil.rmtree(output / WORK)
    stored: dict[str, Any] = read_json(output / FACTS)
    return stored


def _hubert(settings: CodebookSettings, device: str) -> tuple[SemanticDistortion, str]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # fresh weights, if any, are those that training with hubert: random draws
        model = SemanticDistortion(settings.size, codebook_size=1)
    name = load_hubert(model, settings.hubert, "--hubert")
    return model.to(device), name


def _guard(output: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds anything but an earlier codebook, or what is left of an interrupted one.

    Raises:
        UsageError: Naming the ways out.
    """
    guard_folder(output, "-o")
    guard_output(output / FACTS, "-o", json_with(schema=SCHEMA), overwrite=overwrite)
    others = [path.name for path in output.iterdir() if path.name not in OURS] if output.is_dir() else []
    if others and not overwrite:
        raise UsageError(
            f"-o {output}: this folder holds other things ({', '.join(sorted(others)[:3])}); name an empty or new one, "
            "or pass --overwrite, which leaves them where they are"
        )
    if (output / TENSORS).exists() and not (output / WORK).exists():
        guard_output(output / TENSORS, "-o", lambda _: (output / FACTS).is_file(), overwrite=overwrite)


def _finished(output: Path, recipe: str, made_of: dict[str, Any]) -> dict[str, Any] | None:
    """What was made before by the same call; ``None`` where nothing was.

    Raises:
        UsageError: Naming what differs.
    """
    if not (output / FACTS).is_file() or (output / FACTS).stat().st_size == 0:
        return None
    facts: dict[str, Any] = read_json(output / FACTS)
    if facts.get("recipe") != recipe:
        before = facts.get("made_of") or {}
        names = [name for name in made_of if name in before and before[name] != made_of[name]]
        differ = [
            f"other {WORDS[name]}" if name in WORDS else difference(f"--{name}", before[name], made_of[name])
            for name in names
        ]
        refuse_replacing(output, "codebook", differ or ["other audio, settings or device"], "another -o FOLDER")
    return facts


def _check(store: FrameStore, settings: CodebookSettings) -> None:
    clusters = settings.kmeans.clusters
    if store.total >= clusters:
        return
    failed = [f"{clip}: {reason}" for clip, _, reason in store.clips if reason]
    unusable = f" ({len(failed)} of {len(store.clips)} clips cannot be used, first {failed[0]})" if failed else ""
    raise DataError(
        f"{settings.corpus}: {store.total} frames for {clusters} clusters{unusable}: give more audio (25 frames a "
        f"second; {ENOUGH} frames are good) or fewer --clusters"
    )


def _cluster(
    frames: np.ndarray[Any, np.dtype[np.float32]], settings: KMeansSettings, path: Path, device: str, show: bool
) -> KMeansState:
    state = None
    if path.is_file():
        try:
            state = KMeansState.load(path)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{path}: not the state of a run ({error}); remove it") from error
    last, saved = state, time.monotonic()
    total = settings.starts + most_steps(len(frames), settings)
    done = 0 if state is None else settings.starts + state.step
    with progress_bar("k-means", total=total, done=done, show=show) as advance:

        def on_step(now: KMeansState) -> None:
            nonlocal last, saved
            last = replace(now)  # arrays are never changed in place, so this stays whole whenever a signal comes
            advance(1)
            if now.step == 1 or time.monotonic() - saved > SAVE_SECONDS:
                last.save(path)
                saved = time.monotonic()

        try:
            ended = fit(frames, settings, state=state, device=device, on_start=lambda _: advance(1), on_step=on_step)
            advance(total - settings.starts - ended.step)  # what an early stop leaves out
            return ended
        except KeyboardInterrupt:
            if last is not None:
                last.save(path)
            raise


def _contents(entries: Sequence[Clip], workers: int | None, show: bool) -> list[tuple[str, str]]:
    """Every clip's id and digest, so that another corpus is never taken for the one that was begun with."""
    names = [entry.utterance_id for entry in entries]
    with progress_bar("reading", total=len(entries), show=show) as advance:

        def digest_of(entry: Clip) -> str:
            try:
                return file_sha256(entry.path)
            except OSError:  # the clip will be named among those that cannot be used
                return ""

        with ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="digest") as pool:
            found = []
            try:
                for one in pool.map(digest_of, entries):
                    found.append(one)
                    advance(1)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return sorted(zip(names, found, strict=True))
