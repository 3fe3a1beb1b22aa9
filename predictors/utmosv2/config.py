"""Settings of UTMOSv2: which weights, how many random draws, which domain; and the sizes of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...harness.core.config import build_config
from ...harness.core.errors import UnknownName

DOMAINS = (
    "bvcc",
    "sarulab",
    "blizzard2008",
    "blizzard2009",
    "blizzard2010-EH1",
    "blizzard2010-EH2",
    "blizzard2010-ES1",
    "blizzard2010-ES3",
    "blizzard2011",
    "somos",
)
"""Data domains of the official checkpoints; the position is the index in the one-hot vector."""

TASK_DOMAINS = {"bvcc": "bvcc", "somos": "somos", "somos_full": "somos"}
"""Domain to score a task with (our choice); any other task is scored as ``sarulab``, the official default."""

N_FOLDS = 5
SAMPLE_RATE = 16_000

Variant = Literal["fusion", "spec_only", "ssl_only"]


@dataclass(frozen=True)
class Stage:
    """One stage of the convolutional body: ``repeats`` blocks of a kind, the first with ``stride``.

    ``block`` is ``cn`` (convolution), ``er`` (fused inverted residual) or ``ir`` (inverted residual with
    squeeze-and-excitation); ``expand`` multiplies the channels that enter the block.
    """

    block: Literal["cn", "er", "ir"]
    repeats: int
    stride: int
    expand: int
    out_channels: int


@dataclass(frozen=True)
class Spectrogram:
    """One picture: a window of ``win_length`` samples in ``n_fft`` points every ``hop_length``; ``n_mels`` rows."""

    n_fft: int = 4096
    hop_length: int = 32
    win_length: int = 4096
    n_mels: int = 512


EFFICIENTNETV2_S = (
    Stage("cn", 2, 1, 1, 24),
    Stage("er", 4, 2, 4, 48),
    Stage("er", 4, 2, 4, 64),
    Stage("ir", 6, 2, 4, 128),
    Stage("ir", 9, 1, 6, 160),
    Stage("ir", 15, 2, 6, 256),
)
TINY_STAGES = (Stage("cn", 1, 1, 1, 8), Stage("er", 1, 2, 2, 8), Stage("ir", 1, 2, 2, 16))
TINY_WAV2VEC2 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 16, 16, 16, 16, 16),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network and of what goes into it; the defaults are the official model (section 2.3 of the paper).

    Attributes:
        wav2vec2: Settings of ``transformers.Wav2Vec2Config`` that differ from the base size.
        stem, stages, head: Channels after the first convolution, the stages, channels after the last convolution.
        spectrograms: One per convolutional body; every body has its own weights.
        frames: Crops per clip that become a picture of each kind.
        height, width: Of the picture that enters the convolutions.
        ssl_samples, spec_samples: Lengths of the two kinds of crop at 16 kHz.
        heads: Of both self-attentions.
    """

    wav2vec2: dict[str, Any] = field(default_factory=dict)
    stem: int = 24
    stages: tuple[Stage, ...] = EFFICIENTNETV2_S
    head: int = 1280
    spectrograms: tuple[Spectrogram, ...] = tuple(Spectrogram(win_length=size) for size in (4096, 2048, 1024, 512))
    frames: int = 2
    height: int = 512
    width: int = 512
    ssl_samples: int = 48_000
    spec_samples: int = 22_400
    heads: int = 8

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], base: Architecture | None = None) -> Architecture:
        """``base`` with some values changed; stages and spectrograms may be mappings of their fields."""
        ready = {**vars(base or cls()), **values}
        for name, kind in (("stages", Stage), ("spectrograms", Spectrogram)):
            ready[name] = tuple(
                item if isinstance(item, kind) else build_config(kind, item, f"utmosv2 {name}") for item in ready[name]
            )
        return build_config(cls, ready, "the utmosv2 architecture")


SIZES = {
    "base": Architecture(),
    "tiny": Architecture(
        wav2vec2=TINY_WAV2VEC2,
        stem=8,
        stages=TINY_STAGES,
        head=32,
        spectrograms=(Spectrogram(1024, 160, 1024, 48), Spectrogram(1024, 160, 512, 48)),
        height=48,
        width=48,
        ssl_samples=16_000,
        spec_samples=11_200,
        heads=4,
    ),
}


