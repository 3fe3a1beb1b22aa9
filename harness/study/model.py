"""A study as its YAML file says it: rows, each a variant of a predictor. See ``docs/studies.md`` for the format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ..core.config import build_config, parse_yaml
from ..core.errors import UnknownName, UsageError
from ..core.files import NAME, read_text

FILTERS = ("paper", "predictor", "variant", "task")
"""Columns of a published CSV that a row may filter by."""
KEYS = ("title", "source", "predictor", "published", "note", "rows")
"""Of a study file."""
LONGEST_NAME = 56
"""Characters of ``<study>-<slug>``; a folder name has 64, and ``-seedNNN`` must fit behind it."""


@dataclass(frozen=True)
class Reuse:
    """Stages whose results are taken from another row instead of being trained again.

    Attributes:
        row: Name of the row that trains them.
        stages: Their names: the first ones of the recipe, in its order.
    """

    row: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class StudyRow:
    """One variant.

    Attributes:
        name: The paper's name of it.
        slug: Of its folders; made from the name where it is empty.
        predictor: Registry name; the study's where it is empty.
        recipe: Name or YAML file; ``<predictor>-<task>``, else ``<predictor>-default`` where it is empty.
        config: Settings of the predictor, for training and scoring.
        overrides: Settings of the recipe by dotted name.
        published: Values of the columns of :data:`FILTERS` that pick its published figures; empty: none.
        weights: Name of a row whose checkpoint is scored with ``config``, without training of its own.
        checkpoint: Weights that are scored as they are, without training: a folder, a file, a hub id, or ``default``
            for the published ones.
        reuse: See :class:`Reuse`.
        note: Shown below the tables.
    """

    name: str = ""
    slug: str = ""
    predictor: str = ""
    recipe: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    published: dict[str, str] = field(default_factory=dict)
    weights: str = ""
    checkpoint: str = ""
    reuse: Reuse | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("every row needs a name")
        if self.weights and (self.recipe or self.overrides or self.reuse):
            raise ValueError("weights: the row trains nothing, so recipe, overrides and reuse do not apply to it")
        if self.checkpoint and (self.weights or self.recipe or self.overrides or self.reuse):
            raise ValueError("checkpoint: the row trains nothing: weights, recipe, overrides, reuse do not apply to it")
        for key in self.published:
            if key not in FILTERS:
                raise UnknownName("column to pick published figures by", key, FILTERS)

    @property
    def depends_on(self) -> str:
        """Name of the row that must be trained before, or an empty string."""
        return self.weights or (self.reuse.row if self.reuse is not None else "")


@dataclass(frozen=True)
class Study:
    """A whole study.

    Attributes:
        name: Of the file, without suffix.
        title, source: What it is, and the table of the paper that it follows.
        predictor: Default of the rows.
        published: CSV file below ``leaderboards/published``; empty where nothing is published.
        note: Shown with every table.
        rows: In the order shown.
    """

    name: str = ""
    title: str = ""
    source: str = ""
    predictor: str = ""
    published: str = ""
    note: str = ""
    rows: tuple[StudyRow, ...] = ()

    def row(self, name: str) -> StudyRow:
        """The row of that name or slug; case does not matter.

        Raises:
            UnknownName: If there is none.
        """
        wanted = name.strip().lower()
        for one in self.rows:
            if wanted in (one.name.lower(), one.slug):
                return one
        raise UnknownName(f"row of study {self.name}", name, [one.name for one in self.rows])

    def label(self, row: StudyRow) -> str:
        """Name of a row's folders and results."""
        return f"{self.name}-{row.slug}"


def study_names() -> list[str]:
    """Names of the package's studies."""
    folder = resources.files("mosharness.predictors") / "studies"
    if not folder.is_dir():
        return []
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def read_study(given: str | Path) -> Study:
    """Read a study.

    Args:
        given: Name of a study of the package, or a YAML file.

    Raises:
        UnknownName: For an unknown study or key.
        UsageError: For values of a wrong type, rows of one name, or references that lead nowhere.
    """
    if str(given).endswith((".yaml", ".yml")):
        path = Path(given)
        return parse_study(path.stem.lower(), parse_yaml(read_text(path), str(path)), str(path))
    if str(given) not in study_names():
        raise UnknownName("study", str(given), study_names(), "A file name ends in .yaml.")
    text = (resources.files("mosharness.predictors") / "studies" / f"{given}.yaml").read_text("utf-8")
    return parse_study(str(given), parse_yaml(text, f"study {given}"), f"study {given}")


