"""How the clean clips of the demo task were made: run this file to make them again.

    python tasks/demo/synthesise.py [--output FOLDER]

It needs the programs flite, festival (text2wave, with festvox-kallpc16k and festvox-kdlpc16k) and espeak-ng; on
Debian 12 the output of all three is the same from run to run. Nothing in the package imports this file: the clips
lie in ``clips/`` and ``clips.csv`` names speaker, engine and sentence of each. ``clips/LICENSES.md`` has the licences.

Each sentence (written for this project) is spoken once, resampled to 16 kHz (soxr, very high quality), trimmed to
0.1 s of silence at both ends, brought to an active level of -21.5 dB of full scale and stored as 16-bit FLAC.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from mosharness.harness.core.files import write_csv
from mosharness.tasks.demo.degrade import FULL_SCALE, SAMPLE_RATE, Pcm, Wave, active_rms

HERE = Path(__file__).resolve().parent
LEVEL = 10 ** (-21.5 / 20)
MARGIN = SAMPLE_RATE // 10

# speaker: (engine, voice)
VOICES = {
    "rms": ("flite", "rms"),
    "kal": ("festival", "kal_diphone"),
    "espeak_us_f": ("espeak-ng", "en-us+f3"),
    "ked": ("festival", "ked_diphone"),
    "espeak_gb_m": ("espeak-ng", "en-gb-x-rp+m3"),
    "espeak_sc_f": ("espeak-ng", "en-gb-scotland+f2"),
    "slt": ("flite", "slt"),
    "awb": ("flite", "awb"),
    "espeak_us_m": ("espeak-ng", "en-us"),
}

SENTENCES = {
    "rms": [
        "The baker counts her loaves before dawn.",
        "Nobody told the pilot about the fog.",
        "Seven geese crossed the frozen canal.",
    ],
    "kal": [
        "My cousin still repairs wooden clocks.",
        "The ferry leaves at a quarter past six.",
        "Fresh paint covered the garden gate.",
    ],
    "espeak_us_f": [
        "Rain filled every bucket in the yard.",
        "The judge asked for another glass of water.",
        "Two brothers shared a single umbrella.",
    ],
    "ked": [
        "The tallest ladder is still too short.",
        "Honey keeps for a very long time.",
        "Put the blue kettle back on the shelf.",
    ],
    "espeak_gb_m": ["A small brown dog chased the yellow bus.", "They planted beans and onions behind the church."],
    "espeak_sc_f": ["She hid the last letter under the carpet.", "Chess is slower than it looks on paper."],
    "slt": [
        "The museum opens early during the summer.",
        "He whistled the same tune all afternoon.",
        "Please bring a sharp pencil and some tape.",
    ],
    "awb": [
        "Nine candles burned on the narrow window sill.",
        "The train stopped twice without any reason.",
        "Grandmother never trusted the new bridge.",
    ],
    "espeak_us_m": [
        "Warm bread and cheese make a fine supper.",
        "The sailor painted his boat bright green.",
        "Every single drawer in the desk was empty.",
    ],
}


def speak(engine: str, voice: str, text: str, path: Path) -> None:
    """Let ``engine`` say ``text`` into the WAV file ``path``; an engine that fails ends the script."""
    commands = {
        "flite": ["flite", "-voice", voice, "-t", text, "-o", str(path)],
        "festival": ["text2wave", "-eval", f"(voice_{voice})", "-o", str(path)],
        "espeak-ng": ["espeak-ng", "-v", voice, "-w", str(path), text],
    }
    subprocess.run(commands[engine], input=text if engine == "festival" else None, text=True, check=True)


def prepare(path: Path) -> Pcm:
    """Read an engine's WAV file: 16 kHz, mean removed, trimmed, at the common level, int16."""
    import soundfile
    import soxr

    wave, sample_rate = soundfile.read(path, dtype="float64")
    if sample_rate != SAMPLE_RATE:
        wave = soxr.resample(wave, sample_rate, SAMPLE_RATE, quality="VHQ")
    wave = wave - wave.mean()
    return np.rint(trim(wave) * (LEVEL / active_rms(wave)) * FULL_SCALE).astype(np.int16)


def trim(wave: Wave) -> Wave:
    """Cut silence (40 dB below the peak) off both ends, keeping 0.1 s; the first and last 10 ms fade."""
    loud = np.flatnonzero(np.abs(wave) > np.abs(wave).max() * 0.01)
    kept = wave[max(0, loud[0] - MARGIN) : loud[-1] + 1 + MARGIN].copy()
    ramp = np.linspace(0, 1, SAMPLE_RATE // 100)
    kept[: len(ramp)] *= ramp
    kept[-len(ramp) :] *= ramp[::-1]
    return kept


def main() -> None:
    """Write every clip and ``clips.csv``."""
    import soundfile

    parser = argparse.ArgumentParser(description="Make the clean clips of the demo task.")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for clips.csv and clips/ (default: here)")
    output = parser.parse_args().output
    (output / "clips").mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for speaker, (engine, voice) in VOICES.items():
            for number, text in enumerate(SENTENCES[speaker], start=1):
                raw = Path(folder) / "raw.wav"
                speak(engine, voice, text, raw)
                samples = prepare(raw)
                name = f"{speaker}-{number:02d}"
                soundfile.write(output / "clips" / f"{name}.flac", samples, SAMPLE_RATE, subtype="PCM_16")
                rows.append((name, speaker, f"{engine} {voice}", text))
                peak = 20 * np.log10(np.abs(samples).max() / FULL_SCALE)
                print(f"{name}: {len(samples) / SAMPLE_RATE:.2f} s, peak {peak:.1f} dBFS")
    write_csv(output / "clips.csv", ("clip", "speaker", "engine", "text"), rows)


if __name__ == "__main__":
    main()
