"""AES-Natural and the evaluation set of AudioMOS Challenge 2025, track 2: four axes of audio aesthetics.

The labels are published, the audio is not: natural clips come from six corpora that users hold themselves, and part of
them (YouTube) is gone. Absent audio is therefore counted by source, and the ids that are left are hashed.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from ..harness.core.errors import DataError
from ..harness.core.files import digest, read_csv, read_text
from .base import MosTask, Row, SplitInfo, TaskCard
from .lists import AudioFiles, disagreement, missing_labels, parse_number, read_lines

AXES = {
    "pq": "Production_Quality",
    "pc": "Production_Complexity",
    "ce": "Content_Enjoyment",
    "cu": "Content_Usefulness",
}
"""Our dimension names and the names in the files, in the files' order."""

DOMAINS = ("speech", "music", "sound")
HUMAN = "audiomos2025_track2_human_annotations.jsonl"
PLACEHOLDER = "/your_path/"
RATINGS_PER_AXIS = 10
_LABEL_FOLDERS = ("", "evaluation_data", "audiomos2025_track2")
_EVAL_FOLDERS = ("", "DATA", "audiomos2025-track2-eval-phase/DATA", "audiomos2025-track2-eval-phase")
_EVAL_ID = re.compile(r"audiomos2025-track2-(sys[A-Za-z0-9]+)-utt[A-Za-z0-9]+", re.ASCII)


class Source(NamedTuple):
    """One corpus: name, first folders of its paths, other names that its folder may have on disk."""

    name: str
    folder: str
    aliases: tuple[str, ...] = ()


SOURCES = (
    Source("AudioSet", "unbalanced_train_segments/audio", ("unbalanced_train_segments", "audioset/audio")),
    Source("MusicCaps", "musiccaps", ("MusicCaps",)),
    Source("MUSDB18", "MUSDB18", ("MUSDB18-HQ", "musdb18hq", "MUSDB18HQ")),
    Source("CommonVoice", "cv-corpus-13.0-2023-03-09/en/clips"),
    Source("LibriTTS", "LibriTTS"),
    Source("EARS", "EARS", ("ears", "ears_dataset")),
)


