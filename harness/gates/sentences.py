"""The sentence of each text on both sides: predictors that read it must be given the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..engine.scorer import Scorer
from .schema import GateFinding
from .sides import Rendering
from .units import TextKey

SHOWN = 5


def share_sentences(
    baseline: Sequence[Rendering], candidate: Sequence[Rendering], predictors: Mapping[str, Scorer]
) -> tuple[list[Rendering], list[Rendering], list[GateFinding]]:
    """Both sides with the sentence that either of them knows, and warnings.

    Scores of a saved baseline are there already: where they were made without the sentence, a predictor that reads it
    is not given it on the other side either.
    """
    reading = [name for name, predictor in predictors.items() if predictor.uses_text]
    old, new = _by_key(baseline), _by_key(candidate)
    saved = {file.key for file in baseline if file.path is None and not file.text}
    unread = [key for key in saved if reading and key in new]
    if unread:
        message = (
            f"the baseline was saved without the sentences that {', '.join(reading)} reads, so the candidate's are not "
            "given to it; save the baseline again from a manifest with a column text"
        )
        kept = [replace(file, text="") if file.key in saved else file for file in candidate]
        return list(baseline), kept, [GateFinding("warning", "no_text", message, "baseline")]
    findings = []
    other = sorted(key for key in {*old} & {*new} if old[key] != new[key])
    if other:
        shown = ", ".join(map(str, other[:SHOWN])) + (f" and {len(other) - SHOWN} more" if len(other) > SHOWN else "")
        message = f"{len(other)} texts are other sentences on the two sides: {shown}"
        findings.append(GateFinding("warning", "other_text", message))
    return (
        [file if file.text or file.path is None else replace(file, text=new.get(file.key, "")) for file in baseline],
        [file if file.text else replace(file, text=old.get(file.key, "")) for file in candidate],
        findings,
    )


def _by_key(files: Sequence[Rendering]) -> dict[TextKey, str]:
    return {file.key: file.text for file in files if file.text}
