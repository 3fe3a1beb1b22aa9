"""A blind listening page of a gate: one self-contained file with pairs in a seeded order, votes as a CSV download."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import AudioError, DataError, UsageError
from ..core.files import digest, dump_json, file_sha256
from ..core.markdown import plain as printable_text
from ..core.printable import printable
from ..core.typed import plain
from .baseline import baseline_renderings, read_baseline
from .sides import Rendering, read_side, refuse_same
from .units import TextKey
from .voted import ListenPage, PagePair

TEMPLATE, SCRIPT = "listen.html.j2", "listen.js"
LARGEST = 60_000_000
"""Bytes of all clips of a page, before their text form takes a third more."""
LONGEST = 1000


@dataclass(frozen=True)
class Heard:
    """One text of a page: key, sentence where it is known, and a file of each side."""

    key: TextKey
    said: str
    baseline: Path
    candidate: Path


def side_files(origin: str | Path, option: str) -> dict[TextKey, tuple[Path, str]]:
    """A file to hear and the sentence of every text of a side; of repeats the first.

    Args:
        origin: Folder, manifest, or a saved baseline that keeps its audio.
        option: Named in messages.

    Raises:
        UsageError: If it is none of these.
        DataError: For a saved baseline without audio.
    """
    files: dict[TextKey, tuple[Path, str]] = {}
    for one in _renderings(origin, option):
        path = one.path or one.audio
        if path is not None:
            files.setdefault(one.key, (Path(path), one.text))
    if not files:
        raise DataError(
            f"{option} {printable(origin)}: keeps scores and no audio, so there is nothing to hear. Give the folder it "
            "was made of, or save the baseline with its audio"
        )
    return files


def _renderings(origin: str | Path, option: str) -> Sequence[Rendering]:
    path = Path(origin)
    if path.suffix.lower() == ".json" and path.is_file():
        return baseline_renderings(read_baseline(path), path)
    return read_side(origin, option).renderings


def choose(baseline: str | Path, candidate: str | Path, count: int, seed: int | None, always: Collection[str]) -> Any:
    """Which texts are heard, in which order.

    Args:
        baseline, candidate: As a gate takes them.
        count: Texts, drawn at random; all where there are fewer.
        seed: Of draw and order; ``None`` takes one that follows from the texts.
        always: Keys of texts that are heard whatever is drawn (those that a report calls broken).

    Returns:
        The texts in order, and the seed.

    Raises:
        UsageError: For the same folder on both sides.
        DataError: If no text is on both sides.
    """
    if Path(baseline).exists() and Path(candidate).exists():
        refuse_same(Path(baseline), Path(candidate), "the candidate")
    old, new = side_files(baseline, "--baseline"), side_files(candidate, "--candidate")
    common = sorted(set(old) & set(new))
    if not common:
        raise DataError(f"no text is on both sides: {printable(baseline)} and {printable(candidate)}")
    if seed is None:
        seed = int(digest([str(key) for key in common]).removeprefix("sha256:")[:8], 16)
    named = [at for at, key in enumerate(common) if str(key) in always]
    others = [at for at in np.random.default_rng([seed, 1]).permutation(len(common)).tolist() if at not in named]
    chosen = [*named, *others[: max(0, count - len(named))]]
    order = [chosen[at] for at in np.random.default_rng([seed, 2]).permutation(len(chosen))]
    return [Heard(common[at], new[common[at]][1] or old[common[at]][1], old[common[at]][0], new[common[at]][0])
            for at in order], seed  # fmt: skip


def candidate_first(seed: int, count: int) -> NDArray[np.bool_]:
    """Whether the candidate is heard first, pair by pair: in half of them (rounded down), shuffled.

    Example:
        >>> int(candidate_first(7, 5).sum()), candidate_first(7, 5).tolist() == candidate_first(7, 5).tolist()
        (2, True)
    """
    first = np.arange(count) % 2 == 1
    return np.random.default_rng([seed, 3]).permutation(first)


def listen_page(heard: Sequence[Heard], seed: int) -> str:
    """The page as text.

    Every clip becomes 16-bit FLAC with one channel at its own rate, so that the kind of file does not give a side away;
    no name of a file or a side is in the page.

    Raises:
        DataError: For a clip that cannot be read.
        UsageError: If the clips together are above :data:`LARGEST` bytes.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    pairs = tuple(
        PagePair(
            key=one.key.text,
            voice=one.key.voice,
            baseline_sha256=file_sha256(one.baseline),
            candidate_sha256=file_sha256(one.candidate),
        )
        for one in heard
    )
    page = ListenPage(page=digest([seed, [plain(pair) for pair in pairs]])[7:23], seed=seed, pairs=pairs)
    shown, size = [], 0
    for one, turned in zip(heard, candidate_first(seed, len(heard)), strict=True):
        clips = [_flac(path) for path in ((one.candidate, one.baseline) if turned else (one.baseline, one.candidate))]
        size += sum(map(len, clips))
        if size > LARGEST:
            raise UsageError(
                f"the clips are above {LARGEST / 1e6:g} MB, too much for one page; take fewer with --pairs"
            )
        said = one.said if one.said != one.key.text else ""
        shown.append({"said": printable_text(said, LONGEST), "clips": [_uri(clip) for clip in clips]})
    script = (Path(__file__).parent / SCRIPT).read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(TEMPLATE).render(
        policy=policy(script),
        script=Markup(script),
        data=Markup(inert_json(plain(page))),
        pairs=shown,
        size=f"{size / 1e6:.1f} MB of audio",
    )


def policy(script: str) -> str:
    """The content security policy of a page: its own script by digest, its own clips, nothing else."""
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{known}'; style-src 'unsafe-inline'; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def inert_json(value: Mapping[str, Any]) -> str:
    """JSON that ends no script element and starts no comment, whatever it holds."""
    text = dump_json(value, indent=None)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _flac(path: Path) -> bytes:
    import soundfile

    from ..audio.read import read_audio

    try:
        wave = read_audio(path)
    except AudioError as error:
        raise DataError(f"{printable(path)}: {error.reason}; nobody can hear it") from error
    stream = io.BytesIO()
    soundfile.write(stream, np.clip(wave.samples, -1, 1), wave.sample_rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def _uri(clip: bytes) -> Any:
    from markupsafe import Markup

    return Markup(f"data:audio/flac;base64,{base64.b64encode(clip).decode('ascii')}")