class AesNatural(MosTask):
    """AES-Natural (train, dev) and the challenge's generated evaluation clips (test).

    ``data_root`` holds the label files: the repository ``audiobox-aesthetics`` (folders ``evaluation_data`` and
    ``audiomos2025_track2``) or the files side by side.

    Options:
        audio_root: Folder in which the corpora of train and dev lie under the paths of the label files
            (``LibriTTS/train-clean-100/...``; links to folders elsewhere are fine). Default: ``data_root``.
        eval_root: The challenge's ``audiomos2025-track2-eval-phase`` folder, for test. Default: below ``data_root``.
    """

    card: ClassVar[TaskCard] = TaskCard(
        name="aes_natural",
        version=1,
        title="AES-Natural and AudioMOS 2025 track 2: production quality (pq), production complexity (pc), "
        "content enjoyment (ce), content usefulness (cu) of speech, music and sound",
        dimensions=tuple(AXES),
        scale=(0.0, 10.0),
        splits={
            "train": SplitInfo(2700, 6, "natural clips; the 'systems' are the source corpora, our own grouping"),
            "dev": SplitInfo(250, 6, "natural clips, split by clip: stems of one song are in train and dev"),
            "test": SplitInfo(3060, 36, "generated clips of 36 systems, 85 each"),
        },
        license="labels CC BY 4.0; audio: the terms of its sources and of the challenge",
        citation="Tjandra et al., Meta Audiobox Aesthetics, arXiv 2502.05139",
        obtain=(
            "Labels: git clone https://github.com/facebookresearch/audiobox-aesthetics FOLDER\n"
            "Audio of test: audiomos2025-track2-eval-phase from the challenge platform (registration), into FOLDER.\n"
            "Audio of train and dev: LibriTTS, Common Voice 13.0 (en), EARS, MUSDB18-HQ, MusicCaps and AudioSet\n"
            "segments, each from its own host, under one folder: --set task.audio_root=THAT_FOLDER.\n"
            "Clips that can no longer be had are counted; pass --allow-missing to score the others."
        ),
        size="labels 2.9 MB; audio by source",
        systems_official=False,
    )
    options: ClassVar[Mapping[str, str]] = {"audio_root": "", "eval_root": ""}

    def layout(self, root: Path) -> Path:
        """The folder around the label folders, also when pointed at one of them."""
        return root.parent if root.name in _LABEL_FOLDERS[1:] else root

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        return self._evaluation(root, audio=audio) if split == "test" else self._natural(root, split, audio=audio)

    # -- train, dev ------------------------------------------------------------------------------------------------

    def _natural(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        table = _find(root, f"audiomos2025-track2-{split}_list.csv")
        listed = read_csv(table, ("sample_id", "data_path", *AXES.values()))
        known = [path for domain in DOMAINS if (path := _locate(root, f"AES_natural_{domain}.jsonl"))]
        ratings = {key: value for path in known for key, value in read_annotations(path).items()}
        if len(known) < len(DOMAINS):
            self.note("no_ratings", f"{len(known)} of {len(DOMAINS)} files AES_natural_*.jsonl under {root}")
        self._check_means(table, listed, ratings)
        files = AudioRoot(self._folder("audio_root", root)) if audio else None
        rows: list[Row] = []
        for line in listed:
            relative = below_prefix(line["data_path"], table)
            source = source_of(relative, table)
            given = ratings.get(line["data_path"], {})
            rows.append(
                {
                    "utterance_id": line["sample_id"],
                    "system_id": source.name,
                    "audio_path": files.find(relative, source) if files else "",
                    **{name: _mean_or(given, name, line[axis], table) for name, axis in AXES.items()},
                    "ratings": {name: given.get(name, []) for name in AXES},
                    "subset": domain_of(line["sample_id"], table),
                }
            )
        self.note(
            "systems_not_official",
            f"{split}: natural clips have no systems; system_id is the source corpus, our own grouping. "
            "Only the utterance level is official here",
        )
        if audio:
            self._note_sources(split, rows)
        return rows

    def _check_means(
        self, table: Path, listed: list[dict[str, str]], ratings: Mapping[str, Mapping[str, list[float]]]
    ) -> None:
        """The list's means are exactly those of the ratings in the published files, so a difference is damage."""
        for name, axis in AXES.items():
            means = {path: _mean(given[name]) for path, given in ratings.items()}
            stated = {line["data_path"]: parse_number(line[axis], table, line["sample_id"]) for line in listed}
            conflict = disagreement(
                {path: mean for path, mean in means.items() if path in stated},
                {path: value for path, value in stated.items() if path in means},
                ("the means of the ratings", table.name),
            )
            if conflict:
                raise DataError(f"{table}: {axis}: {conflict}; fetch the label files again, both of one commit")
        without = [line["sample_id"] for line in listed if line["data_path"] not in ratings]
        if without and ratings:
            self.note("no_ratings", f"{len(without)} clips of {table.name} have no ratings (first: {without[0]})")

    def _note_sources(self, split: str, rows: Iterable[Row]) -> None:
        total = Counter(row["system_id"] for row in rows)
        found = Counter(row["system_id"] for row in rows if row["audio_path"])
        parts = ", ".join(f"{name} {found[name]}/{total[name]}" for name in sorted(total))
        self.note("audio_by_source", f"{split}: audio found: {parts}")
        self._note_ids(split, rows)

    def _note_ids(self, split: str, rows: Iterable[Row]) -> None:
        used = sorted(row["utterance_id"] for row in rows if row["audio_path"])
        self.note("used_ids", f"{split}: {len(used)} clips with audio, digest of their ids {digest(used)}")

    # -- test ------------------------------------------------------------------------------------------------------

    def _evaluation(self, root: Path, *, audio: bool) -> list[Row]:
        path = _find(root, HUMAN)
        annotations = read_annotations(path)
        rows: list[Row] = [
            {
                "utterance_id": name,
                "system_id": system_of(name, path),
                **{axis: _mean(values) for axis, values in given.items()},
                "ratings": given,
            }
            for name, given in annotations.items()
        ]
        self._check_eval_list(root, set(annotations))
        if audio:
            base = self._folder("eval_root", root)
            places = [AudioFiles(base / name if name else base) for name in _EVAL_FOLDERS]
            for row in rows:
                name = f"{row['utterance_id']}.wav"
                row["audio_path"] = next(filter(None, (place.find("wav", name) for place in places)), "")
            self._note_ids("test", rows)
        return rows

    def _check_eval_list(self, root: Path, labelled: set[str]) -> None:
        base = self._folder("eval_root", root)
        listing = next((path for name in _EVAL_FOLDERS if (path := base / name / "sets/eval_list.txt").is_file()), None)
        if listing is None:
            return
        names = {line.partition(",")[0].removesuffix(".wav") for line in read_lines(listing)}
        if names != labelled:
            message = f"{listing.name} and {HUMAN} differ: {len(names - labelled)} ids only in the first"
            self.note("eval_list", f"{message}, {len(labelled - names)} only in the second; the second counts")

    def _folder(self, option: str, root: Path) -> Path:
        chosen = str(self.option[option])
        if not chosen:
            return root
        folder = Path(chosen).expanduser()
        if not folder.is_dir():
            raise DataError(f"option {option}={chosen}: no such folder")
        return folder.resolve()


class AudioRoot:
    """Finds natural clips below one folder; each folder is listed once. Links inside it are the user's and followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[Path, frozenset[str]] = {}

    def find(self, relative: str, source: Source) -> str:
        """The absolute path of a clip, under its own folder or an alias of it, or ``""``."""
        rest = relative.removeprefix(source.folder).lstrip("/")
        for folder in (source.folder, *source.aliases):
            path = self.root / folder / rest
            if path.name in self._listing(path.parent):
                return str(path)
        return ""

    def _listing(self, folder: Path) -> frozenset[str]:
        if folder not in self._names:
            found = (item.name for item in folder.iterdir() if item.is_file()) if folder.is_dir() else ()
            self._names[folder] = frozenset(found)
        return self._names[folder]


def read_annotations(path: Path) -> dict[str, dict[str, list[float]]]:
    """A JSONL file of ratings: ``data_path`` to dimension to its ratings.

    Ratings are whole numbers from 0 to 10. The published descriptions speak of 1 to 10; zeros occur in every natural
    file and, for enjoyment, in the evaluation set, so the scale of the task begins at 0.

    Raises:
        DataError: For a line that is no JSON object of that kind, another number of ratings, or a path given twice.
    """
    table: dict[str, dict[str, list[float]]] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        try:
            entry = json.loads(line)
            name = str(entry["data_path"])
            given = {key: [float(value) for value in entry[axis]] for key, axis in AXES.items()}
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{where}: not a rating line ({type(error).__name__}: {error})") from error
        for key, values in given.items():
            if len(values) != RATINGS_PER_AXIS:
                raise DataError(f"{where}: {len(values)} ratings of {AXES[key]}, {RATINGS_PER_AXIS} expected")
            if not all(math.isfinite(value) and 0 <= value <= 10 for value in values):
                raise DataError(f"{where}: a rating of {AXES[key]} lies outside 0 to 10: {values}")
        if name in table:
            raise DataError(f"{where}: {name} occurs twice")
        table[name] = given
    if not table:
        raise DataError(f"{path}: the file is empty")
    return table


def sample_id(data_path: str) -> str:
    """The challenge's id of a natural clip, from its path in the label files.

    Holds for 2949 of the 2950 published ids; one dev id lacks the comma of its path. Ids are therefore taken from the
    lists; this rule is for clips that are in none.

    Example:
        >>> sample_id("/your_path/cv-corpus-13.0-2023-03-09/en/clips/a b.mp3")
        'audiomos2025-track2-speech-cv-corpus-13.0-2023-03-09_en_clips_a_b.mp3'
    """
    relative = below_prefix(data_path, "")
    domains = {"AudioSet": "audio", "MusicCaps": "music", "MUSDB18": "music"}
    domain = domains.get(source_of(relative, "").name, "speech")
    stem = relative.removesuffix(".wav").removesuffix(".flac")
    return f"audiomos2025-track2-{domain}-" + stem.replace("/", "_").replace(" ", "_")


def below_prefix(data_path: str, where: str | Path) -> str:
    """A clip's path below the placeholder ``/your_path/``, checked not to lead elsewhere.

    Raises:
        DataError: If the path does not begin so, or holds ``..``.
    """
    relative = data_path.removeprefix(PLACEHOLDER)
    if relative == data_path or ".." in relative.split("/") or relative.startswith("/") or "\0" in relative:
        raise DataError(f"{where}: {data_path!r} is not a path below {PLACEHOLDER}")
    return relative


def source_of(relative: str, where: str | Path) -> Source:
    """The corpus of a clip.

    Raises:
        DataError: For a path of no known corpus.
    """
    for source in SOURCES:
        if relative.startswith(f"{source.folder}/"):
            return source
    raise DataError(f"{where}: {relative!r} is of none of the corpora {', '.join(item.name for item in SOURCES)}")


def domain_of(name: str, where: Path) -> str:
    """``speech``, ``music`` or ``sound`` (called ``audio`` in the ids)."""
    word = name.removeprefix("audiomos2025-track2-").partition("-")[0]
    if word not in {"audio", "music", "speech"}:
        raise DataError(f"{where}: {name!r} is not an id of track 2")
    return "sound" if word == "audio" else word


def system_of(name: str, where: Path) -> str:
    """The system of an evaluation clip: ``sys...`` of ``audiomos2025-track2-sys0v1wm-utt0dJodp``; case counts."""
    match = _EVAL_ID.fullmatch(name)
    if not match:
        raise DataError(
            f"{where}: {name!r} is not an id of the evaluation set (audiomos2025-track2-sysXXXXX-uttYYYYYY)"
        )
    return match[1]


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _mean_or(given: Mapping[str, list[float]], name: str, stated: str, table: Path) -> float:
    return _mean(given[name]) if name in given else parse_number(stated, table, name)


def _locate(root: Path, name: str) -> Path | None:
    folders = (
        root / folder for folder in (*_LABEL_FOLDERS, *(f"audiobox-aesthetics/{part}" for part in _LABEL_FOLDERS))
    )
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _find(root: Path, name: str) -> Path:
    path = _locate(root, name)
    if path is None:
        raise missing_labels(root, [name], "The label files are in the repository facebookresearch/audiobox-aesthetics")
    return path
