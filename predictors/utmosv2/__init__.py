"""UTMOSv2 (the T05 system of the VoiceMOS Challenge 2024): naturalness from wav2vec 2.0 and eight mel pictures."""

from __future__ import annotations

import math
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import AudioError, CheckpointError, UnknownName, UsageError
from ...harness.core.files import digest, file_sha256
from ...harness.core.lazy import LazyModule
from ..base import CheckpointInfo, PredictorCard
from ..trainable import Trainable
from .config import DOMAINS, SAMPLE_RATE, TASK_DOMAINS, Architecture, Utmosv2Config, Variant
from .draws import Crops, content_generator, cut, draw

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ...harness.core.audio import Clip
    from ...harness.core.hub import Download
    from ...harness.core.pipeline import Source
    from ...harness.training.recipe import Stage
    from .network import Scorer
else:
    np = LazyModule("numpy")

__all__ = ["DOMAINS", "Detailed", "Utmosv2", "Utmosv2Config"]

WEIGHTS_VARIABLE = "MOSHARNESS_UTMOSV2_WEIGHTS"
STAGE_SETTINGS = ("part", "wav2vec2", "imagenet", "mask_pictures", "mask_frames")

_empty: ContextVar[bool] = ContextVar("utmosv2_empty", default=False)


@contextmanager
def empty_weights() -> Iterator[None]:
    """Networks made in this context hold no values yet: a checkpoint replaces them, and drawing them takes seconds."""
    token = _empty.set(True)
    try:
        yield
    finally:
        _empty.reset(token)


