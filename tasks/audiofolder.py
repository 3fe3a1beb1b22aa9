"""The layout ``audiofolder`` of the ``datasets`` library: a ``metadata.csv|jsonl|parquet`` in the folder of each split.

``file_name`` is relative to its own table. ``data/train`` is the split ``train`` as well; ``validation`` is ``dev``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from ..harness.core.errors import DataError
from .folder_parts import SPLITS
from .metadata import Metadata, metadata_file


def split_tables(root: Path) -> dict[str, Path]:
    """Our split to its table, for folders that hold one each; empty where ``root`` has a table of its own."""
    if metadata_file(root).is_file():
        return {}
    found: dict[str, Path] = {}
    for folder in (root, root / "data"):
        for name, split in SPLITS.items():
            table = metadata_file(folder / name)
            if not table.is_file():
                continue
            if split in found:
                raise DataError(f"{root}: {found[split].parent.name} and {name} are both the split {split}; keep one")
            found[split] = table
    return found


def merged(tables: dict[str, Path], root: Path, read: Callable[[Path], Metadata]) -> Metadata:
    """The tables of all splits as one, paths relative to ``root``."""
    whole = Metadata([], [])
    said = []
    for split, path in tables.items():
        part = read(path)
        below = path.parent.relative_to(root).as_posix()
        for record in part.records:
            record["path"], record["split"] = _joined(below, record["path"]), split
        whole.records += part.records
        whole.lines += part.lines
        whole.files += [path] * len(part.records)
        whole.ratings |= {_joined(below, name): given for name, given in part.ratings.items()}
        whole.listeners |= {_joined(below, name): people for name, people in part.listeners.items()}
        said.append(f"split {split}: {part.understood or path.relative_to(root).as_posix()}")
    whole.understood = "; ".join(said)
    return whole


def _joined(folder: str, name: str) -> str:
    pure = PurePosixPath(name.strip())
    return name if pure.is_absolute() or "\\" in name else f"{folder}/{name}"
