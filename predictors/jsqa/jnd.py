"""Are pairs within the just noticeable difference? A support vector machine on listeners' judgements says so.

The judgements are those of CDPAM (``dataset_linear.txt``: reference, changed file, 0 for same or 1 for different, and
the perturbation, separated by tabs), of which additive noises are used, as in the JSQA paper. The paper names PESQ as
the feature and states no further details; SI-SDR as a second feature, the machine (C 1, Gaussian kernel, standardised
features) and the folds are ours.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...harness.audio.checks import AudioLimits
from ...harness.audio.read import read_audio
from ...harness.audio.resample import resample
from ...harness.core.errors import AudioError, DataError, DataMissing, UsageError
from ...harness.core.files import read_text
from .config import SAMPLE_RATE
from .mixing import Wave
from .pairs import Pair
from .svm import KernelSvm

TABLE = "dataset_linear.txt"
LEFT_OUT = ("mp3", "reverb_noise")
"""Perturbations that are no additive noise."""
COLUMNS = 4
FOLDS = 5
FEATURES = ("pesq", "si-sdr")


@dataclass(frozen=True)
class Judgement:
    """One line of the table: two files of the listening test, whether they sounded the same, and what was changed."""

    reference: Path
    changed: Path
    same: bool
    perturbation: str


@dataclass
class Listening:
    """The judgements whose audio is there.

    Attributes:
        judgements: Additive noises only.
        left_out: Lines of other perturbations.
        missing: Lines without audio.
    """

    judgements: list[Judgement] = field(default_factory=list)
    left_out: int = 0
    missing: int = 0


@dataclass(frozen=True)
class JndReport:
    """What the check found.

    Attributes:
        features: Names.
        judgements, same, left_out, missing, unusable: Counts of the listening data; ``unusable`` pairs of files could
            be found but not measured.
        accuracy: Balanced accuracy on references that the machine has not seen, mean over the two classes; NaN where
            there are too few references to tell.
        pairs, within: How many pairs were judged, and how many of them within the just noticeable difference.
        unmeasured: Pairs that could not be judged, as a feature does not exist for them.
        interval: Of the share within, 95 % (Wilson).
    """

    features: tuple[str, ...]
    judgements: int
    same: int
    left_out: int
    missing: int
    unusable: int
    accuracy: float
    pairs: int
    within: int
    unmeasured: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """Share of the pairs within the just noticeable difference."""
        return self.within / self.pairs


def read_listening(folder: Path) -> Listening:
    """Read CDPAM's table; it lies in the folder or in ``dataset/`` below it, audio beside it or one folder up.

    Raises:
        DataMissing: If there is no table.
        DataError: For a line that is not as it must be, or when no audio is there.
    """
    table = next((path for path in (folder / TABLE, folder / "dataset" / TABLE) if path.is_file()), None)
    if table is None:
        raise DataMissing(
            f"{folder}: no {TABLE}. CDPAM's listening data (github.com/pranaymanocha/PerceptualAudio, CC BY 4.0) hold "
            "it in dataset/, with the audio as their README says"
        )
    found = Listening()
    for number, line in enumerate(read_text(table).splitlines(), start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) != COLUMNS or cells[2] not in ("0", "1"):
            raise DataError(f"{table} line {number}: reference, changed file, 0 or 1, and perturbation are expected")
        if cells[3] in LEFT_OUT:
            found.left_out += 1
            continue
        paths = [_inside(table.parent, name, f"{table} line {number}") for name in cells[:2]]
        if None in paths:
            found.missing += 1
            continue
        reference, changed = (path for path in paths if path is not None)
        found.judgements.append(Judgement(reference, changed, cells[2] == "0", cells[3]))
    if not found.judgements:
        raise DataError(
            f"{table}: none of {found.missing} judgements of additive noises has its audio beside the table"
        )
    return found


def _inside(folder: Path, name: str, where: str) -> Path | None:
    """The file of that name below the folder or the one above it."""
    clean = posixpath.normpath(name)
    if clean.startswith(("/", "..")):
        raise DataError(f"{where}: {name} leaves the folder of the data")
    return next((path for path in (folder / clean, folder.parent / clean) if path.is_file()), None)


def si_sdr(reference: Wave, changed: Wave) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019), both of one length; capped at 100 dB."""
    reference, changed = reference - reference.mean(), changed - changed.mean()
    energy = float(reference @ reference)
    target = reference * (float(changed @ reference) / max(energy, 1e-30))
    signal, rest = float(target @ target), float(((changed - target) ** 2).sum())
    return 10 * math.log10(max(signal, 1e-30) / max(rest, signal * 1e-10, 1e-30))


def lacking(features: Sequence[str]) -> str | None:
    """What is not installed that a feature needs, in a sentence; ``None`` if nothing is."""
    if "pesq" in features:
        try:
            import pesq  # noqa: F401
        except ImportError:
            return (
                "the feature pesq needs the package pesq: `uv pip install pesq` (a C compiler builds it), or leave it "
                "out with --features si-sdr"
            )
    return None


