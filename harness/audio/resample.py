"""Change of the sample rate, by the method a predictor declares.

A checkpoint is tied to the resampler of its training: methods differ enough to move a score. A predictor therefore
declares its method and the result records the one that was used. Without a reason for another, ``soxr_hq`` is used:
fast, and tones above the new band vanish where torchaudio's default lets a part through.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UnknownName, UsageError

SOXR_QUALITY = {"soxr_hq": "HQ", "soxr_vhq": "VHQ"}
TORCHAUDIO_PARAMETERS: dict[str, dict[str, Any]] = {
    "torchaudio_default": {},
    "torchaudio_functional": {},
    "torchaudio_kaiser_best": {
        "lowpass_filter_width": 64,
        "rolloff": 0.9475937167399596,
        "resampling_method": "sinc_interp_kaiser",
        "beta": 14.769656459379492,
    },
    "torchaudio_kaiser_fast": {
        "lowpass_filter_width": 16,
        "rolloff": 0.85,
        "resampling_method": "sinc_interp_kaiser",
        "beta": 8.555504641634386,
    },
}
"""Keyword arguments of ``torchaudio.transforms.Resample``, which computes its kernel in float64. The Kaiser sets are
those of its documentation, which imitate resampy's filters of the same names. ``torchaudio_functional`` is the default
filter as ``torchaudio.functional.resample`` makes it, with the kernel computed in float32: a difference near 1e-6."""

ALIASES = {"kaiser_best": "torchaudio_kaiser_best", "kaiser_fast": "torchaudio_kaiser_fast"}
METHODS = (*SOXR_QUALITY, *TORCHAUDIO_PARAMETERS)
DEFAULT_METHOD = "soxr_hq"
LARGEST_KERNEL = 64 * 2**20
"""Bytes. torchaudio builds a dense kernel that grows with both rates over their common divisor: 44101 to 16000 Hz
would need gigabytes where soxr needs milliseconds. Above this, soxr is used instead and the result says so."""


class Resampled(NamedTuple):
    """What :func:`resample` returns.

    Attributes:
        samples: Shape ``(m,)``, float32.
        method: The method used: the one asked for, ``"soxr_hq"`` in place of a torchaudio kernel that would be too
            large, or ``"none"`` when the rates are equal.
    """

    samples: NDArray[np.float32]
    method: str


def resample(
    samples: NDArray[np.float32],
    source_rate: int,
    target_rate: int,
    method: str = DEFAULT_METHOD,
    *,
    length: Literal["native", "ceil"] = "native",
) -> Resampled:
    """Bring a mono signal to another sample rate.

    Args:
        samples: Shape ``(n,)``.
        source_rate: Its rate in Hz.
        target_rate: The wanted rate in Hz.
        method: One of :data:`METHODS`.
        length: ``"native"`` leaves the method's own length (torchaudio: the ceiling of ``n * target / source``; soxr:
            the rounded value, so at times one sample less). ``"ceil"`` appends a zero up to the ceiling where that is
            missing, as librosa does.

    Returns:
        The new samples and the method that made them; ``samples`` itself when the rates are equal.

    Raises:
        UnknownName: For another method.
        UsageError: For rates that are not positive whole numbers, or another ``length``.

    Example:
        >>> new, method = resample(np.zeros(48_001, np.float32), 48_000, 16_000, length="ceil")
        >>> new.size, method
        (16001, 'soxr_hq')
    """
    name = canonical_method(method)
    if length not in ("native", "ceil"):
        raise UsageError(f'length {length!r} is unknown: "native" or "ceil"')
    for rate in (source_rate, target_rate):
        if rate != int(rate) or rate <= 0:
            raise UsageError(f"the sample rate {rate!r} is not a positive whole number of Hz")
    source_rate, target_rate = int(source_rate), int(target_rate)
    if samples.ndim != 1:
        raise UsageError(f"one mono signal of shape (n,) is resampled at a time, not {samples.shape}")
    if source_rate == target_rate:
        return Resampled(samples, "none")
    if name in TORCHAUDIO_PARAMETERS and kernel_bytes(source_rate, target_rate, name) > LARGEST_KERNEL:
        name = DEFAULT_METHOD
    if name in SOXR_QUALITY:
        import soxr

        changed = soxr.resample(samples, source_rate, target_rate, quality=SOXR_QUALITY[name])
    else:
        changed = _torchaudio(samples, source_rate, target_rate, name)
    if length == "ceil":
        wanted = -(-samples.size * target_rate // source_rate)
        changed = np.pad(changed, (0, max(0, wanted - changed.size)))[:wanted]
    return Resampled(np.ascontiguousarray(changed, np.float32), name)


def canonical_method(method: str) -> str:
    """The full name of a method.

    Raises:
        UnknownName: If there is none of that name.

    Example:
        >>> canonical_method("kaiser_best")
        'torchaudio_kaiser_best'
    """
    name = ALIASES.get(method, method)
    if name not in METHODS:
        raise UnknownName("resampling method", method, METHODS)
    return name


def kernel_bytes(source_rate: int, target_rate: int, method: str = "torchaudio_default") -> int:
    """Size of the kernel that torchaudio would build: ``target x (2 width + source)`` floats, rates over their divisor.

    Example:
        >>> kernel_bytes(8001, 4000)
        128432000
    """
    parameters = TORCHAUDIO_PARAMETERS[method]
    divisor = math.gcd(source_rate, target_rate)
    source, target = source_rate // divisor, target_rate // divisor
    zeros: int = parameters.get("lowpass_filter_width", 6)
    rolloff: float = parameters.get("rolloff", 0.99)
    width = math.ceil(zeros * source / (min(source, target) * rolloff))
    return 4 * target * (2 * width + source)


def _torchaudio(samples: NDArray[np.float32], source_rate: int, target_rate: int, method: str) -> NDArray[np.float32]:
    import torch

    wave = torch.from_numpy(np.array(samples, np.float32))  # a copy: torch warns about read-only arrays
    module = _torchaudio_module(source_rate, target_rate, method)
    with torch.inference_mode():
        changed: NDArray[np.float32] = module(wave[None])[0].numpy()
    return changed


@lru_cache(maxsize=8)
def _torchaudio_module(source_rate: int, target_rate: int, method: str) -> Any:
    """The module with its kernel, at most eight kernels of 64 MB: building one costs more than using it."""
    import torch
    from torchaudio.transforms import Resample

    dtype = torch.float32 if method == "torchaudio_functional" else None
    return Resample(source_rate, target_rate, **TORCHAUDIO_PARAMETERS[method], dtype=dtype)
