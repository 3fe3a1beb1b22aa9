"""What goes into scoring, and every single score that comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...harness.core.errors import UnknownName
from ...harness.core.lazy import LazyModule
from .draws import Crops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:
    np = LazyModule("numpy")


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
