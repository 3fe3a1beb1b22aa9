"""MusicEval (AudioMOS Challenge 2025, track 1): generated music, rated for musical impression and textual alignment.

Two sources: the challenge layout (lists, prompts, single ratings, system scores) and the parquet files of the hub
repository (``hubsource.py``), which hold neither prompts nor raters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from ..harness.core.errors import DataError, UsageError
from ..harness.core.files import read_text
from . import hubsource
from .base import MosTask, Row, SplitInfo, TaskCard
from .lists import (
    TOLERANCE,
    AudioFiles,
    clip_id,
    contents,
    parse_number,
    read_lines,
    read_rows,
    restrict_truth,
    unique,
)

PREFIX = "audiomos2025-track1-"
DEMO_SYSTEMS = frozenset({"S001", "S006", "S013", "S017", "S018", "S033"})
"""Systems known by demo clips only: each clip has a prompt of its own, kept in ``demo_prompt_info.txt`` under the
clip's name. Their ``P`` numbers also occur in ``prompt_info.txt``, with other texts."""

DIMENSIONS = ("mi", "ta")
_NAME = re.compile(rf"(?:{PREFIX})?(S\d{{3}})_(P\d+)", re.ASCII)
_FULL, _PHASE1, _EVAL = "MusicEval-full", "MusicEval-phase1", "audiomos2025-track1-eval-phase/DATA"
_PLACES = ("", _FULL, f"{_FULL}/{_FULL}", "DATA", _PHASE1, f"{_PHASE1}/{_PHASE1}", _EVAL, f"{_PHASE1}/{_EVAL}")

Scores = dict[str, dict[str, float]]


