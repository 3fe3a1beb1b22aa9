"""Whether two sets of scores may be compared: same predictors, weights, settings and front end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...predictors.base import Predictor
from ..core.errors import DataError, UsageError
from ..core.provenance import own_version, package_versions
from .saved import FrontEnd, SavedBaseline, SavedPredictor
from .schema import GateFinding

IGNORED = ("device", "package")
"""Parts of a fingerprint that move scores by numerical noise only, or (``package``) are warned of."""

LATER = ("files",)
"""Parts that baselines saved by older versions lack."""


def check_fingerprint(
    saved: SavedBaseline, path: Path, predictors: Mapping[str, Predictor], max_seconds: float
) -> list[GateFinding]:
    """Refuse scores of another predictor, other weights or another front end: they differ by constants.

    Returns:
        Warnings about what moves scores by numerical noise only: library versions.

    Raises:
        DataError: Naming predictor and difference.
    """
    for name, predictor in predictors.items():
        if name not in saved.predictors:
            held = ", ".join(sorted(saved.predictors))
            choices = " ".join(f"--predictor {one}" for one in sorted(saved.predictors))
            raise DataError(
                f"{path}: holds no scores of {name}, only of {held}. Gate by those ({choices}), or save it again"
            )
        different = score_differences(saved.predictors[name], predictor)
        if different:
            raise DataError(
                f"{path}: the scores of {name} were made by something else: {different}. Scores of different "
                "checkpoints are not comparable; use the same one, or save the baseline again (approve it with "
                "--allow-other-predictors)"
            )
    expected = FrontEnd(max_seconds=max_seconds, sample_rate=saved.front_end.sample_rate)
    if saved.front_end != expected:
        raise DataError(
            f"{path}: the front end was {_shown(saved.front_end)}, it is {_shown(expected)} now; use the same "
            "options, or save the baseline again"
        )
    changed = [
        f"{name} {saved.packages.get(name)} then, {version} now"
        for name, version in package_versions().items()
        if saved.packages.get(name) != version
    ]
    changed += _other_packages(saved, predictors)
    if not changed:
        return []
    message = f"{path}: saved under other library versions: {', '.join(changed)}"
    return [GateFinding("warning", "library_versions", message, "baseline")]


def _shown(front_end: FrontEnd) -> str:
    rate = f"{front_end.sample_rate} Hz" if front_end.rate else "native rate"
    return f"at most {front_end.max_seconds:g} s, {front_end.mono}, {rate}"


def refuse_fewer(saved: SavedBaseline, path: Path, names: Sequence[str]) -> None:
    """Refuse to judge by fewer predictors than a baseline was saved for: a gate must not lose one without a word.

    Raises:
        UsageError: Naming those that are left out.
    """
    left = sorted({*saved.predictors} - {*names})
    if left:
        raise UsageError(
            f"{path} was saved for {', '.join(saved.predictors)} together; without {', '.join(left)} the gate would "
            "prove less. Name it as well (without --predictor all of them are taken), or save a baseline without it"
        )


def refuse_other_names(saved: SavedBaseline, path: Path, names: Sequence[str]) -> None:
    """Refuse to replace a baseline by scores of other predictors: gates that name the old ones would stop working.

    Raises:
        UsageError: Naming what would be dropped and what is new.
    """
    dropped, added = sorted({*saved.predictors} - {*names}), sorted({*names} - {*saved.predictors})
    changes = [f"drop the scores of {', '.join(dropped)}"] if dropped else []
    changes += [f"add those of {', '.join(added)}"] if added else []
    if changes:
        raise UsageError(
            f"{path} holds scores of {', '.join(sorted(saved.predictors))}; approving would "
            f"{' and '.join(changes)}. Name the same predictors, or pass --allow-other-predictors"
        )


def refuse_other_scores(
    saved: SavedBaseline, path: Path, predictors: Mapping[str, Predictor], max_seconds: float
) -> None:
    """Refuse to replace a baseline by scores of the same predictors with other weights, settings or limits.

    Raises:
        UsageError: Naming predictor and difference.
    """
    for name, predictor in predictors.items():
        different = score_differences(saved.predictors.get(name, SavedPredictor()), predictor)
        if different:
            raise UsageError(
                f"{path}: the scores of {name} were made by something else: {different}. Use the same, or pass "
                "--allow-other-predictors"
            )
    before = saved.front_end.max_seconds
    if before != max_seconds:
        raise UsageError(
            f"{path}: saved with --max-seconds {before}, not {max_seconds:g}. Use the same, or pass "
            "--allow-other-predictors"
        )


def _other_packages(saved: SavedBaseline, predictors: Mapping[str, Predictor]) -> list[str]:
    """Packages of predictors whose version is another now, beside those that every baseline lists."""
    listed = own_version()
    changed = []
    for name, predictor in predictors.items():
        then, now = saved.predictors[name].fingerprint.get("package"), predictor.fingerprint().get("package")
        if then and now not in {then, f"mosharness {listed}"}:
            changed.append(f"{then} then, {now} now (of {name})")
    return changed


def score_differences(saved: SavedPredictor, predictor: Predictor) -> str:
    """What differs between a saved fingerprint and a predictor's, in words; empty when nothing does."""
    old, new = saved.fingerprint, json.loads(json.dumps(predictor.fingerprint()))
    left_out = {*IGNORED, *(key for key in LATER if key not in old)}
    different = [key for key in sorted({*old, *new} - left_out) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} ({_short(old.get(key))} then, {_short(new.get(key))} now)" for key in different)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:23] + "…"
