"""UTMOSv2 (the T05 system of the VoiceMOS Challenge 2024): naturalness from wav2vec 2.0 and eight mel pictures."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import AudioError, CheckpointError
from ...harness.core.lazy import LazyModule
from ..base import PredictorCard
from ..trainable import Trainable, autocast, exact, to_device
from .config import DOMAINS, SAMPLE_RATE, TASK_DOMAINS, Architecture, Utmosv2Config, Variant
from .draws import Crops, content_generator, cut, draw
from .items import Detailed, Prepared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ...harness.audio.read import Waveform
    from ...harness.engine.pipeline import Source
    from ...harness.hub.hub import Download
    from .network import Scorer
else:
    np = LazyModule("numpy")

__all__ = ["DOMAINS", "Detailed", "Utmosv2", "Utmosv2Config"]

WEIGHTS_VARIABLE = "MOSHARNESS_UTMOSV2_WEIGHTS"


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
    training_class = "mosharness.predictors.utmosv2.training:Utmosv2Training"
    max_clips = 16
    max_batch_seconds = math.inf
    parallel_score = True

    config: Utmosv2Config

    # -- the network ----------------------------------------------------------------------------------------------

    @classmethod
    def choose_dimensions(cls, config: Utmosv2Config, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """The score, and with several draws their spread."""
        primary = (given or cls.card.dimensions)[0]
        return (primary, f"{primary}_spread") if config.n_draws > 1 else (primary,)

    def build(self) -> None:
        self.sizes = self.config.sizes
        if self.config.rng == "official":
            self.parallel_score = False  # one generator serves the whole set, in its order
        self.rows = 1 if self.device == "cpu" else self.max_clips  # on a CPU more at once only miss its caches
        self._lock = threading.Lock()
        self._fast: list[Scorer] | None = None
        super().build()

    def make_network(self) -> nn.Module:
        import torch

        from .network import make_network

        config = self.config
        networks = [make_network(config.variant, self.sizes, len(config.domains)) for _ in config.fold_numbers]
        network: nn.Module = networks[0]
        if len(networks) > 1:
            network = torch.nn.ModuleDict(
                {f"fold{fold}": one for fold, one in zip(config.fold_numbers, networks, strict=True)}
            )
        return network

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

    def prepare_clip(self, clip: Waveform) -> Prepared:
        """Resample, cut silence if asked to, and draw the crops."""
        config = self.config
        samples = self.samples(clip)
        if config.rng == "official":
            return Prepared(samples=samples)
        content = clip.content_sha256
        draws = [(fold, repetition) for fold in config.fold_numbers for repetition in range(config.repetitions)]
        return Prepared([self.crops(samples, content_generator(config.seed, content, *one)) for one in draws])

    def samples(self, clip: Waveform) -> NDArray[np.float32]:
        """The clip at 16 kHz, its length rounded up, as librosa leaves it."""
        from ...harness.audio.read import printable
        from ...harness.audio.resample import resample
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

    def crops(self, samples: NDArray[np.float32], random: np.random.RandomState, part: Variant = "fusion") -> Crops:
        """What one draw takes of a clip at 16 kHz; ``part`` as of :func:`~.draws.draw`."""
        return cut(samples, draw(random, samples.size, self.sizes, part), self.sizes)

    @property
    def part(self) -> Variant:
        """The branch whose head scores, ``fusion`` for both: the variant's, or that of the stage that was loaded."""
        found: Variant = getattr(self.networks[0], "part", self.config.variant)
        return found

    def collate(self, items: Sequence[Prepared]) -> dict[str, Tensor]:
        """Crops ``(clips, draws, ...)`` by kind."""
        import torch

        def stack(name: str) -> Tensor:
            return torch.from_numpy(np.stack([[getattr(crops, name) for crops in item.crops] for item in items]))

        return {name: stack(name) for name in ("wave", "first", "second", "factor")}

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
                scored = network(part["wave"], self.pictures(part))
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
                rows.append(Prepared([self.crops(item.samples, random, self.part)]))
        parts = [self._run(rows[start : start + self.max_clips]) for start in range(0, len(rows), self.max_clips)]
        scores = np.concatenate(parts)[:, 0]
        return scores.reshape(self.config.repetitions, len(batch), -1).transpose(1, 0, 2)

    def _run(self, items: Sequence[Prepared]) -> NDArray[np.float64]:
        import torch

        ready = to_device(self.collate(items), self.device)
        with torch.inference_mode(), exact(self.device), autocast(self.device, self.precision):
            return np.asarray(self.draw_scores(ready).cpu().numpy(), np.float64)

    def _combine(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        draws = scores[..., self.config.domains.index(self.config.predict_dataset)]
        columns = [draws.mean(1)] + ([draws.std(1, ddof=1)] if draws.shape[1] > 1 else [])
        return np.stack(columns, 1)

    def pictures(self, rows: Mapping[str, Tensor]) -> Tensor:
        """Mel pictures ``(rows, pictures, height, width)`` of crops, float32 also under autocast."""
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

    # -- weights --------------------------------------------------------------------------------------------------

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        """As in the base class; a joint network may come from a stage that trained one branch with its own head."""
        from .network import Fusion

        if isinstance(self.network, Fusion):
            heads: dict[str, Variant] = {"ssl.fc.weight": "ssl_only", "spec_long.fc.weight": "spec_only"}
            self.network.use(next((part for name, part in heads.items() if name in tensors), "fusion"))
        super().load_tensors(tensors)

    def stated_settings(self) -> str:
        """Folds, repetitions, domain and generator: a score of this predictor is a draw, and means little without."""
        config = self.config
        folds = ", ".join(map(str, config.fold_numbers))
        return (
            f"folds {folds}; {config.repetitions} repetition{'s' if config.repetitions > 1 else ''}; domain "
            f"{config.predict_dataset}; rng {config.rng}, seed {config.seed}"
        )

    @classmethod
    def task_config(cls, task: str) -> dict[str, Any]:
        """Settings that suit a task unless the user says otherwise: the domain of its scores."""
        return {"predict_dataset": TASK_DOMAINS[task]} if task in TASK_DOMAINS else {}

    @classmethod
    def trained_config(cls, task: str, domains: Sequence[str]) -> dict[str, Any]:
        """The domain that the clips were trained in: the task's if its clips were among them, else the first known."""
        known = [TASK_DOMAINS.get(name, name) for name in domains]
        mine = TASK_DOMAINS.get(task, task)
        chosen = [name for name in (mine, *known) if name in known and name in DOMAINS]
        return {"predict_dataset": chosen[0]} if chosen else {}

    @classmethod
    def scoring_config(cls, task: str, trained_on: Sequence[str]) -> dict[str, Any]:
        """The task's domain, if the weights were trained in it; else the domain saved with them."""
        wanted = cls.task_config(task)
        seen = {TASK_DOMAINS.get(name.partition("/")[0]) for name in trained_on}
        return wanted if wanted.get("predict_dataset") in seen else {}

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
    def digest_of(cls, path: Path) -> str:
        """Computed once, as it also tells which fold a file is."""
        from .convert import sha256_of

        return sha256_of(path)

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load an official file; where several folds are asked for, also those beside it or in the cache.

        A digest that is none of the published ones is accepted with a notice; those of the faulty first set are
        refused.

        Raises:
            CheckpointError: If the file is no such checkpoint, or of another fold than asked for.
        """
        from .loading import from_official

        return from_official(cls, path, config, options)

    @classmethod
    def from_folder(cls, folder: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load a folder of ours, or one with the official files of the folds that are asked for."""
        from .convert import filename

        if not (folder / "config.json").is_file() and any(folder.glob("fold[0-4]_*.pth")):
            from .loading import folds_of, from_files

            return from_files(cls, {fold: folder / filename(fold) for fold in folds_of(config)}, config, options)
        return super().from_folder(folder, config, **options)


class _AllScores(Utmosv2):
    """The same predictor with one dimension per draw and domain."""

    def __init__(self, owner: Utmosv2) -> None:
        self.__dict__.update(owner.__dict__)
        config = owner.config
        self._dimensions = tuple(
            f"fold {fold} repetition {repetition} {domain}"
            for fold in config.fold_numbers
            for repetition in range(config.repetitions)
            for domain in config.domains
        )

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        return self.draw_scores(batch).flatten(1)

    def _combine(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores.reshape(len(scores), -1)
