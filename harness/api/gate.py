"""Is a candidate system worse than the baseline?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...predictors import GATE_PREDICTORS
from ..core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ...predictors import Predictor
    from ..gates.options import AudioOptions, GateOptions
    from ..gates.schema import GateReport


@dataclass(frozen=True, repr=False)
class Gated:
    """What a gate decided; in a notebook it shows as the report's summary.

    Attributes:
        report: Everything that ``gate.json`` holds (``docs/gate.md``), as attributes.
    """

    report: GateReport

    @property
    def verdict(self) -> str:
        """``pass``, ``fail`` or ``inconclusive``."""
        return self.report.verdict

    @property
    def exit_code(self) -> int:
        """What ``mosharness gate`` would end with: 0 pass, 1 fail, 3 inconclusive."""
        return self.report.exit_code

    def markdown(self) -> str:
        """The summary that ``--report`` writes as ``summary.md``."""
        from ..gates.summary import summary_markdown

        return summary_markdown(self.report)

    def to_frame(self) -> pd.DataFrame:
        """One row per score: n, means, difference, bounds, verdict."""
        import pandas as pd

        from ..core.typed import plain

        return pd.DataFrame(plain(self.report)["predictors"])

    def write(self, folder: str | Path) -> list[Path]:
        """Write the files of ``--report`` (``gate.json``, ``gate.html`` and others) into a folder, made if absent.

        Returns:
            The files.
        """
        from ..gates.outputs import check_folder, write_report

        check_folder(Path(folder))
        return write_report(Path(folder), self.report)

    def __repr__(self) -> str:
        from ..gates.console import headline

        return f"Gated: {headline(self.report)}"

    def _repr_markdown_(self) -> str:
        return self.markdown()


def gate(
    candidate: str | Path,
    baseline: str | Path,
    *,
    predictors: Sequence[str] | Mapping[str, Predictor] = GATE_PREDICTORS,
    margin: float | Mapping[str, float] | None = None,
    alpha: float | None = None,
    device: str = "auto",
    options: GateOptions | None = None,
    audio: AudioOptions | None = None,
) -> Gated:
    """Gate a candidate's audio against a baseline's, as ``mosharness gate`` does.

    Args:
        candidate: Folder or manifest (``.csv``).
        baseline: Folder, manifest or saved baseline (``.json``).
        predictors: Names, each ``P`` or ``P:DIMENSION``, either with ``=CHECKPOINT``, or loaded predictors by name. All
            have to pass; take two. The default ones need no download.
        margin: Loss still accepted, one for every score or one by name; 0.2 by default.
        alpha: One-sided level; 0.05 by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for predictors given by name.
        options: Everything else that can be decided: a ``GateOptions``; ``margin`` and ``alpha`` win over it.
        audio: How audio is read: an ``AudioOptions``.

    Returns:
        The outcome: ``verdict``, ``to_frame()``, ``markdown()``, ``write(folder)``, and all figures in ``report``.

    Raises:
        UsageError: For options or paths that make no sense.
        DataError: For sides that do not pair, or files that cannot be used.
    """
    from ..core.typed import changed
    from ..gates.options import AudioOptions, GateOptions, PerScore
    from ..gates.run import gate_audio
    from ..gates.scoring import load_predictors

    chosen = options or GateOptions()
    audio = changed(audio or AudioOptions(), candidate_option="candidate", baseline_option="baseline")
    if isinstance(margin, Mapping):
        chosen = changed(chosen, margin=PerScore(chosen.margin.default, margin))
    elif margin is not None:
        chosen = changed(chosen, margin=PerScore(margin))
    if alpha is not None:
        chosen = changed(chosen, alpha=alpha)
    if isinstance(predictors, Mapping):
        return Gated(gate_audio(baseline, candidate, predictors, chosen, audio).report)
    if isinstance(predictors, str):
        raise UsageError(f"predictors={predictors!r}: give a list of names, [{predictors!r}]")
    names = list(predictors)
    return Gated(gate_audio(baseline, candidate, lambda: load_predictors(names, device=device), chosen, audio).report)
