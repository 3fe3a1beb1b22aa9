"""Predictors whose weights are a torch module.

A predictor gives a network, how prepared clips become a batch, and a forward pass; scoring, saving and strict loading
come from here. What training needs beside that lies in ``training.py``. Torch is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.core.errors import AudioError, CheckpointError, UsageError
from ..harness.core.lazy import LazyModule
from .base import Predictor, check_tensors
from .weights import Weights

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from ..harness.audio.read import Waveform
else:
    np = LazyModule("numpy")


class Trainable(Predictor):
    """Base of predictors whose weights are a torch module.

    A subclass gives :meth:`make_network`, :meth:`prepare`, :meth:`collate` and :meth:`forward`; it is trained as a
    plain regression unless it names a ``training_class``.

    Attributes:
        network: Everything with weights, in eval mode on ``device`` except while the engine trains it.
        alone_on_cpu: Whether clips are scored one by one on the CPU, where one clip per thread is faster than padded
            batches (class attribute; ``parallel_score`` lets several threads do it).
        training_class: The class of its training object, or ``"package.module:Class"`` (class attribute), so that
            scoring never imports it; see ``training.py``.
    """

    training_class: ClassVar[Any] = "mosharness.predictors.training:Training"
    alone_on_cpu: ClassVar[bool] = False
    network: nn.Module

    # -- for subclasses: the model --------------------------------------------------------------------------------

    def make_network(self) -> nn.Module:
        """A network for ``self.config`` and ``self.dimensions`` with fresh weights, on the CPU."""
        raise UsageError(f"predictor {self.card.name} does not implement make_network")

    def collate(self, items: Sequence[Any]) -> Any:
        """Prepared clips to one batch: CPU tensors in dicts, lists or tuples. See :func:`pad` and :func:`tile`."""
        raise UsageError(f"predictor {self.card.name} does not implement collate ({len(items)} clips)")

    def forward(self, batch: Any) -> Tensor:
        """Scores ``(n, len(self.dimensions))`` of a batch that lies on the device."""
        raise UsageError(f"predictor {self.card.name} does not implement forward ({type(batch).__name__})")

    def weights_changed(self) -> None:
        """Called after weights were loaded or trained: drop what was derived from them. Call ``super()``."""
        self.forget_identity()

    def resampled(self, clip: Waveform) -> Waveform:
        """``clip`` at an accepted rate, where more is done with it than :meth:`prepare`; its length is checked first.

        Raises:
            AudioError: If it is shorter than the card's ``min_seconds``.
        """
        card = self.card
        if clip.duration_s < card.min_seconds:
            shortest = f"{clip.duration_s:.3f} s is under the {card.min_seconds} s of {card.name}"
            raise AudioError("too_short", shortest, clip.path)
        if card.sample_rates is None or clip.sample_rate in card.sample_rates:
            return clip
        from ..harness.audio.resample import resample

        rate = card.sample_rates[0]
        samples = resample(clip.samples, clip.sample_rate, rate, card.resampler).samples
        return replace(clip, samples=samples, sample_rate=rate)

    # -- what follows ---------------------------------------------------------------------------------------------

    def build(self) -> None:
        """Make the network. float16 on the CPU is refused."""
        if self.precision == "float16" and self.device == "cpu":
            raise UsageError(f"predictor {self.card.name}: float16 needs a GPU; use float32 or bfloat16 on the CPU")
        self.network = self.make_network().to(self.device).eval()

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        """Scores ``(len(batch), dimensions)`` as float64; see :meth:`forward`."""
        if self.alone_on_cpu and self.device == "cpu":
            return np.concatenate([self._score_together([item]) for item in batch])
        return self._score_together(batch)

    def _score_together(self, batch: Sequence[Any]) -> np.ndarray:
        import torch

        ready = to_device(self.collate(batch), self.device)
        with torch.no_grad(), exact(self.device), autocast(self.device, self.precision):
            scores = self.forward(ready)
        return np.asarray(scores.float().cpu().numpy(), dtype=np.float64)

    def tensors(self) -> dict[str, Any]:
        """The network's state by name."""
        return dict(self.network.state_dict())

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """Take weights by name: strict, finite, into the network's own types.

        Raises:
            CheckpointError: If names, shapes or types do not fit, or a number is not finite.
        """
        import torch

        own = self.network.state_dict()
        check_tensors(own, tensors, f"predictor {self.card.name}")
        ready = {name: torch.as_tensor(tensors[name]) for name in own}
        checked = isinstance(tensors, Weights)  # finite, and being hashed
        for name, tensor in ready.items():
            if tensor.is_floating_point() != own[name].is_floating_point():
                raise CheckpointError(
                    f"predictor {self.card.name}: {name} should hold {own[name].dtype}, the file has {tensor.dtype}"
                )
            if not checked and tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise CheckpointError(f"predictor {self.card.name}: {name} holds NaN or infinity")
        self.network.load_state_dict(ready)
        self.weights_changed()
        if isinstance(tensors, Weights) and all(ready[name].dtype == own[name].dtype for name in own):
            self._digest = tensors.digest


