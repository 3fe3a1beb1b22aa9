"""APG-MOS: auditory perception guided prediction of speech quality (arXiv 2504.20447)."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from ...harness.core.errors import CheckpointError, PredictionError
from ...harness.core.files import digest
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..scale import finite_scale
from ..trainable import Trainable
from .config import SAMPLE_RATE, SHORTEST, ApgmosConfig, Queries
from .items import Chunks, collate_chunks, cut

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import AudioLimits, Finding, Waveform
    from ...harness.engine.pipeline import Source
    from ..inspection import Inspection
    from .auditory.front_end import FrontEnd
    from .network import ApgmosNetwork, Positions
    from .semantic.distortion import SemanticDistortion
    from .semantic.origin import VqOrigin
else:
    np = LazyModule("numpy")

__all__ = ["Apgmos", "ApgmosConfig", "QueryScores"]


class QueryScores(NamedTuple):
    """Scores of one forward pass, each ``(clips,)`` float64; names of Table 3 in brackets.

    Attributes:
        pruned: Of the auditory queries (APG-MOS).
        all: Of all queries (ASI).
        semantic: Of the semantic queries (SI).
        tokens: ``N_a``.
        frames: ``N_s``, semantic queries of all chunks of a clip, int64.
    """

    pruned: np.ndarray
    all: np.ndarray
    semantic: np.ndarray
    tokens: int
    frames: np.ndarray


class Apgmos(Trainable):
    """A cochlea and a semantic codebook ask what wav2vec 2.0 heard (Table 1 of the paper: SRCC 0.936 on BVCC).

    Scores lie within the scale of training. By default only the auditory queries are used ("pruned": HuBERT and its
    codebook are neither loaded nor part of the weights). A score depends on its clip alone. There are no published
    weights that could be had: train (``predictors/recipes/apgmos-*.yaml``), or pass a checkpoint.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="apgmos",
        title="APG-MOS: auditory perception guided queries to wav2vec 2.0",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2504.20447",
        sample_rates=(SAMPLE_RATE,),
        resampler="soxr_hq",
        stages=("apm", "w2v", "joint", "sdm"),
        batching="padded",
        note="Clips under 1 s are repeated to 1 s and flagged; over 30 s they are cut and the scores of the chunks "
        "averaged by duration; silent clips are scored and flagged. No official code was found: what the paper leaves "
        "open is our choice (docs/predictors/apgmos.md).",
    )
    config_class: ClassVar[type[Any]] = ApgmosConfig
    training_class = "mosharness.predictors.apgmos.training:ApgmosTraining"
    max_clips = 32
    max_batch_seconds = 240.0
    parallel_score = True
    alone_on_cpu = True
    extra_files: ClassVar[tuple[str, ...]] = ("semantics.json",)

    config: ApgmosConfig
    network: ApgmosNetwork
    semantic: SemanticDistortion | None = None
    origin: VqOrigin | None = None
    rows_seconds: float
    """Padded seconds of chunks that go through the network together: 240 on a GPU; on the CPU one chunk at a time."""

    # -- the network ----------------------------------------------------------------------------------------------

    @classmethod
    def training_config(cls, dimensions: tuple[str, ...], scale: tuple[float, float]) -> dict[str, Any]:
        """The task's primary dimension and its scale."""
        return {"dimension": dimensions[0], **finite_scale(scale)}

    @classmethod
    def choose_dimensions(cls, config: ApgmosConfig, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """The one that the settings name."""
        return (config.dimension,)

    def build(self) -> None:
        self._lock = threading.Lock()
        self._front: FrontEnd | None = None
        self.rows_seconds = 0.0 if self.device == "cpu" else self.max_batch_seconds
        super().build()

    def make_network(self) -> ApgmosNetwork:
        from .network import ApgmosNetwork

        return ApgmosNetwork(self.config)

    @property
    def front_end(self) -> FrontEnd:
        """Cochlea or mel bands; float64 on the CPU, where digital silence stays quiet, float32 on a GPU."""
        from .auditory.make import make_front_end

        with self._lock:
            if self._front is None:
                arithmetic = "float64" if self.device == "cpu" else "float32"
                self._front = make_front_end(self.config.front, arithmetic).to(self.device)
            return self._front

    def use_semantics(self, semantic: SemanticDistortion) -> None:
        """Take a semantic branch, to the device."""
        self.semantic, self.origin = semantic.to(self.device), semantic.origin
        self.weights_changed()

    # -- scoring --------------------------------------------------------------------------------------------------

    def limits(self) -> AudioLimits:
        """As in the base class, and silent clips are scored, with a warning."""
        from dataclasses import replace

        return replace(super().limits(), allow_silent=True)

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """``repeated`` where a clip is under 1 s."""
        from ...harness.audio.read import Finding

        if clip.duration_s >= SHORTEST / SAMPLE_RATE:
            return ()
        return (Finding("repeated", f"{clip.duration_s:.3f} s: repeated to 1 s before scoring"),)

    def prepare(self, clip: Waveform) -> Chunks:
        """The wave at 16 kHz in chunks; see :func:`~.items.cut`."""
        return cut(clip.samples, self.config.chunk_seconds, clip.path)

    def collate(self, items: Sequence[Chunks]) -> dict[str, Tensor]:
        """Clips as rows of chunks; see :func:`~.items.collate_chunks`."""
        return collate_chunks(items)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scores ``(clips, 1)`` on the task's scale."""
        rows = self._row_scores(batch, (self.config.queries,))
        return self.to_scale((batch["share"] * rows[0]).sum(1))[:, None]  # no product that autocast would round

    def to_scale(self, scores: Tensor) -> Tensor:
        """The decoder's 1 to 5 on the task's scale."""
        low, high = self.config.scale
        return low + (scores - 1.0) / 4.0 * (high - low)

    def _row_scores(self, batch: Mapping[str, Tensor], kinds: Sequence[Queries]) -> list[Tensor]:
        """Scores of all chunks on the decoder's scale, ``(rows,)`` for each kind of queries."""
        import torch

        found: list[list[Tensor]] = [[] for _ in kinds]
        for waves, lengths in self._groups(batch["waves"], batch["lengths"]):
            positions = self.positions(waves, lengths, semantics=any(kind != "pruned" for kind in kinds))
            for scores, kind in zip(found, kinds, strict=True):
                scores.append(positions.mean(kind, self.config.balance_queries))
        return [torch.cat(scores) for scores in found]

    def _groups(self, waves: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Rows in groups that bound memory, each cut to its longest."""
        sizes = [int(length) for length in lengths]
        groups: list[list[int]] = []
        for at, size in enumerate(sizes):
            longest = max([size, *(sizes[other] for other in groups[-1])]) if groups else size
            full = not groups or (len(groups[-1]) + 1) * longest > self.rows_seconds * SAMPLE_RATE
            if full:
                groups.append([at])
            else:
                groups[-1].append(at)
        return [(waves[part, : max(sizes[at] for at in part)], lengths[part]) for part in groups]

    def positions(self, waves: Tensor, lengths: Tensor, semantics: bool = False) -> Positions:
        """Scores of all positions of chunks.

        Args:
            waves: ``(n, samples)`` on the device, at least 1 s each.
            lengths: True samples, ``(n,)``.
            semantics: Whether semantic queries take part.
        """
        network: Any = self.network
        head, known = network.head, [int(length) for length in lengths]
        if head == "w2v":
            return network.one_branch("w2v_decoder", *network.w2v(waves, known))  # type: ignore[no-any-return]
        if head == "sdm":
            found = self._semantics(waves, known)
            frames = found.quantised if self.config.variant == "QH+D" else found.residual
            return network.one_branch("semantic_decoder", frames, found.counts)  # type: ignore[no-any-return]
        embedding = self._embedding(waves, known) if "auditory" in network.parts else None
        if head == "apm":
            ones = lengths.new_ones(len(known))
            return network.one_branch("auditory_decoder", embedding[:, None], ones)  # type: ignore[index, no-any-return]
        frames, counts = network.w2v(waves, known)
        found = self._semantics(waves, known) if semantics else None
        residual, semantic_counts = (None, None) if found is None else (found.residual, found.counts)
        return network.joint(embedding, frames, counts, residual, semantic_counts)  # type: ignore[no-any-return]

    def _embedding(self, waves: Tensor, lengths: list[int]) -> Tensor:
        network: Any = self.network
        cochleagrams, counts = self.front_end(waves, lengths)
        return network.auditory(cochleagrams.float(), counts)  # type: ignore[no-any-return]

    def _semantics(self, waves: Tensor, lengths: list[int]) -> Any:
        if self.semantic is None:
            instead = ", or use queries: pruned" if self.config.has_auditory_queries else ""
            raise PredictionError(
                f"{self.config.scored} needs the semantic branch, which is not loaded: load a checkpoint folder with "
                f"semantics.safetensors{instead}"
            )
        return self.semantic(waves, lengths)

    def predict_queries(
        self,
        inputs: Sequence[Source | np.ndarray],
        sample_rates: int | Sequence[int] | None = None,
        *,
        workers: int | None = None,
    ) -> QueryScores:
        """Pruned, ASI and SI scores of one forward pass. Arguments and errors as :meth:`predict`.

        Without ``balance_queries`` they obey ``all = (N_a * pruned + N_s * semantic) / (N_a + N_s)`` for clips of one
        chunk (queries never see each other). ``N_s`` counts all chunks of a clip. Not for ``w/o CA``, whose scores all
        have the wav2vec 2.0 frames in their mean too.

        Raises:
            PredictionError: If the model has no auditory or no semantic queries, or the branch is not loaded.
        """
        config = self.config
        if not config.has_auditory_queries or not config.has_semantic_queries:
            raise PredictionError(f"{config.variant} has no auditory, or no semantic queries")
        found = _AllQueries(self).predict(inputs, sample_rates, workers=workers)
        return QueryScores(found[:, 0], found[:, 1], found[:, 2], config.N_a, found[:, 3].astype(np.int64))

    def inspect(self, clip: Waveform) -> Inspection:
        """Figure 5 of the paper for one clip: mel spectrogram, cochleagram, attention of the first and last layer."""
        from .views import inspect_clip

        return inspect_clip(self, clip)

    # -- identity and weights -------------------------------------------------------------------------------------

    def stated_settings(self) -> str:
        """Variant, queries, front end and the origin of the codebook where there is one."""
        config, parts = self.config, []
        if config.final_part == "joint":
            parts.append(f"{config.variant}, queries {config.queries}")
        else:
            parts.append(config.variant)
        head = self.network.head
        if head != config.final_part:
            parts.append(f"weights of stage {head} alone")
        if config.variant != "Mel+D" and "auditory" in self.network.parts:
            parts.append(f"front end {config.front_end}")
        if self.origin is not None and head in ("joint", "sdm"):
            parts.append(self.origin.label)
        return "; ".join(parts)

    def fingerprint(self) -> dict[str, Any]:
        """As in the base class; with semantic queries also the branch's weights."""
        found = super().fingerprint()
        if not self.config.scores_semantics or self.semantic is None:
            return found
        from .semantics import semantic_digest

        if "semantics" not in found:
            found["semantics"] = digest(semantic_digest(self.semantic).tolist())
        return found

    def identity_files(self, checkpoint: Path | None) -> Iterable[Path]:
        """As in the base class, without the branch's files: the branch is in the fingerprint where scores need it."""
        from .semantics import FACTS, WEIGHTS

        return [path for path in super().identity_files(checkpoint) if path.name not in (FACTS, WEIGHTS)]

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """As in the base class; the network takes the parts that the weights have (those of a stage, say)."""
        from .network import DIGEST

        names = list(dict.fromkeys(name.partition(".")[0] for name in tensors if name != DIGEST))
        order = [name for name in (*self.network.parts, *names) if name in names]
        self.network.become(order)
        self.network.to(self.device).eval()
        _ = self.network.head
        super().load_tensors(tensors)
        self.network.fresh = False

    def save_pretrained(self, folder: str | Path) -> Path:
        """As in the base class; the semantic branch goes into ``semantics.safetensors``, its origin beside it."""
        from .semantics import save_semantics

        folder = super().save_pretrained(folder)
        head = self.network.head
        used = head == "sdm" or (head == "joint" and self.config.has_semantic_queries)
        save_semantics(folder, self.semantic if used else None, self.origin if used else None)
        return folder

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load what :meth:`save_pretrained` wrote; the semantic branch only where scores need it.

        Raises:
            CheckpointError: If files are absent or do not fit, or a setting differs that the weights depend on.
        """
        from .semantics import load_semantics_from, read_origin, refuse_other_settings, semantic_digest

        refuse_other_settings(folder, config)
        predictor = super().from_folder(folder, config, **options)
        predictor.origin = read_origin(folder)
        if predictor.config.scores_semantics and predictor.network.head in ("joint", "sdm"):
            semantic = load_semantics_from(folder, predictor.config)
            if not semantic_digest(semantic).equal(predictor.network.semantics.cpu()):
                raise CheckpointError(
                    f"{folder}: semantics.safetensors is not the branch that these weights were trained with"
                )
            predictor.use_semantics(semantic)
        return predictor

    @classmethod
    def further_files(cls, folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
        """``semantics.safetensors``, where scores need the branch and the checkpoint says that it has it."""
        from .semantics import needed_files

        return needed_files(folder, config)

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a file as SHEET saves them: a pickle with the state dict under ``model``.

        Raises:
            CheckpointError: If the file is none, or its names and shapes are not ours; the message lists them.
        """
        from .official import from_official

        return from_official(cls, path, config, options)


class _AllQueries(Apgmos):
    """The same predictor, giving the three scores and ``N_s`` of each clip."""

    def __init__(self, model: Apgmos) -> None:
        self.__dict__.update(model.__dict__)
        self._dimensions = ("pruned", "all", "semantic", "frames")

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        import torch

        rows = self._row_scores(batch, ("pruned", "all", "semantic"))
        scores = [self.to_scale((batch["share"] * one).sum(1)) for one in rows]
        counts = torch.tensor([self._semantic_count(int(length)) for length in batch["lengths"]])
        frames = (batch["share"].cpu() > 0).float() @ counts.float()
        return torch.stack([*scores, frames.to(scores[0].device)], 1)

    def _semantic_count(self, samples: int) -> int:
        from ..layers.ssl.shapes import frame_counts

        assert self.semantic is not None
        return frame_counts([samples])[0] // self.semantic.stride
