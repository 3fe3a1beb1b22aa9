"""All that the stages of a recipe need, looked up before any of them costs time, and what each is going to do."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.config import parse_yaml
from ..core.errors import CheckpointError, DataMissing, MosharnessError
from ..recipes.needs import Need, asked, audio_need, fetched, merged, refuse_missing, refused, size
from ..recipes.recipe import Recipe, Source, Stage, parse_recipe, recipe_names
from .data import StageData, Tasks, default_dev, default_source, stage_data
from .suits import unsuited
from .unlabelled import EMBEDDED

if TYPE_CHECKING:
    from ...predictors.training import Training
    from ...tasks.base import MosTask

Check = Callable[[Stage, StageData], None]


@dataclass(frozen=True)
class StageOutlook:
    """What is known of a stage before it begins.

    Attributes:
        stage: As in the recipe.
        data: Its clips; ``None`` where some are missing.
        trained: Numbers that the stage trains; ``None`` where that is not known before it begins.
        notes: What does not suit the data.
        checked: Whether the predictor's own checks passed; they wait for weights that are still to fetch.
    """

    stage: Stage
    data: StageData | None
    trained: int | None
    notes: tuple[str, ...] = ()
    checked: bool = False

    @property
    def seconds(self) -> float:
        """Seconds of audio in an epoch, by header."""
        return sum(one.duration_s for one in self.data.train) if self.data is not None else 0.0


@dataclass
class Survey:
    """What was looked up.

    Attributes:
        recipe: What is planned.
        needs: Everything, in the order of the stages.
        stages: One outlook per stage.
    """

    recipe: Recipe
    needs: list[Need]
    stages: list[StageOutlook]

    @property
    def ready(self) -> bool:
        """Whether everything is on this machine."""
        return all(need.status == "here" for need in self.needs)

    def ask(self) -> None:
        """Ask the hub about what is to fetch: sizes, and whether it can be had."""
        self.needs = asked(self.needs)

    def fetch(self) -> None:
        """Fetch what is to fetch."""
        self.needs = fetched(self.needs)

    def refuse_missing(self) -> None:
        """Raise if something is missing; all of it in one list."""
        refuse_missing(self.needs, f"training by recipe {self.recipe.name}")


def look_up(
    recipe: Recipe,
    training: Training,
    tasks: Tasks,
    *,
    output: Path,
    given: bool = False,
    check: Check = lambda stage, data: None,
) -> Survey:
    """Look up what all stages need; nothing is fetched, trained or written.

    Args:
        recipe: The recipe.
        training: Of a predictor that the recipe's settings fit; it may hold no values.
        tasks: Where splits come from.
        output: Folder of results, for the room on its disk.
        given: Whether training starts from a checkpoint instead of fresh weights.
        check: Refuses a stage with its data for any other reason; called where the data is there.
    """
    needs: list[Need] = []
    outlooks = []
    names = [stage.name for stage in recipe.stages]
    for number, stage in enumerate(recipe.stages):
        found = data_needs(recipe, stage, tasks)
        data: StageData | None = None
        if all(need.status == "here" for need in found):
            try:
                data = stage_data(stage, recipe.folds if stage.folds else None, training.predictor.dimensions, tasks)
                check(stage, data)
            except MosharnessError as error:
                found.append(refused("setting", f"stage {stage.name}", error))
        fresh = begins_fresh(recipe, number, given=given)
        try:
            found += training.needs(stage, fresh)
        except MosharnessError as error:
            if not any(need.error is not None and str(need.error) == str(error) for need in found):
                found.append(refused("setting", f"stage {stage.name}", error))
        found += _starts(stage, names)
        checked = all(need.status == "here" for need in found)
        if checked:
            try:
                training.check_stage(stage)
            except MosharnessError as error:
                found.append(refused("setting", f"stage {stage.name}", error))
        needs += [replace(need, stages=(stage.name,)) for need in found]
        trained = _count_trained(training, stage)
        rated = data is not None and any(math.isfinite(value) for one in data.train for value in one.targets)
        notes: tuple[str, ...] = ()
        if data is not None and rated:
            of_stage = training.settings_class
            settings = [one.name for one in fields(of_stage)] if of_stage is not None else []
            notes = unsuited(recipe, stage, trained, len(data.train), settings)
        outlooks.append(StageOutlook(stage, data, trained, notes, checked))
    needs = merged(needs)
    needs.append(_disk(training, outlooks, needs, output))
    return Survey(recipe, needs, outlooks)


def begins_fresh(recipe: Recipe, number: int, *, given: bool) -> bool:
    """Whether a stage begins with fresh weights.

    Args:
        recipe: With all stages.
        number: Of the stage.
        given: Whether training starts from a checkpoint.
    """
    stage = recipe.stages[number]
    return (not given and number == 0 and not stage.init) or stage.init == ("fresh",)


def _count_trained(training: Training, stage: Stage) -> int | None:
    try:
        return training.count_trained(stage)
    except MosharnessError:
        return None  # said as what is wrong with the stage


def data_needs(recipe: Recipe, stage: Stage, tasks: Tasks) -> list[Need]:
    """The sources of a stage, each looked up."""
    try:
        sources = [*(stage.data or (default_source(tasks, stage),)), *stage.dev]
    except MosharnessError as error:
        return [refused("setting", f"stage {stage.name}", error)]
    found: list[Need] = []
    rated: dict[tuple[str, str], list[Source]] = {}
    for source in [*sources, *_dev_of(stage, sources, tasks)]:
        if source.audio:
            found.append(_audio(recipe, stage, source, tasks))
        else:
            rated.setdefault((source.task, source.data_root), []).append(source)
    return [*(rated_need(recipe, stage, group, tasks) for group in rated.values()), *found]


def _dev_of(stage: Stage, sources: Sequence[Source], tasks: Tasks) -> list[Source]:
    """Dev splits that the stage does not name; none where the task itself cannot be had."""
    try:
        return [] if stage.dev else default_dev(sources, tasks)
    except MosharnessError:
        return []


def rated_need(recipe: Recipe, stage: Stage, sources: Sequence[Source], tasks: Tasks) -> Need:
    """Splits of one task in one place: how many clips there are, or how to get them."""
    first = sources[0]
    splits = ", ".join(dict.fromkeys(source.split for source in sources))
    name = f"{first.task} ({splits})" + (f" in {first.data_root}" if first.data_root else "")
    need = Need("data", name, where=first.data_root, setting=f"train.{stage.name}.data")
    try:
        need = replace(need, license=tasks.task(first).card.license)
        counts = []
        for source in sources:
            loaded = tasks.split(source)
            counts.append(f"{len(loaded.rows) - len(loaded.missing_audio)} clips")
        return replace(need, name=f"{name}: {', '.join(counts)}")
    except DataMissing as error:
        card = tasks.task(first).card
        large = f" ({card.size})" if card.size != "unknown" else ""
        remedy = [*f"get it{large}: {card.obtain.strip()}".splitlines(), _then(first, tasks)]
        other = recipes_without(recipe, first, tasks)
        remedy += [f"or do without: --recipe {' or '.join(other)}"] if other else []
        place = _place(tasks.task(first))
        return replace(need, status="missing", reason=place, remedy="\n".join(remedy), error=error)
    except MosharnessError as error:
        return replace(need, status="missing", reason=str(error), error=error)


def _place(task: MosTask) -> str:
    from ...tasks.card import where_looked
    from ..core.paths import data_root

    return where_looked(task.data_root if task.data_root is not None else data_root(task.card.name))


def _then(source: Source, tasks: Tasks) -> str:
    own = tasks.given is not None and source.task == tasks.given.card.name and not source.data_root
    if own:
        return "then: --data-root FOLDER"
    if source.data_root:
        return f"then: put it into {source.data_root}"
    return f"then: put it where $MOSHARNESS_DATA/{source.task} is"


def _audio(recipe: Recipe, stage: Stage, source: Source, tasks: Tasks) -> Need:
    setting = f"train.{stage.name}.data"
    if source.audio == EMBEDDED:
        return Need("audio", "clean speech that is part of mosharness", setting=setting)
    other = recipes_without(recipe, source, tasks)
    remedy = f"put audio files there, or name another folder (--set {setting}=audio:FOLDER)"
    remedy += f"\nor do without: --recipe {' or '.join(other)}" if other else ""
    return audio_need(source.audio, "unlabelled clips", setting, remedy, "audio:")


def recipes_without(recipe: Recipe, source: Source, tasks: Tasks) -> list[str]:
    """Recipes of the package for the same predictor and task, or for any, that do without a source."""
    from importlib import resources

    task = tasks.given.card.name if tasks.given is not None else ""
    if task and source.task == task:
        return []
    kinds = (f"{recipe.predictor}-{task}", f"{recipe.predictor}-default", f"{recipe.predictor}-small")
    found = []
    for name in recipe_names(recipe.predictor):
        if name == recipe.name or not name.startswith(kinds):
            continue
        text = (resources.files("mosharness.predictors") / "recipes" / f"{name}.yaml").read_text("utf-8")
        other = parse_recipe(name, parse_yaml(text, name), name, recipe.predictor)
        sources = [one for stage in other.stages for one in (*stage.data, *stage.dev)]
        if all((one.task, one.audio) != (source.task, source.audio) for one in sources):
            found.append(name)
    return found


def _starts(stage: Stage, stages: Sequence[str]) -> list[Need]:
    """Checkpoint folders under ``init``."""
    found = []
    for name in stage.init:
        if name == "fresh" or name in stages:
            continue
        folder = Path(name).expanduser()
        setting = f"train.{stage.name}.init"
        need = Need("weights", f"checkpoint {name}", where=str(folder), setting=setting)
        if not (folder / "model.safetensors").is_file():
            error = CheckpointError(
                f"stage {stage.name}: init: {name} is neither an earlier stage nor a checkpoint folder ({folder})"
            )
            remedy = f"set {setting} to one that is there"
            need = replace(need, status="missing", reason=str(error), remedy=remedy, error=error)
        found.append(need)
    return found


def _disk(training: Training, outlooks: Sequence[StageOutlook], needs: Sequence[Need], output: Path) -> Need:
    """The room that states, weights and kept features take, and whether there is as much."""
    weights = sum(one.numel() * one.element_size() for one in training.network.state_dict().values())
    trained = max((one.trained or 0) * 4 for one in outlooks)
    kept = sum(one.stage.keep + 2 for one in outlooks) * weights  # the best, the last, and the stage's result
    state = 2 * (weights + 2 * max(trained, 0 if all(one.trained is not None for one in outlooks) else weights))
    total = kept + state + weights
    features = sum(_features(training, one) for one in outlooks)
    wanted = total + features + sum(need.bytes or 0 for need in needs if need.status == "to fetch")
    parts = f"states and weights of {len(outlooks)} stage{'s' if len(outlooks) > 1 else ''}"
    parts += f", {size(features)} of features in the cache" if features else ""
    need = Need("disk", parts, bytes=total + features)
    place = output.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free >= wanted:
        return need
    reason = f"{size(free)} are free on the disk of {place}, {size(wanted)} are needed with what is to fetch"
    return replace(need, status="missing", reason=reason, remedy="free space, or --output a folder on another disk")


def _features(training: Training, outlook: StageOutlook) -> int:
    try:
        return training.disk_bytes(outlook.stage, outlook.seconds)
    except MosharnessError:
        return 0  # said as what is wrong with the stage
