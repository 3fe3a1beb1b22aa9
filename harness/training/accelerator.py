"""Where a training runs: one device, or the processes that ``torchrun`` or ``accelerate launch`` set up."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import Accelerator


def make_accelerator(device: str) -> Accelerator:
    """The accelerator of this process: what ``torchrun`` or ``accelerate launch`` set up, else one device.

    Mixed precision stays out of it, since it belongs to a stage.
    """
    import os

    import torch
    from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
    from accelerate.state import AcceleratorState

    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
    if alone:
        AcceleratorState._reset_state(reset_partial_state=True)  # an earlier training in this process may differ
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)
    handlers = [
        DistributedDataParallelKwargs(find_unused_parameters=True),
        InitProcessGroupKwargs(timeout=timedelta(hours=12)),  # the main process may score a long dev set alone
    ]
    return Accelerator(cpu=device == "cpu", mixed_precision="no", kwargs_handlers=handlers)
