"""How APG-MOS is trained: three stages of the paper, a fourth for the semantic baselines (section 3.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
import torch

from ...harness.audio.read import Waveform
from ...harness.core.errors import CheckpointError, UsageError
from ..layers.ssl.shapes import frame_counts
from ..trainable import eval_where_frozen
from ..training import NO_FACTS, StageFacts, Training
from .config import RECIPES, SAMPLE_RATE, ApgmosConfig, Part, StageSettings
from .features import FrozenFeatures
from .items import Chunks, Features, collate_features, cut, repeat_to_the_end
from .losses import ranking_loss, regression_loss
from .needs import encoder_needs, feature_rate, semantic_needs
from .network import ENCODERS, parts_of, trained_parts
from .semantics import make_semantics, read_ecapa, read_wav2vec2, semantic_digest
from .starts import start_tensors, take_parts

if TYPE_CHECKING:
    from torch import Tensor

    from ...harness.recipes.needs import Need
    from ...harness.recipes.recipe import Stage
    from . import Apgmos
    from .network import Positions

START_READERS = {"wav2vec2": read_wav2vec2, "ecapa": read_ecapa, "semantics": make_semantics}


class ApgmosTraining(Training):
    """Trains the encoders alone, then what joins them on features of the frozen encoders.

    Attributes:
        part: What the stage trains.
    """

    settings_class: ClassVar[type[Any]] = StageSettings

    predictor: Apgmos
    settings: StageSettings
    part: Part

    def __init__(self, predictor: Apgmos) -> None:
        super().__init__(predictor)
        self._frozen: FrozenFeatures | None = None
        self._same_semantics = False
        self._sources: dict[tuple[str, StageSettings], Any] = {}

    @property
    def config(self) -> ApgmosConfig:
        """The predictor's settings."""
        return self.predictor.config

    # -- a stage's beginning --------------------------------------------------------------------------------------

    def part_of(self, stage: Stage) -> Part:
        """What a stage trains.

        Raises:
            UsageError: If that is not clear, or this variant does not use it.
        """
        part: Any = self.settings_of(stage).part or stage.name
        if part not in get_args(Part):
            raise UsageError(
                f"stage {stage.name}: it is not clear what it trains; set settings.part to {', '.join(get_args(Part))}"
            )
        final = self.config.final_part
        useful = {final} if final != "joint" else {"w2v", "joint"}
        useful |= {"apm"} if self.config.has_auditory_queries else set()
        if part not in useful:
            recipe = RECIPES.get(self.config.variant)
            raise UsageError(
                f"stage {stage.name}: variant {self.config.variant} does not use what {part} trains, only "
                f"{', '.join(sorted(useful))}; leave the stage out"
                + (f", as --recipe apgmos-{recipe} does" if recipe else "")
            )
        return part  # type: ignore[no-any-return]

    def needs(self, stage: Stage, fresh: bool) -> list[Need]:
        """Weights of wav2vec 2.0 and the ECAPA-TDNN, the codebook and the HuBERT under it."""
        part, settings = self.part_of(stage), self.settings_of(stage)
        drawn = self.network.fresh and set(stage.init) <= {"fresh"}
        found = encoder_needs(self.config, settings, part, stage.name) if drawn else []
        return [*found, *(semantic_needs(self.config, settings, stage.name) if self._needs_semantics(part) else [])]

    def disk_bytes(self, stage: Stage, seconds: float) -> int:
        """Features of frozen parts."""
        part, settings = self.part_of(stage), self.settings_of(stage)
        return int(feature_rate(self.config, settings, part) * seconds) if settings.cache else 0

    def check_stage(self, stage: Stage) -> None:
        """Find the weights that a stage starts from before any stage has cost time."""
        super().check_stage(stage)
        part, settings = self.part_of(stage), self.settings_of(stage)
        fresh = self.network.fresh and set(stage.init) <= {"fresh"}
        if part == "w2v" and fresh:
            self._source("wav2vec2", settings, stage.name)
        if part == "apm" and fresh and settings.ecapa:
            self._source("ecapa", settings, stage.name)
        if self._needs_semantics(part):
            self._source("semantics", settings, stage.name)

    def enter(self, stage: Stage) -> None:
        super().enter(stage)
        self.part = self.part_of(stage)

    def count_trained(self, stage: Stage) -> int | None:
        """Not known before the stage begins, which puts its network together."""
        return None

    def _source(self, kind: str, settings: StageSettings, stage: str) -> Any:
        """Start weights as a module, read once: they are looked for before the first stage and used in a later one."""
        key = (kind, settings)
        if key not in self._sources:
            read: Any = START_READERS[kind]
            self._sources[key] = read(self.config, settings, stage)
        return self._sources[key]

    def _needs_semantics(self, part: Part) -> bool:
        return part == "sdm" or (part == "joint" and self.config.has_semantic_queries)

    def check_labels(self, targets: np.ndarray) -> None:
        """Refuse labels that the decoder's range, mapped to ``scale``, cannot reach."""
        rated = targets[np.isfinite(targets)]
        low, high = self.config.scale
        if rated.size and (rated.min() < low or rated.max() > high):
            raise UsageError(
                f"stage {self.stage.name}: labels go from {rated.min():g} to {rated.max():g}, outside scale "
                f"[{low:g}, {high:g}]: set the task's own (--set scale=[LOWEST,HIGHEST])"
            )

    def begin_stage(self, stage: Stage, facts: StageFacts = NO_FACTS) -> None:
        """Put together what the stage works with, load what it starts from, freeze the rest.

        A network has the encoders that are trained so far and one decoder, that of its last stage: the joint stage
        gets a new one. A training that starts from a checkpoint goes on with what that holds.

        Raises:
            UsageError: If labels lie outside the scale, or the stage needs an encoder that no stage has trained.
            CheckpointError: If start weights do not fit.
        """
        self.enter(stage)
        if facts.targets is not None:
            self.check_labels(facts.targets)
        self._take_starts()
        self.network.fresh = False
        if self._needs_semantics(self.part):
            semantic = self._source("semantics", self.settings, stage.name)
            self.network.semantics.copy_(semantic_digest(semantic))
            self.predictor.use_semantics(semantic)
        self._freeze_all_but()
        self.network.eval()
        if self.predictor.device != "cpu" and self.part != "w2v":
            # Threads compute frozen features while the main one trains: a global switch that scoring flips would make
            # their bits depend on timing, so it is off for good.
            torch.backends.cudnn.allow_tf32 = False
        self._frozen, self._same_semantics = None, False
        self.predictor.weights_changed()

    def _take_starts(self) -> None:
        """Give the network the parts of the stage, with the weights that there are for them."""
        stage, part, settings = self.stage, self.part, self.settings
        network, wanted = self.network, parts_of(part, self.config)
        final = parts_of(self.config.final_part, self.config)
        start = start_tensors(stage, self.config)
        there = set() if network.fresh else set(network.parts)
        if stage.starts:
            there = {name.partition(".")[0] for name in start} - {"semantics"}
        if network.fresh or stage.starts:
            network.become(())
        kept = [name for name in ENCODERS if name in there and name in final]
        absent = [name for name in ENCODERS if name in wanted and name not in there]
        if part == "joint" and absent:
            needed = {"auditory": "apm", "w2v": "w2v"}[absent[0]]
            raise UsageError(
                f"stage {stage.name}: there is no trained {absent[0]}: let a stage {needed} go before it, or name a "
                "checkpoint folder that has it under `init`"
            )
        added = network.become([*kept, *wanted], seed=torch.initial_seed())
        if stage.starts:
            take_parts(network, start, there)
        if "w2v" in added and "w2v" not in there:
            source = self._source("wav2vec2", settings, stage.name)
            if source is not None:
                network.get_submodule("w2v").load_state_dict(source.state_dict())
        if settings.ecapa and part == "apm" and "auditory" in added and "auditory" not in there:
            source = self._source("ecapa", settings, stage.name)
            network.get_submodule("auditory.ecapa").load_state_dict(source.state_dict())

    def _freeze_all_but(self) -> None:
        """Let what the stage trains have gradients, less the stage's own ``frozen`` patterns."""
        self.freeze()
        trained = trained_parts(self.part, self.config)
        for name, module in self.network.named_children():
            if name not in trained:
                module.requires_grad_(False)
        if "w2v" in trained:
            backbone: Any = self.network.get_submodule("w2v")
            for parameter in backbone.unused():
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            raise UsageError(f"stage {self.stage.name}: `frozen` leaves nothing to train")

    def train_mode(self) -> None:
        """Training mode for what is trained; everything else is in eval mode and not touched.

        Threads that prepare clips run frozen parts meanwhile, so these must not change mode even for a moment.
        """
        trained = trained_parts(self.part, self.config)
        semantic = self.predictor.semantic
        if self._needs_semantics(self.part) and semantic is not None and not self._same_semantics:
            if not semantic_digest(semantic).equal(self.network.semantics.cpu()):
                raise CheckpointError(
                    f"stage {self.stage.name}: the weights of the semantic branch are not those that this training "
                    "began with; bring them back, or train the stage anew"
                )
            self._same_semantics = True
        for name, module in self.network.named_children():
            if name in trained:
                module.train()
        eval_where_frozen(self.network)

    # -- data -----------------------------------------------------------------------------------------------------

    @property
    def frozen(self) -> FrozenFeatures:
        """Features of what stands still in the current stage."""
        if self._frozen is None:
            self._frozen = self._open_features()
        return self._frozen

    def _open_features(self) -> FrozenFeatures:
        parts: dict[str, Any] = dict(self.network.named_children())
        joint = self.part == "joint"
        return FrozenFeatures(
            self.predictor.front_end,
            parts.get("auditory") if joint else None,
            parts.get("w2v") if joint else None,
            self.predictor.semantic,
            quantised=self.config.variant == "QH+D",
            device=str(self.predictor.device),
            dtype=self.settings.features,
            cached=self.settings.cache,
        )

    def prepare(self, clip: Waveform, generator: np.random.Generator) -> Chunks | Features:
        """A chunk of the wave for stage ``w2v``, features of the frozen parts for the others.

        Of a clip that is cut into chunks, each epoch draws one.
        """
        ready, part, frozen = self.predictor.resampled(clip), self.part, self.frozen
        waves = cut(ready.samples, self.config.chunk_seconds, ready.path).waves
        wave = waves[int(generator.integers(len(waves)))] if len(waves) > 1 else waves[0]
        if part == "w2v":
            return Chunks((wave,))
        whole = Waveform(wave, SAMPLE_RATE, ready.path)
        names = {"apm": ["cochleagram"], "sdm": ["semantic"], "joint": ["frames"]}[part]
        if part == "joint" and self.config.has_auditory_queries:
            names.append("embedding")
        if part == "joint" and self.config.has_semantic_queries:
            names.append("semantic")
        return Features({name: frozen.get(name, whole) for name in names})

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Chunks as in scoring, or features by name."""
        return collate_features(items) if isinstance(items[0], Features) else self.predictor.collate(items)

    # -- forward and losses ---------------------------------------------------------------------------------------

    def positions(self, batch: Mapping[str, Tensor]) -> Positions:
        """Scores of all positions, with gradients."""
        part, network = self.part, self.network
        if part == "w2v":
            waves, lengths = batch["waves"], batch["lengths"]
            if self.settings.padding == "repeat":
                waves, lengths = repeat_to_the_end(waves, lengths), lengths.new_full(lengths.shape, waves.shape[1])
            frames, counts = network.w2v(waves, lengths)
            return network.one_branch("w2v_decoder", frames, counts)  # type: ignore[no-any-return]
        if part == "apm":
            embedding = self._encoded(batch["cochleagram"].float(), batch["cochleagram_counts"])
            ones = batch["cochleagram_counts"].new_ones(len(embedding))
            return network.one_branch("auditory_decoder", embedding[:, None], ones)  # type: ignore[no-any-return]
        if part == "sdm":
            return network.one_branch(  # type: ignore[no-any-return]
                "semantic_decoder", batch["semantic"].float(), batch["semantic_counts"]
            )
        semantic = batch.get("semantic")
        return network.joint(  # type: ignore[no-any-return]
            batch.get("embedding"),
            batch["frames"],
            batch["frames_counts"],
            None if semantic is None else semantic.float(),
            batch.get("semantic_counts"),
        )

    def _encoded(self, cochleagrams: Tensor, counts: Tensor) -> Tensor:
        """Embeddings. A batch of one clip, which batch norms have no statistics of, uses the running ones (ours)."""
        encoder: Any = self.network.auditory
        alone = encoder.training and len(cochleagrams) == 1
        if alone:
            encoder.eval()
        try:
            return encoder(cochleagrams, counts)  # type: ignore[no-any-return]
        finally:
            if alone:
                encoder.train()

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``scores`` ``(n, 1)`` on the task's scale; ``positions`` and ``weights`` ``(n, most positions)``.

        The last two are as wide as the longest chunk allows, so that processes can gather theirs.
        """
        positions = self.positions(batch)
        weights = positions.weights("all", self.config.balance_queries)
        room = self._most_positions() - weights.shape[1]
        assert room >= 0, "a negative one would crop positions"
        scores = (positions.scores * weights).sum(1)
        return {
            "scores": self.predictor.to_scale(scores)[:, None],
            "positions": torch.nn.functional.pad(positions.scores, (0, room), value=3.0),
            "weights": torch.nn.functional.pad(weights, (0, room)),
        }

    def _most_positions(self) -> int:
        (frames,) = frame_counts([round((self.config.chunk_seconds + 1.0) * SAMPLE_RATE)])
        return self.config.N_a + 2 * frames  # w/o CA with a codebook at 50 Hz: tokens, semantic frames, frames

    def losses(self, outputs: Any, targets: Tensor) -> dict[str, Tensor]:
        """``reg`` in every stage; in the joint one ``alpha * reg`` and ``beta * rank``, both already weighted."""
        config, rated = self.config, targets[:, 0].isfinite()
        positions, weights = outputs["positions"][rated], outputs["weights"][rated]
        low, high = config.scale
        labels = 1.0 + 4.0 * (targets[rated, 0] - low) / (high - low)
        if not len(labels):
            return {"reg": outputs["positions"].sum() * 0.0}
        regression = regression_loss(positions, weights, labels, config.margin)
        if self.part != "joint":
            return {"reg": regression}
        found = {"reg": config.alpha * regression}
        if config.rank_weight > 0.0:
            ranking = ranking_loss((positions * weights).sum(1), labels, config.tie)
            found["rank"] = config.rank_weight * ranking
        return found

    def end_stage(self) -> None:
        """Let go of the frozen features."""
        self._frozen = None
