"""A dozen clips in the official layout of BVCC."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from layout_audio import write_wav

CLIPS: dict[str, dict[str, list[int]]] = {
    "train": {
        "sys64e2f-utt9c183cd": [4, 5, 5, 5, 4, 5, 5, 5],
        "sys64e2f-utt0000001": [3, 4, 3, 4, 3, 4, 3, 4],
        "sys00691-utt0000002": [1, 1, 2, 1, 1, 2, 1, 1],
        "sys00691-utt0000003": [2, 2, 2, 2, 2, 2, 2, 3],
        "sys4bafa-uttc2e86f6": [1, 3, 2, 3, 1, 4, 1, 2],
    },
    "dev": {
        "sys64e2f-utt8c3d2b2": [4, 4, 4, 4, 4, 4, 4, 4],
        "sys00691-utt0000004": [2, 1, 2, 1, 2, 1, 2, 1],
        "sysdev00-utt0000005": [3, 3, 3, 3, 3, 3, 3, 4],
    },
    "test": {
        "sys64e2f-utt0000006": [5, 5, 5, 5, 4, 4, 4, 4],
        "sys00691-utt0000007": [1, 1, 1, 1, 1, 1, 1, 2],
        "sys00691-utt0000008": [2, 2, 2, 2, 2, 2, 2, 2],
        "systest0-utt0000009": [3, 3, 3, 3, 4, 4, 4, 4],
    },
}
SETS = {"train": "TRAINSET", "dev": "DEVSET", "test": "TESTSET"}
LISTS = {"train": "train_mos_list.txt", "dev": "val_mos_list.txt", "test": "test_mos_list.txt"}


def write_bvcc(folder: Path, *, phase1: bool = False, audio: bool = False) -> Path:
    """Write ``main/DATA`` (final release) or ``phase1-main/DATA`` (test unlabelled) below ``folder``; returns it."""
    data = folder / ("phase1-main" if phase1 else "main") / "DATA"
    (data / "sets").mkdir(parents=True)
    (data / "wav").mkdir()
    for split, clips in CLIPS.items():
        hidden = phase1 and split == "test"
        write_ratings(data / "sets" / SETS[split], clips, placeholder=hidden)
        if not hidden:
            lines = [f"{name}.wav,{fmean(ratings)}\n" for name, ratings in clips.items()]
            (data / "sets" / LISTS[split]).write_text("".join(lines))
        if audio:
            for name in clips:
                write_wav(data / "wav" / f"{name}.wav", 16000)
    if phase1:
        (data / "sets" / "test.scp").write_text("".join(f"{name}.wav\n" for name in CLIPS["test"]))
    means = system_means("train", "dev")
    lines = [f"{system},{mean:.11f}\n" for system, mean in means.items()]
    (data / "mydata_system.csv").write_text("system_ID,mean\n" + "".join(lines))
    return data


def write_ratings(path: Path, clips: dict[str, list[int]], *, placeholder: bool = False) -> None:
    """``TRAINSET`` and its like; with ``placeholder`` one line a clip, rated 1, as the training phase has for test."""
    lines = []
    for name, ratings in clips.items():
        system = name.split("-")[0]
        if placeholder:
            lines.append(f"{system},{name}.wav,1,x,{{}}_AGERANGE_LISTENERID_GENDER_ignore_ignore_HEARINGIMPAIRMENT\n")
            continue
        for index, rating in enumerate(ratings):
            info = f"{{}}_30-39_listener{index}_Female_Valid_1_No"
            lines.append(f"{system},{name}.wav,{rating},VDP1ovyrBzg8_1,{info}\n")
    path.write_text("".join(lines))


def system_means(*splits: str) -> dict[str, float]:
    """Mean of the utterance means of each system over the splits."""
    scores: dict[str, list[float]] = {}
    for split in splits:
        for name, ratings in CLIPS[split].items():
            scores.setdefault(name.split("-")[0], []).append(fmean(ratings))
    return {system: fmean(values) for system, values in scores.items()}
