"""From official files, of one fold or several, to a predictor."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ...harness.core.errors import CheckpointError
from ...harness.core.files import digest
from ...harness.hub.hub import fetch_file
from ..base import CheckpointInfo
from ..trainable import Trainable
from .config import Utmosv2Config
from .convert import check_digest, download, filename, read_official, sha256_of

P = TypeVar("P", bound=Trainable)


def from_official(cls: type[P], path: Path, config: Mapping[str, Any], options: Mapping[str, Any]) -> P:
    """A predictor from one file; where several folds are asked for, also from those beside it or in the cache.

    Raises:
        CheckpointError: If the file is no such checkpoint, or of another fold than asked for.
    """
    known = check_digest(path)
    named = re.match(r"fold([0-4])_", path.name)
    fold = known if known is not None else int(named[1]) if named else None
    settings = dict(config)
    if "folds" not in settings and fold is not None:
        settings["folds"] = fold
    wanted = folds_of(settings)
    if len(wanted) == 1:
        if fold is not None and fold != wanted[0]:
            raise CheckpointError(f"{path}: holds fold {fold}, not fold {wanted[0]}")
        return from_files(cls, {wanted[0]: path}, settings, options)
    if fold is None:
        raise CheckpointError(f"{path}: several folds are asked for, and the file does not say which one it is")
    files = {}
    for one in wanted:
        beside = path if one == fold else path.with_name(filename(one))
        if not beside.is_file() and path == download(fold).path:
            beside = fetch_file(download(one))
        files[one] = beside
    return from_files(cls, files, settings, options)


def from_files(cls: type[P], files: Mapping[int, Path], config: Mapping[str, Any], options: Mapping[str, Any]) -> P:
    """A predictor from the files of its folds."""
    absent = [str(path) for path in files.values() if not path.is_file()]
    if absent:
        raise CheckpointError(f"{absent[0]}: no such file ({len(absent)} of {len(files)} fold files are absent)")
    published = [check_digest(path) for path in files.values()]
    for (fold, path), known in zip(files.items(), published, strict=True):
        if known not in (None, fold):
            raise CheckpointError(f"{path}: holds fold {known}, not fold {fold}")
    states = [read_official(path) for path in files.values()]
    settings = {"variant": _variant(states[0]), **config}
    paths, several = list(files.values()), len(files) > 1
    total = digest([sha256_of(path) for path in paths]) if several else sha256_of(paths[0])
    origin = CheckpointInfo("official", paths[0].parent.name if several else paths[0].name, total)
    seen = cls.card.trained_on if None not in published else options.get("trained_on", ())
    predictor = cls.empty(settings, **{**options, "checkpoint": origin, "trained_on": seen})
    predictor.load_tensors(
        {
            f"fold{fold}.{name}" if several else name: value
            for fold, state in zip(files, states, strict=True)
            for name, value in state.items()
        }
    )
    if None in published:
        unknown = next(path for path, fold in zip(files.values(), published, strict=True) if fold is None)
        say(f"{unknown.name} is none of the published UTMOSv2 files; its training data is not known")
    return predictor


def folds_of(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The folds that these settings ask for, whatever else is set."""
    folds = config.get("folds", 0)
    return Utmosv2Config(folds=tuple(folds) if isinstance(folds, list) else folds).fold_numbers


def _variant(state: Mapping[str, Any]) -> str:
    """Which network a state dict is of."""
    if "ssl.weights" in state or "spec_long.weights" in state:
        return "fusion"
    return "spec_only" if any(name.startswith("backbones.") for name in state) else "ssl_only"


def say(text: str) -> None:
    """One line on stderr, where progress and notices go."""
    print(f"mosharness: {text}", file=sys.stderr)