def parse_study(name: str, values: Any, where: str) -> Study:
    """A study from plain values; see :func:`read_study`."""
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: the top level must be a mapping of names to values")
    for key in values:
        if key not in KEYS:
            raise UnknownName(f"setting of {where}", str(key), KEYS)
    if "rows" not in values:
        raise UsageError(f"{where}: there are no rows; list the variants under rows, each a mapping with a name")
    rows = values["rows"]
    if rows == []:
        raise UsageError(f"{where}: rows is empty; list at least one variant")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise UsageError(f"{where}: rows must be a list of mappings, one per variant")
    study = build_config(Study, {key: value for key, value in values.items() if key != "rows"}, where)
    study = replace(study, name=name, rows=tuple(_row(row, study, f"{where}: row {at}") for at, row in enumerate(rows)))
    _check(study, where)
    return study


def slug_of(name: str) -> str:
    """A folder name for a row.

    Example:
        >>> [slug_of(name) for name in ("APG-MOS", "w/o RL", "APM+D", "β = 0.5")]
        ['apg-mos', 'wo-rl', 'apm-d', '0.5']
    """
    text = name.lower().replace("w/o", "wo").replace("w/", "with ")
    return re.sub(r"[^a-z0-9.]+", "-", text).strip("-.")


def _row(values: Mapping[str, Any], study: Study, where: str) -> StudyRow:
    plain = {str(key): value for key, value in values.items() if key != "reuse"}
    where = f"{where} ({plain.get('name', 'without a name')})"
    row = build_config(StudyRow, plain, where)
    if values.get("reuse") is not None:
        reuse = values["reuse"]
        if not isinstance(reuse, Mapping) or set(reuse) != {"row", "stages"}:
            raise UsageError(f"{where}: reuse takes row and stages")
        row = replace(row, reuse=build_config(Reuse, reuse, f"{where}: reuse"))
        if not row.reuse.stages:  # type: ignore[union-attr]
            raise UsageError(f"{where}: reuse: stages is empty")
    return replace(row, slug=row.slug or slug_of(row.name), predictor=row.predictor or study.predictor)


def _check(study: Study, where: str) -> None:
    """Names are distinct and safe, references lead to rows and not in circles."""
    for kind, found in (("name", [row.name.lower() for row in study.rows]), ("slug", [row.slug for row in study.rows])):
        doubled = sorted({one for one in found if found.count(one) > 1})
        if doubled:
            raise UsageError(f"{where}: two rows have the {kind} {doubled[0]!r}")
    for row in study.rows:
        label = study.label(row)
        if not NAME.fullmatch(label) or len(label) > LONGEST_NAME:
            raise UsageError(
                f"{where}: row {row.name}: {label!r} is no folder name of at most {LONGEST_NAME} lower-case letters, "
                "digits, '.', '_', '-'; give the row a slug"
            )
        if not row.predictor:
            raise UsageError(f"{where}: row {row.name}: no predictor, neither its own nor the study's")
        seen = [row.name]
        other = row
        while other.depends_on:
            name = other.depends_on
            other = study.row(name)
            if other.name in seen:
                raise UsageError(f"{where}: the rows {' -> '.join([*seen, other.name])} depend on each other")
            seen.append(other.name)
        if row.weights and study.row(row.weights).weights:
            raise UsageError(
                f"{where}: row {row.name}: weights: {row.weights} trains nothing itself; name the row it takes"
            )
        if row.depends_on and study.row(row.depends_on).predictor != row.predictor:
            raise UsageError(f"{where}: row {row.name}: {row.depends_on} is a row of another predictor")
