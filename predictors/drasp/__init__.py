"""DRASP (arXiv 2508.21407): dual-resolution attentive statistics pooling, on CLAP and on AudioBox-Aesthetics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import CheckpointError
from ...harness.core.files import atomic_write, read_json
from ...harness.core.lazy import LazyModule
from ..audiobox import DIMENSIONS as AES
from ..audiobox import Audiobox
from ..base import PredictorCard
from ..layers.clap.config import official_settings
from ..layers.clap.mos import ClapMos
from ..layers.pooling import pooling_name
from ..trainable import Trainable
from .config import DraspConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from ...harness.audio.read import Finding, Waveform
else:
    np = LazyModule("numpy")

TOKENIZER = "tokenizer.json"
CLAP_TASKS = ("musiceval",)
"""Tasks that DRASP scores with CLAP."""
AUDIOBOX_TASKS = ("aes_natural",)
AES_SCALE = Audiobox.card.scale
NOTES = {
    "clap": "On CLAP clips are by default brought to 16 kHz and fed as 48 kHz, as for the published figures, and their "
    "first 30 s count; training starts from LAION's weights (the licence file of LAION's CLAP is CC0 1.0).",
    "audiobox": "On AudioBox the scale of AES is 0 to 10 and resampling is torchaudio's; the released weights, which "
    "training on AES-Natural starts from, are CC BY 4.0.",
}
"""For cards: what a reader of a score must know, by backbone."""


class Drasp(Trainable):
    """A backbone, one of the poolings, heads; which backbone is a setting that follows the task.

    No weights of DRASP were published, nor of MusicEval's baseline: train (``predictors/recipes/drasp-*.yaml``), or
    pass a checkpoint of ours or a state dict of the authors' scripts. Published CLAP and AudioBox weights are what
    training starts from; alone they give no scores of this model.

    Attributes:
        inner: The model of the backbone; it does all the work on the network that both share.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="drasp",
        title="DRASP: dual-resolution attentive statistics pooling on CLAP or AudioBox-Aesthetics",
        dimensions=("mi", "ta"),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2508.21407",
        resampler="soxr_hq",
        stages=("train",),
        batching="padded",
        note=f"No weights of DRASP were published; train it. {NOTES['clap']} {NOTES['audiobox']}",
    )
    config_class: ClassVar[type[Any]] = DraspConfig
    parallel_score = True
    training_class = "mosharness.predictors.drasp.training:DraspTraining"
    takes_dimensions = True
    uses_text = True
    extra_files = (TOKENIZER,)

    config: DraspConfig
    inner: Trainable

    # -- the model ------------------------------------------------------------------------------------------------

    @classmethod
    def choose_dimensions(cls, config: DraspConfig, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """On AudioBox the axes of AES unless others are given; on CLAP as :class:`ClapMos` chooses."""
        return given or AES if config.backbone == "audiobox" else ClapMos.choose_dimensions(config, given)

    def describe(self) -> PredictorCard:
        """Scale, rates, resampler and note follow backbone and dimensions."""
        return replace(
            super().describe(),
            scale=AES_SCALE if set(self.dimensions) <= set(AES) else self.card.scale,
            sample_rates=self.inner.card.sample_rates,
            resampler=self.inner.card.resampler,
            note=f"No weights of DRASP were published. {NOTES[self.config.backbone]}",
        )

    def make_network(self) -> nn.Module:
        settings = self.config.for_backbone()
        model: type[Trainable] = ClapMos if self.config.backbone == "clap" else Audiobox
        self.inner = model(
            settings,
            dimensions=self.dimensions,
            checkpoint=self.checkpoint,
            device=self.device,
            precision=self.precision,
        )
        return self.inner.network

    def prepare_clip(self, clip: Waveform) -> Any:
        """As the backbone's model does it, resampling included."""
        return self.inner.prepare_clip(clip)

    def plan(self, items: Sequence[Any], durations: Sequence[float] | None = None) -> list[tuple[int, ...]]:
        return self.inner.plan(items, durations)

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        return self.inner.findings(clip)

    def collate(self, items: Sequence[Any]) -> Any:
        return self.inner.collate(items)

    def forward(self, batch: Any) -> Tensor:
        return self.inner.forward(batch)

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return self.inner.score(batch)

    def weights_changed(self) -> None:
        super().weights_changed()
        self.inner.weights_changed()

    def stated_settings(self) -> str:
        """Backbone and pooling; and how CLAP hears the clips, which moves every score."""
        config = self.config
        segmented = config.pooling in ("drasp", "dual_resolution_attentive") or config.pooling.startswith("segmental")
        segments = f", segments of {config.segment_size}" if segmented else ""
        heard = f", input {config.clap_input}" if config.backbone == "clap" else ""
        return f"{config.backbone}, {config.pooling} pooling{segments}{heard}"

    @classmethod
    def task_config(cls, task: str) -> dict[str, Any]:
        """CLAP for MusicEval, AudioBox for AES-Natural."""
        if task in CLAP_TASKS:
            return {"backbone": "clap"}
        return {"backbone": "audiobox"} if task in AUDIOBOX_TASKS else {}

    @classmethod
    def recipe_names(cls, task: str, config: Mapping[str, Any]) -> tuple[str, ...]:
        """With a backbone given, its own recipe for the task first: the two are trained with other settings."""
        backbone = config.get("backbone")
        if backbone is None:
            return super().recipe_names(task, config)
        return (f"{task}-{backbone}", task, f"default-{backbone}", "default")

    # -- weights --------------------------------------------------------------------------------------------------

    def fingerprint(self) -> dict[str, Any]:
        """With the tokenizer, where there is one."""
        known = super().fingerprint()
        tokenizer = getattr(self.inner, "tokenizer", None)
        if tokenizer is not None:
            known["tokenizer"] = tokenizer.digest
        return known

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """As in the base class; where texts are off, what belongs to them is left out."""
        if self.config.backbone == "clap" and not self.config.text:
            own = self.network.state_dict()
            of_text = ("backbone.model.text_", "backbone.model.logit_scale", "heads.ta.")
            tensors = {name: one for name, one in tensors.items() if name in own or not name.startswith(of_text)}
        super().load_tensors(tensors)

    def identity_files(self, checkpoint: Path | None) -> Iterable[Path]:
        """As in the base class, without the tokenizer: its digest is in the fingerprint where texts are read."""
        return [path for path in super().identity_files(checkpoint) if path.name != TOKENIZER]

    def save_pretrained(self, folder: str | Path) -> Path:
        """As in the base class, with the tokenizer beside the weights."""
        folder = super().save_pretrained(folder)
        tokenizer = getattr(self.inner, "tokenizer", None)
        if tokenizer is not None:
            with atomic_write(folder / TOKENIZER) as stream:
                stream.write(tokenizer.text)
        return folder

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """As in the base class; a folder of the AudioBox fork (its weights beside its ``config.json``) is taken too."""
        found = read_json(folder / "config.json") if (folder / "config.json").is_file() else None
        if isinstance(found, dict) and "target_transform" in found and "predictor" not in found:
            from ..layers.pickles.files import weights_in

            return cls.from_official(weights_in(folder), config, **options)
        predictor = super().from_folder(folder, config, **options)
        if isinstance(predictor.inner, ClapMos) and predictor.inner.network.reads_text:
            if (folder / TOKENIZER).is_file():
                predictor.inner.set_tokenizer(folder)
            predictor._fingerprint = None
        return predictor

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a state dict of the authors' training scripts; its tensors tell backbone, dimensions and pooling.

        Raises:
            CheckpointError: If the file is none. A bare CLAP or AudioBox checkpoint has no heads or pooling of this
                model: name it as ``pretrained`` or ``released`` in a recipe instead.
        """
        from ..audiobox.convert import is_official
        from ..layers.clap.networks import from_mos_predictor, official_dimensions, official_state
        from ..layers.pickles.files import read_weights

        content = read_weights(path)
        forked = is_official(content, path)
        settings = {**config, "backbone": "audiobox" if forked else "clap"}  # the file decides, not the task
        if forked:
            return cls._from_fork(content, path, settings, **options)
        state = official_state(content, path)
        known = official_settings(state, settings, str(path))
        predictor = cls.empty({**known, **settings}, dimensions=official_dimensions(state), **options)
        network: Any = predictor.network
        predictor.load_tensors(from_mos_predictor(state, network, str(path)))
        return predictor

    @classmethod
    def _from_fork(cls, content: Any, path: Path, settings: dict[str, Any], **options: Any) -> Self:
        """What the authors' fork of AudioBox-Aesthetics saves."""
        from ..audiobox.convert import official_of, to_network

        official = official_of(content, path)
        projection = "pooling_proj.weight" in official.state
        wanted = pooling_name(str(settings.get("pooling", cls.config_class().pooling)))
        if not official.normalize:
            raise CheckpointError(f"{path}: normalize_embed is false there; only the predictor audiobox can score it")
        if not projection and wanted != "average":
            raise CheckpointError(
                f"{path}: AudioBox-Aesthetics without a pooling of its own: score it with the predictor audiobox, or "
                "train from it (--set train.settings.released=FILE)"
            )
        known = {
            "projection": projection,
            "rms_normalize": False,
            **official_settings(official.state, settings, str(path)),
        }
        predictor = cls.empty({**known, **settings}, **options)
        network: Any = predictor.network
        predictor.load_tensors(to_network(official, network, str(path)))
        return predictor