@dataclass(frozen=True)
class Utmosv2Config:
    """Settings of the predictor.

    Attributes:
        variant: The published model (``fusion``), or one branch with its own head.
        size: ``base`` is the official architecture, ``tiny`` is for tests.
        architecture: Fields of :class:`Architecture` that differ from ``size``.
        domains: Data domains, in the order of the one-hot vector.
        predict_dataset: The domain whose scale scores are on. One network's scores in two domains differ by a
            constant, so correlations cannot depend on it.
        folds: The official cross-validation fold(s) to score with: a number, a list of numbers, or ``all``; scores of
            several folds are averaged. ``0`` with one repetition is the official default, ``all`` with five the
            published protocol.
        repetitions: Random draws of crops and mixing factors per fold; their scores are averaged.
        seed: User's seed. Draws are keyed by it, the decoded audio, the fold and the repetition.
        rng: ``content`` for those draws, or ``official``: one numpy generator seeded with ``seed`` for the whole set in
            its order, and arrays resampled by torchaudio, as the reference's ``predict`` does without workers.
        remove_silent_section: Cut out what the reference means to cut out: runs of more than 0.3 s in which every
            sample is below 0.1 (signed). Off in the reference too, where the option has no effect.
    """

    variant: Variant = "fusion"
    size: Literal["base", "tiny"] = "base"
    architecture: dict[str, Any] = field(default_factory=dict)
    domains: tuple[str, ...] = DOMAINS
    predict_dataset: str = "sarulab"
    folds: int | str | tuple[int, ...] = 0
    repetitions: int = 1
    seed: int = 0
    rng: Literal["content", "official"] = "content"
    remove_silent_section: bool = False

    def __post_init__(self) -> None:
        if self.predict_dataset not in self.domains:
            raise UnknownName("predict_dataset", self.predict_dataset, list(self.domains))
        if len(set(self.domains)) != len(self.domains):
            raise ValueError("domains holds a name twice")
        if self.repetitions < 1:
            raise ValueError(f"repetitions = {self.repetitions}: at least 1")
        if self.seed < 0 or self.seed >= 2**32:
            raise ValueError(f"seed = {self.seed}: 0 to {2**32 - 1}")
        if isinstance(self.folds, str) and self.folds != "all":
            raise ValueError(f'folds = {self.folds!r}: a number from 0 to {N_FOLDS - 1}, a list of them, or "all"')
        folds = self.fold_numbers
        if not folds or len(set(folds)) != len(folds) or not all(0 <= fold < N_FOLDS for fold in folds):
            raise ValueError(f"folds = {self.folds!r}: different numbers from 0 to {N_FOLDS - 1}")
        if self.rng == "official" and len(folds) > 1:
            raise ValueError("rng = official draws for one fold at a time, as the reference does")

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The folds as numbers."""
        if isinstance(self.folds, str):
            return tuple(range(N_FOLDS))
        return (self.folds,) if isinstance(self.folds, int) else self.folds

    @property
    def n_draws(self) -> int:
        """How many scores are averaged per clip."""
        return len(self.fold_numbers) * self.repetitions

    @property
    def sizes(self) -> Architecture:
        """The architecture, complete."""
        return Architecture.from_dict(self.architecture, SIZES[self.size])


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        part: What the stage trains: ``fusion``, ``ssl_only`` or ``spec_only`` (a branch alone gets a head of its own);
            ``None``: the network's variant.
        wav2vec2: Where pretrained weights of the SSL branch come from: a hub id, folder or file.
        imagenet: Where weights of all convolutional bodies come from: a hub id ``owner/name[@COMMIT]`` or a file.
        mask_pictures: Whether stripes of the pictures are left blank in training.
        mask_frames: Whether frames of the SSL branch are masked in training.
    """

    part: str | None = None
    wav2vec2: str | None = None
    imagenet: str | None = None
    mask_pictures: bool = True
    mask_frames: bool = True
