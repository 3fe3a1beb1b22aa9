"""The options of ``gate``, ``gate plan`` and ``gate approve``, each declared once, in groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...core.choices import Method, OnError
from ...core.errors import UsageError
from .. import common
from ..show import say

if TYPE_CHECKING:
    from ...gates.options import AudioOptions, Column, GateOptions
    from ...gates.outputs import Outputs
    from ...gates.schema import GateReport

Names = list[str] | None


@dataclass(kw_only=True)
class Baseline:
    """What the other side is compared with."""

    baseline: Annotated[
        str | None,
        typer.Option("--baseline", help="Folder, manifest (.csv), saved baseline (.json); a name of the table."),
    ] = None


@dataclass(kw_only=True)
class Sides(Baseline):
    """Both sides of a gate."""

    candidate: Annotated[
        str | None, typer.Option("--candidate", help="Folder or manifest (.csv); a name of the table.")
    ] = None


@dataclass(kw_only=True)
class Scoring:
    """Which predictors score, and how audio is read."""

    predictor: Annotated[
        Names,
        typer.Option(
            "--predictor",
            help="P, P:DIMENSION, either with =CHECKPOINT; may repeat, all have to pass. Default: open weights.",
        ),
    ] = None
    allow_mixed_rates: Annotated[
        bool, typer.Option("--allow-mixed-rates", help="Resample both sides to one rate where rates differ.")
    ] = False
    max_seconds: Annotated[float, typer.Option("--max-seconds", help="Longer clips cannot be used.")] = 60.0
    device: common.Device = "auto"
    set_: common.PredictorSettings = None
    workers: common.Workers = None
    no_cache: common.NoCache = False
    scores: Annotated[
        Names,
        typer.Option(
            "--scores",
            help="Table whose columns are joined to the files: FILE, baseline=FILE or candidate=FILE; may repeat.",
        ),
    ] = None

    def audio(self, show: bool = True, **more: Any) -> AudioOptions:
        """How audio is read; ``more`` are further fields.

        Raises:
            UsageError: If no clip could be short enough.
        """
        from ...gates.options import AudioOptions

        if not self.max_seconds > 0:
            raise UsageError(f"--max-seconds {self.max_seconds:g}: must be above 0")
        return AudioOptions(
            allow_mixed_rates=self.allow_mixed_rates,
            max_seconds=self.max_seconds,
            use_cache=not self.no_cache,
            tables=tuple(self.scores or ()),
            workers=self.workers,
            show=show,
            **more,
        )

    def names(self, baseline: str | Path | None = None) -> list[str]:
        """What ``--predictor`` named, else the predictors of a saved baseline, else the default ones."""
        from ....predictors import GATE_PREDICTORS
        from ...gates.baseline import read_baseline

        if self.predictor:
            return list(self.predictor)
        path = None if baseline is None else Path(baseline)
        saved = path is not None and path.suffix.lower() == ".json" and path.is_file()
        return list(read_baseline(path).predictors if saved and path is not None else GATE_PREDICTORS)

    def loader(self, baseline: str | Path | None = None) -> Callable[[], Mapping[str, Any]]:
        """Loads the predictors once the files are known to pair; names are checked at once.

        Without ``--predictor`` those of a saved ``baseline`` or the default ones are taken, which is said.

        Raises:
            UsageError: For settings that have no effect here.
            UnknownName: For a predictor that is not registered.
        """
        from ....predictors import PREDICTORS
        from ...gates.scoring import load_predictors, parse_predictors

        names, values = self.names(baseline), common.predictor_settings(self.set_)
        if not self.predictor:
            say(f"no --predictor given: {', '.join(names)} decide; every one has to pass")
        for _, name, _ in parse_predictors(names):
            PREDICTORS[name]
        return lambda: load_predictors(names, device=self.device, known=not self.no_cache, **values)


@dataclass(kw_only=True)
class Limits:
    """Margin and level: what ``gate`` and ``plan`` share of how a gate decides."""

    margin: Annotated[
        Names, typer.Option("--margin", help="Loss still accepted (0.2), or NAME=loss for one score; may repeat.")
    ] = None
    alpha: Annotated[float, typer.Option("--alpha", help="One-sided level, between 0 and 0.5.")] = 0.05

    def options(self, **more: Any) -> GateOptions:
        """How a gate decides; ``more`` are further fields.

        Raises:
            UsageError: For a margin that is no number.
        """
        from ...gates.options import GateOptions, parse_per_score, with_default

        margin = with_default(parse_per_score(self.margin or [], "--margin"), more.get("columns", ()))
        return GateOptions(margin=margin, alpha=self.alpha, **more)


@dataclass(kw_only=True)
class Decision(Limits):
    """How a gate decides."""

    method: Annotated[
        Method, typer.Option("--method", help="How the two sides are compared; unpaired is the same as --unpaired.")
    ] = "paired-t"
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Texts differ: Welch's test, needs far more.")] = False
    min_n: Annotated[int, typer.Option("--min-n", min=1, help="Fewest texts per voice.")] = 20
    floor: Annotated[
        Names, typer.Option("--floor", help="The candidate's mean must be shown to reach this; NAME=value.")
    ] = None
    utt_floor: Annotated[Names, typer.Option("--utt-floor", help="Scores below are bad; NAME=value for one score.")] = (
        None
    )
    max_bad: Annotated[int, typer.Option("--max-bad", min=0, help="How many bad scores are accepted.")] = 0
    max_utt_drop: Annotated[
        Names, typer.Option("--max-utt-drop", help="No single text may lose more; NAME=loss for one score.")
    ] = None
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Inconclusive ends with exit code 0.")
    ] = False
    allow_missing: Annotated[
        int, typer.Option("--allow-missing", min=0, help="How many texts the candidate may lack.")
    ] = 0
    signals: Annotated[
        Names,
        typer.Option("--signals", help="Signals of the audio that decide: off, or NAME,... (all of them)."),
    ] = None
    worst: Annotated[int, typer.Option("--worst", min=0, help="How many of the worst utterances are listed.")] = 5
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0
    lower_is_better: Annotated[
        Names, typer.Option("--lower-is-better", help="A score that is better when lower (error rates).")
    ] = None
    slice_: Annotated[
        Names,
        typer.Option(
            "--slice",
            help="Gate every slice: a column of the manifest, voice, or folder (the first level); may repeat.",
        ),
    ] = None

    def options(self, **more: Any) -> GateOptions:
        """As in the base class.

        Raises:
            UsageError: Also for a count of bad scores without a limit below which they are bad.
        """
        from ...gates.options import parse_per_score
        from ...gates.signals import chosen_signals

        if self.max_bad and not self.utt_floor:
            raise UsageError("--max-bad counts scores below --utt-floor; give that too")
        return super().options(
            method="unpaired" if self.unpaired else self.method,
            min_n=self.min_n,
            floor=parse_per_score(self.floor or [], "--floor"),
            utterance_floor=parse_per_score(self.utt_floor or [], "--utt-floor"),
            max_bad=self.max_bad,
            max_drop=parse_per_score(self.max_utt_drop or [], "--max-utt-drop"),
            allow_inconclusive=self.allow_inconclusive,
            allow_missing=self.allow_missing,
            worst=self.worst,
            seed=self.seed,
            lower_is_better=tuple(self.lower_is_better or ()),
            slice_by=tuple(dict.fromkeys(self.slice_ or ())),
            **({} if self.signals is None else {"signals": chosen_signals(self.signals)}),
            **more,
        )


@dataclass(kw_only=True)
class Joined:
    """Scores that are joined to audio from tables and manifests."""

    score: Annotated[
        Names,
        typer.Option(
            "--score",
            help="Column with a score, of --scores-csv, --scores or the manifests: COLUMN, NAME=COLUMN, or "
            "NAME=ERRORS/WORDS for a ratio of sums; may repeat, all have to pass.",
        ),
    ] = None

    def columns(self) -> tuple[Column, ...]:
        """Columns that are joined to audio."""
        from ...gates.columns import parse_scores

        return parse_scores(self.score or ())


@dataclass(kw_only=True)
class Table(Joined):
    """Outside scores instead of audio."""

    scores_csv: Annotated[
        Path | None, typer.Option("--scores-csv", help="Long table of outside scores, a row per system and text.")
    ] = None
    system_column: Annotated[str, typer.Option("--system-column", help="Column of the table with the system.")] = (
        "system"
    )
    key: Annotated[str, typer.Option("--key", help="Column of the table that pairs the rows of two systems.")] = "key"

    def columns(self) -> tuple[Column, ...]:
        """Columns that are joined to audio; those of ``--scores-csv`` go with it."""
        return () if self.scores_csv is not None else super().columns()

    def gate(
        self, baseline: str | None, candidate: str | None, options: GateOptions, option: str = "--candidate"
    ) -> GateReport:
        """Gate one system of the table against another; ``option`` names the candidate in messages.

        Raises:
            UsageError: If a name or a score is not given.
        """
        from ...gates.columns import parse_scores
        from ...gates.table import gate_table

        assert self.scores_csv is not None
        if not (baseline and candidate and self.score):
            raise UsageError(f"--scores-csv needs --baseline NAME, {option} NAME and at least one --score COLUMN")
        columns = {"system_column": self.system_column, "key_column": self.key}
        return gate_table(
            self.scores_csv, baseline, candidate, parse_scores(self.score), options, **columns, candidate_option=option
        )


@dataclass(kw_only=True)
class BrokenFiles:
    """What becomes of files that cannot be used, and of sides that are the same."""

    on_error: Annotated[
        OnError, typer.Option("--on-error", help="A file that cannot be used: fail, or skip its text.")
    ] = "fail"
    max_skipped: Annotated[
        int, typer.Option("--max-skipped", min=0, help="How many texts --on-error skip may leave out.")
    ] = 0
    allow_same: Annotated[bool, typer.Option("--allow-same", help="Accept one folder on both sides.")] = False


@dataclass(kw_only=True)
class Labels:
    """What was judged, for those who read the history."""

    label: Annotated[str, typer.Option("--label", help="What this rendering is called (a release).")] = ""
    commit: Annotated[
        str | None,
        typer.Option("--commit", help="Of what it was rendered by; that of the CI job or of this folder by default."),
    ] = None


@dataclass(kw_only=True)
class Kept:
    """What a saved baseline keeps beside scores."""

    keep_audio: Annotated[
        bool, typer.Option("--keep-audio", help="Keep compressed audio (Opus) beside the saved baseline, for reports.")
    ] = False


@dataclass(kw_only=True)
class Reports(Labels, Kept):
    """What is written beside the terminal."""

    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Folder for gate.json, junit.xml, summary.md, comment.md, gate.html; or one FILE.html .md .xml .json.",
        ),
    ] = None
    github: Annotated[
        bool, typer.Option("--github", help="Append the summary to the file that $GITHUB_STEP_SUMMARY names.")
    ] = False
    save_baseline: Annotated[
        Path | None,
        typer.Option("--save-baseline", help="Write the baseline's scores (of the one side given) to a JSON file."),
    ] = None
    history: Annotated[
        Path | None, typer.Option("--history", help="Append a line of JSON with the figures to this file.")
    ] = None

    overwrite: common.Overwrite = False

    def outputs(self) -> Outputs:
        """The same, with the summary's file looked up.

        Raises:
            UsageError: For ``--github`` outside a job.
        """
        from ...gates.outputs import Outputs
        from ...gates.summary import github_target

        summary = github_target() if self.github else None
        if self.keep_audio and self.save_baseline is None:
            raise UsageError("--keep-audio goes with --save-baseline (or with gate approve)")
        return Outputs(self.report, self.history, summary, self.save_baseline, self.overwrite, self.keep_audio)

    def labelled(self, report: GateReport) -> GateReport:
        """The report with its label, and with the commit where a file remembers it."""
        import msgspec

        from ...core.provenance import work_commit

        commit = self.commit
        if commit is None:
            commit = work_commit() if self.history or self.report else ""
        return msgspec.structs.replace(report, label=" ".join(self.label.split()), commit=commit)
