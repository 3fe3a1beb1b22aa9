"""Several training processes: outputs gathered with gradients, small facts shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


def process_count() -> int:
    """How many processes train together; 1 when torch's distributed package is not in use."""
    import torch

    used = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if used else 1


def gather_rows(rows: Tensor, places: Sequence[Sequence[int]], most: int) -> Tensor:
    """The rows of all processes in the order of the batch, with gradients to where they came from.

    The loss of the whole batch, computed on these rows by every process alike, has gradients that the averaging of
    distributed training makes exactly those of one process (``torch.distributed.nn``'s gather adds the processes'
    gradients, the averaging divides by their number).

    Args:
        rows: ``(n, ...)`` of this process; rows beyond its places (a stand-in) are left out.
        places: For each process the places of its rows in the batch.
        most: Rows of the largest share.

    Raises:
        UsageError: If the trailing sizes differ between processes.
    """
    import torch

    if process_count() == 1:
        return rows[: len(places[0])]
    from torch.distributed.nn.functional import all_gather

    shapes = share_object(tuple(rows.shape[1:]))
    if len(set(shapes)) > 1:
        raise UsageError(
            f"outputs of sizes {shapes} cannot be gathered over processes; set global_losses = False in the predictor"
        )
    padding = rows.new_zeros((most - len(rows), *rows.shape[1:]))
    gathered = all_gather(torch.cat([rows, padding]).contiguous())  # type: ignore[no-untyped-call]
    flat = torch.cat(tuple(gathered))
    source = {place: rank * most + at for rank, own in enumerate(places) for at, place in enumerate(own)}
    return flat[torch.tensor([source[place] for place in sorted(source)], device=flat.device)]


def share_object(value: Any) -> list[Any]:
    """The small objects of all processes, in the order of their ranks."""
    import torch

    count = process_count()
    if count == 1:
        return [value]
    found: list[Any] = [None] * count
    torch.distributed.all_gather_object(found, value)
    return found


def from_main(value: Any) -> Any:
    """The main process's object, in every process."""
    import torch

    if process_count() == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]
