"""Both sides on their way through a gate: what pairs, what is broken, and what was noticed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import AudioError, DataError
from ..engine.waveforms import WaveformStore
from .checks import by_key, duration_findings, failures_text, file_findings, side_findings
from .columns import Joiner, SideName, column_scores, ratio_parts, side_names
from .decide import match_keys
from .options import AudioOptions, Column, GateOptions
from .schema import GateFinding, Skipped
from .sides import Rendering
from .signals import absent_signals, duplicate_findings, mean_signals
from .units import TextKey, TextScores


@dataclass
class Screen:
    """The files that are still in the gate, and what was noticed on the way.

    Attributes:
        baseline, candidate: Files of each side; shorter after every step that takes some out.
        options, audio: How to decide, how audio is read.
        findings: For the report.
        skipped: For the report.
    """

    baseline: list[Rendering]
    candidate: list[Rendering]
    options: GateOptions
    audio: AudioOptions
    findings: list[GateFinding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def paired(self) -> bool:
        """Whether texts pair."""
        return self.options.method != "unpaired"

    def match(self) -> set[TextKey] | None:
        """Keep the texts of both sides; returns the keys that there should be, ``None`` without pairs."""
        if not self.paired:
            return None
        old, new = {file.key for file in self.baseline}, {file.key for file in self.candidate}
        matched = match_keys(old, new, self.options)
        self.findings += matched.findings
        common = set(matched.common)
        self.baseline = [file for file in self.baseline if file.key in common]
        self.candidate = [file for file in self.candidate if file.key in common]
        return old

    def join(self, scores: Sequence[str], origins: Mapping[SideName, str | Path]) -> None:
        """Join columns of manifests and tables to the files, and keep the texts that both sides agree on.

        Args:
            scores: Tables, as ``--scores`` gives them.
            origins: Both sides as they were given.
        """
        joiner = Joiner.of(self.options, scores)
        self.baseline = joiner.join(self.baseline, "baseline", side_names(origins["baseline"], "baseline"))
        self.candidate = joiner.join(self.candidate, "candidate", side_names(origins["candidate"], "candidate"))
        self.findings += joiner.findings()

    def examine(self, store: WaveformStore) -> None:
        """Decode and check the files, and take broken ones out."""
        self.baseline = examine(self.baseline, store)
        self.candidate = examine(self.candidate, store)
        self.drop_broken()

    def drop_broken(self) -> None:
        """Take texts with a file that cannot be used out of both sides.

        A broken candidate fails the gate, a broken baseline cannot judge; with ``skip_broken`` both are only counted.

        Raises:
            DataError: If the baseline is broken and may not be.
        """
        failed = [("baseline", file) for file in self.baseline if file.code]
        failed += [("candidate", file) for file in self.candidate if file.code]
        if not failed:
            return
        if not self.audio.skip_broken:
            refuse_failures(self.baseline, self.audio.baseline_option)
        for side, file in failed:
            key = str(file.key)
            if self.audio.skip_broken:
                skipped = Skipped(key=key, side=side, path=file.name, reason=file.reason, code=file.code)
                self.skipped.append(skipped)
            else:
                message = f"{file.name}: {file.reason}"
                self.findings.append(GateFinding("error", file.code, message, side, key, file.name))
        if self.audio.skip_broken:
            self._limit_skipped()
        lost = {file.key for _, file in failed} if self.paired else set()
        self.baseline = [file for file in self.baseline if not file.code and file.key not in lost]
        self.candidate = [file for file in self.candidate if not file.code and file.key not in lost]

    def _limit_skipped(self) -> None:
        allowed = self.options.max_skipped or 0
        keys = sorted({skipped.key for skipped in self.skipped})
        self.findings = [finding for finding in self.findings if finding.code != "skipped"]
        shown = ", ".join(keys[:20]) + (f" and {len(keys) - 20} more" if len(keys) > 20 else "")
        message = f"{len(keys)} texts were skipped for broken files ({allowed} allowed, --max-skipped): {shown}"
        self.findings.append(GateFinding("error" if len(keys) > allowed else "warning", "skipped", message))

    def check_pairs(self) -> None:
        """Note what the files and the pairs show; candidates of a quite different duration count as broken."""
        self.findings += file_findings("baseline", self.baseline) + file_findings("candidate", self.candidate)
        self.findings += absent_signals(self.baseline, self.options)
        if not self.paired:
            return
        self.findings += duplicate_findings(self.baseline, self.candidate, self.options)
        old, new = by_key(self.baseline), by_key(self.candidate)
        broken: dict[str, str] = {}
        for file, finding in duration_findings(old, new):
            if finding.level == "error" and self.audio.skip_broken:
                broken[file.name] = finding.message
            else:
                self.findings.append(replace_message(finding, f"{file.name}: {finding.message}"))
        self.findings += side_findings(old, new)
        if broken:
            self.candidate = [
                replace(file, code="duration_ratio", message=broken[file.name]) if file.name in broken else file
                for file in self.candidate
            ]
            self.drop_broken()


def replace_message(finding: GateFinding, message: str) -> GateFinding:
    """The finding with another sentence."""
    return GateFinding(finding.level, finding.code, message, finding.side, finding.key, finding.path)


def examine(files: Sequence[Rendering], store: WaveformStore) -> list[Rendering]:
    """Decode and check files; one that cannot be used comes back with ``code`` and ``message``."""
    paths = [file.path for file in files if file.path is not None]
    outcomes = iter(store.examine(paths))
    examined = []
    for file in files:
        outcome = None if file.path is None else next(outcomes)
        if outcome is None:
            examined.append(file)
        elif isinstance(outcome, AudioError):
            examined.append(replace(file, code=outcome.code, message=outcome.reason))
        else:
            examined.append(
                replace(
                    file,
                    content=outcome.content,
                    duration_s=outcome.duration_s,
                    sample_rate=outcome.sample_rate,
                    rms_dbfs=outcome.rms_dbfs,
                    signals=outcome.signals,
                    findings=outcome.findings,
                )
            )
    return examined


def refuse_failures(files: Sequence[Rendering], option: str) -> None:
    """Refuse a side with files that cannot be used.

    Raises:
        DataError: Naming them.
    """
    failed = [file for file in files if file.code]
    if failed:
        raise DataError(
            f"{option}: {len(failed)} of {len(files)} files cannot be used: {failures_text(failed)}. Render them again"
        )


def text_scores(files: Sequence[Rendering], several: bool, columns: Sequence[Column] = ()) -> list[TextScores]:
    """Repeats of a text averaged: the text is the unit of analysis.

    Args:
        files: Scored files of one side.
        several: Whether the source says how many repeats there are.
        columns: Scores that come from joined figures.
    """
    texts = []
    for key, group in sorted(by_key(files).items()):
        scores = {name: math.fsum(file.scores[name] for file in group) / len(group) for name in group[0].scores}
        source = group[0].name + (f" and {len(group) - 1} more" if several and len(group) > 1 else "")
        texts.append(
            TextScores(
                text=key.text,
                source=source,
                scores=scores | column_scores(group, columns),
                voice=key.voice,
                signals=mean_signals(group),
                parts={column.name: ratio_parts(group, column) for column in columns if column.over},
                slices=group[0].slices,
                sentence=group[0].text,
                audio="" if group[0].audio is None else str(group[0].audio),
            )
        )
    return texts
