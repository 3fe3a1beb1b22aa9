"""How a predictor shows itself: a line in a terminal, a small table in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Predictor


def facts(predictor: Predictor) -> dict[str, str]:
    """What a reader wants to know first, by name."""
    card, origin = predictor.describe(), predictor.checkpoint
    weights = "fresh, not trained" if origin.kind == "fresh" else f"{origin.kind} {origin.name}".strip()
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


def as_line(predictor: Predictor) -> str:
    """One line: ``<sslmos: dimensions mos; checkpoint folder model; ...>``."""
    return f"<{predictor.card.name}: {'; '.join(f'{name} {value}' for name, value in facts(predictor).items())}>"


def as_html(predictor: Predictor) -> str:
    """A table with the title above it."""
    card = predictor.card
    known = {**facts(predictor), "paper": card.paper, "note": card.note}
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in known.items())
    return f"<table><caption><b>{escape(card.name)}</b>: {escape(card.title)}</caption>{rows}</table>"