# -- batches ------------------------------------------------------------------------------------------------------


def to_device(batch: Any, device: str | torch.device) -> Any:
    """``batch`` with every tensor in it on ``device``; anything else is kept."""
    if hasattr(batch, "to") and hasattr(batch, "detach"):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def pad(waves: Sequence[np.ndarray], multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Zero-pad waves (or frames) at the end.

    Args:
        waves: Arrays ``(samples, ...)``, of equal trailing sizes.
        multiple: Round the padded length up to a multiple of this.

    Returns:
        ``(n, longest, ...)`` and the true lengths ``(n,)``, int64.
    """
    import torch

    longest = -(-max(len(wave) for wave in waves) // multiple) * multiple
    padded = np.zeros((len(waves), longest, *waves[0].shape[1:]), waves[0].dtype)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = wave
    return torch.from_numpy(padded), torch.tensor([len(wave) for wave in waves])


def tile(waves: Sequence[np.ndarray], length: int | None = None) -> Tensor:
    """Repeat each wave until it fills ``length`` samples (the longest wave by default); longer ones are cut.

    Returns:
        ``(n, length, ...)``.
    """
    import torch

    length = length or max(len(wave) for wave in waves)
    rows = []
    for wave in waves:
        if not len(wave):
            raise UsageError("an empty wave cannot be repeated")
        rows.append(np.concatenate([wave] * -(-length // len(wave)))[:length])
    return torch.from_numpy(np.stack(rows))


def mix_tensors(batch: Any, factor: float, permutation: Tensor) -> Any:
    """``factor * x + (1 - factor) * x[permutation]`` for every floating tensor ``(n, ...)`` in ``batch``."""
    if hasattr(batch, "detach"):
        return factor * batch + (1.0 - factor) * batch[permutation] if batch.is_floating_point() else batch
    if isinstance(batch, Mapping):
        return {key: mix_tensors(value, factor, permutation) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(mix_tensors(value, factor, permutation) for value in batch)
    return batch


# -- torch --------------------------------------------------------------------------------------------------------


def autocast(device: str | torch.device, precision: str) -> Any:
    """A context with torch's autocast; nothing for ``float32``.

    Raises:
        UsageError: For float16 on the CPU.
    """
    import torch

    kind = torch.device(device).type
    if precision == "float16" and kind == "cpu":
        raise UsageError("precision float16 needs a GPU; use float32 or bfloat16 on the CPU")
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision, torch.float32)
    return torch.autocast(kind, dtype=dtype, enabled=precision != "float32")


def exact(device: str | torch.device) -> ExitStack:
    """A context in which a GPU computes float32 products as float32 (TF32 off).

    The switches are global, so nothing is touched for the CPU, where several threads may score at once.
    """
    import torch

    stack = ExitStack()
    if torch.device(device).type == "cuda":
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, allow_tf32=False))
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        stack.callback(setattr, torch.backends.cuda.matmul, "allow_tf32", before)
    return stack


def eval_where_frozen(network: nn.Module, prefixes: Iterable[str] | None = None) -> None:
    """Put modules into eval mode: those named, or every one whose parameters are all frozen.

    Dropout and the statistics of batch norms then stand still there.
    """
    chosen = None if prefixes is None else tuple(prefixes)
    for name, module in network.named_modules():
        if chosen is None:
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()
        elif name in chosen:
            module.eval()
