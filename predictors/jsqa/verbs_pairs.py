"""Pairs of JSQA's pretraining outside of training: to listen to, to count, and to check against listeners."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...harness.audio.resample import resample
from ...harness.core.errors import DataError, UsageError
from ...harness.core.files import atomic_write
from ...harness.core.guard import first_line, guard_folder, guard_output
from ...harness.recipes.recipe import Source, Stage, read_recipe
from ...harness.training.data import Tasks, stage_data
from ...harness.training.plan import generator
from ...harness.training.unlabelled import EMBEDDED
from ..base import LONGEST_S
from .config import GENERATED, SAMPLE_RATE, PairSettings, pair_settings, pretrains

if TYPE_CHECKING:
    from .pairs import Pair

TABLE = "pairs.csv"
COLUMNS = ("path_a", "path_b", "utterance_id", "noise", "snr_a", "snr_b", "difference_db", "scale")
PAIR = re.compile(r"pair\d{4,}-[ab]\.wav")
FULL_SCALE = 0.999
BIN_DB = 0.5


@dataclass(frozen=True)
class Plan:
    """Where pairs come from and how they are made.

    Attributes:
        stage: The pretraining stage of a recipe.
        settings: Of its pairs.
        seed: Of the draws.
    """

    stage: Stage
    settings: PairSettings
    seed: int


def plan_pairs(
    recipe: str | Path | None = None,
    *,
    speech: Sequence[str] = (),
    noise: Sequence[str] = (),
    seconds: float | None = None,
    seed: int | None = None,
) -> Plan:
    """The pretraining stage of a recipe, with changes.

    Args:
        recipe: Name or YAML file of a recipe of jsqa; ``jsqa-default`` without.
        speech: Folders instead of the recipe's, or ``embedded``.
        noise: Folders instead of the recipe's, or ``generated``.
        seconds: Length instead of the recipe's.
        seed: Instead of the recipe's.

    Raises:
        UsageError: If the recipe has no stage on pairs, or a setting makes no sense.
    """
    ready = read_recipe(recipe or "jsqa-default", "jsqa", seed=seed)
    stage = next((one for one in ready.stages if pretrains(one)), None)
    if stage is None:
        raise UsageError(f"recipe {ready.name} has no stage with the loss ntxent, so it makes no pairs")
    given = dict(stage.settings.get("pairs") or {})
    if noise:
        given["noise"] = list(noise)
    if seconds is not None:
        given["seconds"] = seconds
    settings = pair_settings(given, f"stage {stage.name}")
    if speech:
        stage = replace(stage, data=tuple(Source(audio=folder) for folder in speech))
    return Plan(stage, settings, ready.seed)


def pairs_of(plan: Plan, count: int, epoch: int = 0) -> Iterator[tuple[str, Pair]]:
    """Ids of utterances and their pairs, one of each utterance, then those of the next epoch.

    The draws are those of training with this seed; only that a batch exchanges noises that occur in it twice.

    Raises:
        DataError: If speech or noise cannot be used.
    """
    from ...harness.audio.checks import AudioLimits
    from .noise import Noises
    from .pairs import draw_pair, make_pairs

    limits = AudioLimits(max_seconds=LONGEST_S)  # as in training: it is cropped
    examples = stage_data(plan.stage, None, ("mos",), Tasks()).train
    noises = Noises(plan.settings.noise, f"stage {plan.stage.name}")
    for number in range(count):
        example = examples[number % len(examples)]
        clip = example.read(limits)
        samples = resample(clip.samples, clip.sample_rate, SAMPLE_RATE).samples
        random = generator(plan.seed, plan.stage.name, epoch + number // len(examples), example.key)
        draw = draw_pair(samples, random, plan.settings, noises, example.name)
        yield example.utterance_id, make_pairs([draw], noises)[0]


def guard_pairs(folder: Path, sources: Sequence[str], *, overwrite: bool = False) -> None:
    """Refuse a folder whose pairs or table are not ours, or that speech or noise comes from.

    Args:
        folder: Where pairs are to be written.
        sources: Folders of speech and noise.
        overwrite: The user said so.

    Raises:
        UsageError: Naming the ways out.
    """
    guard_folder(folder, "-o")
    place = folder.resolve()
    for source in sources:
        if source not in {GENERATED, EMBEDDED} and place.is_relative_to(Path(source).expanduser().resolve()):
            raise UsageError(f"-o {folder}: lies in {source}, which speech or noise is read from; name another folder")
    guard_output(folder / TABLE, "-o", lambda path: first_line(path) == ",".join(COLUMNS), overwrite=overwrite)
    ours = written_before(folder)
    for path in sorted(folder.glob("pair*")) if folder.is_dir() else ():
        if PAIR.fullmatch(path.name) and path not in ours:
            guard_output(path, "-o", lambda _: False, overwrite=overwrite)


def written_before(folder: Path) -> list[Path]:
    """Files of pairs that the table in a folder lists; nothing else is taken for ours."""
    table = folder / TABLE
    if not table.is_file() or first_line(table) != ",".join(COLUMNS):
        return []
    with table.open(encoding="utf-8", newline="") as stream:
        names = [row.get(column) or "" for row in csv.DictReader(stream) for column in COLUMNS[:2]]
    return [folder / name for name in names if PAIR.fullmatch(name)]


def export_pairs(made: Iterable[tuple[str, Pair]], folder: Path) -> Iterator[tuple[str, Pair]]:
    """Write each pair as two 16-bit wavs while passing it on, and its row of ``pairs.csv`` beside them.

    Both signals of a pair that would leave full scale are lowered by the same factor (column ``scale``). One pair is
    in memory at a time. Pairs that the folder's table lists from before are removed first, so that no file is there
    that the table does not list, also after an interruption.

    Args:
        made: As :func:`pairs_of` gives them.
        folder: Made at once; as :func:`guard_pairs` lets it pass.

    Returns:
        What ``made`` gives; it has to be taken to its end.

    Raises:
        DataError: If the folder cannot be written.
    """
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in written_before(folder):
            path.unlink(missing_ok=True)
        (folder / TABLE).write_text(",".join(COLUMNS) + "\n", "utf-8")
    return _exported(made, folder)


def _exported(made: Iterable[tuple[str, Pair]], folder: Path) -> Iterator[tuple[str, Pair]]:
    import soundfile

    for number, (utterance, pair) in enumerate(made, start=1):
        loudest = max(float(np.abs(signal).max()) for signal in pair.signals)
        scale = min(1.0, FULL_SCALE / loudest)
        names = [f"pair{number:04d}-{side}.wav" for side in "ab"]
        figures = [*pair.snrs, pair.difference, scale]
        with _writing(folder), (folder / TABLE).open("a", encoding="utf-8", newline="") as table:
            row = [*names, utterance, pair.noise_name, *(f"{value:.4f}" for value in figures)]
            csv.writer(table, lineterminator="\n").writerow(row)
        for name, signal in zip(names, pair.signals, strict=True):
            stream = io.BytesIO()
            soundfile.write(stream, signal * scale, SAMPLE_RATE, format="WAV", subtype="PCM_16")
            with _writing(folder), atomic_write(folder / name, "wb") as target:
                target.write(stream.getvalue())
        yield utterance, pair


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error


def differences(settings: PairSettings, draws: int, seed: int = 0) -> dict[str, Any]:
    """The distribution of the distance of the two ratios.

    Returns:
        ``draws``, ``mean``, ``largest`` and ``within_3`` (share up to 3 dB) of the distance in dB, ``lowest_snr`` and
        ``highest_snr``, and ``edges`` and ``counts`` of a histogram with bins of 0.5 dB.
    """
    from .pairs import draw_snrs

    random = generator(seed, "differences")
    drawn = np.array([draw_snrs(random, settings) for _ in range(draws)])
    distance = np.abs(drawn[:, 0] - drawn[:, 1])
    top = max(high - low for low, high in settings.snr_windows)
    edges = np.arange(0.0, max(top, BIN_DB) + BIN_DB / 2, BIN_DB)
    edges[-1] = max(edges[-1], top)
    counts, _ = np.histogram(distance, edges)
    return {
        "draws": draws,
        "mean": float(distance.mean()),
        "largest": float(distance.max()),
        "within_3": float((distance <= 3.0).mean()),
        "lowest_snr": float(drawn.min()),
        "highest_snr": float(drawn.max()),
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }
