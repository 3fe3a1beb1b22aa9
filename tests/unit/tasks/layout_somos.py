"""A dozen clips in the official layout of SOMOS."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from layout_audio import write_wav

CLIPS: dict[str, dict[str, list[int]]] = {
    "train": {
        "novel_2007_0098_015": [4, 3, 4, 5],
        "booksent_2012_0005_001": [2, 3, 3],
        "LJ050-0029_017": [5, 4, 4, 4],
        "LJ017-0230_000": [5, 5, 4, 5],
        "novel_2007_0098_001": [2, 2, 3, 3],
    },
    "dev": {"news_2009_0001_015": [3, 3, 4], "news_2009_0001_001": [2, 2, 1], "news_2009_0001_000": [5, 5, 4]},
    "test": {
        "wiki_0001_015": [4, 4, 3],
        "wiki_0001_001": [3, 2, 3],
        "wiki_0002_001": [2, 3, 2, 3],
        "wiki_0001_200": [3, 3, 3, 4],
    },
}
"""The clean ratings; the full ones have a 1 more."""
NAMES = {"train": ("TRAINSET", "train"), "dev": ("VALIDSET", "valid"), "test": ("TESTSET", "test")}


def ratings_of(split: str, variant: str) -> dict[str, list[int]]:
    """Ratings by clip of one set of labels."""
    return {name: ratings + [1] * (variant == "full") for name, ratings in CLIPS[split].items()}


def write_somos(folder: Path, *, audio: bool = False, audio_folder: str = "audios") -> Path:
    """Write the unpacked ``somos.zip`` into ``folder``; returns it."""
    for variant in ("clean", "full"):
        labels = folder / "training_files" / "split1" / variant
        labels.mkdir(parents=True)
        for split, (upper, lower) in NAMES.items():
            lines = ["systemId,utteranceId,choice,listenerId\n"]
            means: dict[str, float] = {}
            systems: dict[str, list[float]] = {}
            for name, ratings in ratings_of(split, variant).items():
                system = name.rpartition("_")[2]
                means[name] = fmean(ratings)
                systems.setdefault(system, []).append(means[name])
                lines += [f"{system},{name}.wav,{rating},KEXM{index}\n" for index, rating in enumerate(ratings)]
            (labels / upper).write_text("".join(lines))
            rows = [f"{name}.wav,{mean}\n" for name, mean in means.items()]
            (labels / f"{lower}_mos_list.txt").write_text("utteranceId,mean\n" + "".join(rows))
            rows = [f"{system},{fmean(values)}\n" for system, values in systems.items()]
            (labels / f"{lower}_system.csv").write_text("systemId,mean\n" + "".join(rows))
    raw = folder / "raw_scores_with_metadata"
    raw.mkdir()
    (raw / "raw_scores.tsv").write_text("utteranceId\tchoice\tsystemId\ngt_LJ017-0230_000\t1\t000\n")
    (folder / "readme.txt").write_text("Folder structure\n")
    if audio:
        for clips in CLIPS.values():
            for name in clips:
                write_wav(folder / audio_folder / f"{name}.wav", 24000)
    return folder
