"""Saved baselines: the scores of a system with the fingerprint of whatever made them, so that its audio may go."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import DataError, UsageError
from ..core.files import file_sha256, read_json, write_json
from ..core.provenance import own_version, package_versions
from .hearing import Heard
from .model import GateFinding

if TYPE_CHECKING:
    from ...predictors.base import Predictor

KIND = "gate-baseline"
SCHEMA_VERSION = 1
IGNORED = ("device",)
"""Parts of a fingerprint that move scores by numerical noise only."""


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def front_end(max_seconds: float, rate: int | None) -> dict[str, Any]:
    """What the audio went through before the predictors."""
    return {"max_seconds": max_seconds, "mono": "mean of the channels", "sample_rate": rate or "native"}


def save_baseline(
    path: Path,
    heard: Sequence[Heard],
    predictors: Mapping[str, Predictor],
    *,
    max_seconds: float,
    rate: int | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Write the scores of one side.

    Args:
        path: JSON file.
        heard: Scored files, all of them usable.
        predictors: Those that scored them, by name.
        max_seconds: Longest clip that was accepted.
        rate: Sampling rate that every clip was brought to, or ``None``.
        history: Earlier approvals, oldest first.

    Returns:
        What was written.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "created": now(),
        "mosharness": own_version(),
        "packages": package_versions(),
        "front_end": front_end(max_seconds, rate),
        "predictors": {
            name: {
                "fingerprint": predictor.fingerprint(),
                "dimension": predictor.dimensions[0],
                "checkpoint": predictor.checkpoint.name,
                "weights_sha256": predictor.checkpoint.sha256,
                "stated": predictor.stated_settings(),
            }
            for name, predictor in predictors.items()
        },
        "files": [
            {
                "key": one.key[0],
                "voice": one.key[1],
                "seed": one.seed,
                "path": one.source,
                "audio_sha256": one.content,
                "duration_s": one.duration_s,
                "sample_rate": one.sample_rate,
                "rms_dbfs": one.rms_dbfs,
                "scores": dict(one.scores),
            }
            for one in heard
        ],
        "history": [dict(entry) for entry in history],
    }
    write_json(path, content)
    return content


def read_baseline(path: Path) -> dict[str, Any]:
    """Read and check what :func:`save_baseline` wrote.

    Raises:
        DataError: If it is no such file; the message names what is wrong.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DataError(f"{path}: not a saved baseline; `mosharness gate --save-baseline FILE` writes one")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema version {content.get('schema_version')!r}, this program reads {SCHEMA_VERSION}; save it "
            "again"
        )
    for name, kind in (("front_end", dict), ("predictors", dict), ("files", list), ("history", list)):
        if not isinstance(content.get(name), kind):
            raise DataError(f"{path}: {name} is missing or of the wrong type; save the baseline again")
    if not content["files"]:
        raise DataError(f"{path}: holds no files")
    for name, entry in content["predictors"].items():
        if not isinstance(entry, dict) or not isinstance(entry.get("fingerprint", {}), dict):
            raise DataError(f"{path}: the record of predictor {name} is damaged; save the baseline again")
    return content


def baseline_heard(content: Mapping[str, Any], path: Path) -> list[Heard]:
    """The files of a saved baseline, with their scores and without their audio.

    Raises:
        DataError: If an entry is damaged or occurs twice.
    """
    found: dict[tuple[str, str, str], Heard] = {}
    for number, entry in enumerate(content["files"]):
        try:
            key, seed = (str(entry["key"]), str(entry["voice"])), str(entry["seed"])
            scores = tuple((str(name), float(value)) for name, value in entry["scores"].items())
            one = Heard(
                key,
                seed,
                str(entry["path"]),
                None,
                content=str(entry["audio_sha256"]),
                duration_s=float(entry["duration_s"]),
                sample_rate=int(entry["sample_rate"]),
                rms_dbfs=float(entry["rms_dbfs"]),
                scores=scores,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path}: files[{number}] is damaged ({type(error).__name__}: {error})") from error
        values = [one.duration_s, one.rms_dbfs, *(value for _, value in scores)]
        if not all(map(math.isfinite, values)) or one.duration_s <= 0:
            raise DataError(f"{path}: files[{number}] ({one.source}) holds a number that cannot be")
        if (*key, seed) in found:
            raise DataError(f"{path}: {one.source} and {found[(*key, seed)].source} are the same text, voice and seed")
        found[(*key, seed)] = one
    return list(found.values())


def saved_rate(content: Mapping[str, Any]) -> int | None:
    """The sampling rate that the saved clips were brought to, ``None`` for their own."""
    rate = content["front_end"].get("sample_rate")
    return rate if isinstance(rate, int) else None


def check_fingerprint(
    content: Mapping[str, Any], path: Path, predictors: Mapping[str, Predictor], max_seconds: float
) -> list[GateFinding]:
    """Refuse scores of another predictor, other weights or another front end: they differ by constants.

    Returns:
        Warnings about what moves scores by numerical noise only: library versions.

    Raises:
        DataError: Naming predictor and difference.
    """
    saved = content["predictors"]
    for name, predictor in predictors.items():
        if name not in saved:
            raise DataError(f"{path}: holds no scores of {name}, only of {', '.join(sorted(saved))}; save it again")
        different = _differences(saved[name], predictor)
        if different:
            raise DataError(
                f"{path}: the scores of {name} were made by something else: {different}. Scores of different "
                "checkpoints are not comparable; use the same one, or save the baseline again (approve it with "
                "--allow-other-predictors)"
            )
    expected = front_end(max_seconds, saved_rate(content))
    if content["front_end"] != expected:
        raise DataError(
            f"{path}: the front end was {content['front_end']}, it is {expected} now; use the same options, or save "
            "the baseline again"
        )
    packages, old_packages = package_versions(), content.get("packages", {})
    changed = [
        f"{name} {old_packages.get(name)} then, {version} now"
        for name, version in packages.items()
        if old_packages.get(name) != version
    ]
    if not changed:
        return []
    message = f"{path}: saved under other library versions: {', '.join(changed)}"
    return [GateFinding("warning", "library_versions", message, "baseline")]


