"""How APG-MOS is trained: three stages of the paper, a fourth for the semantic baselines (section 3.5)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from ...harness.core.config import build_config
from ...harness.core.errors import CheckpointError, UsageError
from ...harness.core.lazy import LazyModule
from ..layers.ssl.shapes import frame_counts
from ..trainable import Trainable, eval_where_frozen
from .config import RECIPES, SAMPLE_RATE, ApgmosConfig, Part, StageSettings
from .items import Chunks, Features, cut, repeat_to_the_end

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import Waveform
    from ...harness.recipes.recipe import Stage
    from .auditory.front_end import FrontEnd
    from .features import FrozenFeatures
    from .network import ApgmosNetwork, Positions
    from .semantic.distortion import SemanticDistortion
else:
    np = LazyModule("numpy")


class StagedTraining(Trainable):
    """The training half of the predictor; the scoring half gives the front end and the network."""

    config: ApgmosConfig
    network: ApgmosNetwork
    semantic: SemanticDistortion | None
    global_losses = True
    _frozen: FrozenFeatures | None = None
    _part: Part | None = None
    _same_semantics = False
    _sources: dict[tuple[str, StageSettings], Any]

    @property
    @abstractmethod
    def front_end(self) -> FrontEnd:
        """The front end of the auditory branch, on the device."""

    @abstractmethod
    def use_semantics(self, semantic: SemanticDistortion) -> None:
        """Take a semantic branch, to the device."""

    # -- a stage's beginning --------------------------------------------------------------------------------------

    def stage_settings(self, stage: Stage) -> tuple[Part, StageSettings]:
        """What a stage trains, and its settings.

        Raises:
            UsageError: If it is no stage of this variant.
        """
        settings = build_config(StageSettings, stage.settings, f"stage {stage.name}: settings")
        part: Any = settings.part or stage.name
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
        return part, settings

    def check_stage(self, stage: Stage) -> None:
        """Find the weights that a stage starts from before any stage has cost time."""
        part, settings = self.stage_settings(stage)
        if part == "w2v" and self.network.fresh and set(stage.init) <= {"fresh"}:
            self._source("wav2vec2", settings, stage.name)
        if part == "apm" and self.network.fresh and set(stage.init) <= {"fresh"} and settings.ecapa:
            self._source("ecapa", settings, stage.name)
        if self._needs_semantics(part):
            self._source("semantics", settings, stage.name)

    def _source(self, kind: str, settings: StageSettings, stage: str) -> Any:
        """Start weights as a module, read once: they are looked for before the first stage and used in a later one."""
        from .semantics import make_semantics, read_ecapa, read_wav2vec2

        key = (kind, settings)
        if key not in self._sources:
            read: Any = {"wav2vec2": read_wav2vec2, "ecapa": read_ecapa, "semantics": make_semantics}[kind]
            self._sources[key] = read(self.config, settings, stage)
        return self._sources[key]

    def _needs_semantics(self, part: Part) -> bool:
        return part == "sdm" or (part == "joint" and self.config.has_semantic_queries)

    def see_targets(self, targets: np.ndarray, stage: Stage) -> None:
        """Refuse labels that the decoder's range, mapped to ``scale``, cannot reach.

        Raises:
            UsageError: With the range of the labels.
        """
        rated = targets[np.isfinite(targets)]
        low, high = self.config.scale
        if rated.size and (rated.min() < low or rated.max() > high):
            raise UsageError(
                f"stage {stage.name}: labels go from {rated.min():g} to {rated.max():g}, outside scale "
                f"[{low:g}, {high:g}]: set the task's own (--set scale=[LOWEST,HIGHEST])"
            )

    def begin_stage(self, stage: Stage) -> None:
        """Put together what the stage works with, load what it starts from, freeze the rest.

        A network has the encoders that are trained so far and one decoder, that of its last stage: the joint stage
        gets a new one. A training that starts from a checkpoint goes on with what that holds.
        """
        import torch

        from .network import ENCODERS, parts_of
        from .semantics import semantic_digest
        from .starts import start_tensors, take_parts

        part, settings = self.stage_settings(stage)
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
        network.fresh = False
        if self._needs_semantics(part):
            semantic = self._source("semantics", settings, stage.name)
            network.semantics.copy_(semantic_digest(semantic))
            self.use_semantics(semantic)
        self._freeze_all_but(part, stage)
        network.eval()
        if self.device != "cpu" and part != "w2v":
            # Threads compute frozen features while the main one trains: a global switch that scoring flips would make
            # their bits depend on timing, so it is off for good.
            torch.backends.cudnn.allow_tf32 = False
        self._part, self._frozen, self._same_semantics = part, None, False
        self.weights_changed()

    def _freeze_all_but(self, part: Part, stage: Stage) -> None:
        """Let what the stage trains have gradients, less the stage's own ``frozen`` patterns."""
        from .network import trained_parts

        self.freeze(stage)
        trained = trained_parts(part, self.config)
        for name, module in self.network.named_children():
            if name not in trained:
                module.requires_grad_(False)
        if "w2v" in trained:
            backbone: Any = self.network.get_submodule("w2v")
            for parameter in backbone.unused():
                parameter.requires_grad_(False)
        if not any(one.requires_grad for one in self.network.parameters()):
            raise UsageError(f"stage {stage.name}: `frozen` leaves nothing to train")

    def train_mode(self, stage: Stage) -> None:
        """Training mode for what is trained; everything else is in eval mode and not touched.

        Threads that prepare clips run frozen parts meanwhile, so these must not change mode even for a moment.
        """
        from .network import trained_parts
        from .semantics import semantic_digest

        part, _ = self.stage_settings(stage)
        trained = trained_parts(part, self.config)
        if self._needs_semantics(part) and self.semantic is not None and not self._same_semantics:
            if not semantic_digest(self.semantic).equal(self.network.semantics.cpu()):
                raise CheckpointError(
                    f"stage {stage.name}: the weights of the semantic branch are not those that this training began "
                    "with; bring them back, or train the stage anew"
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
        assert self._frozen is not None
        return self._frozen

    def _open_features(self, settings: StageSettings) -> None:
        from .features import FrozenFeatures

        parts: dict[str, Any] = dict(self.network.named_children())
        joint = self._part == "joint"
        self._frozen = FrozenFeatures(
            self.front_end,
            parts.get("auditory") if joint else None,
            parts.get("w2v") if joint else None,
            self.semantic,
            quantised=self.config.variant == "QH+D",
            device=str(self.device),
            dtype=settings.features,
            cached=settings.cache,
        )

    def prepare_training(self, clip: Waveform, stage: Stage, generator: np.random.Generator) -> Chunks | Features:
        """A chunk of the wave for stage ``w2v``, features of the frozen parts for the others.

        Of a clip that is cut into chunks, each epoch draws one.
        """
        from ...harness.audio.read import Waveform as PlainClip

        part, settings = self.stage_settings(stage)
        if self._frozen is None:
            self._open_features(settings)
        ready = self.resampled(clip)
        waves = cut(ready.samples, self.config.chunk_seconds, ready.path).waves
        wave = waves[int(generator.integers(len(waves)))] if len(waves) > 1 else waves[0]
        if part == "w2v":
            return Chunks((wave,))
        whole = PlainClip(wave, SAMPLE_RATE, ready.path)
        names = {"apm": ["cochleagram"], "sdm": ["semantic"], "joint": ["frames"]}[part]
        if part == "joint" and self.config.has_auditory_queries:
            names.append("embedding")
        if part == "joint" and self.config.has_semantic_queries:
            names.append("semantic")
        return Features({name: self.frozen.get(name, whole) for name in names})

    # -- forward and losses ---------------------------------------------------------------------------------------

    def training_positions(self, batch: Mapping[str, Tensor], stage: Stage) -> Positions:
        """Scores of all positions, with gradients."""
        part, settings = self.stage_settings(stage)
        network: Any = self.network
        if part == "w2v":
            waves, lengths = batch["waves"], batch["lengths"]
            if settings.padding == "repeat":
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

    def training_forward(self, batch: Mapping[str, Tensor], stage: Stage) -> dict[str, Tensor]:
        """``scores`` ``(n, 1)`` on the task's scale; ``positions`` and ``weights`` ``(n, most positions)``.

        The last two are as wide as the longest chunk allows, so that processes can gather theirs.
        """
        import torch

        positions = self.training_positions(batch, stage)
        weights = positions.weights("all", self.config.balance_queries)
        room = self._most_positions() - weights.shape[1]
        assert room >= 0, "a negative one would crop positions"
        scores = (positions.scores * weights).sum(1)
        return {
            "scores": self.to_scale(scores)[:, None],
            "positions": torch.nn.functional.pad(positions.scores, (0, room), value=3.0),
            "weights": torch.nn.functional.pad(weights, (0, room)),
        }

    def _most_positions(self) -> int:
        (frames,) = frame_counts([round((self.config.chunk_seconds + 1.0) * SAMPLE_RATE)])
        return self.config.N_a + 2 * frames  # w/o CA with a codebook at 50 Hz: tokens, semantic frames, frames

    def losses(self, outputs: Any, targets: Tensor, stage: Stage) -> dict[str, Tensor]:
        """``reg`` in every stage; in the joint one ``alpha * reg`` and ``beta * rank``, both already weighted."""
        from .losses import ranking_loss, regression_loss

        part, _ = self.stage_settings(stage)
        config, rated = self.config, targets[:, 0].isfinite()
        positions, weights = outputs["positions"][rated], outputs["weights"][rated]
        low, high = config.scale
        labels = 1.0 + 4.0 * (targets[rated, 0] - low) / (high - low)
        if not len(labels):
            return {"reg": outputs["positions"].sum() * 0.0}
        regression = regression_loss(positions, weights, labels, config.margin)
        if part != "joint":
            return {"reg": regression}
        found = {"reg": config.alpha * regression}
        if config.rank_weight > 0.0:
            ranking = ranking_loss((positions * weights).sum(1), labels, config.tie)
            found["rank"] = config.rank_weight * ranking
        return found

    def to_scale(self, scores: Tensor) -> Tensor:
        """The decoder's 1 to 5 on the task's scale."""
        low, high = self.config.scale
        return low + (scores - 1.0) / 4.0 * (high - low)
