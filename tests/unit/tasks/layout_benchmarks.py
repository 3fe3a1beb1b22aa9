"""Every benchmark of ``tasks/benchmarks`` in its official layout, tiny: invented scores, real traps."""

from __future__ import annotations

import csv
import wave
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

SYSTEMS, CLIPS = 5, 2
BOM, CRLF, LF = "\ufeff", "\r\n", "\n"


def score(system: int, clip: int, step: float = 0.25) -> float:
    """A score from 1 to 5 that grows with the system, in steps."""
    return 1.0 + step * round((0.7 * system + 0.35 * ((3 * clip + system) % 4)) / step)


def tone(path: Path, rate: int = 16_000, level: int = 0, milliseconds: int = 120) -> None:
    """A clip whose loudness and noise grow with ``level``; no two names sound the same."""
    generator = np.random.default_rng(sum(map(ord, str(path.name))) + 31 * level)
    time = np.arange(rate * milliseconds // 1000) / rate
    sound = 900 * (1 + level) * np.sin(2 * np.pi * 220 * time) + generator.normal(0, 300, time.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(sound.astype("<i2").tobytes())


def table(path: Path, rows: Iterable[Sequence[object]], *, end: str = LF, bom: bool = False, last: bool = True) -> None:
    """A CSV; ``last=False`` leaves the final line end out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in rows:
        cells = []
        for cell in row:
            text = str(cell)
            cells.append('"' + text.replace('"', '""') + '"' if any(one in text for one in ',"\n') else text)
        lines.append(",".join(cells))
    text = end.join(lines) + (end if last else "")
    path.write_bytes(((BOM if bom else "") + text).encode())


def grid(start: int = 0) -> list[tuple[int, int]]:
    """Systems and clips of a fixture."""
    return [(system, clip) for system in range(SYSTEMS) for clip in range(start, start + CLIPS)]


def bc19(root: Path) -> None:
    """Names with and without ``.wav``, several ratings a clip, a blank line."""
    data = root / "ood" / "DATA"
    for number, (split, file) in enumerate({"train": "TRAINSET", "dev": "DEVSET", "test": "TESTSET"}.items()):
        rows: list[Sequence[object]] = []
        for system, clip in grid(10 * number):
            name = f"sys{system:05d}-utt{clip:07d}"
            tone(data / "wav" / f"{name}.wav", level=system)
            shown = name if split == "test" else f"{name}.wav"
            for listener in range(3):
                rating = min(5, max(1, round(score(system, clip)) + listener - 1))
                rows.append((f"sys{system:05d}", shown, rating, "x_8-3", f"{{}}_30-39_l{listener}_Female_Valid_1_No"))
        table(data / "sets" / file, [*rows[:4], ("",), *rows[4:]])


def bc23(root: Path) -> None:
    """Both tasks in one folder and one file of answers; stubs of macOS."""
    rows = []
    for tag in ("NEB", "AD"):
        for system, clip in grid():
            name = f"VoiceMOS2023Track1-{'ABCDE'[system]}-{tag}_test_{clip:04d}"
            tone(root / "VoiceMOS2023Track1" / f"{name}.wav", 22_050, system)
            rows.append((name, score(system, clip, 0.05882352941176)))
    stub = root / "__MACOSX" / "VoiceMOS2023Track1" / f"._{rows[0][0]}.wav"
    stub.parent.mkdir(parents=True)
    stub.write_bytes(b"stub")
    table(root / "answer.csv", rows)


def svcc23(root: Path) -> None:
    """Means without, ratings with a header; one listener rated a clip twice, differently."""
    answers, ratings = [], [("sample_id", "listener_name", "score")]
    for system, clip in grid():
        name = f"VoiceMOS2023Track2-{('B01', 'SOU', 'T02', 'T11', 'TAR')[system]}-SF1-IDM1-300{clip:02d}"
        tone(root / "wavs" / f"{name}.wav", 24_000, system)
        given = [min(5, max(1, round(score(system, clip)) + shift)) for shift in (-1, 0, 0, 1)]
        ratings += [(name, f"w{at % 3}", str(one)) for at, one in enumerate(given)]
        answers.append((name, sum(given) / len(given)))
    table(root / "answer.csv", answers)
    table(root / "listener_wise_answer.csv", ratings)


def tmhint_qi(root: Path) -> None:
    """Rows of both splits in one table, an empty score, a row without a wav, a clean row without SNR."""
    rows: list[Sequence[object]] = [
        ("idx", "method", "uttr", "snr", "noise", "quality_score", "intelligibility_score", "file_name")
    ]
    data = root / "TMHINTQI"
    for folder, sentences in (("train", range(20)), ("test", range(20, 20 + CLIPS))):
        for system in range(SYSTEMS):
            for sentence in sentences:
                method, snr, noise = ("clean", "", "") if system == 4 else (f"m{system}", str(-2 * system), "babble")
                name = f"{method}_snr{snr}_{noise}_s{sentence}"
                tone(data / folder / f"{name}.wav", level=system, milliseconds=60)
                for shift in (0, 1):
                    rating = min(5, max(1, round(score(system, sentence)) + shift))
                    rows.append((len(rows), method, f"s{sentence}", snr, noise, rating, 10, name))
    rows.append((len(rows), "m0", "s20", "0", "babble", "", "", "m0_snr0_babble_s20"))
    rows.append((len(rows), "m0", "s77", "0", "babble", "3", "9", "m0_snr0_babble_s77"))
    table(data / "raw_data.csv", rows)


def tmhint_qi_s(root: Path) -> None:
    """Systems with an SNR of -2, and bare TMHINT rows, which are left out."""
    rows = []
    for system, clip in grid():
        own = ("Noisy_snr-2_white", "FCN_snr-2_pink", "FCN_snr5_pink", "Trans_snr0_street", "clean_TMHINT")[system]
        tail = "b1_01_" if system == 4 else "TMHINT_g4_32_"
        name = f"VoiceMOS2023Track3-{own}_{tail}{clip:02d}"
        tone(root / "VoiceMOS_2023_track3" / f"{name}.wav", level=system)
        rows.append((name, score(system, clip)))
    rows.append(("VoiceMOS2023Track3-TMHINT_b1_01_03", 5.0))
    table(root / "answer.csv", rows)


def singmos(root: Path) -> None:
    """Lists without header; leading zeros of systems."""
    for number, file in enumerate(("train", "val", "eval")):
        rows = []
        for system, clip in grid(10 * number):
            name = f"voicemos2024-track2-sys{system:04d}-utt{clip:04d}"
            tone(root / "DATA" / "wav" / f"{name}.wav", level=system)
            rows.append((name, f"{score(system, clip):.6f}"))
        table(root / "DATA" / "sets" / f"{file}_mos_list.txt", rows)


def vmc24_zoomed(root: Path) -> None:
    """Spaces and commas inside the histogram, no final line end; zoomed tests as lists."""
    lines = []
    for system, clip in grid():
        name = f"sys{system:05d}-utt{clip:07d}.wav"
        tone(root / "wav" / name, level=system)
        low = min(4, int(score(system, clip)))
        lines.append(f"sys{system:05d}/{name} {low + 0.375:.6f} 0.432700 ({low}:5,{low + 1}:3,total: 8)")
    (root / "VMC2024_MOS").write_text("\n".join(lines))
    for zoom, best in (("50", 5), ("25", 4), ("12", 3)):
        rows = [(f"sys{s:05d}-utt{c:07d}.wav", score(s, c)) for s, c in grid() if s >= SYSTEMS - best]
        table(root / f"test_{zoom}_mos_list.txt", rows)


def vmc24_track3(root: Path) -> None:
    """CRLF answers without a last line end, a BOM on the listener file, one listener left out of the means."""
    answers: list[Sequence[object]] = [("systems", "SIG", "BAK", "OVR")]
    ratings: list[Sequence[object]] = [("sample_id", "sig", "bak", "ovr", "listener")]
    for system, clip in grid():
        name = f"p232_sys{system + 1}_{clip:03d}"
        tone(root / "DATA" / "wav" / f"voicemos2024-track3-{name}.wav", level=system)
        given = [min(5, max(1, round(score(system, clip)) + shift)) for shift in (-1, 0, 1, 1)]
        ratings.append((name, 1, 1, 1, "listener-1-F-20-30"))
        ratings += [(name, one, one, one, f"listener-{at + 2}-M-41-50") for at, one in enumerate(given)]
        answers.append((name, *[sum(given) / 4] * 3))
    table(root / "track3_answer.csv", answers, end=CRLF, last=False)
    table(root / "track3_listener_wise_answer.csv", ratings, end=CRLF, bom=True)


def brspeechmos(root: Path) -> None:
    """BOM, ``./`` paths, natural speech by condition, a row without a wav."""
    rows: list[Sequence[object]] = [("filepath", "mos", "condition", "db")]
    for system, clip in grid():
        natural = system == 4
        name = f"d{system}/u{clip}.wav"
        tone(root / "BRSPEECH_MOS_DATASET_v2" / name, level=system)
        rows.append(
            (
                f"./{name}",
                score(system, clip),
                "studio" if natural else "x",
                "ground_truth" if natural else f"db{system}",
            )
        )
    rows.append(("./d0/absent.wav", 3.0, "x", "db0"))
    table(root / "BRSPEECH_MOS_DATASET_v2" / "test.csv", rows, bom=True)


def hablamos(root: Path) -> None:
    """CRLF; in train two rows share a path and differ in duration; names that end in ``.wav.wav``."""
    header = ("wav_path", "system_id", "sample_id", "speaker_id", "duration_ms", "score")
    for folder, speakers in (("train", "A1 B1 C1"), ("val", "A4 B8 C6"), ("test", "A6 B9 C7")):
        rows: list[Sequence[object]] = [header]
        for number, speaker in enumerate(speakers.split()):
            for clip in range(3):
                stem = f"{100 * number + clip}" if clip else f"audio{number}.wav"
                tone(root / folder / f"{stem}.wav", level=number + clip)
                rows.append((f"{folder}/{stem}.wav", stem, stem, speaker, 120.0, score(number + 1, clip)))
        if folder == "train":
            rows.append(("train/1.wav", "1", "1", "C1", 3715.1875, 5.0))
        table(root / f"{folder}.csv", rows, end=CRLF)


def ttsds2(root: Path) -> None:
    """Rating types mixed, one of them off the scale; stems repeat over systems; a clip that is not there."""
    rows: list[Sequence[object]] = [
        ("audio", "dataset", "system", "rating_type", "value", "annotator", "survey_part", "page", "id")
    ]
    for system, clip in grid():
        name = f"clips/{'clean' if system % 2 else 'wild'}/tts{system}/{clip:03d}.wav"
        tone(root / name, 22_050, system)
        for listener in range(3):
            rating = min(5, max(1, round(score(system, clip)) + listener - 1))
            rows.append(
                (
                    name,
                    "clean" if system % 2 else "wild",
                    f"tts{system}",
                    "mos",
                    f"{rating}.0",
                    f"a{listener}",
                    1,
                    1,
                    len(rows),
                )
            )
        rows.append((name, "x", f"tts{system}", "cmos", "-2.0", "a0", 1, 1, len(rows)))
    rows.append(("clips/absent.wav", "clean", "tts1", "mos", "3.0", "a0", 1, 1, len(rows)))
    table(root / "subjective_results.csv", rows)


def tcd_voip(root: Path) -> None:
    """BOM and CRLF; condition numbers that repeat over kinds, and CLIP 11 whose ConditionID is 21."""
    rows: list[Sequence[object]] = [("Filename", "ConditionID", "MOS")]
    for system, (kind, number, condition) in enumerate(
        (("ECHO", 1, 1), ("CHOP", 1, 1), ("CLIP", 11, 21), ("NOISE", 2, 2), ("COMPSPKR", 12, 22))
    ):
        for talker in ("FA", "MK"):
            name = f"C_{number:02d}_{kind}_{talker}.wav"
            tone(root / "TCD-VOIP" / "wav" / kind.lower() / name, 48_000, system, 60)
            rows.append((name, condition, score(system, len(talker) + ord(talker[0]))))
    table(root / "TCD-VOIP" / "tcd-voip_answer.csv", rows, end=CRLF, bom=True, last=False)


def tencent(root: Path) -> None:
    """The misspelt folder, two tables, ``./`` paths."""
    data = root / "TencentCorups"
    for system, (part, folder) in enumerate((("withoutReverberation", "dry"), ("withReverberation", "wet"))):
        rows: list[Sequence[object]] = [("deg_wav", "mos")]
        for clip in range(10):
            tone(data / folder / f"{clip:03d}.wav", level=clip % 5)
            rows.append((f"./{folder}/{clip:03d}.wav", score(clip % 5, clip + system)))
        table(data / f"{part}TrainDevMOS.csv", rows)


def pstn(root: Path) -> None:
    """A column called ``95%CI``; the id ends at the first underscore; 8 kHz."""
    rows: list[Sequence[object]] = [("filename", "MOS", "std", "95%CI", "votes")]
    for clip in range(20):
        name = f"{clip:05d}_dtmf_x.wav"
        tone(root / "pstn_train" / name, 8_000, clip % 5)
        rows.append((name, score(clip % 5, clip), 0.7, 0.3, 5))
    table(root / "pstn_train" / "pstn_train.csv", rows)


def urgent2024_mos(root: Path) -> None:
    """The parquet file of the hub: mixed rates, teams in the ids, means of eight ratings."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for system, clip in grid():
        path = root / "raw" / f"P{system:03d}-fileid_{clip}.wav"
        rate = (8_000, 16_000, 22_050, 48_000)[(system + clip) % 4]
        tone(path, rate, system, 60)
        given = [min(5, max(1, round(score(system, clip)) + shift)) for shift in (-1, 0, 0, 0, 0, 1, 1, 1)]
        audio = {"bytes": io.BytesIO(path.read_bytes()).getvalue(), "path": path.name}
        rows.append(
            {"id": path.stem, "audio": audio, "sampling_rate": rate, "mos": sum(given) / 8, "raw_ratings": given}
        )
        path.unlink()
    (root / "raw").rmdir()
    data = pa.Table.from_pylist(rows)
    about = {"info": {"features": {"audio": {"_type": "Audio"}}}}
    import json

    data = data.replace_schema_metadata({b"huggingface": json.dumps(about).encode()})
    (root / "data").mkdir()
    pq.write_table(data, root / "data" / "test-00000-of-00001.parquet")


def chime7_udase(root: Path) -> None:
    """Rows of the reference condition, in any case, are no clips."""
    rows: list[Sequence[object]] = [("condition", "sample", "MOS")]
    for system, clip in grid():
        tone(root / "listening_test" / "data" / f"C{system}" / f"S0{clip}.wav", level=system)
        rows.append((f"C{system}", f"S0{clip}.wav", score(system, clip)))
    rows += [("ref", "R01.wav", 5.0), ("REF", "R02.wav", 1.0)]
    table(root / "listening_test" / "MOS_results_listening_test.csv", rows)


QUALI = """id|Speed|Naturalness|Background noise|Distortion|Listening effort|Continuity|Overall quality
Feeling of voice|Noise Description|Distortion description|Unnatural pause|Natural language description""".replace(
    "\n", "|"
).split("|")


def qualispeech(root: Path) -> None:
    """Free text with commas, quotes and line ends; clips of BVCC that were not added."""
    for number, split in enumerate(("train", "val", "test")):
        rows: list[Sequence[object]] = [QUALI]
        for system, clip in grid(10 * number):
            name = f"sys{system:02d}tts-{clip:07d}.wav"
            tone(root / name, level=system)
            overall = min(5, max(1, round(score(system, clip))))
            rows.append(
                (
                    name,
                    1 + clip % 5,
                    overall,
                    1 + system,
                    overall,
                    5 - system,
                    2 + clip % 2,
                    overall,
                    "warm",
                    "",
                    "none",
                    "no",
                    'Clear, "bright"\nvoice',
                )
            )
        if split == "test":
            rows.append(("sysabcde-utt0000001.wav", 3, 2, 4, 3, 5, 2, 3, "", "", "", "", ""))
        table(root / f"{split}.csv", rows)


WRITERS: dict[str, Callable[[Path], None]] = {
    "bc19": bc19,
    "bc23_hub": bc23,
    "bc23_spoke": bc23,
    "brspeechmos": brspeechmos,
    "chime7_udase": chime7_udase,
    "hablamos": hablamos,
    "pstn": pstn,
    "qualispeech": qualispeech,
    "singmos": singmos,
    "svcc23": svcc23,
    "tcd_voip": tcd_voip,
    "tencent": tencent,
    "tmhint_qi": tmhint_qi,
    "tmhint_qi_s": tmhint_qi_s,
    "ttsds2": ttsds2,
    "urgent2024_mos": urgent2024_mos,
    "vmc24_track3": vmc24_track3,
    "vmc24_zoomed": vmc24_zoomed,
}


def write_benchmark(name: str, root: Path) -> Path:
    """The official layout of a benchmark in ``root / name``; returns that folder."""
    folder = root / name
    folder.mkdir(parents=True)
    WRITERS[name](folder)
    return folder


def write_sheet(path: Path, rows: Sequence[dict[str, object]], *, end: str = CRLF) -> None:
    """A table of SHEET's, with the columns of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator=end)
        writer.writeheader()
        writer.writerows(rows)
