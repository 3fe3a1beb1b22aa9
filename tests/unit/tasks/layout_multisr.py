"""AudioMOS 2025 Track 3 in its official layouts: a few conditions, two sentences a split."""

from __future__ import annotations

import shutil
from pathlib import Path
from statistics import fmean

from layout_audio import write_wav

PREFIX = "audiomos-track3-"
CONDITIONS = ("16k_nv", "16k_original", "24k_nv", "24k_nvSR", "24k_originalSR", "48k_ttsSR")
SYSTEM_MAP = {"original": "sys1", "originalSR": "sys10", "nv": "sys2", "nvSR": "sys3", "ttsSR": "sys4"}
SENTENCES = {"pool": ("1089_134686_000015_000002", "Seikatsu-nv_0001"), "test": ("121_1_2_3", "SR_9_9_9_9")}
SENTENCE_MAP = {name: f"utt{index:02}" for index, name in enumerate(sum(SENTENCES.values(), ()), start=7)}


def clips(part: str, rate: str = "") -> list[str]:
    """Plain clip names of ``pool`` (train and dev) or ``test``, of one rate or all."""
    return [f"{PREFIX}{c}_{s}" for s in SENTENCES[part] for c in CONDITIONS if c.startswith(rate)]


def obfuscate(name: str) -> str:
    """The obfuscated name of a clip."""
    condition = next(c for c in sorted(CONDITIONS, key=len, reverse=True) if name.startswith(f"{PREFIX}{c}_"))
    rate, system = condition.split("_")
    return f"{PREFIX}{rate}_{SYSTEM_MAP[system]}_{SENTENCE_MAP[name.removeprefix(f'{PREFIX}{condition}_')]}"


def ratings_of(name: str, test: str) -> list[int]:
    """Three ratings of a clip in a listening test: other tests, other ratings."""
    start = (len(name) + sum(map(ord, name)) + sum(map(ord, test))) % 4
    return [1 + start, 2 + start, 1 + (start * 3) % 5]


def write_multisr(folder: Path, *, audio: bool = False, obfuscated_labels: bool = False) -> Path:
    """Write ``post_eval_distro`` below ``folder``; returns it."""
    post = folder / "post_eval_distro"
    for rate in ("16k", "24k", "48k"):
        write_ratings(post / "train" / f"utt_{rate}.csv", clips("pool", rate), rate, obfuscated_labels)
    for part, source in (("val", "pool"), ("test", "test")):
        test = f"mix_{part}"
        write_ratings(post / part / f"utt_{test}.csv", clips(source), test, obfuscated_labels)
        rows = [f"{PREFIX}{condition},{mean}\n" for condition, mean in condition_means(source, test).items()]
        (post / part / f"sys_{test}.csv").write_text("sysID,MOS\n" + "".join(rows))
    (post / "sysMap.txt").write_text("".join(f"{plain}|{hidden}\n" for plain, hidden in SYSTEM_MAP.items()))
    (post / "uttMap.txt").write_text("".join(f"{plain}|{hidden}\n" for plain, hidden in SENTENCE_MAP.items()))
    if audio:
        for name in [*clips("pool"), *clips("test")]:
            write_clip(post / "wav" / f"{name}.wav", name)
    return post


def write_obfuscated(folder: Path, *, labels: bool = True) -> Path:
    """Write ``track3_obf`` and the archive of the evaluation phase, with audio, below ``folder``."""
    data, evaluation = folder / "track3_obf" / "DATA", folder / "audiomos2025-track3-eval-phase" / "DATA"
    for part, place in (("pool", data), ("test", evaluation)):
        for name in clips(part):
            write_clip(place / "wav" / f"{obfuscate(name)}.wav", name)
    if labels:
        for rate in ("16k", "24k", "48k"):
            write_ratings(data / f"utt_{rate}.csv", clips("pool", rate), rate, obfuscated=True)
    (evaluation / "sets").mkdir()
    (evaluation / "sets" / "eval_list.txt").write_text("".join(f"{obfuscate(name)}\n" for name in clips("test")))
    return data


def write_clip(path: Path, name: str) -> None:
    """A clip at the rate that its name says."""
    write_wav(path, int(name.removeprefix(PREFIX)[:2]) * 1000)


def write_ratings(path: Path, names: list[str], test: str, obfuscated: bool = False) -> None:
    """``uttID,lisID,rating``; listeners are 01, 02, 03 in every test."""
    lines = ["uttID,lisID,rating\n"]
    for name in names:
        shown = obfuscate(name) if obfuscated else name
        lines += [f"{shown}.wav,{index:02},{rating}\n" for index, rating in enumerate(ratings_of(name, test), start=1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))


def condition_means(part: str, test: str) -> dict[str, float]:
    """Mean of the clips' means of each condition."""
    return {
        condition: fmean(fmean(ratings_of(f"{PREFIX}{condition}_{sentence}", test)) for sentence in SENTENCES[part])
        for condition in CONDITIONS
    }


def remove_audio(post: Path) -> None:
    """Take the plain audio away."""
    shutil.rmtree(post / "wav")
