"""The loss of a batch from the outputs of all processes: the predictor's own terms and the recipe's named ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UnknownName, UsageError
from ..recipes.recipe import Stage
from .losses import LOSSES, named_loss
from .processes import gather_rows

if TYPE_CHECKING:
    from torch import Tensor

    from ...predictors.trainable import Trainable


def batch_terms(
    predictor: Trainable,
    stage: Stage,
    outputs: dict[str, Tensor],
    targets: Tensor,
    places: Sequence[Sequence[int]],
    rank: int = 0,
) -> dict[str, Tensor]:
    """Every loss of a batch, each a mean over the clips of all processes.

    Args:
        predictor: Its own losses come first; named ones are added where the stage asks for them.
        stage: The stage.
        outputs: Of this process, float32.
        targets: Of this process, ``(n, dimensions)``.
        places: For each process the places of its rows in the batch.
        rank: This process.

    Raises:
        UsageError: If a named loss is asked for and there are no scores.
    """
    most, own = max(1, *map(len, places)), places[rank]
    whole_targets = gather_rows(targets, places, most)
    if predictor.global_losses:
        whole = {name: gather_rows(one, places, most) for name, one in outputs.items()}
        found = predictor.losses(bare(whole), whole_targets, stage) or {}
        scores = whole.get("scores")
    else:
        found = predictor.losses(bare(outputs), targets, stage) or {}
        part = len(own) * len(places) / sum(map(len, places))  # the average over processes is that over clips
        found = {name: one * part for name, one in found.items()}
        scores = gather_rows(outputs["scores"], places, most) if "scores" in outputs else None
    for term in stage.losses:
        if term.name not in found and term.name in LOSSES:
            if scores is None:
                raise UsageError(
                    f"stage {stage.name}: loss {term.name} is on scores, and {predictor.card.name} gives none"
                )
            found[term.name] = named_loss(term, scores, whole_targets, predictor.dimensions)
    return found


def own_terms(predictor: Trainable, stage: Stage, outputs: Mapping[str, Tensor], targets: Tensor) -> dict[str, Tensor]:
    """Every loss of the clips of this process alone, each a mean over them."""
    ready = {name: one.float() if one.is_floating_point() else one for name, one in outputs.items()}
    found = dict(predictor.losses(bare(ready), targets, stage) or {})
    for term in stage.losses:
        if term.name not in found and term.name in LOSSES and "scores" in ready:
            found[term.name] = named_loss(term, ready["scores"], targets, predictor.dimensions)
    return found


def total_loss(predictor: Trainable, stage: Stage, terms: Mapping[str, Tensor]) -> Tensor:
    """The weighted sum that the stage asks for; of all terms where it names none.

    Raises:
        UsageError, UnknownName: If there is nothing to sum, or a term is missing.
    """
    if not stage.losses:
        if not terms:
            raise UsageError(
                f"stage {stage.name} has no losses: name some (losses:), {predictor.card.name} has none of its own"
            )
        return sum(terms.values(), start=next(iter(terms.values())) * 0)
    missing = [term.name for term in stage.losses if term.name not in terms]
    if missing:
        raise UnknownName(f"loss of stage {stage.name}", missing[0], [*LOSSES, *terms])
    parts = [term.weight * terms[term.name] for term in stage.losses]
    return sum(parts[1:], start=parts[0])


def as_dict(outputs: Any) -> dict[str, Tensor]:
    """Outputs by name; a lone tensor is the scores."""
    return dict(outputs) if isinstance(outputs, Mapping) else {"scores": outputs}


def bare(outputs: dict[str, Tensor]) -> Any:
    """Outputs as the predictor gave them: a lone tensor is not wrapped."""
    return outputs["scores"] if set(outputs) == {"scores"} else outputs
