"""Published weights for the start of a training: a hub repository at a commit, a folder, or an authors' file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError, UsageError
from ....harness.recipes.needs import HubFiles
from ...base import check_tensors
from ..pickles.files import INDEX, parts_of, read_weights, weights_in
from ..pickles.states import find_state, held
from .backbone import SslBackbone
from .official import from_fairseq, load_state, new_weight_norm


@dataclass(frozen=True)
class Published:
    """A hub repository at a commit: its weights file, and the file's sha256, bytes and licence where we know them."""

    commit: str
    sha256: str | None = None
    filename: str = "pytorch_model.bin"
    bytes: int | None = None
    license: str = ""


PUBLISHED = {
    "facebook/wav2vec2-base": Published(
        "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
        "3249fe98bfc62fcbc26067f724716a6ec49d12c4728a2af1df659013905dff21",
        bytes=380_267_417,
        license="Apache-2.0",
    ),
    "facebook/hubert-base-ls960": Published(
        "dba3bb02fda4248b6e082697eee756de8fe8aa8a",
        "062249fffb353eab67547a2fbc129f7c31a2f459faf641b19e8fb007cc5c48ad",
        bytes=377_569_754,
        license="Apache-2.0",
    ),
    "microsoft/wavlm-base": Published("efa81aae7ff777e464159e0f877d54eac5b84f81", license="CC BY-SA 3.0"),
    "microsoft/wavlm-large": Published(
        "c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c",
        "fdee460e529396ddb2f8c8e8ce0ad74cfb747b726bc6f612e666c7c1e1963c9d",
        license="CC BY-SA 3.0",
    ),
}
"""Commits and digests as public projects that use the files record them. Other repositories need ``@COMMIT``."""

ANCHOR = "feature_projection.projection.weight"
"""A name by which the layout of transformers is known, whatever stands before it."""

HEADS = ("quantizer.", "project_hid.", "project_q.", "lm_head.", "projector.", "classifier.", "layer_weights")
"""What task and pretraining models of ``transformers`` hold beside the backbone: left out."""


def load_pretrained(backbone: SslBackbone, source: str, setting: str = "pretrained") -> str:
    """Put published weights into a backbone.

    Args:
        backbone: Changed in place.
        source: A hub id ``owner/name`` (of :data:`PUBLISHED`) or ``owner/name@COMMIT[:FILE]``, a folder of
            ``transformers`` (``config.json`` beside ``model.safetensors`` or ``pytorch_model.bin``, or the index of
            several files), or a file in fairseq's layout.
        setting: What the setting or option that gave ``source`` is called, for messages.

    Returns:
        A name for the record: the hub id with its commit, or the last part of the path.

    Raises:
        CheckpointError: If the weights do not fit the backbone.
        HubError: If a download does not work.
        UsageError: If ``source`` is no path here and no pinned hub id.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        tensors, name = read_folder(path, backbone), path.name
    elif path.is_file():
        tensors, name = from_fairseq(load_state(path), backbone, str(path)), path.name
    else:
        folder, name = _fetch(source, setting)
        tensors = read_folder(folder, backbone)
    import torch

    state = backbone.model.state_dict()
    state.update({name: torch.as_tensor(value) for name, value in tensors.items()})
    for tensor_name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise CheckpointError(f"{source}: {tensor_name} holds NaN or infinity")
    backbone.model.load_state_dict(state)
    return name


def hub_files(source: str, setting: str) -> tuple[HubFiles, Published | None]:
    """What of the hub a source names, and what we know of it.

    Raises:
        UsageError: If it is neither one of :data:`PUBLISHED` nor pinned.
    """
    repository, _, rest = source.partition("@")
    commit, _, filename = rest.partition(":")
    known = PUBLISHED.get(repository)
    if not commit and known is None:
        raise UsageError(
            f"{setting}: {source!r} is no file or folder here; of hub repositories {', '.join(PUBLISHED)} are known, "
            "others are written owner/name@COMMIT"
        )
    sha256 = None
    if known is not None and commit in ("", known.commit) and filename in ("", known.filename):
        commit, filename, sha256 = known.commit, known.filename, known.sha256
    else:
        known = None
    filename = filename or "pytorch_model.bin"
    return HubFiles(repository, commit, {"config.json": None, filename: sha256}), known


def _fetch(source: str, setting: str) -> tuple[Path, str]:
    from ....harness.hub.hub import fetch_snapshot

    wanted, _ = hub_files(source, setting)
    files = dict(wanted.files)

    def fetched() -> Path:
        what = f"pretrained weights {wanted.repo_id}"
        instead = in_place_of(setting)
        return Path(fetch_snapshot(wanted.repo_id, revision=wanted.revision, files=files, what=what, instead=instead))

    folder = fetched()
    for index in [one for one in files if one.endswith(INDEX)]:
        files |= dict.fromkeys(parts_of(folder / index))
        folder = fetched()
    return folder, f"{wanted.repo_id}@{wanted.revision}"


def in_place_of(setting: str) -> str:
    """What can be done without the download of the weights that a setting or an option names.

    Example:
        >>> in_place_of("pretrained")
        'set pretrained to a local folder or file, or leave it empty to start from random weights'
        >>> in_place_of("--hubert")
        'set --hubert to a local folder or file, or to random'
    """
    known = setting == "wav2vec2" or setting.endswith(("hubert", "teacher"))
    otherwise = "to random" if known else "leave it empty to start from random weights"
    return f"set {setting} to a local folder or file, or {otherwise}"


def read_folder(folder: Path, backbone: SslBackbone) -> dict[str, Any]:
    """The tensors of a ``transformers`` folder, under the names of ``backbone.model``.

    The shape of the model is the backbone's; of ``config.json`` only the family is read, to refuse another one.

    Raises:
        CheckpointError: If files are absent, or of another family, size or shape.
    """
    from ....harness.core.files import read_json

    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
    family = config.get("model_type") if isinstance(config, dict) else None
    if family != backbone.kind:
        raise CheckpointError(f"{folder}: config.json says model_type {family!r}, not {backbone.kind!r}")
    file = weights_in(folder)
    content = read_weights(file)
    state = find_state(content, lambda name: name == ANCHOR, file)
    if state is None:
        raise CheckpointError(
            f"{file}: no weights of a {backbone.kind} in transformers' layout ({ANCHOR} is not in it; it holds "
            f"{held(content)})"
        )
    tensors = {}
    for name, value in state.items():
        bare = new_weight_norm(name)
        above = (
            backbone.truncated and bare.startswith("encoder.layers.") and int(bare.split(".")[2]) >= backbone.n_layers
        )
        if not above and not bare.startswith(HEADS):
            tensors[bare] = value
    expected = backbone.model.state_dict()
    mask = "masked_spec_embed"
    if mask in expected and mask not in tensors:  # absent from models trained without masks
        tensors[mask] = expected[mask].new_zeros(expected[mask].shape)
    check_tensors(expected, tensors, f"{folder} as {backbone.kind}-{backbone.size}")
    return tensors
