"""NISQA: quality of transmitted speech (five dimensions) and naturalness of synthetic speech, from one clip alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...harness.core.errors import CheckpointError, UsageError
from ...harness.core.files import atomic_write, file_sha256
from ..base import CheckpointInfo, PredictorCard, check_tensors
from ..trainable import Trainable
from .config import DIMENSIONS, NisqaConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ...harness.audio.read import AudioLimits, Waveform
    from ...harness.hub.hub import Download
    from ..inspection import Inspection
    from .networks import Network

WEIGHTS_VARIABLE = "MOSHARNESS_NISQA_WEIGHTS"
NOTICE = "The published NISQA weights are CC BY-NC-SA 4.0: scores made with them come from non-commercial weights."


class Nisqa(Trainable):
    """The networks of ``nisqa.tar`` and its siblings; scores are linear outputs and can leave 1 to 5.

    Weights are looked for in this order: ``checkpoint``, the file or folder ``$MOSHARNESS_NISQA_WEIGHTS``, the cache,
    the pinned download. Clips are scored at their own sampling rate, as the reference does, and that moves scores by
    0.1 at 22.05 kHz, where window and hop are truncated: with mixed rates set ``sample_rate``.

    A network that is trained anew has the five outputs where the task is rated for all five, else one, of the task's
    first dimension.
    """

    card: ClassVar[PredictorCard] = PredictorCard(
        name="nisqa",
        title="NISQA v2.0: quality of transmitted speech in five dimensions",
        dimensions=DIMENSIONS["nisqa"],
        scale=(1.0, 5.0),
        paper="https://doi.org/10.21437/Interspeech.2021-299",
        license_weights="CC BY-NC-SA 4.0",
        trained_on=("nisqa/train",),
        stages=("train",),
        batching="padded",
        license_notice=NOTICE,
        note="Higher is better in every dimension. Trained on telephony and VoIP speech, not on synthesizers. A change "
        "of level or of sampling rate changes the score.",
    )
    config_class: ClassVar[type[Any]] = NisqaConfig
    max_clips = 8
    max_batch_seconds = 120.0
    parallel_score = True
    takes_dimensions = True
    training_class: ClassVar[Any] = "mosharness.predictors.nisqa.training:NisqaTraining"
    variants: ClassVar[tuple[str, ...]] = ("nisqa", "nisqa_mos_only", "nisqa_tts")

    config: NisqaConfig
    network: Network

    def __init__(
        self, config: Mapping[str, Any] | None = None, *, dimensions: Sequence[str] | None = None, **options: Any
    ) -> None:
        settings = dict(config or {})
        if dimensions is not None and not set(DIMENSIONS["nisqa"]) <= set(dimensions):
            settings.setdefault("variant", "nisqa_mos_only")
        super().__init__(settings, dimensions=dimensions, **options)

    @classmethod
    def choose_dimensions(cls, config: NisqaConfig, given: tuple[str, ...] | None) -> tuple[str, ...]:
        """Those of the variant; a variant of one output gives the first that is asked for."""
        own = config.dimensions
        return given[:1] if given and len(own) == 1 else own

    def make_network(self) -> Network:
        from .networks import Network

        return Network(self.config)

    def build(self) -> None:
        if self.precision != "float32":
            raise UsageError(f"predictor {self.card.name} runs in float32 only, not {self.precision}")
        if self.config.variant not in self.variants:
            raise UsageError(
                f"predictor {self.card.name} has no variant {self.config.variant}; use the predictor nisqa for it"
            )
        super().build()

    @cached_property
    def _fast(self) -> Network:
        from .networks import for_inference

        return for_inference(self.network)

    def limits(self) -> AudioLimits:
        most = self.config.most_frames
        limits = super().limits()
        return limits if most is None else replace(limits, max_seconds=most * self.config.hop_s)

    def prepare(self, clip: Waveform) -> np.ndarray:
        """The mel picture ``(frames, n_mels)`` in dB."""
        from ...harness.audio.read import printable
        from .frontend import mel_picture

        samples, rate = clip.samples, clip.sample_rate
        if self.config.sample_rate is not None and rate != self.config.sample_rate:
            from ...harness.audio.resample import resample

            rate = self.config.sample_rate
            samples = resample(samples, clip.sample_rate, rate, self.card.resampler).samples
        return mel_picture(samples, rate, self.config, printable(clip.path))

    def inspect(self, clip: Waveform) -> Inspection:
        """The mel picture that the network sees, and the scores."""
        import numpy as np

        from ..inspection import Inspection, Panel
        from ..layers.mel import hertz_to_mel, mel_to_hertz

        picture = self.prepare(clip)
        rate = self.config.sample_rate or clip.sample_rate
        hop_s = int(rate * self.config.hop_s) / rate
        top = float(self.config.fmax or rate / 2)
        centres = mel_to_hertz(np.linspace(0.0, hertz_to_mel(top), self.config.n_mels + 2))[1:-1]
        panel = Panel(
            "mel picture, the input of NISQA",
            "mel_db",
            y_label="frequency (Hz)",
            x_extent=(-0.5 * hop_s, (len(picture) - 0.5) * hop_s),  # frames are centred on multiples of the hop
            y_centres="mel_hz",
            colour_label="dB",
        )
        scores = dict(zip(self.dimensions, map(float, self.score([picture])[0]), strict=True))
        return Inspection({"mel_db": picture.T, "mel_hz": centres}, [panel], values=scores)

    def collate(self, items: Sequence[np.ndarray]) -> list[Tensor]:
        """One tensor per clip: the network packs segments, nothing is padded."""
        import torch

        return [torch.from_numpy(item) for item in items]

    def forward(self, batch: Sequence[Tensor]) -> Tensor:
        scores: Tensor = self.network(batch)
        return scores

    def score(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        network = self._fast
        # TF32 convolutions would move the last digits on a GPU. The switch is global, so it is left alone on the CPU,
        # where several threads score at once.
        exact = nullcontext() if self.device == "cpu" else torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            scores: np.ndarray = network([torch.from_numpy(picture).to(self.device) for picture in batch]).cpu().numpy()
        return scores

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        check_tensors(self.network.state_dict(), tensors, f"predictor {self.card.name}, variant {self.config.variant}")
        super().load_tensors(tensors)

    def weights_changed(self) -> None:
        super().weights_changed()
        self.__dict__.pop("_fast", None)

    @classmethod
    def default_weights(cls, config: Mapping[str, Any]) -> Download | None:
        from .convert import PUBLISHED, download

        variant = config.get("variant", cls.variants[0])
        return download(variant) if variant in PUBLISHED else None

    @classmethod
    def local_weights(cls, config: Mapping[str, Any]) -> Path | None:
        """The file that ``$MOSHARNESS_NISQA_WEIGHTS`` names, or that lies in the folder it names."""
        from .convert import PUBLISHED

        chosen = os.environ.get(WEIGHTS_VARIABLE)
        if not chosen:
            return None
        path = Path(chosen).expanduser()
        if path.is_dir():
            path /= PUBLISHED[config.get("variant", cls.variants[0])].filename
        if not path.is_file():
            raise CheckpointError(
                f"${WEIGHTS_VARIABLE}: {path} does not exist; name an official .tar file or its folder"
            )
        return path

    @classmethod
    def hub_files(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The published file of the variant, as the original's repository keeps it or beside nothing else."""
        from .convert import PUBLISHED

        name = PUBLISHED[config.get("variant", cls.variants[0])].filename
        return (name, f"weights/{name}")

    @classmethod
    def published_training(cls, config: Mapping[str, Any]) -> tuple[str, ...]:
        from .convert import PUBLISHED

        return PUBLISHED[config.get("variant", cls.variants[0])].trained_on

    @classmethod
    def from_official(cls, path: Path, config: Mapping[str, Any], **options: Any) -> Self:
        """Load ``nisqa.tar``, ``nisqa_mos_only.tar``, ``nisqa_tts.tar`` or a fine-tuning with the same layers.

        The file decides the variant. A digest that is none of the three published ones is accepted with a notice.

        Raises:
            CheckpointError: If the file is no such checkpoint, or of another variant than asked for.
        """
        from .convert import PUBLISHED, read_official

        wanted = (config["variant"],) if "variant" in config else cls.variants
        settings, tensors = read_official(path, wanted[0] if len(wanted) == 1 else None)
        variant = settings["variant"]
        if variant not in wanted:
            raise CheckpointError(f"{path}: holds {variant}, not {' or '.join(wanted)}; use --predictor nisqa for it")
        origin = options.pop("checkpoint", None) or CheckpointInfo("official", path.name, file_sha256(path))
        published = origin.sha256 == f"sha256:{PUBLISHED[variant].sha256}"
        seen = PUBLISHED[variant].trained_on if published else options.pop("trained_on", ())
        options = {**options, "trained_on": seen, "checkpoint": origin}
        predictor = cls.empty({**settings, **config}, **options)
        predictor.load_tensors(tensors)
        if published:
            show_licence(variant)
        else:
            say(
                f"{path.name} is none of the published NISQA files ({origin.sha256[:19]}…); its training data is not "
                "known"
            )
        return predictor