@dataclass
class Prepared:
    """A clip ready to be scored or trained on.

    Attributes:
        crops: One per fold and repetition, folds changing slowest.
        samples: The clip at 16 kHz instead, where the draws depend on the clips before.
        extra: In training: pixels to keep, frames to mask, the domain vector.
    """

    crops: list[Crops] = field(default_factory=list)
    samples: NDArray[np.float32] | None = None
    extra: dict[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Detailed:
    """Every single score behind a prediction.

    Attributes:
        scores: float64 ``(clips, folds, repetitions, domains)``.
        folds: Numbers of the folds.
        domains: Names of the domains.
        domain: The one that ``predict`` answers in.
    """

    scores: NDArray[np.float64]
    folds: tuple[int, ...]
    domains: tuple[str, ...]
    domain: str

    def mean(self, domain: str | None = None) -> NDArray[np.float64]:
        """Scores as ``predict`` returns them, ``(clips,)``, in this or another domain."""
        mean: NDArray[np.float64] = self._draws(domain).mean(1)
        return mean

    def spread(self, domain: str | None = None) -> NDArray[np.float64]:
        """Standard deviation (n - 1) of a clip's single scores, ``(clips,)``; NaN where there is only one."""
        draws = self._draws(domain)
        spread: NDArray[np.float64] = draws.std(1, ddof=1) if draws.shape[1] > 1 else np.full(len(draws), np.nan)
        return spread

    def _draws(self, domain: str | None) -> NDArray[np.float64]:
        if domain is not None and domain not in self.domains:
            raise UnknownName("domain", domain, list(self.domains))
        chosen = self.scores[..., self.domains.index(domain or self.domain)]
        return chosen.reshape(len(chosen), -1)


class Utmosv2(Trainable):
    """The fusion model, or one of its branches alone; scores are linear outputs and can leave 1 to 5.

    A score is the mean over random crops: by default one draw with the weights of fold 0, as in the reference. Draws
    are keyed by seed, audio, fold and repetition, so a clip's score never depends on its name, its neighbours or the
    machine's load. With more than one draw a second column, ``mos_spread``, holds the standard deviation of the single
    scores.

    Weights are looked for in this order: ``checkpoint`` (a file, or a folder with the files of the folds), the file or
    folder ``$MOSHARNESS_UTMOSV2_WEIGHTS``, the cache, the pinned download.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="utmosv2",
        title="UTMOSv2: naturalness of synthetic speech (VoiceMOS Challenge 2024, system T05)",
        dimensions=("mos",),
        scale=(1.0, 5.0),
        paper="https://arxiv.org/abs/2409.09305",
        license_weights="not stated",
        sample_rates=(SAMPLE_RATE,),
        deterministic=False,
        stages=("stage1_spec", "stage1_ssl_a", "stage1_ssl_b", "stage2", "stage3"),
        trained_on=tuple(
            f"{task}/{split}" for task in ("bvcc", "somos", "somos_full") for split in ("train", "dev", "test")
        ),
        batching="padded",
        license_notice="",
        note="Higher is better. The published weights were trained on all of BVCC and SOMOS, test parts included: "
        "scores there are not held-out results. Each score is the mean of random crops (folds x repetitions, 1 x 1 "
        "unless set); it looks at 3 s and ten times 1.4 s of a clip. The domain (predict_dataset) adds a constant.",
    )
    config_class: ClassVar[type[Any]] = Utmosv2Config
    max_clips = 16
    max_batch_seconds = math.inf
    parallel_score = True

    config: Utmosv2Config

    # -- the network ----------------------------------------------------------------------------------------------

    def build(self) -> None:
        primary = self.dimensions[0]
        self.dimensions = (primary, f"{primary}_spread") if self.config.n_draws > 1 else (primary,)
        self.sizes: Architecture = self.config.sizes
        if self.config.rng == "official":
            self.parallel_score = False  # type: ignore[misc]  # one generator serves the whole set, in its order
        self.rows = 1 if self.device == "cpu" else self.max_clips  # on a CPU more at once only miss its caches
        self._lock = threading.Lock()
        self._fast: list[Scorer] | None = None
        super().build()

    def make_network(self) -> nn.Module:
        import torch

        from .network import make_network

        empty = _empty.get()
        config = self.config
        with torch.device("meta" if empty else "cpu"):
            networks = [make_network(config.variant, self.sizes, len(config.domains)) for _ in config.fold_numbers]
        network: nn.Module = networks[0]
        if len(networks) > 1:
            network = torch.nn.ModuleDict(
                {f"fold{fold}": one for fold, one in zip(config.fold_numbers, networks, strict=True)}
            )
        return network.to_empty(device="cpu") if empty else network

    @property
    def networks(self) -> list[Scorer]:
        """One network per fold."""
        if len(self.config.fold_numbers) == 1:
            return [self.network]  # type: ignore[list-item]
        return list(self.network.children())  # type: ignore[arg-type]

    def weights_changed(self) -> None:
        super().weights_changed()
        self._fast = None

    def _scoring_networks(self) -> list[Scorer]:
        from .inference import for_inference

        with self._lock:
            if self._fast is None:
                self._fast = [for_inference(network) for network in self.networks]
            return self._fast

    # -- scoring --------------------------------------------------------------------------------------------------

    def prepare_clip(self, clip: Clip) -> Prepared:
        """Resample, cut silence if asked to, and draw the crops."""
        config = self.config
        samples = self._samples(clip)
        if config.rng == "official":
            return Prepared(samples=samples)
        content = clip.content_sha256
        draws = [(fold, repetition) for fold in config.fold_numbers for repetition in range(config.repetitions)]
        return Prepared([self._crops(samples, content_generator(config.seed, content, *one)) for one in draws])

    def _samples(self, clip: Clip) -> NDArray[np.float32]:
        """The clip at 16 kHz, its length rounded up, as librosa leaves it."""
        from ...harness.core.audio import printable
        from ...harness.core.resample import resample
        from .silence import remove_silent_section

        method = self.card.resampler
        if self.config.rng == "official" and not (clip.path and Path(clip.path).is_file()):
            method = "torchaudio_default"  # what the reference does with arrays, and only with them
        samples = resample(clip.samples, clip.sample_rate, SAMPLE_RATE, method, length="ceil").samples
        if self.config.remove_silent_section:
            samples = remove_silent_section(samples)
            if not samples.size:
                reason = "remove_silent_section leaves nothing: no sample reaches 0.1"
                raise AudioError("silent", reason, printable(clip.path))
        return samples

    def _crops(self, samples: NDArray[np.float32], random: np.random.RandomState) -> Crops:
        return cut(samples, draw(random, samples.size, self.sizes), self.sizes)

    def collate(self, items: Sequence[Prepared]) -> dict[str, Tensor]:
        """Crops ``(clips, draws, ...)`` by kind, and what training added."""
        import torch

        def stack(name: str) -> Tensor:
            return torch.from_numpy(np.stack([[getattr(crops, name) for crops in item.crops] for item in items]))

        batch = {name: stack(name) for name in ("wave", "first", "second", "factor")}
        for name in items[0].extra:
            batch[name] = torch.from_numpy(np.stack([item.extra[name] for item in items]))
        return batch

    def draw_scores(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Every single score of a batch: ``(clips, draws, domains)``, float32 also under autocast."""
        import torch

        networks = self._scoring_networks()
        clips, repetitions = len(batch["wave"]), batch["wave"].shape[1] // len(networks)
        columns = []
        for at, network in enumerate(networks):
            chosen = slice(at * repetitions, (at + 1) * repetitions)
            rows = {name: batch[name][:, chosen].flatten(0, 1) for name in ("wave", "first", "second", "factor")}
            parts = []
            for start in range(0, clips * repetitions, self.rows):
                part = {name: values[start : start + self.rows] for name, values in rows.items()}
                scored = network(part["wave"], self._pictures(part))
                parts.append(scored.to(torch.promote_types(scored.dtype, torch.float32)))
            columns.append(torch.cat(parts).reshape(clips, repetitions, -1))
        return torch.cat(columns, 1)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Scores ``(clips, 1)``, with more than one draw beside their spread ``(clips, 2)``."""
        import torch

        draws = self.draw_scores(batch)[..., self.config.domains.index(self.config.predict_dataset)]
        mean = draws.mean(1, keepdim=True)
        return torch.cat([mean, draws.std(1, keepdim=True)], 1) if draws.shape[1] > 1 else mean

    def score(self, batch: Sequence[Prepared]) -> np.ndarray:
        if self.config.rng == "content":
            return super().score(batch)
        return self._combine(self._score_in_order(batch))

    def _score_in_order(self, batch: Sequence[Prepared]) -> NDArray[np.float64]:
        """All scores of a whole set, ``(clips, draws, domains)``, drawn as the reference draws them."""
        random = np.random.RandomState(self.config.seed)
        rows = []
        for _ in range(self.config.repetitions):
            for item in batch:
                assert item.samples is not None
                rows.append(Prepared([self._crops(item.samples, random)]))
        parts = [self._run(rows[start : start + self.max_clips]) for start in range(0, len(rows), self.max_clips)]
        scores = np.concatenate(parts)[:, 0]
        return scores.reshape(self.config.repetitions, len(batch), -1).transpose(1, 0, 2)

    def _run(self, items: Sequence[Prepared]) -> NDArray[np.float64]:
        import torch

        from ..trainable import autocast, exact, to_device

        ready = to_device(self.collate(items), self.device)
        with torch.inference_mode(), exact(self.device), autocast(self.device, self.precision):
            return np.asarray(self.draw_scores(ready).cpu().numpy(), np.float64)

    def _combine(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        draws = scores[..., self.config.domains.index(self.config.predict_dataset)]
        columns = [draws.mean(1)] + ([draws.std(1, ddof=1)] if draws.shape[1] > 1 else [])
        return np.stack(columns, 1)

    def _pictures(self, rows: Mapping[str, Tensor]) -> Tensor:
        import torch

        from .frontend import make_pictures

        with torch.autocast(rows["first"].device.type, enabled=False):
            return make_pictures(rows["first"], rows["second"], rows["factor"], self.sizes)

    def plan(self, items: Sequence[Any], durations: Sequence[float] | None = None) -> list[tuple[int, ...]]:
        """Batches; with the official draws a single one in the given order, as each draw depends on those before."""
        if self.config.rng == "official":
            return [tuple(range(len(items)))] if items else []
        return super().plan(items, durations)

    def fingerprint(self) -> dict[str, Any]:
        """As in the base class; scores with official draws depend on the whole set, so they never match cached ones."""
        found = super().fingerprint()
        return {**found, "official_draws": os.urandom(8).hex()} if self.config.rng == "official" else found

    def predict_detailed(
        self,
        inputs: Sequence[Source | np.ndarray],
        sample_rates: int | Sequence[int] | None = None,
        *,
        workers: int | None = None,
    ) -> Detailed:
        """Every single score: by fold, repetition and domain. Arguments and errors as :meth:`predict`."""
        config = self.config
        shape = (len(config.fold_numbers), config.repetitions, len(config.domains))
        scores = _AllScores(self).predict(inputs, sample_rates, workers=workers)
        return Detailed(scores.reshape(-1, *shape), config.fold_numbers, config.domains, config.predict_dataset)

    # -- training -------------------------------------------------------------------------------------------------

    def begin_stage(self, stage: Stage) -> None:
        """Choose what is trained (``settings: part``), load the starts, freeze.

        Settings of a stage: ``part`` (``fusion``, ``ssl_only`` or ``spec_only``: a branch alone gets a head of its
        own), ``wav2vec2`` (pretrained weights: hub id, folder or file), ``imagenet`` (weights of all convolutional
        bodies: hub id ``owner/name[@COMMIT]`` or file), ``mask_pictures`` and ``mask_frames`` (on unless ``false``).
        """
        from . import starts
        from .network import Fusion

        for name in stage.settings:
            if name not in STAGE_SETTINGS:
                raise UnknownName(f"setting of stage {stage.name}", name, STAGE_SETTINGS)
        if self.config.n_draws > 1 or self.config.rng == "official":
            raise UsageError(f"stage {stage.name}: train with one fold, one repetition and rng: content")
        part = stage.settings.get("part", self.config.variant)
        if isinstance(self.network, Fusion) and part in ("fusion", "ssl_only", "spec_only"):
            self.network.use(part)
        elif part != self.config.variant:
            raise UsageError(f"stage {stage.name}: part {part!r} is not in variant {self.config.variant}")
        starts.load_starts(self.networks[0], self.config.variant, stage.starts)
        if stage.settings.get("wav2vec2"):
            starts.load_wav2vec2(self.networks[0], str(stage.settings["wav2vec2"]))
        if stage.settings.get("imagenet"):
            starts.load_imagenet(self.networks[0], str(stage.settings["imagenet"]))
        self.freeze(stage)
        self.weights_changed()

    def train_mode(self, stage: Stage) -> None:
        """Training mode for everything: "frozen" parts of the reference keep their dropout and batch statistics too."""
        self.weights_changed()
        super().train_mode(stage)

    def prepare_training(self, clip: Clip, stage: Stage, generator: np.random.Generator) -> Prepared:
        """Crops, blank stripes, masked frames and the domain of a clip."""
        from .augment import draw_frames, draw_masks

        random = np.random.RandomState(generator.integers(0, 2**32, 8, dtype=np.uint32))
        item = Prepared([self._crops(self._samples(clip), random)])
        sizes, domains = self.sizes, self.config.domains
        item.extra["domain"] = np.eye(len(domains), dtype=np.float32)[domains.index(self._domain(clip))]
        if stage.settings.get("mask_pictures", True):
            count = sizes.frames * len(sizes.spectrograms)
            item.extra["keep"] = draw_masks(random, count, sizes.height, sizes.width)
        if stage.settings.get("mask_frames", True) and self.config.variant != "spec_only":
            item.extra["masked"] = draw_frames(random, self._ssl_frames)
        return item

    def _domain(self, clip: Clip) -> str:
        """The domain of a clip: that of its source, and ``predict_dataset`` where the network has none of that name."""
        name = getattr(clip, "domain", "")  # of a TrainingClip
        name = TASK_DOMAINS.get(name, name)
        return name if name in self.config.domains else self.config.predict_dataset

    @property
    def _ssl_frames(self) -> int:
        network: Any = self.networks[0]
        encoder = network.ssl.encoder if hasattr(network, "ssl") else network.encoder
        return int(encoder.n_frames(self.sizes.ssl_samples))

    def training_forward(self, batch: Mapping[str, Any], stage: Stage) -> Tensor:
        """Scores ``(clips, 1)`` with gradients, each in the domain of its clip."""
        import torch

        part = stage.settings.get("part", self.config.variant)
        rows = {name: batch[name][:, 0] for name in ("wave", "first", "second", "factor")}
        inputs: dict[str, torch.Tensor | None] = {"waves": rows["wave"], "pictures": None, "domain": batch["domain"]}
        if part != "ssl_only":
            with torch.no_grad():
                inputs["pictures"] = self._pictures(rows)
                if "keep" in batch:
                    inputs["pictures"] = inputs["pictures"] * batch["keep"]
        if "mix" in batch:
            factor, permutation = batch["mix"]["factor"], batch["mix"]["permutation"].to(rows["wave"].device)
            inputs = {
                name: None if value is None else factor * value + (1 - factor) * value[permutation]
                for name, value in inputs.items()
            }
        scores: Tensor = self.network(**inputs, masked=batch.get("masked"))
        return scores

    def mix(self, batch: Mapping[str, Any], factor: float, permutation: Tensor, stage: Stage) -> dict[str, Any]:
        """Mix crops, pictures and domain vectors; done in :meth:`training_forward`, where there are pictures."""
        return {**batch, "mix": {"factor": factor, "permutation": permutation}}

    # -- weights --------------------------------------------------------------------------------------------------

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """As in the base class; a joint network may come from a stage that trained one branch with its own head."""
        from .network import Fusion

        if isinstance(self.network, Fusion):
            heads: dict[str, Variant] = {"ssl.fc.weight": "ssl_only", "spec_long.fc.weight": "spec_only"}
            self.network.use(next((part for name, part in heads.items() if name in tensors), "fusion"))
        super().load_tensors(tensors)

    @classmethod
    def task_config(cls, task: str) -> dict[str, Any]:
        """Settings that suit a task unless the user says otherwise: the domain of its scores."""
        return {"predict_dataset": TASK_DOMAINS[task]} if task in TASK_DOMAINS else {}

    @classmethod
    def default_weights(cls, config: Mapping[str, Any]) -> Download | None:
        from .convert import download

        ready = Utmosv2Config(**config)
        if ready.variant != "fusion" or ready.sizes != Architecture():
            return None
        return download(ready.fold_numbers[0])

    @classmethod
    def local_weights(cls, config: Mapping[str, Any]) -> Path | None:
        """The file or folder that ``$MOSHARNESS_UTMOSV2_WEIGHTS`` names."""
        chosen = os.environ.get(WEIGHTS_VARIABLE)
        if not chosen or cls.default_weights(config) is None:
            return None
        path = Path(chosen).expanduser()
        if not path.exists():
            raise CheckpointError(f"${WEIGHTS_VARIABLE}: {path} does not exist; name an official file or its folder")
        return path

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load an official file; where several folds are asked for, also those beside it or in the cache.

        A digest that is none of the published ones is accepted with a notice; those of the faulty first set are
        refused.

        Raises:
            CheckpointError: If the file is no such checkpoint, or of another fold than asked for.
        """
        from ...harness.core.hub import fetch_file
        from .convert import check_digest, download, filename

        known = check_digest(path)
        named = re.match(r"fold([0-4])_", path.name)
        fold = known if known is not None else int(named[1]) if named else None
        settings = dict(config)
        if "folds" not in settings and fold is not None:
            settings["folds"] = fold
        wanted = Utmosv2Config(**_folds(settings)).fold_numbers
        if len(wanted) == 1:
            if fold is not None and fold != wanted[0]:
                raise CheckpointError(f"{path}: holds fold {fold}, not fold {wanted[0]}")
            return cls._from_files({wanted[0]: path}, settings, options)
        if fold is None:
            raise CheckpointError(f"{path}: several folds are asked for, and the file does not say which one it is")
        files = {}
        for one in wanted:
            beside = path if one == fold else path.with_name(filename(one))
            if not beside.is_file() and path == download(fold).path:
                beside = fetch_file(download(one))
            files[one] = beside
        return cls._from_files(files, settings, options)

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a folder of ours, or one with the official files of the folds that are asked for."""
        from .convert import filename

        if not (folder / "config.json").is_file() and any(folder.glob("fold[0-4]_*.pth")):
            folds = Utmosv2Config(**_folds(config)).fold_numbers
            return cls._from_files({fold: folder / filename(fold) for fold in folds}, config, options)
        with empty_weights():
            return super().from_folder(folder, config, **options)

    @classmethod
    def _from_files(cls, files: Mapping[int, Path], config: Mapping[str, Any], options: Mapping[str, Any]) -> Self:
        from .convert import check_digest, read_official

        absent = [str(path) for path in files.values() if not path.is_file()]
        if absent:
            raise CheckpointError(f"{absent[0]}: no such file ({len(absent)} of {len(files)} fold files are absent)")
        published = [check_digest(path) for path in files.values()]
        states = [read_official(path) for path in files.values()]
        settings = {"variant": _variant(states[0]), **config}
        with empty_weights():
            predictor = cls(settings, **options)
        several = len(files) > 1
        predictor.load_tensors(
            {
                f"fold{fold}.{name}" if several else name: value
                for fold, state in zip(files, states, strict=True)
                for name, value in state.items()
            }
        )
        if None not in published:
            predictor.trained_on = cls.card.trained_on
        else:
            unknown = next(path for path, fold in zip(files.values(), published, strict=True) if fold is None)
            say(f"{unknown.name} is none of the published UTMOSv2 files; its training data is not known")
        paths = list(files.values())
        total = digest([file_sha256(path) for path in paths]) if several else file_sha256(paths[0])
        predictor.checkpoint = CheckpointInfo("official", paths[0].parent.name if several else paths[0].name, total)
        return predictor


class _AllScores(Utmosv2):
    """The same predictor with one dimension per draw and domain."""

    def __init__(self, owner: Utmosv2) -> None:
        self.__dict__.update(owner.__dict__)
        config = owner.config
        self.dimensions = tuple(
            f"fold {fold} repetition {repetition} {domain}"
            for fold in config.fold_numbers
            for repetition in range(config.repetitions)
            for domain in config.domains
        )

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        return self.draw_scores(batch).flatten(1)

    def _combine(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores.reshape(len(scores), -1)


def _folds(config: Mapping[str, Any]) -> dict[str, Any]:
    """The setting ``folds`` as the configuration wants it, whatever else is set."""
    folds = config.get("folds", 0)
    return {"folds": tuple(folds) if isinstance(folds, list) else folds}


def _variant(state: Mapping[str, Any]) -> str:
    """Which network a state dict is of."""
    if "ssl.weights" in state or "spec_long.weights" in state:
        return "fusion"
    return "spec_only" if any(name.startswith("backbones.") for name in state) else "ssl_only"


def say(text: str) -> None:
    """One line on stderr, where progress and notices go."""
    print(f"mosharness: {text}", file=sys.stderr)
