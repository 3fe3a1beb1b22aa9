"""An inspection as one ``.npz`` file, and names that are safe for files."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ...predictors.inspection import RESERVED, Inspection
from ..core.errors import DataError
from ..core.files import atomic_write, dump_json

LONGEST_NAME = 80


def file_names(utterance_ids: Iterable[str]) -> list[str]:
    """Names without suffix for clips with these ids: ASCII letters, digits and ``. _ -``, each one once.

    An id that holds anything else, begins with a dot or dash, is long, or would take the name of another clip on a file
    system that ignores case, gets the start of its digest. So no id can leave the folder, hide a file or overwrite one.

    Example:
        >>> file_names(["clip 1", "a", "../a"])
        ['clip-1-95f95409', 'a', 'a-61b4c98b']
    """
    names: list[str] = []
    taken: set[str] = set()
    for utterance in utterance_ids:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", utterance).strip(".-")[:LONGEST_NAME]
        if not plain or plain != utterance or plain.lower() in taken:
            digest = hashlib.sha256(utterance.encode("utf-8", "surrogatepass")).hexdigest()
            plain = "-".join(filter(None, (plain, digest[:8])))
        names.append(plain)
        taken.add(plain.lower())
    return names


def save_arrays(path: Path, inspection: Inspection, facts: dict[str, Any]) -> None:
    """Write the arrays, and everything else as JSON in the array ``meta``, atomically; the same bytes for the same.

    Args:
        path: Ends in ``.npz``.
        inspection: What the predictor gave.
        facts: Of the clip and the predictor; stored beside ``panels``, ``note`` and ``values``.
    """
    panels = [asdict(panel) for panel in inspection.panels]
    meta = {**facts, "panels": panels, "note": inspection.note, "values": dict(inspection.values)}
    arrays: dict[str, Any] = {**inspection.arrays, RESERVED: np.array(dump_json(meta, indent=None))}
    with atomic_write(path, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def load_arrays(path: str | Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Read what :func:`save_arrays` wrote: the arrays by name, and the rest.

    Raises:
        DataError: If it is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        meta = json.loads(str(arrays.pop(RESERVED)))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: no file of `mosharness inspect` ({error})") from error
    return arrays, meta
