"""Start weights of self-supervised models, looked up before a training begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....harness.core.errors import UsageError
from ....harness.recipes.needs import Need, checked, hub_need, local_need, refused
from .official import from_fairseq, load_state
from .pretrained import hub_files, in_place_of, read_folder

if TYPE_CHECKING:
    from .backbone import SslBackbone


def ssl_need(source: str, setting: str, backbone: SslBackbone, name: str = "", instead: str = "") -> Need:
    """Weights that :func:`~.pretrained.load_pretrained` would load.

    Args:
        source: As there.
        setting: Which setting names it.
        backbone: What they must fit; it is not changed, and may hold no values.
        name: What they are; family and size by default.
        instead: What can be done without a download.
    """
    name = name or f"{backbone.kind}-{backbone.size}"
    path = Path(source).expanduser()
    if path.is_dir():
        return local_need(name, path, setting, check=lambda: read_folder(path, backbone))
    if path.is_file():
        return local_need(name, path, setting, check=lambda: from_fairseq(load_state(path), backbone, str(path)))
    instead = instead or in_place_of(setting)
    try:
        wanted, known = hub_files(source, setting)
    except UsageError as error:
        return refused("weights", name, error, setting=setting, remedy=instead)
    facts: dict[str, Any] = {"license": known.license, "bytes": known.bytes} if known is not None else {}
    need = hub_need(name, wanted, setting, instead=instead, **facts)
    return need if need.status != "here" else checked(need, lambda: read_folder(_folder(need), backbone), instead)


def _folder(need: Need) -> Path:
    folder = need.fetch()
    assert folder is not None, "a need of the hub"
    return folder
