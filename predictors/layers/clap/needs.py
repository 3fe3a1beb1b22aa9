"""CLAP's start weights, looked up before a training begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ....harness.core.errors import UsageError
from ....harness.recipes.needs import HubFiles, Need, checked, hub_need, local_need, refused
from .pretrained import in_place_of, published, read_file, read_folder
from .tokenizer import COMMIT, PARTS, ROBERTA, load_tokenizer

if TYPE_CHECKING:
    from .backbone import ClapBackbone


def clap_need(source: str, setting: str, backbone: ClapBackbone) -> Need:
    """Weights that :func:`~.pretrained.load_pretrained` would load; the backbone may hold no values."""
    name, path = f"CLAP of size {backbone.size}", Path(source).expanduser()

    def check(at: Path = path) -> object:
        return read_folder(at, backbone) if at.is_dir() else read_file(at, backbone)

    if path.exists():
        return local_need(name, path, setting, check=check)
    instead = in_place_of(setting)
    try:
        known = published(source, setting)
    except UsageError as error:
        return refused("weights", name, error, setting=setting, remedy=instead)
    wanted = HubFiles(known.repository, known.commit, {known.filename: known.sha256})
    need = hub_need(name, wanted, setting, license=known.license, bytes=known.bytes, instead=instead)
    if need.status != "here":
        return need
    folder = need.fetch()
    return checked(need, lambda: check(Path(folder or "") / known.filename), instead)


def tokenizer_need(source: str, setting: str) -> Need:
    """The tokenizer that ``load_tokenizer`` would load."""
    name = "RoBERTa's tokenizer"
    if source != ROBERTA:
        return local_need(name, source, setting, check=lambda: load_tokenizer(source))
    instead = f"set {setting} to a local folder with {' and '.join(PARTS)}"
    return hub_need(name, HubFiles(ROBERTA, COMMIT, PARTS), setting, license="MIT", instead=instead)