class NisqaTts(Nisqa):
    """NISQA-TTS v1.0: the same class with its own published weights, for synthetic speech."""

    card = PredictorCard(
        name="nisqa_tts",
        title="NISQA-TTS v1.0: naturalness of synthetic speech",
        dimensions=DIMENSIONS["nisqa_tts"],
        scale=(1.0, 5.0),
        paper="https://doi.org/10.21437/Interspeech.2020-2382",
        license_weights="CC BY-NC-SA 4.0",
        stages=("train",),
        batching="padded",
        license_notice=NOTICE,
        note="Trained on Blizzard and Voice Conversion Challenge clips; BVCC draws its clips from the same challenges. "
        "Not a detector of signal damage: a band limit can raise it, see docs/predictors/nisqa.md.",
    )
    variants = ("nisqa_tts",)

    def __init__(self, config: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__({"variant": "nisqa_tts", **(config or {})}, **options)


def say(text: str) -> None:
    """One line on stderr, where progress and notices go."""
    print(f"mosharness: {text}", file=sys.stderr)


def show_licence(variant: str) -> None:
    """Show the weights' licence once per cache folder."""
    from ...harness.core.paths import cache_root
    from ...harness.hub.hub import licence_notice
    from .convert import PUBLISHED, TERMS

    marker = cache_root() / "licenses" / f"{PUBLISHED[variant].filename}.license"
    if marker.is_file():
        return
    notice = licence_notice(PUBLISHED[variant].what, TERMS)
    say(notice)
    with suppress(OSError), atomic_write(marker) as stream:
        stream.write(notice + "\n")
