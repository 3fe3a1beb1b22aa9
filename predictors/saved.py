"""The two JSON files of a checkpoint folder, typed: ``config.json`` and ``card.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..harness.core.errors import CheckpointError, DataError
from ..harness.core.files import read_json
from ..harness.core.typed import UNSET, Typed, UnsetType, as_typed

CONFIG, CARD = "config.json", "card.json"


class CheckpointConfig(Typed, frozen=True, kw_only=True):
    """``config.json``: whose weights these are, and the settings that they were made with.

    Attributes:
        predictor: Registry name.
        config: Settings by name.
    """

    predictor: str
    config: dict[str, Any] = {}  # noqa: RUF012  # msgspec copies it


class CheckpointCard(Typed, frozen=True, kw_only=True):
    """``card.json``: the predictor's card when it was saved, with the dimensions and data of these weights.

    Only ``dimensions``, ``trained_on`` and ``trained_data`` are read back; the rest tells people what they have. Fields
    are as in :class:`~.card.PredictorCard`; files of older versions may lack any.
    """

    dimensions: tuple[str, ...] | UnsetType = UNSET
    trained_on: tuple[str, ...] = ()
    trained_data: dict[str, dict[str, str]] = {}  # noqa: RUF012  # msgspec copies it
    name: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    scale: tuple[float, float] | UnsetType = UNSET
    paper: str | UnsetType = UNSET
    license_code: str | UnsetType = UNSET
    license_weights: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    sample_rates: tuple[int, ...] | UnsetType | None = UNSET
    resampler: str | UnsetType = UNSET
    deterministic: bool | UnsetType = UNSET
    stages: tuple[str, ...] | UnsetType = UNSET
    min_seconds: float | UnsetType = UNSET
    max_seconds: float | UnsetType | None = UNSET
    batching: str | UnsetType = UNSET
    license_notice: str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    needs_weights: bool | UnsetType = UNSET
    lower_is_better: tuple[str, ...] | UnsetType = UNSET
    ratios: tuple[tuple[str, str, str], ...] | UnsetType = UNSET


def read_folder(folder: Path, predictor: str) -> tuple[dict[str, Any], CheckpointCard]:
    """Settings and card of a checkpoint folder.

    Args:
        folder: Written by ``save_pretrained``.
        predictor: Registry name of the predictor that the folder must hold.

    Raises:
        CheckpointError: If files are absent, not as they should be, or of another predictor.
        DataError: If one is no JSON.
    """
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f"{folder}: no {CONFIG}; a checkpoint folder is one that save_pretrained wrote")
    config = read_json(folder / CONFIG)
    name = config.get("predictor") if isinstance(config, dict) else None
    if name != predictor:
        raise CheckpointError(f"{folder}: holds predictor {name!r}, not {predictor!r}")
    card = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    try:
        typed = as_typed(config, CheckpointConfig, folder / CONFIG)
        return typed.config, as_typed(card, CheckpointCard, folder / CARD)
    except DataError as error:
        raise CheckpointError(f"{error}; the two must hold mappings, as save_pretrained writes them") from error


def trained_on(folder: Path) -> tuple[str, ...]:
    """``task/split`` names that a folder's weights have seen; none where its card does not tell."""
    try:
        card = read_json(folder / CARD) if (folder / CARD).is_file() else {}
        return as_typed(card, CheckpointCard, folder / CARD).trained_on
    except DataError:
        return ()  # loading the folder says what is wrong
