"""Whether a recipe suits the amount of data, said before and while it trains."""

from __future__ import annotations

from collections.abc import Collection

from ..recipes.recipe import Recipe, Stage, recipe_names

SMALL = 500
"""Clips up to which a data set is small: the recipes ``<predictor>-small`` are the default there."""
FEW = 50
"""Clips below which even these have little to go by."""
PER_CLIP = 2_000
"""Trained numbers per clip above which a small data set is learnt by heart (our choice: a million on 500 clips)."""


def unsuited(
    recipe: Recipe, stage: Stage, trained: int | None, clips: int, settings: Collection[str] = ()
) -> tuple[str, ...]:
    """Sentences on what does not suit the data; none where all does.

    Args:
        recipe, stage: What is planned.
        trained: Numbers that the stage trains; ``None`` where that is not known.
        clips: How many it trains on.
        settings: Names of what the predictor's stages may set under ``settings``.
    """
    notes = []
    if clips < FEW:
        notes.append(f"trained on {clips} clips, figures will differ much from one draw of clips to another")
    if trained is not None and clips <= SMALL and trained > PER_CLIP * clips:
        small = [name for name in recipe_names(recipe.predictor) if name.startswith(f"{recipe.predictor}-small")]
        other = f"--recipe {' or '.join(small)}, " if small and recipe.name not in small else ""
        ways = f"--set train.{stage.name}.frozen=[NAMES]"
        ways += f", or train.{stage.name}.settings.freeze" if "freeze" in settings else ""
        notes.append(
            f"stage {stage.name}: recipe {recipe.name} does not suit the data: it trains {number(trained)} parameters "
            f"on {clips} clips, which it can learn by heart; {f'take {other}' if other else ''}fix more of the network "
            f"({ways}), or bring more clips"
        )
    return tuple(notes)


def number(count: int) -> str:
    """A count in words.

    Example:
        >>> number(26_123_456), number(769)
        ('26.1 M', '769')
    """
    if count >= 1e6:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1e3:.1f} k" if count >= 10_000 else str(count)