class MusicEval(MosTask):
    """MusicEval from the challenge layout or from the hub's parquet files.

    ``data_root`` is a folder that holds ``MusicEval-full``, ``MusicEval-phase1`` or the unpacked evaluation phase, one
    of these itself, or a folder with the hub's ``data/{train,validation,test}-*.parquet``.

    Options:
        source: ``"local"``, or ``"hub"`` to fetch the parquet files of ``BAAI/MusicEval`` into the hub cache.
        revision: What to fetch; a commit of 40 digits is reproducible. No commit is known to us, so the default is the
            branch ``main``; the commit it stood for is a finding of the result.
        systems: ``"names"`` takes the system from the file name and fails where it cannot; ``"none"`` leaves it empty,
            so that only utterance-level numbers exist.
        labels: A list ``id,MI,TA`` with the labels of the evaluation phase, whose own ``eval_list.txt`` has none.
    """

    card: ClassVar[TaskCard] = TaskCard(
        name="musiceval",
        version=1,
        title="MusicEval: text-to-music systems, musical impression (mi) and textual alignment (ta)",
        dimensions=DIMENSIONS,
        scale=(1.0, 5.0),
        splits={
            "train": SplitInfo(1923, 31),
            "dev": SplitInfo(412),
            "test": SplitInfo(
                413, note="labels come with MusicEval-full and the hub copy, not with the challenge phases"
            ),
        },
        license="CC BY-NC 4.0 (not for commercial use; never bundled)",
        citation="Liu et al., MusicEval: A Generative Music Dataset with Expert Ratings, ICASSP 2025, arXiv 2501.10811",
        obtain=(
            "With prompts and raters: AISHELL-7A (MusicEval-full.zip) from the AISHELL site; unpack it in FOLDER.\n"
            "Without them: hf download BAAI/MusicEval --repo-type dataset --local-dir FOLDER"
        ),
        size="about 1.9 GB",
        languages=("en",),
        sample_rates=(16_000,),
        official_system_truth=True,
    )
    options: ClassVar[Mapping[str, str]] = {"source": "local", "revision": "main", "systems": "names", "labels": ""}

    def __init__(self, data_root: str | Path | None = None, **options: str) -> None:
        super().__init__(data_root, **options)
        for name, allowed in (("source", ("local", "hub")), ("systems", ("names", "none"))):
            if self.option[name] not in allowed:
                raise UsageError(
                    f"musiceval: option {name} is {self.option[name]!r}; it must be {' or '.join(allowed)}"
                )
        if self.option["source"] == "hub" and data_root is not None:
            raise UsageError("musiceval: source=hub fetches the data itself; leave --data-root out")

    def root(self) -> Path:
        """The data folder; with ``source="hub"`` the local snapshot, which is fetched on first use."""
        return hubsource.fetch(str(self.option["revision"])) if self.option["source"] == "hub" else super().root()

    def build(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        """Rows of one split; see :meth:`MosTask.build`."""
        places = challenge_places(root)
        if places:
            return self._build_challenge(places, split, audio=audio)
        if not hubsource.has_parquet(root):
            raise DataError(
                f"{root}: neither the challenge layout (sets/train_mos_list.txt, wav/) nor the hub's "
                f"data/train-*.parquet; {contents(root)}"
            )
        if self.option["source"] == "hub":
            self.note("hub_revision", f"{hubsource.REPOSITORY} at commit {root.name} ({self.option['revision']})")
        return self._build_hub(root, split, audio=audio)

    def system_of(self, name: str) -> str:
        """System id of a clip: what stands before ``_`` in its name (without suffix), the prefix taken off.

        Raises:
            DataError: If the name is not of the form ``S002_P044``, unless the option ``systems`` is ``none``.
        """
        if self.option["systems"] == "none":
            return ""
        match = _NAME.fullmatch(name)
        if not match:
            raise DataError(
                f"systems cannot be recovered: the file name {name!r} is not of the form {PREFIX}S002_P044. "
                "With the option systems=none (--set task.systems=none) the clips can be scored at utterance level"
            )
        return match[1]

    # -- challenge layout ------------------------------------------------------------------------------------------

    def _build_challenge(self, places: list[Path], split: str, *, audio: bool) -> list[Row]:
        scores = self._scores(places, split)
        if self.option["systems"] == "none":
            self.note("no_systems", "system ids are left empty (option systems=none): utterance level only")
        prompts = self._prompts(places)
        raters = self._raters(places, split, scores)
        files = [AudioFiles(place) for place in places] if audio else []
        rows: list[Row] = []
        for name, means in scores.items():
            given = raters.get(name, {})
            rows.append(
                {
                    "utterance_id": name,
                    "system_id": self.system_of(name),
                    "audio_path": next(filter(None, (place.find("wav", f"{name}.wav") for place in files)), ""),
                    **means,
                    "ratings": {key: [pair[at] for pair in given.values()] for at, key in enumerate(DIMENSIONS)},
                    "listeners": list(given),
                    "text": prompts.get(_prompt_key(name), ""),
                }
            )
        without = [row["utterance_id"] for row in rows if not row["text"]]
        if without:
            self.note("no_prompt", f"{split}: {len(without)} clips have no prompt (first: {without[0]})")
        self._note_unlisted(places, files)
        return rows

    def _scores(self, places: list[Path], split: str) -> Scores:
        """Clip to means of one split."""
        path = _first(places, f"sets/{split}_mos_list.txt")
        if path is not None:
            return read_scores(path)
        listing = _first(places, "sets/eval_list.txt") if split == "test" else None
        if listing is None:
            hint = "; the test labels come with MusicEval-full" if split == "test" else ""
            raise DataError(f"{places[0]}: no sets/{split}_mos_list.txt{hint}; {contents(places[0] / 'sets')}")
        if not self.option["labels"]:
            raise DataError(
                f"{listing}: the evaluation phase has no labels. Use MusicEval-full, or pass --set task.labels=FILE "
                f"(lines id,MI,TA). To score the clips all the same: mosharness predict {listing.parent.parent / 'wav'}"
            )
        given = read_scores(Path(self.option["labels"]).expanduser())
        names = [clip_id(line) for line in read_lines(listing)]
        absent = [name for name in names if name not in given]
        if absent:
            raise DataError(
                f"{self.option['labels']}: no label for {len(absent)} of the {len(names)} clips of {listing} "
                f"(first: {absent[0]})"
            )
        if len(given) > len(names):
            self.note(
                "extra_labels", f"{len(given) - len(names)} labels are of clips that {listing.name} does not name"
            )
        return {name: given[name] for name in names}

    def _prompts(self, places: list[Path]) -> dict[str, str]:
        """Prompt id (``P044``) or, for demo systems, clip name to text."""
        prompts: dict[str, str] = {}
        for name, demo in (("prompt_info.txt", False), ("demo_prompt_info.txt", True)):
            path = _first(places, name) or _first(places, f"metadata/{name}")
            if path is None:
                whose = "demo systems" if demo else "clips"
                self.note("no_prompt_file", f"no {name} under {places[0]}: the {whose} have no prompts")
                continue
            table = read_prompts(path)
            prompts |= {clip_id(key): text for key, text in table.items()} if demo else table
        return prompts

    def _raters(self, places: list[Path], split: str, scores: Scores) -> dict[str, dict[str, tuple[float, float]]]:
        """Clip to rater to (MI, TA), from the per-person list where there is one."""
        path = _first(places, f"person_mos/{split}_person_mos.txt") or _first(places, "person_mos/total_person_mos.txt")
        if path is None:
            return {}
        table: dict[str, dict[str, tuple[float, float]]] = {}
        for file, rater, *cells in read_rows(path, 4):
            mi, ta = (parse_number(cell, path, file) for cell in cells)
            given = table.setdefault(clip_id(file), {})
            if rater in given:
                raise DataError(f"{path}: {rater} rates {file} twice")
            given[rater] = (mi, ta)
        table = {name: given for name, given in table.items() if name in scores}
        if len(table) < len(scores):
            self.note("no_ratings", f"{split}: {len(scores) - len(table)} clips have no single ratings in {path.name}")
        for at, key in enumerate(DIMENSIONS):
            means = {name: sum(pair[at] for pair in given.values()) / len(given) for name, given in table.items()}
            apart = [name for name, mean in means.items() if abs(mean - scores[name][key]) > TOLERANCE]
            if apart:
                first = f"{apart[0]}: {means[apart[0]]:g} and {scores[apart[0]][key]:g}"
                self.note(
                    "label_mismatch",
                    f"{split}: the mean {key} of the single ratings is not the listed one for {len(apart)} clips "
                    f"(first: {first}); the list counts, as in the challenge",
                )
        return table

    def _note_unlisted(self, places: list[Path], files: list[AudioFiles]) -> None:
        listed: set[str] = set()
        for place in places:
            for path in sorted((place / "sets").glob("*_list.txt")):
                listed |= {clip_id(line.partition(",")[0]) for line in read_lines(path)}
        present = {clip_id(name) for place in files for name in place.names("wav") if name.endswith(".wav")}
        unlisted = sorted(present - listed)
        if unlisted:
            self.note("unlabelled_audio", f"{len(unlisted)} audio files are in no list (first: {unlisted[0]})")

    # -- hub parquet -----------------------------------------------------------------------------------------------

    def _build_hub(self, root: Path, split: str, *, audio: bool) -> list[Row]:
        clips = hubsource.read_split(root, split, self.card.name, audio=audio)
        self.note("hub_columns", "the hub copy has no prompts, no single ratings and no official system scores")
        names = [Path(clip.name).stem for clip in clips]
        if self.option["systems"] == "none":
            self.note("no_systems", "system ids are left empty (option systems=none): utterance level only")
            if len({*names, ""}) <= len(names):  # some empty or equal
                names = [f"{split}-{clip.index:05d}" for clip in clips]
        rows: list[Row] = []
        for clip, name in zip(clips, names, strict=True):
            system = self.system_of(name)
            full = name if not system or name.startswith(PREFIX) else PREFIX + name
            rows.append(
                {"utterance_id": full, "system_id": system, "audio_path": clip.path, "mi": clip.mi, "ta": clip.ta}
            )
        return rows

    # -- system scores ---------------------------------------------------------------------------------------------

    def build_system_truth(self, root: Path, split: str) -> dict[str, dict[str, float]]:
        """The organisers' system scores of a split (``system_mos/*.csv``, lines ``S002,MI,TA``, no header).

        ``system_mos_phase1.csv`` belongs to train and dev, the challenge's first phase; whether it averages both is not
        documented. For the test split a file that names it is needed.

        Raises:
            DataError: If there is no file for the split, or it is malformed.
        """
        places = challenge_places(root)
        folder = next((place / "system_mos" for place in places if (place / "system_mos").is_dir()), None)
        if folder is None:
            raise DataError(f"{root}: no folder system_mos with the organisers' system scores; {contents(root)}")
        names = [f"system_mos_{split}.csv", f"{split}_system_mos.csv"]
        names += ["system_mos_phase1.csv"] if split in {"train", "dev"} else []
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is None:
            raise DataError(
                f"{folder}: no official system scores of {split} ({' or '.join(names)}); {contents(folder)}. Leave "
                "--system-truth out (mean over the split), or pass a CSV with the header system_id,mi,ta"
            )
        lines = [(system, dict(zip(DIMENSIONS, cells, strict=True))) for system, *cells in read_rows(path, 3)]
        systems = {self.system_of(name) for name in self._scores(places, split)}
        return {
            name: restrict_truth(
                unique(((system, parse_number(cells[name], path, system)) for system, cells in lines), path),
                systems,
                path,
                "Leave --system-truth out to use the means of the split.",
            )
            for name in DIMENSIONS
        }


def challenge_places(root: Path) -> list[Path]:
    """The folders of the challenge layout below ``root``, in order of preference; also for a root inside one."""
    found = [root / name if name else root for name in _PLACES]
    found = [place for place in found if (place / "sets").is_dir()]
    if not found and root.name in {"sets", "wav"} and (root.parent / "sets").is_dir():
        found = [root.parent]
    return found


def read_scores(path: Path) -> Scores:
    """A list ``file,MI,TA`` without header; the ending ``.wav`` is optional.

    Raises:
        DataError: For absent or malformed files, and clips listed twice.
    """
    table: Scores = {}
    for file, *cells in read_rows(path, 3):
        name = clip_id(file)
        if name in table:
            raise DataError(f"{path}: {name} is listed twice")
        table[name] = {key: parse_number(cell, path, name) for key, cell in zip(DIMENSIONS, cells, strict=True)}
    return table


def read_prompts(path: Path) -> dict[str, str]:
    """A prompt table: tab separated, with a header that names ``id`` and ``text``; quotes are text.

    Raises:
        DataError: If the header lacks a column, a line lacks a field, or one id has two texts.
    """
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    header = [name.strip() for name in lines[0].split("\t")] if lines else []
    if not {"id", "text"} <= set(header):
        raise DataError(f"{path}: the first line must name the columns id and text, separated by a tab; found {header}")
    prompts: dict[str, str] = {}
    for number, cells in enumerate(_cells(lines[1:]), start=2):
        if len(cells) < len(header):
            raise DataError(f"{path}: line {number} has {len(cells)} fields, {len(header)} expected")
        key, text = (cells[header.index(name)].strip() for name in ("id", "text"))
        if prompts.setdefault(key, text) != text:
            raise DataError(f"{path}: {key} has two texts")
    return prompts


def _cells(lines: list[str]) -> Iterator[list[str]]:
    return (line.rstrip("\r").split("\t") for line in lines)


def _prompt_key(name: str) -> str:
    """Where the prompt of a clip stands: under its own name for demo systems, else under its prompt id."""
    match = _NAME.fullmatch(name)
    return name if match is None or match[1] in DEMO_SYSTEMS else match[2]


def _first(places: list[Path], name: str) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)