def pesq_score(reference: Wave, changed: Wave) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz.

    Raises:
        UsageError: If the package ``pesq`` is not installed.
        ValueError: If PESQ finds no speech, or too little.
    """
    if message := lacking(("pesq",)):
        raise UsageError(message)
    from pesq import PesqError, pesq

    try:
        return float(pesq(SAMPLE_RATE, reference.astype(np.float32), changed.astype(np.float32), "wb"))
    except PesqError as error:
        raise ValueError("PESQ finds no speech, or too little") from error


MEASURES: dict[str, Callable[[Wave, Wave], float]] = {"pesq": pesq_score, "si-sdr": si_sdr}


def measure(reference: Wave, changed: Wave, features: Sequence[str]) -> list[float]:
    """The features of a pair of signals at 16 kHz, cut to the shorter one.

    Raises:
        ValueError: If one of them does not exist for these signals.
    """
    samples = min(reference.size, changed.size)
    values = [MEASURES[name](reference[:samples], changed[:samples]) for name in features]
    if not all(map(math.isfinite, values)):
        raise ValueError("a feature is not finite")
    return values


def check_jnd(
    listening: Listening,
    pairs: Iterable[Pair],
    features: Sequence[str],
    *,
    seed: int = 0,
    tick: Callable[[], None] | None = None,
) -> JndReport:
    """Learn from the judgements when two signals sound the same, and ask it of pairs.

    Args:
        listening: See :func:`read_listening`.
        pairs: The less noisy signal of each is the reference. Taken one by one, after the judgements.
        features: Names of :data:`FEATURES`.
        seed: Of the folds.
        tick: Called after every measured pair of signals.

    Raises:
        DataError: If too few judgements or pairs can be measured, or all judgements say the same.
    """
    rows, same, groups = [], [], []
    for one in listening.judgements:
        with suppress(AudioError, ValueError):  # counted in the report
            rows.append(measure(_wave(one.reference), _wave(one.changed), features))
            same.append(one.same)
            groups.append(one.reference)
        if tick is not None:
            tick()
    known, labels = np.array(rows).reshape(-1, len(features)), np.array(same, dtype=bool)
    if labels.size == 0 or labels.all() or not labels.any():
        raise DataError(f"{labels.size} judgements could be measured; both same and different ones are needed")
    asked, unmeasured = [], 0
    for pair in pairs:
        clearer, noisier = pair.signals if pair.snrs[0] >= pair.snrs[1] else pair.signals[::-1]
        try:
            asked.append(measure(clearer, noisier, features))
        except ValueError:  # no speech in the crop: PESQ has no value
            unmeasured += 1
        if tick is not None:
            tick()
    if not asked:
        raise DataError("none of the pairs could be measured")
    within = int(_decided(known, labels, np.array(asked)).sum())
    return JndReport(
        features=tuple(features),
        judgements=len(labels),
        same=int(labels.sum()),
        left_out=listening.left_out,
        missing=listening.missing,
        unusable=len(listening.judgements) - len(labels),
        accuracy=_accuracy(known, labels, groups, seed),
        pairs=len(asked),
        within=within,
        unmeasured=unmeasured,
        interval=wilson(within, len(asked)),
    )


def _wave(path: Path) -> Wave:
    clip = read_audio(path, AudioLimits())
    return resample(clip.samples, clip.sample_rate, SAMPLE_RATE).samples.astype(np.float64)


def _decided(known: Wave, labels: np.ndarray, asked: Wave) -> np.ndarray:
    """What a machine on the judgements says; a pair beyond the range of what was judged counts as at its edge.

    There a Gaussian kernel would tell no more than which class is the larger one (our choice).
    """
    return KernelSvm().fit(known, labels).decide(np.clip(asked, known.min(axis=0), known.max(axis=0)))


def _accuracy(known: Wave, labels: np.ndarray, groups: Sequence[Path], seed: int) -> float:
    """Balanced accuracy over folds of references; NaN where no fold has both classes on both sides."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    fold = {names[at]: place % FOLDS for place, at in enumerate(order)}
    folds = np.array([fold[group] for group in groups])
    right: dict[bool, list[bool]] = {True: [], False: []}
    for held in range(FOLDS):
        train, test = folds != held, folds == held
        if not test.any() or labels[train].all() or not labels[train].any():
            continue
        decided = _decided(known[train], labels[train], known[test])
        for wanted, got in zip(labels[test].tolist(), decided.tolist(), strict=True):
            right[wanted].append(wanted == got)
    shares = [float(np.mean(values)) for values in right.values() if values]
    return float(np.mean(shares)) if len(shares) == len(right) else math.nan


def wilson(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share.

    Example:
        >>> [round(value, 3) for value in wilson(9, 10)]
        [0.596, 0.982]
    """
    z = 1.959963984540054
    share, spread = count / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(0.0, centre - half), min(1.0, centre + half)
