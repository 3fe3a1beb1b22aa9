"""Which column of a data set on the hub is what: as the user says, else by name; two readings are asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..harness.core.errors import DataError, UnknownName
from ..harness.tables.fields import LABEL_NAMES, SYNONYMS
from ..harness.tables.grid import plain_name
from ..harness.tables.ids import KNOWN_DIMENSIONS

RATINGS = ("raw_ratings", "ratings", "all_ratings", "individual_ratings", "raw_scores", "votes_list")
"""Names of a column that lists the single ratings of a clip."""
WAY_OUT = "say which with --set task.columns=FIELD=COLUMN"


@dataclass(frozen=True)
class Found:
    """Which column is what; ``""`` where there is none."""

    audio: str
    dimensions: Mapping[str, str]
    fields: Mapping[str, str]
    ratings: str = ""

    def text(self) -> str:
        """The one line that says it."""
        parts = [f"audio = {self.audio}", *(f"{field} = {name}" for field, name in self.fields.items())]
        parts += [f"{field} = {name}" for field, name in self.dimensions.items()]
        return ", ".join([*parts, *([f"single ratings = {self.ratings}"] if self.ratings else [])])


def find_columns(kinds: Mapping[str, str], columns: str, dimensions: str, place: str) -> Found:
    """Which column is what, by what the user says and by name.

    Args:
        kinds: Column to kind, see :func:`~.hubrepo.columns_of`.
        columns: ``FIELD=COLUMN`` pairs with commas.
        dimensions: Columns with commas.
        place: For messages.

    Raises:
        DataError: If there is no audio or no label, or several could be; the message says how to decide.
        UnknownName: For a column that there is not.
    """
    given: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in columns.split(","))):
        field, _, column = pair.partition("=")
        given[field.strip()] = column.strip()
    chosen = [one.strip() for one in dimensions.split(",") if one.strip()]
    for column in (*given.values(), *(one for one in chosen if one not in given)):
        if column not in kinds:
            raise UnknownName(f"column of {place}", column, kinds)
    audio = given.pop("audio", "") or _one(
        [name for name, kind in kinds.items() if kind == "audio"], "audio", place, kinds
    )
    plain = {plain_name(name): name for name in kinds if name != audio}
    fields = {}
    for field in ("utterance_id", "system_id", "listener", "text"):
        if field in given:
            fields[field] = given.pop(field)
        elif match := next((plain[name] for name in SYNONYMS[field] if name in plain), ""):
            fields[field] = match
        elif field == "utterance_id":
            match = next(
                (plain[name] for name in SYNONYMS["path"] if name in plain and kinds[plain[name]] == "text"), ""
            )
            fields |= {field: match} if match else {}
    ratings = given.pop("ratings", "") or next((plain[name] for name in RATINGS if name in plain), "")
    if ratings and kinds[ratings] != "numbers":
        ratings = ""
    if chosen:
        labels = {name: given.get(name, name) for name in chosen}
    elif given:
        labels = given
    else:
        numbers = {
            name: own for name, own in plain.items() if kinds[own] in ("number", "text") and own not in fields.values()
        }
        labels = {name: numbers[name] for name in KNOWN_DIMENSIONS if name in numbers}
        if not labels:
            own = [numbers[name] for name in LABEL_NAMES if name in numbers]
            labels = {"mos": _one(own, "the label", place, kinds)}
    return Found(audio, labels, fields, ratings)


def _one(found: Sequence[str], what: str, place: str, kinds: Mapping[str, str]) -> str:
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
    if not found:
        raise DataError(f"{place}: no column that could be {what}; it has {listed}. {WAY_OUT[0].upper()}{WAY_OUT[1:]}")
    raise DataError(f"{place}: {what} could be {' or '.join(found)}; {WAY_OUT}")
