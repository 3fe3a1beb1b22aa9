"""What the engine asks of a predictor. ``predictors/base.py: Predictor`` gives all of it; so can anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..core.clip import Clip, Finding

if TYPE_CHECKING:
    import numpy as np

    from ..audio.checks import AudioLimits
    from ..audio.read import Waveform


class BatchScorer(Protocol):
    """What scores planned batches. A class that inherits from it gets the defaults.

    Attributes:
        dimensions: What :meth:`score` returns a column for.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        parallel_score: Whether :meth:`score` may be called from several threads at once; on the CPU clips are then
            scored one by one in the threads that decode them.
        uses_text: Whether waveforms are given the text of their clip.
        uses_reference: Whether waveforms are given the clip that theirs is to be compared with.
    """

    @property
    def dimensions(self) -> tuple[str, ...]: ...

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def parallel_score(self) -> bool:
        return False

    @property
    def uses_text(self) -> bool:
        return False

    @property
    def uses_reference(self) -> bool:
        return False

    def limits(self) -> AudioLimits:
        """What the reader allows; longer clips fail."""

    def prepare_clip(self, clip: Waveform) -> Any:
        """One decoded clip to model input, called from several threads; ``AudioError`` makes it a failed row."""

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        """Prepared clips to scores ``(len(batch), len(dimensions))``; no score depends on the others."""

    def findings(self, clip: Waveform) -> Sequence[Finding]:
        """Warnings of the scorer's own about a clip that it scored; none by default."""
        return ()


class Scorer(BatchScorer, Protocol):
    """A predictor as the engine sees it: it plans its batches, and says what its scores depend on.

    Attributes:
        name: For titles and messages.
    """

    @property
    def name(self) -> str: ...

    def plan(self, items: Sequence[Clip], durations: Sequence[float] | None = None) -> list[tuple[int, ...]]:
        """Batches of positions in ``items``, a pure function of ids and durations in seconds."""

    def fingerprint(self) -> Mapping[str, Any]:
        """What a score depends on besides the audio: the key of the prediction cache and of resumption."""
