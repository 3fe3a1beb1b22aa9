"""What ``Predictor.predict`` takes as a clip, brought to what the pipeline reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..harness.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from ..harness.engine.pipeline import Source

ONE_CLIP = "predict takes a list of clips; put a single one in a list"


def sources_of(inputs: Iterable[Any], sample_rates: int | Sequence[int] | None) -> list[Source]:
    """Sources for the pipeline, in the same order.

    Args:
        inputs: Each a path, encoded bytes, a pair of a wave and its sampling rate, a wave, or an audio dict. Waves
            are numpy arrays ``(samples,)`` or ``(samples, channels)``, as soundfile gives them, or torch tensors
            ``(samples,)`` or ``(channels, samples)``, as torchaudio does. An audio dict is that of Hugging Face
            ``datasets``: ``array`` (``(samples,)`` or ``(channels, samples)``) with ``sampling_rate``, or ``bytes``
            or ``path``; the decoder objects that newer versions give are taken too.
        sample_rates: Of the waves, in Hz: one for all, or one each.

    Raises:
        UsageError: If ``inputs`` is a single clip, a wave has no sampling rate, or something is no clip.
    """
    single = isinstance(inputs, (str, Path, bytes, Mapping)) or _is_decoder(inputs)
    if single or (hasattr(inputs, "ndim") and inputs.ndim < 2):
        raise UsageError(ONE_CLIP)
    clips = list(inputs)
    several = isinstance(sample_rates, Sequence) or hasattr(sample_rates, "ndim")
    rates: list[Any] = list(sample_rates) if several else [sample_rates] * len(clips)  # type: ignore[arg-type]
    if len(rates) != len(clips):
        raise UsageError(f"{len(clips)} inputs but {len(rates)} sample rates")
    return [_source(clip, rate, at) for at, (clip, rate) in enumerate(zip(clips, rates, strict=True))]


def _source(clip: Any, rate: Any, at: int) -> Source:
    if isinstance(clip, (str, Path, bytes)):
        return clip
    if isinstance(clip, tuple):
        wave, own_rate = clip
        return _wave(wave), own_rate
    if isinstance(clip, Mapping):
        return _from_dict(clip, at)
    if _is_decoder(clip):
        decoded = clip.get_all_samples()
        return _wave(decoded.data), int(decoded.sample_rate)
    if rate is None:
        raise UsageError(f"input {at} is a wave: pass its sampling rate in sample_rates")
    return _wave(clip), rate


def _from_dict(clip: Mapping[str, Any], at: int) -> Source:
    if clip.get("array") is not None:
        if clip.get("sampling_rate") is None:
            raise UsageError(f"input {at} is an audio dict without sampling_rate")
        return _wave(clip["array"], channels_first=True), int(clip["sampling_rate"])
    for name in ("bytes", "path"):
        if clip.get(name) is not None:
            content: bytes | str = clip[name]
            return content
    raise UsageError(
        f"input {at} is a mapping with {', '.join(map(str, clip)) or 'nothing'}; an audio dict has array and "
        "sampling_rate, or bytes or path"
    )


def _wave(wave: Any, channels_first: bool = False) -> np.ndarray:
    """A numpy array ``(samples,)`` or ``(samples, channels)``."""
    import numpy as np

    if hasattr(wave, "detach"):
        wave, channels_first = wave.detach().cpu(), True
        wave = (wave.float() if wave.is_floating_point() and wave.element_size() < 4 else wave).numpy()
    array = np.asarray(wave)
    return array.T if channels_first and array.ndim == 2 else array


def _is_decoder(clip: Any) -> bool:
    """Whether it is a decoder of torchcodec, which ``datasets`` gives for an audio column."""
    return hasattr(clip, "get_all_samples")
