"""The loss of a batch from the outputs of all processes: the predictor's own terms and the recipe's named ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UnknownName, UsageError
from .losses import LOSSES, named_loss
from .processes import gather_rows

if TYPE_CHECKING:
    from torch import Tensor

    from ...predictors.training import Training


def batch_terms(
    training: Training,
    outputs: dict[str, Tensor],
    targets: Tensor,
    places: Sequence[Sequence[int]],
    rank: int = 0,
) -> dict[str, Tensor]:
    """Every loss of a batch, each a mean over the clips of all processes.

    Args:
        training: Its own losses come first; named ones are added where its stage asks for them.
        outputs: Of this process, float32.
        targets: Of this process, ``(n, dimensions)``.
        places: For each process the places of its rows in the batch.
        rank: This process.

    Raises:
        UsageError: If a named loss is asked for and there are no scores.
    """
    stage, dimensions = training.stage, training.predictor.dimensions
    most, own = max(1, *map(len, places)), places[rank]
    whole_targets = gather_rows(targets, places, most)
    if training.global_losses:
        whole = {name: gather_rows(rows, places, most) for name, rows in outputs.items()}
        terms = dict(training.losses(bare(whole), whole_targets) or {})
        scores = whole.get("scores")
    else:
        terms = dict(training.losses(bare(outputs), targets) or {})
        part = len(own) * len(places) / sum(map(len, places))  # the average over processes is that over clips
        terms = {name: value * part for name, value in terms.items()}
        scores = gather_rows(outputs["scores"], places, most) if "scores" in outputs else None
    for term in stage.losses:
        if term.name not in terms and term.name in LOSSES:
            if scores is None:
                name = training.predictor.card.name
                raise UsageError(f"stage {stage.name}: loss {term.name} is on scores, and {name} gives none")
            terms[term.name] = named_loss(term, scores, whole_targets, dimensions)
    return terms


def own_terms(training: Training, outputs: Mapping[str, Tensor], targets: Tensor) -> dict[str, Tensor]:
    """Every loss of the clips of this process alone, each a mean over them."""
    ready = in_float32(outputs)
    terms = dict(training.losses(bare(ready), targets) or {})
    for term in training.stage.losses:
        if term.name not in terms and term.name in LOSSES and "scores" in ready:
            terms[term.name] = named_loss(term, ready["scores"], targets, training.predictor.dimensions)
    return terms


def total_loss(training: Training, terms: Mapping[str, Tensor]) -> Tensor:
    """The weighted sum that the stage asks for; of all terms where it names none.

    Raises:
        UsageError, UnknownName: If there is nothing to sum, or a term is missing.
    """
    stage = training.stage
    if not stage.losses:
        if not terms:
            name = training.predictor.card.name
            raise UsageError(f"stage {stage.name} has no losses: name some (losses:), {name} has none of its own")
        return sum(terms.values(), start=next(iter(terms.values())) * 0)
    missing = [term.name for term in stage.losses if term.name not in terms]
    if missing:
        raise UnknownName(f"loss of stage {stage.name}", missing[0], [*LOSSES, *terms])
    parts = [term.weight * terms[term.name] for term in stage.losses]
    return sum(parts[1:], start=parts[0])


def as_dict(outputs: Any) -> dict[str, Tensor]:
    """Outputs by name; a lone tensor is the scores."""
    return dict(outputs) if isinstance(outputs, Mapping) else {"scores": outputs}


def in_float32(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating outputs as float32, whatever the forward pass was in."""
    return {name: rows.float() if rows.is_floating_point() else rows for name, rows in outputs.items()}


def bare(outputs: dict[str, Tensor]) -> Any:
    """Outputs as the predictor gave them: a lone tensor is not wrapped."""
    return outputs["scores"] if set(outputs) == {"scores"} else outputs
