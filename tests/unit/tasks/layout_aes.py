"""AES-Natural and the track 2 evaluation set in miniature: label files as published, a few sound files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import fmean

from layout_audio import write_wav

AXES = {
    "pq": "Production_Quality",
    "pc": "Production_Complexity",
    "ce": "Content_Enjoyment",
    "cu": "Content_Usefulness",
}

NATURAL = {
    "sound": (
        "unbalanced_train_segments/audio/-7Wu-EpG838_30000_40000.flac",
        "unbalanced_train_segments/audio/a_0_1.flac",
    ),
    "music": (
        "musiccaps/-0Gj8-vB1q4.wav",
        "MUSDB18/train/Jokers, Jacks & Kings - Sea Of Leaves/mixture.wav",
        "MUSDB18/test/AM Contra - Heart Peripheral/bass.wav",
    ),
    "speech": (
        "cv-corpus-13.0-2023-03-09/en/clips/common_voice_en_1.mp3",
        "LibriTTS/train-clean-100/103/1241/103_1241_000000_000001.wav",
        "EARS/p001/emo_contentment_sentences.wav",
    ),
}
DEV = {"unbalanced_train_segments/audio/a_0_1.flac", "MUSDB18/train/Jokers, Jacks & Kings - Sea Of Leaves/mixture.wav"}
SOURCES = {
    "unbalanced_train_segments": "AudioSet",
    "musiccaps": "MusicCaps",
    "MUSDB18": "MUSDB18",
    "cv-corpus-13.0-2023-03-09": "CommonVoice",
    "LibriTTS": "LibriTTS",
    "EARS": "EARS",
}
EVAL = tuple(
    f"audiomos2025-track2-{system}-utt{number}dJodp"
    for system in ("sys0v1wm", "sysAbCde", "sysabcde")
    for number in (0, 1)
)


def ratings(name: str) -> dict[str, list[float]]:
    """Ten ratings per axis, different for every clip and axis; zeros occur."""
    start = sum(name.encode())
    return {
        axis: [float((start + 3 * at + position * (at + 1)) % 11) for position in range(10)]
        for at, axis in enumerate(AXES.values())
    }


def id_of(domain: str, relative: str) -> str:
    """The published id; the comma of one dev clip is missing there, and ours as well."""
    word = "audio" if domain == "sound" else domain
    stem = relative.removesuffix(".wav").removesuffix(".flac").replace("/", "_").replace(" ", "_")
    return f"audiomos2025-track2-{word}-{stem.replace(',', '') if relative in DEV else stem}"


def write_labels(root: Path, *, flat: bool = False) -> Path:
    """The label files, in the repository's two folders or side by side; returns ``root``."""
    natural = root if flat else root / "evaluation_data"
    track2 = root if flat else root / "audiomos2025_track2"
    for folder in (natural, track2):
        folder.mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[list[object]]] = {"train": [], "dev": []}
    for domain, paths in NATURAL.items():
        with (natural / f"AES_natural_{domain}.jsonl").open("w") as stream:
            for relative in paths:
                path = f"/your_path/{relative}"
                stream.write(json.dumps({"data_path": path, **ratings(path)}) + "\n")
                means = [fmean(values) for values in ratings(path).values()]
                lists["dev" if relative in DEV else "train"].append([id_of(domain, relative), path, *means])
    for split, rows in lists.items():
        with (track2 / f"audiomos2025-track2-{split}_list.csv").open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["sample_id", "data_path", *AXES.values()])
            writer.writerows(rows)
    with (track2 / "audiomos2025_track2_human_annotations.jsonl").open("w") as stream:
        stream.writelines(json.dumps({"data_path": name, **ratings(name)}) + "\n" for name in EVAL)
    return root


def write_natural_audio(root: Path, *, without: str = "nothing") -> None:
    """A short sound under every natural path that does not begin with ``without`` (all are WAV inside)."""
    for relative in (path for paths in NATURAL.values() for path in paths):
        if not relative.startswith(without):
            write_wav(root / relative, 44_100)


def write_eval_audio(root: Path) -> Path:
    """``audiomos2025-track2-eval-phase/DATA`` below ``root``; returns that folder."""
    folder = root / "audiomos2025-track2-eval-phase" / "DATA"
    (folder / "sets").mkdir(parents=True)
    (folder / "sets" / "eval_list.txt").write_text("".join(f"{name}\n" for name in EVAL))
    for name in EVAL:
        write_wav(folder / "wav" / f"{name}.wav", 16_000)
    return folder
