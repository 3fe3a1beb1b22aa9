"""MusicEval in miniature: the challenge layouts, and the hub's parquet files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from layout_audio import write_wav

PREFIX = "audiomos2025-track1-"
RATERS = ("Rater01", "Rater07", "Rater03", "Rater12", "Rater14")

RATINGS: dict[str, dict[str, list[tuple[int, int]]]] = {
    "train": {
        "S002_P044": [(2, 3), (3, 3), (2, 4), (3, 4), (2, 3)],
        "S002_P001": [(4, 2), (5, 2), (4, 1), (4, 2), (5, 2)],
        "S001_P044": [(1, 5), (1, 4), (2, 5), (1, 5), (1, 5)],
        "S033_P159": [(3, 3), (3, 3), (3, 2), (4, 3), (3, 3)],
    },
    "dev": {
        "S002_P002": [(3, 1), (3, 1), (3, 1), (3, 2), (3, 1)],
        "S004_P003": [(5, 5), (4, 5), (5, 4), (5, 5), (4, 4)],
    },
    "test": {
        "S004_P044": [(2, 2), (2, 3), (2, 2), (1, 2), (2, 2)],
        "S013_P001": [(4, 5), (4, 4), (5, 5), (4, 5), (4, 5)],
        "S006_P101": [(1, 1), (1, 2), (1, 1), (2, 1), (1, 1)],
    },
}
"""Split to clip to one (MI, TA) per rater. P044 and P001 also occur with demo systems, where they are other prompts."""

PROMPTS = {"P001": "slow piano", "P002": 'a "quoted" drum loop', "P003": "strings, warm", "P044": "techno at 140 bpm"}
DEMO_PROMPTS = {
    "S001_P044": "demo text of S001",
    "S033_P159": "demo text of S033",
    "S013_P001": "demo text of S013",
    "S006_P101": "demo text of S006",
}


def means(split: str) -> dict[str, tuple[float, float]]:
    """Full clip id to (MI, TA)."""
    table = RATINGS[split].items()
    return {PREFIX + clip: (fmean(mi for mi, _ in given), fmean(ta for _, ta in given)) for clip, given in table}


def write_phase(root: Path, splits: tuple[str, ...], *, raters: bool = True, truth: bool = True) -> Path:
    """``MusicEval-phase1`` (train, dev) or ``MusicEval-full`` (all three): lists, prompts, audio; returns ``root``."""
    for folder in ("sets", "system_mos", "person_mos"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for split in splits:
        lines = [f"{clip}.wav,{mi:g},{ta:g}\n" for clip, (mi, ta) in means(split).items()]
        (root / "sets" / f"{split}_mos_list.txt").write_text("".join(lines))
        for clip in RATINGS[split]:
            write_wav(root / "wav" / f"{PREFIX}{clip}.wav", 16_000)
        if raters:
            ratings = [
                f"{PREFIX}{clip}.wav,{rater},{mi},{ta}\n"
                for clip, given in RATINGS[split].items()
                for rater, (mi, ta) in zip(RATERS, given, strict=True)
            ]
            (root / "person_mos" / f"{split}_person_mos.txt").write_text("".join(ratings))
    (root / "prompt_info.txt").write_text("id\ttext\n" + "".join(f"{key}\t{text}\n" for key, text in PROMPTS.items()))
    demo = "".join(f"{PREFIX}{key}.wav\t{text}\n" for key, text in DEMO_PROMPTS.items())
    (root / "demo_prompt_info.txt").write_text("id\ttext\n" + demo)
    if truth:
        scores = {"S001": (1.5, 4.5), "S002": (3.25, 2.125), "S004": (4.6, 4.6), "S033": (3.2, 2.8)}
        lines = [f"{system},{mi},{ta}\n" for system, (mi, ta) in scores.items()]
        (root / "system_mos" / "system_mos_phase1.csv").write_text("".join(lines))
    return root


def write_eval_phase(root: Path) -> Path:
    """``audiomos2025-track1-eval-phase/DATA``: the test clips without labels; ids have no extension."""
    (root / "sets").mkdir(parents=True)
    (root / "sets" / "eval_list.txt").write_text("".join(f"{PREFIX}{clip}\n" for clip in RATINGS["test"]))
    for clip in RATINGS["test"]:
        write_wav(root / "wav" / f"{PREFIX}{clip}.wav", 16_000)
    return root


def write_hub(root: Path, audio_path: Callable[[str], str | None] = lambda clip: f"{PREFIX}{clip}.wav") -> Path:
    """Parquet files as on the hub: the ``Audio`` type is declared in the schema, train has two parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Audio, Features, Value

    kinds = {"audio": Audio(), "overall quality": Value("float64"), "textual alignment": Value("float64")}
    declared = Features(kinds)
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("audio", struct), ("overall quality", pa.float64()), ("textual alignment", pa.float64())])
    schema = schema.with_metadata(declared.arrow_schema.metadata)
    (root / "data").mkdir(parents=True)
    source = root / "source"
    for split, name, parts in (("train", "train", 2), ("dev", "validation", 1), ("test", "test", 1)):
        rows = []
        for clip in RATINGS[split]:
            write_wav(source / f"{clip}.wav", 16_000)
            mi, ta = means(split)[PREFIX + clip]
            cell = {"bytes": (source / f"{clip}.wav").read_bytes(), "path": audio_path(clip)}
            rows.append({"audio": cell, "overall quality": mi, "textual alignment": ta})
        size = -(-len(rows) // parts)
        for part in range(parts):
            table = pa.Table.from_pylist(rows[part * size : (part + 1) * size], schema=schema)
            pq.write_table(table, root / "data" / f"{name}-{part:05d}-of-{parts:05d}.parquet")
    return root
