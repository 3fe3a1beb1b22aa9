"""Settings of APG-MOS under the paper's names: the network's (kept with the weights) and those of a training stage."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from ..layers.ssl.shapes import SIZES
from .auditory.config import ECAPA_SIZES, EcapaConfig, FrontEndConfig

SAMPLE_RATE = 16_000
SHORTEST = 16_000
"""Samples (1 s) up to which shorter clips are repeated: under 2,000 the encoder of the auditory branch, under 720 the
semantic one, under 400 wav2vec 2.0 has no frame to work on."""

Variant = Literal["APG-MOS", "Mel+D", "APM+D", "W2V", "QH+D", "SDM+D", "w/o APM", "w/o SDM", "w/o CA"]
Queries = Literal["pruned", "all", "semantic"]
Part = Literal["apm", "w2v", "sdm", "joint"]

BASELINES: dict[str, Part] = {"Mel+D": "apm", "APM+D": "apm", "W2V": "w2v", "QH+D": "sdm", "SDM+D": "sdm"}
"""Variants that are one branch with a decoder of its own."""


RECIPES = {"APM+D": "apm", "Mel+D": "apm", "QH+D": "sdm", "SDM+D": "sdm", "w/o APM": "wo-apm"}
"""Recipes of variants that do not need all stages of ``apgmos-default``, behind ``apgmos-``."""

CODES = {"base": 1024, "tiny": 16}
"""Entries of the codebook by size."""


@dataclass(frozen=True)
class ApgmosConfig:
    """One model. Names of the paper where it has some; what it leaves open says ``ours``.

    Attributes:
        variant: The full model or a row of Table 3: ``Mel+D``, ``APM+D``, ``QH+D``, ``SDM+D`` are one branch with a
            decoder (``W2V`` too, which the table lacks); ``w/o APM`` has semantic queries only, ``w/o SDM`` auditory
            ones only, ``w/o CA`` puts queries and wav2vec 2.0 frames in a row without attention. ``w/o RL`` is
            ``alpha: 1.0``; ``ASI`` and ``SI`` are ``queries: all`` and ``semantic``.
        queries: Which query positions make the score: ``pruned`` (the auditory ones; nothing of the semantic branch is
            loaded), ``all``, or ``semantic``.
        size: ``base``, or ``tiny``: miniatures of all parts for tests and demonstrations.
        front_end: Centre frequencies of the cochlea: ``paper`` (20 Hz to 20 kHz, those above 8 kHz aliased) or
            ``nyquist`` (20 Hz to 8 kHz).
        D_f: Cochlear channels, or mel bands of ``Mel+D`` (ours: 128; the paper does not say, its mel baseline has 128).
        low, high: Lowest and highest centre frequency in Hz; ``None``: as ``front_end`` says.
        rms_db: Level that clips are brought to before the cochlea, in dB relative to full scale (of a clip that is cut,
            each chunk by itself); ``None`` leaves them.
        pooling: Of the cochlea's output to 40 Hz: ``blocks`` of 400 samples, or ``adaptive`` bins (PyTorch's).
        subtract_mean: Take each clip's mean over time off its frames before the auditory encoder (ours; off, as the
            paper does not mention it).
        D_a: Width of the auditory embedding.
        N_a: Auditory tokens.
        tau: Half width of the attention band in wav2vec 2.0 frames (equation 10).
        L: Cross-attention layers (ours: 3, which with ``output_projection`` gives the paper's 14 million).
        heads: Attention heads (ours).
        output_projection: Whether attention ends with a linear layer (ours; equation 8 has none).
        decoder_hidden, decoder_dropout: Of every decoder (from SHEET's head; the paper does not say).
        alpha, beta: Weights of the regression and of the ranking loss in the joint stage; ``beta`` is ``1 - alpha``
            where it is ``None``.
        tie: Labels closer than this are equal for the ranking loss.
        margin: Errors up to this are no error in the regression loss: 0 in the paper, 0.5 in SHEET (its tau).
        balance_queries: Give auditory and semantic positions equal weight instead of the plain mean over all positions,
            in which 8 auditory tokens are a few percent (ours; off, as the paper's text reads).
        scale: Lowest and highest label of the task; mapped linearly to the decoder's 1 to 5 and back.
        dimension: Name of the score.
        chunk_seconds: Clips longer than this are cut (ours).
    """

    variant: Variant = "APG-MOS"
    queries: Queries = "pruned"
    size: Literal["base", "tiny"] = "base"
    front_end: Literal["paper", "nyquist"] = "paper"
    D_f: int = 128
    low: float | None = None
    high: float | None = None
    rms_db: float | None = None
    pooling: Literal["blocks", "adaptive"] = "blocks"
    subtract_mean: bool = False
    D_a: int = 192
    N_a: int = 8
    tau: int = 10
    L: int = 3
    heads: int = 8
    output_projection: bool = True
    decoder_hidden: int = 64
    decoder_dropout: float = 0.3
    alpha: float = 0.9
    beta: float | None = None
    tie: float = 0.1
    margin: float = 0.0
    balance_queries: bool = False
    scale: tuple[float, float] = (1.0, 5.0)
    dimension: str = "mos"
    chunk_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("D_f", "D_a", "N_a", "tau", "L", "heads", "decoder_hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}: at least 1")
        width = int(SIZES[self.size]["hidden_size"])
        if width % self.heads:
            raise ValueError(f"heads = {self.heads}: must divide {width}, the width of size {self.size}")
        if not self.dimension.strip():
            raise ValueError("dimension is empty: name the score")
        self._check_numbers()
        if self.variant == "w/o APM" and self.queries == "pruned":
            object.__setattr__(self, "queries", "semantic")  # all that it has
        if self.queries != "pruned" and (self.variant == "w/o SDM" or self.variant in BASELINES):
            raise ValueError(f"queries = {self.queries}: variant {self.variant} has no semantic queries")
        _ = self.front  # whose own checks are those of low and high

    def _check_numbers(self) -> None:
        if not 0.0 <= self.decoder_dropout < 1.0:
            raise ValueError(f"decoder_dropout = {self.decoder_dropout}: from 0 to below 1")
        for name in ("margin", "tie"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} = {getattr(self, name)}: a number from 0")
        for name in ("low", "high", "rms_db"):
            if getattr(self, name) is not None and not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} = {getattr(self, name)}: a finite number, or null")
        if not 0.0 <= self.alpha <= 1.0 or (self.beta is not None and not 0.0 <= self.beta < math.inf):
            raise ValueError(f"alpha = {self.alpha}, beta = {self.beta}: alpha from 0 to 1, beta from 0")
        if not -math.inf < self.scale[0] < self.scale[1] < math.inf:
            raise ValueError(f"scale = {self.scale}: lowest and highest label, in this order")
        if not 2.0 <= self.chunk_seconds < math.inf:
            raise ValueError(f"chunk_seconds = {self.chunk_seconds}: a finite number, at least 2")

    @property
    def rank_weight(self) -> float:
        """``beta``, the default resolved."""
        return 1.0 - self.alpha if self.beta is None else self.beta

    @property
    def front(self) -> FrontEndConfig:
        """Settings of the front end of the auditory branch."""
        name: Any = "mel" if self.variant == "Mel+D" else self.front_end
        return FrontEndConfig(name, self.D_f, self.low, self.high, SAMPLE_RATE, self.rms_db, self.pooling)

    @property
    def encoder(self) -> EcapaConfig:
        """Settings of the auditory encoder."""
        return replace(ECAPA_SIZES[self.size], embedding=self.D_a)

    @property
    def final_part(self) -> Part:
        """The stage whose decoder makes the score."""
        return BASELINES.get(self.variant, "joint")

    @property
    def has_auditory_queries(self) -> bool:
        """Whether the joint stage has auditory tokens."""
        return self.final_part == "joint" and self.variant != "w/o APM"

    @property
    def has_semantic_queries(self) -> bool:
        """Whether the joint stage is trained with semantic queries."""
        return self.final_part == "joint" and self.variant != "w/o SDM"

    @property
    def scored(self) -> str:
        """What makes the score, for messages."""
        return f"queries: {self.queries} of {self.variant}" if self.final_part == "joint" else self.variant

    @property
    def scores_semantics(self) -> bool:
        """Whether scoring (not only training) needs the semantic branch."""
        return self.final_part == "sdm" or self.queries != "pruned"


WEIGHTS_DEPEND_ON = (
    "variant",
    "size",
    "front_end",
    "D_f",
    "low",
    "high",
    "rms_db",
    "pooling",
    "subtract_mean",
    "D_a",
    "N_a",
    "L",
    "heads",
    "output_projection",
    "decoder_hidden",
    "tau",
    "scale",
    "dimension",
)
"""Settings that a checkpoint was trained with: another value at load is an error, not another model."""


@dataclass(frozen=True)
class StageSettings:
    """What a recipe's stage may set under ``settings``.

    Attributes:
        part: What the stage trains: ``apm`` (auditory encoder and a decoder), ``w2v`` (wav2vec 2.0 and a decoder),
            ``sdm`` (a decoder on the frozen semantic branch) or ``joint``; ``None``: the name of the stage.
        wav2vec2: Weights that wav2vec 2.0 starts from in stage ``w2v``: a hub id, folder or file (see
            ``predictors/layers/ssl/pretrained.py``), or ``random``.
        ecapa: A SpeechBrain file that the ECAPA-TDNN starts from in stage ``apm``, of the same sizes (the paper trains
            from scratch: ours, for those who have one).
        hubert: Weights of HuBERT under the codebook, in the same forms.
        vq_source: ``gptsovits``, ``kmeans`` (our substitute), or ``random`` (tests and demonstrations).
        vq: The GPT-SoVITS file, or the folder of a k-means codebook.
        padding: How batches of waves are filled up in stage ``w2v``: ``repeat`` (as SHEET) or ``masked``.
        features: Type that features of frozen parts are kept in.
        cache: Whether these features are kept on disk; ``False`` computes them anew every time.
    """

    part: Part | None = None
    wav2vec2: str = ""
    ecapa: str = ""
    hubert: str = ""
    vq_source: Literal["gptsovits", "kmeans", "random"] = "gptsovits"
    vq: str = ""
    padding: Literal["repeat", "masked"] = "repeat"
    features: Literal["float16", "float32"] = "float16"
    cache: bool = True
