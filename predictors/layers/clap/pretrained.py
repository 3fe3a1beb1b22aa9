"""Published CLAP weights for the start of a training: LAION's file, a folder of transformers, or a pinned hub name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError, UsageError
from ...base import check_tensors
from ..pickles.files import read_weights, weights_in
from ..pickles.states import find_state
from .backbone import ClapBackbone
from .official import OWN, from_laion, laion_state


@dataclass(frozen=True)
class Published:
    """A file of a hub repository at a commit, with its sha256 where we know it."""

    repository: str
    commit: str
    filename: str
    sha256: str | None = None
    bytes: int | None = None
    license: str = ""


PUBLISHED = {
    "lukewys/laion_clap": Published(
        "lukewys/laion_clap",
        "b3708341862f581175dba5c356a4ebf74a9b6651",
        "music_audioset_epoch_15_esc_90.14.pt",
        "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd",
        bytes=2_352_471_003,
        license="CC0 1.0",
    ),
    "laion/larger_clap_music": Published(
        "laion/larger_clap_music", "a0b4534a14f58e20944452dff00a22a06ce629d1", "model.safetensors"
    ),
}
"""Commits and digest as public projects that use the files record them. The second is probably the first, converted by
others (its authors could not confirm it): take the first to repeat the papers."""


def load_pretrained(backbone: ClapBackbone, source: str, setting: str = "pretrained") -> str:
    """Put published weights into a backbone.

    Args:
        backbone: Changed in place.
        source: A name of :data:`PUBLISHED`, ``owner/name@COMMIT:FILE``, a file in LAION's layout, or a folder of
            transformers (``model.safetensors`` or ``pytorch_model.bin``, or the index of several files).
        setting: What the setting that gave ``source`` is called, for messages.

    Returns:
        A name for the record: the hub name with commit and file, or the last part of the path.

    Raises:
        CheckpointError: If the weights do not fit.
        HubError: If a download does not work.
        UsageError: If ``source`` is no path here and no pinned name.
    """
    import torch

    path = Path(source).expanduser()
    name = path.name
    if not path.exists():
        path, name = _fetch(source, setting)
    tensors = read_folder(path, backbone) if path.is_dir() else read_file(path, backbone)
    ready = {key: torch.as_tensor(value) for key, value in tensors.items()}
    for key, value in ready.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise CheckpointError(f"{source}: {key} holds NaN or infinity")
    backbone.model.load_state_dict(ready)
    return name


def read_file(path: Path, backbone: ClapBackbone) -> dict[str, Any]:
    """One weights file: of transformers if its names are, else of LAION."""
    content = read_weights(path)
    state = find_state(content, lambda name: name.startswith("audio_model."), path)
    if state is not None:
        return _of_transformers(state, backbone, str(path))
    return from_laion(laion_state(content, path), backbone, str(path))


def read_folder(folder: Path, backbone: ClapBackbone) -> dict[str, Any]:
    """The tensors of a transformers folder. The shape of the model is the backbone's; its ``config.json`` is not read.

    Raises:
        CheckpointError: If there are no weights, or they do not fit.
    """
    return read_file(weights_in(folder), backbone)


def _of_transformers(state: Mapping[str, Any], backbone: ClapBackbone, where: str) -> dict[str, Any]:
    expected = backbone.model.state_dict()
    left_out = () if backbone.text else ("text_model.", "text_projection.", "logit_scale")
    tensors = {
        name: value for name, value in state.items() if not OWN.fullmatch(name) and not name.startswith(left_out)
    }
    tensors |= {name: value for name, value in expected.items() if OWN.fullmatch(name)}
    check_tensors(expected, tensors, f"{where} as CLAP of size {backbone.size}")
    return tensors


def published(source: str, setting: str) -> Published:
    """What of the hub a source names.

    Raises:
        UsageError: If it is neither one of :data:`PUBLISHED` nor pinned.
    """
    known = PUBLISHED.get(source)
    if known is None:
        repository, at, rest = source.partition("@")
        commit, colon, filename = rest.partition(":")
        if not at or not colon or not filename:
            raise UsageError(
                f"{setting}: {source!r} is no file or folder here; of hub names {', '.join(PUBLISHED)} are known, "
                "others are written owner/name@COMMIT:FILE"
            )
        known = Published(repository, commit, filename)
    return known


def in_place_of(setting: str) -> str:
    """What can be done without the download of the weights that a setting names."""
    return f"set {setting} to a local file or folder, or leave it empty to start from random weights"


def _fetch(source: str, setting: str) -> tuple[Path, str]:
    from ....harness.hub.hub import fetch_snapshot

    known = published(source, setting)
    folder = fetch_snapshot(
        known.repository,
        revision=known.commit,
        files={known.filename: known.sha256},
        what=f"pretrained weights {known.repository}",
        instead=in_place_of(setting),
    )
    return Path(folder) / known.filename, f"{known.repository}@{known.commit}:{known.filename}"
