"""``python -m mosharness.tasks.benchmarks``: write ``index.json`` anew from the task files and ``groups.yaml``."""

from __future__ import annotations

from ...harness.core.config import read_yaml
from ...harness.core.files import write_json
from ..card import card_fields
from . import ENTRIES, GROUPS, INDEX


def indexed() -> dict[str, object]:
    """Cards of all benchmarks and the groups, as ``index.json`` must hold them."""
    from .. import TASKS

    cards = {name: card_fields(TASKS[name].card) for name in sorted(ENTRIES)}
    for card in cards.values():
        card["splits"] = [[name, info] for name, info in card["splits"].items()]
    return {"cards": cards, "groups": read_yaml(GROUPS)}


if __name__ == "__main__":
    write_json(INDEX, indexed())
