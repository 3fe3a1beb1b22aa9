"""Write the degraded clips of the demo task into a cache folder, once, and trust only what is whole.

The folder's name carries a digest of everything that decides the audio, so an edited clip or degradation gets a new
folder. Each split has a manifest with the SHA-256 of its files; a file that is missing or differs (deleted, cut short,
edited) is rendered again. Files and manifests are written under a temporary name and renamed, so two processes may
render at the same time: both write the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from mosharness.harness.core.errors import DataError
from mosharness.harness.core.files import atomic_write, dump_json, file_sha256, read_json, write_json
from mosharness.harness.core.paths import cache_root
from mosharness.tasks.demo.degrade import SAMPLE_RATE, Pcm, degrade
from mosharness.tasks.demo.rows import clips, utterances
from mosharness.tasks.demo.systems import PACKAGE, SPLITS, SYSTEMS

VERSION = 1


@cache
def fingerprint() -> str:
    """Twelve hexadecimal digits over the clean clips, the source of the degradations and the table of systems."""
    folder = files(PACKAGE)
    total = hashlib.sha256((folder / "degrade.py").read_bytes())
    total.update(dump_json(SYSTEMS).encode())
    for clip in clips():
        total.update(clip["clip"].encode() + (folder / "clips" / f"{clip['clip']}.flac").read_bytes())
    return total.hexdigest()[:12]


def default_cache() -> Path:
    """``demo-<version>-<digest>`` in the cache folder of mosharness."""
    return cache_root() / f"demo-{VERSION}-{fingerprint()}"


def read_clip(clip: str) -> Pcm:
    """The clean clip of that name: 16 kHz mono, int16, shape ``(n,)``."""
    import soundfile

    data = (files(PACKAGE) / "clips" / f"{clip}.flac").read_bytes()
    samples, sample_rate = soundfile.read(io.BytesIO(data), dtype="int16")
    if sample_rate != SAMPLE_RATE or samples.ndim != 1:
        raise DataError(f"the demo clip {clip}.flac is not 16 kHz mono; install mosharness again")
    return np.asarray(samples, dtype=np.int16)


def wav_bytes(samples: Pcm) -> bytes:
    """A 16-bit mono WAV file at 16 kHz: the same samples give the same bytes everywhere."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(samples.astype("<i2").tobytes())
    return stream.getvalue()


def render(cache_dir: Path | None = None, splits: Iterable[str] = tuple(SPLITS)) -> dict[str, Path]:
    """Make sure that the degraded clips lie in the cache.

    Args:
        cache_dir: Folder to use; :func:`default_cache` if ``None``. It is made if absent.
        splits: Which splits; all three by default.

    Returns:
        The WAV file of every utterance id, in the order of the rows.

    Raises:
        UnknownName: If there is no such split.
        DataError: If the folder cannot be written or filled.
    """
    folder = default_cache() if cache_dir is None else Path(cache_dir)
    paths: dict[str, Path] = {}
    try:
        for split in splits:
            paths.update(_render_split(folder, split))
    except OSError as error:
        raise DataError(
            f"{folder}: the demo clips cannot be written there ({error.strerror or error}); "
            "set MOSHARNESS_CACHE to a folder with 40 MB of room"
        ) from error
    return paths


def _render_split(folder: Path, split: str) -> dict[str, Path]:
    planned = utterances(split)
    manifest = folder / f"{split}.json"
    known = _known(manifest)
    digests: dict[str, str] = {}
    paths: dict[str, Path] = {}
    for item in planned:
        name = item["utterance_id"]
        path = folder / split / f"{name}.wav"
        paths[name] = path
        if name in known and path.is_file() and file_sha256(path) == known[name]:
            digests[name] = known[name]
            continue
        content = wav_bytes(degrade(read_clip(item["clip"]), item["clip"], item["system_id"]))
        with atomic_write(path, "wb") as stream:
            stream.write(content)
        digests[name] = file_sha256(path)
    if digests != known:
        write_json(manifest, digests)
    return paths


def _known(manifest: Path) -> dict[str, str]:
    """Digests of an earlier run; none if the manifest is absent or damaged, and then everything is rendered again."""
    try:
        content = read_json(manifest)
    except DataError:
        return {}
    return content if isinstance(content, dict) else {}
