"""How a predictor shows itself: a line in a terminal, a small table in a notebook."""

from __future__ import annotations

from html import escape
from typing import Protocol

from .card import CheckpointInfo, PredictorCard


class Shown(Protocol):
    """What a predictor tells of itself."""

    @property
    def card(self) -> PredictorCard: ...
    @property
    def checkpoint(self) -> CheckpointInfo: ...
    @property
    def dimensions(self) -> tuple[str, ...]: ...
    @property
    def trained_on(self) -> tuple[str, ...]: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    def describe(self) -> PredictorCard: ...


def facts(predictor: Shown) -> dict[str, str]:
    """What a reader wants to know first, by name."""
    card, origin = predictor.describe(), predictor.checkpoint
    weights = "fresh, not trained" if origin.kind == "fresh" else f"{origin.kind} {origin.name}".strip()
    if not card.needs_weights:
        weights = f"needs none ({origin.name or 'made directly'})"
    licence = f"code {card.license_code}"
    if origin.kind == "official" and card.license_weights:
        licence += f", weights {card.license_weights}"
    return {
        "dimensions": ", ".join(predictor.dimensions),
        "checkpoint": weights,
        "trained on": ", ".join(predictor.trained_on) or "not stated",
        "device": f"{predictor.device}, {predictor.precision}",
        "licence": licence,
    }


def as_line(predictor: Shown) -> str:
    """One line: ``<sslmos: dimensions mos; checkpoint folder model; ...>``."""
    return f"<{predictor.card.name}: {'; '.join(f'{name} {value}' for name, value in facts(predictor).items())}>"


def as_html(predictor: Shown) -> str:
    """A table with the title above it."""
    card = predictor.card
    known = {**facts(predictor), "paper": card.paper, "note": card.note}
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in known.items())
    return f"<table><caption><b>{escape(card.name)}</b>: {escape(card.title)}</caption>{rows}</table>"
