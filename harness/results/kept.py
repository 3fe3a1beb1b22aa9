"""Whether a stored result is of the same run: same labels, audio, predictor and settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.clip import Clip
from ..core.contents import audio_digest
from ..core.errors import DataError, UsageError
from ..core.files import digest, json_ready, write_json
from ..core.guard import guard_folder, guard_output
from ..core.kept import changes, difference, refuse_replacing
from ..core.numbers import counted
from ..core.typed import UNSET
from .measure import SystemTruth
from .parts import ResultOptions, ResultPredictor, ResultTask
from .schema import Result
from .store import FILE, TABLES, guard_predictions, is_result, read_result, result_folder

OPTIONS = {
    "system_truth": "--system-truth",
    "limit": "--limit",
    "limit_share": "--limit as a share",
    "precision": "--precision",
    "interval": "--interval",
    "resamples": "resamples",
    "seed": "--seed",
}
"""Options that decide figures; how many clips may be missing or fail only decides whether there are any."""

UNIDENTIFIED = "unidentified"
WAYS = "--name NAME or --output FOLDER"


def clips_digest(clips: list[Clip], *, show: bool = False) -> str:
    """Digest of the audio of clips, and of their texts where they have some."""
    texts = sorted([clip.utterance_id, clip.text] for clip in clips if clip.text)
    audio = audio_digest([(clip.utterance_id, clip.source) for clip in clips], show=show)
    return digest([audio, texts]) if texts else audio


def stored_before(folder: Path, overwrite: bool) -> Result | None:
    """The result that lies in ``folder``; ``None`` where there is none, or one that may be replaced unread.

    Raises:
        UsageError: For a ``result.json`` that this program cannot read, unless ``overwrite``.
    """
    guard_folder(folder, "--output")
    guard_predictions(folder, overwrite=overwrite)
    if overwrite or not (folder / FILE).is_file():
        return None
    try:
        return read_result(folder)
    except DataError as error:
        raise UsageError(
            f"{folder / FILE}: is there and no result that this version reads, so it is not replaced ({error}). Pass "
            f"{WAYS}, or --overwrite"
        ) from error


def refuse_before_training(
    folder: Path,
    stored: Result | None,
    task: ResultTask,
    options: ResultOptions,
    truth: SystemTruth | None = None,
) -> None:
    """As :func:`refuse_other_result`, for what is known before a training costs time: labels and settings.

    Raises:
        UsageError: Naming what differs.
    """
    if stored is not None:
        found = [*_options(stored.options, options), *_data(stored.task, task, same_clips=False)]
        refuse_replacing(folder, "result", [*found, *truth_differences(stored, task, truth)], WAYS)


def refuse_other_result(
    folder: Path,
    stored: Result | None,
    task: ResultTask,
    predictor: ResultPredictor,
    options: ResultOptions,
    truth: SystemTruth | None = None,
) -> None:
    """Refuse to replace a result by one of other data, another predictor or other settings.

    Args:
        folder: Where it lies.
        stored: What lies there.
        task, predictor, options: Parts of the result that would replace it.
        truth: The system scores that it is judged by, where they come from a file.

    Raises:
        UsageError: Naming what differs.
    """
    if stored is not None:
        same_clips = (stored.options.limit, stored.options.limit_share) == (
            options.limit,
            options.limit_share,
        )
        found = [*_options(stored.options, options), *_data(stored.task, task, same_clips=same_clips)]
        found += truth_differences(stored, task, truth)
        refuse_replacing(folder, "result", [*found, *_predictor(stored.predictor, predictor)], WAYS)


def truth_differences(stored: Result, task: ResultTask, truth: SystemTruth | None) -> list[str]:
    """What differs between the system scores of a stored result and those of the same convention now, in words.

    A file that the user names is told apart by its digest already; the organisers' keeps its name when it is edited.
    """
    if truth is None or stored.task.system_truth != task.system_truth:
        return []
    found = []
    for dimension, scores in truth.items():
        table = stored.system_scores(dimension)
        pairs = zip(table.names, table.truth, strict=True) if table is not None else ()
        changed = [(name, value, scores[name]) for name, value in pairs if scores.get(name, value) != value]
        if changed:
            name, before, now = changed[0]
            count = counted(len(changed), "system")
            one = difference(f"the first, {name}", f"{before:g}", f"{now:g}")
            found.append(f"other {task.system_truth} {dimension} of {count}; {one}")
    return found


def truth_of(result: Result) -> dict[str, dict[str, float]]:
    """The system scores that a result was judged by: dimension to system to value."""
    tables = {name: result.system_scores(name) for name in result.task.dimensions}
    return {
        name: dict(zip(table.names, table.truth, strict=True)) for name, table in tables.items() if table is not None
    }


def _data(then: ResultTask, now: ResultTask, *, same_clips: bool) -> list[str]:
    found = []
    if then.digest != now.digest:
        found.append(difference("other labels", then.digest, now.digest))
        found += changes("clips", then.n_utterances, now.n_utterances)
        found += changes("systems", then.n_systems, now.n_systems)
    if same_clips and then.audio is not UNSET and now.audio is not UNSET and then.audio != now.audio:
        found.append(difference("other audio", then.audio, now.audio))
    if then.version != now.version:
        found.append(difference(f"version of task {now.name}", then.version, now.version))
    if then.dimensions != now.dimensions:
        found.append(difference("dimensions", then.dimensions, now.dimensions))
    return found


def _predictor(then: ResultPredictor, now: ResultPredictor) -> list[str]:
    if then.outside != now.outside:
        kinds = {True: "a file of predictions", False: "a predictor"}
        return [difference("the source of the scores", kinds[then.outside], kinds[now.outside])]
    found = []
    if then.name != now.name:
        found.append(difference("predictor", then.name, now.name))
    for name in ("version", "package"):
        before, after = getattr(then, name), getattr(now, name)
        if before not in (None, UNSET) and after not in (None, UNSET) and before != after:
            found.append(difference(f"{name} of {now.name}", before, after))
    found += _settings(then, now)
    if then.training and then.training == now.training:
        return found  # trained again by the same recipe on the same data: the last bits may differ
    if then.weights != now.weights:
        found.append(difference("other weights", then.weights, now.weights))
    elif now.weights == UNIDENTIFIED:
        found.append("nothing says which weights these are and were (`mosharness check` says what is missing)")
    elif then.files is not UNSET and now.files is not UNSET and then.files != now.files:
        names = [key for key in sorted({*then.files, *now.files}) if then.files.get(key) != now.files.get(key)]
        found += [difference(f"file {key}", then.files.get(key), now.files.get(key)) for key in names]
    return found


def _settings(then: ResultPredictor, now: ResultPredictor) -> list[str]:
    before, after = json_ready(then.config or {}), json_ready(now.config or {})
    if then.config_digest == now.config_digest and (then.config_digest or before == after):
        return []
    names = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    if not names or then.config is None:
        return ["other settings of the predictor"] if then.config_digest != now.config_digest else []
    return [one for key in names for one in changes(f"setting {key}", before.get(key), after.get(key))]


def _options(then: ResultOptions, now: ResultOptions) -> list[str]:
    found = []
    for name, option in OPTIONS.items():
        before: Any = getattr(then, name)
        after: Any = getattr(now, name)
        if before != after:
            found.append(difference(option, before, after))
    return found


def store_evaluation(
    result: Result,
    output: Path,
    inputs: Mapping[str, str | Path | None],
    *,
    overwrite: bool = False,
) -> Path:
    """Store a result of outside predictions as a ``.json`` file, or below a folder; no other result is replaced.

    Args:
        result: The result.
        output: A file ending in ``.json``, or a folder of results.
        inputs: What was read, by name.
        overwrite: Replace what is there.

    Returns:
        The file.

    Raises:
        UsageError: If the file is an input, no result, or a result of something else.
    """
    single = output.suffix == ".json"
    path = output if single else result_folder(output, result.task.name, result.task.split, result.name) / FILE
    named = [(f"the file of --{name}", one) for name, one in inputs.items()]
    if not single and output.is_file():
        what = next((what for what, one in named if one is not None and output.samefile(one)), "a file")
        raise UsageError(f"--output {output}: this is {what}; name a file that ends in .json, or a folder of results")
    guard_folder(path.parent, "--output")
    guard_output(path, "--output", is_result, inputs=named, overwrite=overwrite)
    if path.is_file() and path.stat().st_size and not overwrite:
        before = read_result(path)
        place = path if single else path.parent
        truth = truth_of(result) if result.task.system_truth != "split-mean" else None
        refuse_other_result(place, before, result.task, result.predictor, result.options, truth)
    if not single:
        guard_predictions(path.parent, inputs=named, overwrite=overwrite)
        for name in TABLES:  # of a run whose result is replaced; they are not of these predictions
            (path.parent / name).unlink(missing_ok=True)
    write_json(path, result.as_plain())
    return path