def refuse_other_names(content: Mapping[str, Any], path: Path, names: Sequence[str]) -> None:
    """Refuse to replace a baseline by scores of other predictors: gates that name the old ones would stop working.

    Raises:
        UsageError: Naming what would be dropped and what is new.
    """
    dropped, added = sorted({*content["predictors"]} - {*names}), sorted({*names} - {*content["predictors"]})
    changes = [f"drop the scores of {', '.join(dropped)}"] if dropped else []
    changes += [f"add those of {', '.join(added)}"] if added else []
    if changes:
        raise UsageError(
            f"{path} holds scores of {', '.join(sorted(content['predictors']))}; approving would "
            f"{' and '.join(changes)}. Name the same predictors, or pass --allow-other-predictors"
        )


def refuse_other_scores(
    content: Mapping[str, Any], path: Path, predictors: Mapping[str, Predictor], max_seconds: float
) -> None:
    """Refuse to replace a baseline by scores of the same predictors with other weights, settings or limits.

    Raises:
        UsageError: Naming predictor and difference.
    """
    for name, predictor in predictors.items():
        different = _differences(content["predictors"].get(name, {}), predictor)
        if different:
            raise UsageError(
                f"{path}: the scores of {name} were made by something else: {different}. Use the same, or pass "
                "--allow-other-predictors"
            )
    before = content["front_end"].get("max_seconds")
    if before != max_seconds:
        raise UsageError(
            f"{path}: saved with --max-seconds {before}, not {max_seconds:g}. Use the same, or pass "
            "--allow-other-predictors"
        )


def _differences(saved: Mapping[str, Any], predictor: Predictor) -> str:
    """What differs between a saved fingerprint and a predictor's, in words; empty when nothing does."""
    old, new = saved.get("fingerprint", {}), json.loads(json.dumps(predictor.fingerprint()))
    different = [key for key in sorted({*old, *new} - {*IGNORED}) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} ({_short(old.get(key))} then, {_short(new.get(key))} now)" for key in different)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else text[:23] + "…"


def approval(path: Path, reason: str) -> dict[str, Any]:
    """The record of replacing the baseline at ``path``: when, why, and what it replaced.

    Raises:
        UsageError: Without a reason, or if there is no baseline to replace.
        DataError: If the file is no saved baseline.
    """
    if not reason.strip():
        raise UsageError("--reason: say why the new baseline is right; it is recorded in the file")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise UsageError(
            f"--baseline {path}: {found}; approve replaces a saved baseline (.json), which `mosharness gate --baseline "
            "FOLDER --predictor P --save-baseline FILE` writes"
        )
    old = read_baseline(path)
    return {
        "approved": now(),
        "reason": " ".join(reason.split()),
        "previous_created": old.get("created"),
        "previous_sha256": file_sha256(path),
        "previous_means": means(old["files"]),
    }


def means(files: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean score of a baseline's files, by name."""
    columns: dict[str, list[float]] = {}
    for entry in files:
        for name, value in entry["scores"].items():
            columns.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in columns.items()}


def approvals(content: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The baselines that a saved one descends from, oldest first and itself last.

    Returns:
        For each, ``time`` (when it was saved), ``reason`` (why it replaced the one before; empty for the first) and
        ``means`` by score; and how many records are damaged and left out.
    """
    steps, reasons, damaged = [], [""], 0
    for entry in content["history"]:
        try:
            values = {str(name): float(value) for name, value in entry["previous_means"].items()}
            if not all(map(math.isfinite, values.values())):
                raise ValueError("a mean that is no number")
            step = {"time": str(entry["previous_created"]), "means": values}
            reason = f"{entry['approved']}: {entry['reason']}"
        except (KeyError, TypeError, ValueError, AttributeError):
            damaged += 1
            continue
        steps.append(step)
        reasons.append(reason)
    steps.append({"time": str(content.get("created")), "means": means(content["files"])})
    return [{**step, "reason": reason} for step, reason in zip(steps, reasons, strict=True)], damaged


def append_history(path: Path, result: Mapping[str, Any]) -> None:
    """Add one line of JSON with the figures of a gate; the file is made when it is absent.

    Raises:
        UsageError: If the file cannot be written.
    """
    line = {
        "time": now(),
        "verdict": result["verdict"],
        "baseline": result.get("baseline"),
        "candidate": result.get("candidate"),
        "predictors": [
            {
                name: entry[name]
                for name in (
                    "name",
                    "scope",
                    "voice",
                    "n",
                    "margin",
                    "mean_baseline",
                    "mean_candidate",
                    "mean_diff",
                    "lower",
                    "upper",
                    "verdict",
                )
            }
            for entry in result["predictors"]
        ],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise UsageError(f"--history {path}: cannot be written ({error.strerror})") from error
