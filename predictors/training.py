"""The training object of a predictor: what only training needs, apart from what scores.

The engine (``harness/training``) talks to this object. Its life, with the calls in their order::

    training = training_of(predictor)
    training.needs(stage, fresh)                 # plan: every stage, before the first one costs time
    training.check_stage(stage)
    training.begin_stage(stage, facts)           # then, stage by stage: weights, heads, what is trained
        training.train_mode()                    # before every stretch of steps
        training.prepare(clip, generator)        # in threads; prepare_dev for a loss on dev
        training.collate(items)                  # batches
        training.begin_batch(generator)
        training.forward(batch)
        training.losses(outputs, targets)
        training.end_epoch()                     # behind every epoch
    training.end_stage()                         # the best weights are in the network

From :meth:`Training.begin_stage` on, ``training.stage`` and ``training.settings`` are those of the stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..harness.core.config import build_config
from ..harness.core.errors import UsageError
from ..harness.core.lazy import LazyModule
from .base import load_tensors

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from ..harness.audio.read import AudioLimits, Waveform
    from ..harness.recipes.needs import Need
    from ..harness.recipes.recipe import Stage
else:
    np = LazyModule("numpy")


@dataclass(frozen=True, eq=False)
class StageFacts:
    """What is known of a stage's training data when it begins.

    Attributes:
        targets: Labels ``(n, dimensions)``, NaN where a clip is not rated; ``None`` where no clip has a label.
        listeners: ``(domain, listener)`` of every single rating.
        databases: Where clips come from, each once and sorted; see ``TrainingClip.database``.
    """

    targets: np.ndarray | None = None
    listeners: Sequence[tuple[str, str]] = ()
    databases: Sequence[str] = ()

    def mean_label(self) -> np.ndarray | None:
        """The mean label of each dimension, ``(dimensions,)`` float64; 0 where a dimension is not rated."""
        if self.targets is None:
            return None
        rated = ~np.isnan(self.targets)
        mean: np.ndarray = np.where(rated, self.targets, 0.0).sum(0) / rated.sum(0).clip(min=1)
        return mean


NO_FACTS = StageFacts()


class Training:
    """Trains a predictor whose weights are a torch module: a plain regression; subclasses replace what differs.

    Args:
        predictor: Whose network is trained; it scores the dev sets meanwhile.

    Attributes:
        settings_class: Dataclass of what a recipe's stage may set under ``settings`` (class attribute); with ``None``
            the settings are handed on as they are.
        global_losses: Whether :meth:`losses` sees the outputs of the whole batch when several processes train (class
            attribute): every output is then ``(n, ...)`` with equal trailing sizes in all processes. With ``False`` it
            sees the clips of its own process, and must be a mean over clips.
        stage: The stage that was begun last.
        settings: Its settings, parsed once per stage into ``settings_class``.
    """

    settings_class: ClassVar[type[Any] | None] = None
    global_losses: ClassVar[bool] = True

    stage: Stage
    settings: Any

    def __init__(self, predictor: Any) -> None:
        self.predictor = predictor
        self._parsed: dict[str, tuple[Any, Any]] = {}
        self._first = ""

    @property
    def network(self) -> Any:
        """The predictor's network."""
        return self.predictor.network

    # -- plan -----------------------------------------------------------------------------------------------------

    def check_stage(self, stage: Stage) -> None:
        """Refuse what a stage cannot do; called for every stage before the first one begins. Call ``super()``.

        Raises:
            MosharnessError: What is wrong, and what to do.
        """
        self.settings_of(stage)

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """The weights that a stage starts from, besides those of other stages; nothing is fetched or kept.

        Called for every stage before the first one begins, on a network that may hold no values; the engine adds data
        and disk, and says all that is missing at once. ``ssl_need``, ``clap_need`` and
        ``harness/recipes/needs.py`` make entries. The default has none.

        Args:
            stage: With ``init`` as the recipe has it; ``starts`` is empty.
            fresh: Whether the stage begins with fresh weights: the first one, where nothing was given to start from.
        """
        return []

    def disk_bytes(self, stage: Stage, seconds: float) -> int:
        """Bytes that a stage keeps on disk besides weights, for so many seconds of audio; by default none."""
        return 0

    def settings_of(self, stage: Stage) -> Any:
        """The settings of a stage as ``settings_class``, parsed when they are first asked for.

        Raises:
            UnknownName, UsageError: If a name or a value is wrong.
        """
        if self.settings_class is None:
            return stage.settings
        given, parsed = self._parsed.get(stage.name, (None, None))
        if given is None or given != stage.settings:
            parsed = build_config(self.settings_class, stage.settings, f"stage {stage.name}: settings")
            self._parsed[stage.name] = (stage.settings, parsed)
        return parsed

    def gives(self, method: str) -> bool:
        """Whether this training replaces a method that is optional: ``losses``, ``mix`` or ``make_optimizer``."""
        return getattr(type(self), method) is not getattr(Training, method)

    # -- begin ----------------------------------------------------------------------------------------------------

    def draw_weights(self) -> None:
        """Fresh weights from torch's global generator, for a stage with ``init: fresh``, which is then a first one."""
        self._first = ""
        self.predictor.build()
        self.predictor.weights_changed()

    def enter(self, stage: Stage) -> None:
        """Make ``stage`` the one that every later call is about, without touching a weight."""
        self.stage, self.settings = stage, self.settings_of(stage)
        self._first = self._first or stage.name

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Make the network ready for a stage: load what it starts from, swap heads, set what is trained.

        Must be a function of stage, facts and weights alone: it is called at the start of a stage, and again when
        training is resumed (the weights of the interrupted stage are loaded afterwards). Fresh weights may be drawn
        from torch's global generator, which is seeded before.

        The default loads one start completely, refuses several, and calls :meth:`freeze`.
        """
        self.enter(stage)
        if len(stage.starts) > 1:
            raise UsageError(
                f"stage {stage.name} starts from {', '.join(stage.starts)}; predictor {self.predictor.card.name} takes "
                "one start"
            )
        for folder in stage.starts.values():
            self.predictor.load_tensors(load_tensors(Path(folder) / "model.safetensors"))
        self.mark_trained()

    def mark_trained(self) -> None:
        """Set what of the network the stage trains, touching no weight; by default what :meth:`freeze` leaves."""
        self.freeze()

    def count_trained(self, stage: Stage) -> int | None:
        """Numbers that a stage trains, found without loading a weight; ``None`` where only its beginning tells."""
        self.enter(stage)
        self.mark_trained()
        return sum(int(one.numel()) for one in self.network.parameters() if one.requires_grad)

    def freeze(self) -> None:
        """Set ``requires_grad`` by the patterns of ``stage.frozen``.

        Raises:
            UsageError: If a pattern matches nothing, or everything is frozen.
        """
        stage, named = self.stage, list(self.network.named_parameters())
        for pattern in stage.frozen:
            if not any(fnmatchcase(name, pattern) for name, _ in named):
                raise UsageError(
                    f"stage {stage.name}: frozen: {pattern!r} matches no parameter of {self.predictor.card.name} "
                    f"(the first are {', '.join(name for name, _ in named[:3])})"
                )
        for name, parameter in named:
            parameter.requires_grad_(not any(fnmatchcase(name, pattern) for pattern in stage.frozen))
        if not any(parameter.requires_grad for _, parameter in named):
            raise UsageError(f"stage {stage.name}: all {len(named)} parameters are frozen, nothing would be trained")

    def freeze_backbone(self, parts: str) -> None:
        """Freeze parts of a self-supervised model by its own names, and leave frozen what the stage froze.

        Args:
            parts: ``none``, ``feature_extractor``, ``layers<=K`` or ``all``.
        """
        frozen = [parameter for parameter in self.network.parameters() if not parameter.requires_grad]
        self.network.backbone.freeze(parts)
        for parameter in frozen:
            parameter.requires_grad_(False)

    def starts_fresh(self) -> bool:
        """Whether the stage has nothing to start from: no earlier stage, no checkpoint that training began with."""
        first = self.stage.name == self._first
        fresh: bool = first and not self.stage.starts and self.predictor.checkpoint.kind == "fresh"
        return fresh

    def train_mode(self) -> None:
        """Switch the network to training; parts may stay in eval mode (see ``trainable.eval_where_frozen``)."""
        self.network.train()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser, each with ``params`` and perhaps its own ``lr``: by default all that is trained."""
        return [{"params": [parameter for parameter in self.network.parameters() if parameter.requires_grad]}]

    def make_optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer | None:
        """An optimiser of the predictor's own for ``stage.optimizer``, or ``None`` for the engine's."""
        return None

    # -- clips ----------------------------------------------------------------------------------------------------

    def limits(self) -> AudioLimits:
        """The reader's limits for clips of the stage; a training that cuts clips itself may take longer ones."""
        limits: AudioLimits = self.predictor.limits()
        return limits

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Any:
        """One clip to what :meth:`collate` takes, augmentation included. Called from several threads.

        Args:
            clip: A :class:`~.training_clip.TrainingClip` at its own sampling rate.
            generator: Keyed by seed, epoch and utterance; the only allowed source of randomness.

        Raises:
            AudioError: If this clip cannot be used.
        """
        return self.predictor.prepare_clip(clip)

    def prepare_dev(self, clip: Waveform, generator: np.random.Generator) -> Any:
        """A dev clip for a loss of the predictor's own; by default as :meth:`prepare` makes it."""
        return self.prepare(clip, generator)

    def collate(self, items: Sequence[Any]) -> Any:
        """Prepared clips to one batch of CPU tensors; by default as the predictor collates clips to score."""
        return self.predictor.collate(items)

    # -- batches --------------------------------------------------------------------------------------------------

    def begin_batch(self, generator: np.random.Generator) -> None:
        """Called before the forward of every batch with a generator that is the same in all processes.

        For draws that a batch has in common; those from torch's global generator differ between processes. The
        default does nothing.
        """

    def mix(self, batch: Any, factor: float, permutation: Tensor) -> Any:
        """The inputs of a batch mixed with themselves: ``factor * batch + (1 - factor) * batch[permutation]``."""
        raise UsageError(
            f"stage {self.stage.name}: predictor {self.predictor.card.name} does not support mixup; set mixup: 0"
        )

    def forward(self, batch: Any) -> Tensor | dict[str, Tensor]:
        """Outputs with gradients: scores ``(n, dimensions)``, or a dict (scores under ``scores``, if there are any)."""
        outputs: Tensor = self.predictor.forward(batch)
        return outputs

    def losses(self, outputs: Any, targets: Tensor) -> dict[str, Tensor] | None:
        """Losses of the predictor's own, by name, each a scalar; ``None`` for the recipe's named losses alone.

        The recipe's terms pick from these by name, then from the engine's table; a recipe without terms adds all.

        Args:
            outputs: Of :meth:`forward`.
            targets: ``(n, dimensions)``, NaN where a clip is not rated.
        """
        return None

    # -- between epochs -------------------------------------------------------------------------------------------

    def end_epoch(self) -> None:
        """Called behind the last step of every epoch, in every process alike; by default nothing happens."""

    def state(self) -> dict[str, Any]:
        """What the rest of the stage depends on besides weights and optimiser, as JSON; stored with every state."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what :meth:`state` gave, behind :meth:`begin_stage`, when an interrupted stage goes on."""

    # -- end ------------------------------------------------------------------------------------------------------

    def end_stage(self) -> None:
        """Called when the best weights of the stage are in the network: let go of what only the stage needed."""
