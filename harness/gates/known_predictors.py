"""What is known of predictors without loading them: their fingerprints, by the files that they were loaded from.

A gate whose scores all lie in the prediction cache needs a predictor's fingerprint and nothing else of it. Loading
torch and weights to get that takes seconds, so it is remembered by everything that it follows from: the predictor's
code and version, settings, device, environment, and the identity of every weight file as the file system states it.
Predictors of other packages are always loaded: their code has no version that could be trusted here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from ...predictors import PREDICTORS, Predictor
from ..core.files import digest, write_json
from ..core.paths import cache_root
from ..core.provenance import own_version, package_versions
from ..core.typed import Typed, plain
from .schema import CheckpointDetails

VERSION = 1


class PredictorFacts(Typed, frozen=True, kw_only=True):
    """What a gate needs of a predictor that it does not load.

    Attributes:
        files: Weight files and their identities; others than these are another predictor.
    """

    fingerprint: Mapping[str, Any]
    dimensions: tuple[str, ...]
    checkpoint: CheckpointDetails
    title: str
    stated: str
    files: Mapping[str, str]


class KnownPredictor:
    """A predictor that is loaded when something is asked that :class:`PredictorFacts` do not tell.

    Args:
        name: Registry name.
        facts: What is known of it.
        load: Loads it.
    """

    def __init__(self, name: str, facts: PredictorFacts, load: Callable[[], Predictor]) -> None:
        self._name, self._facts, self._load = name, facts, load
        self._loaded: Predictor | None = None

    @property
    def name(self) -> str:
        """Registry name."""
        return self._name

    @property
    def card(self) -> Any:
        """The card of its class."""
        return PREDICTORS[self._name].card

    @property
    def dimensions(self) -> tuple[str, ...]:
        """What it predicts."""
        return self._facts.dimensions

    @property
    def checkpoint(self) -> CheckpointDetails:
        """Where its weights come from."""
        return self._facts.checkpoint

    @property
    def uses_text(self) -> bool:
        """Whether it reads texts."""
        return PREDICTORS[self._name].uses_text

    @property
    def uses_reference(self) -> bool:
        """Whether it compares with a clip."""
        return PREDICTORS[self._name].uses_reference

    def describe(self) -> Any:
        """The card, with the title of this instance."""
        return msgspec.defstruct("Described", [("title", str)])(self._facts.title)

    def stated_settings(self) -> str:
        """Settings that a score must be quoted with."""
        return self._facts.stated

    def fingerprint(self) -> dict[str, Any]:
        """What a score depends on besides the audio."""
        return dict(self._facts.fingerprint)

    def loaded(self) -> Predictor:
        """The predictor itself."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


def known_or_loaded(
    name: str,
    checkpoint: str | None,
    device: str,
    precision: str,
    settings: Mapping[str, Any],
    load: Callable[[], Predictor],
) -> Predictor | KnownPredictor:
    """The predictor by what is known of it, else loaded and remembered.

    Args:
        name: Registry name.
        checkpoint: As it was given.
        device, precision, settings: As for loading.
        load: Loads it.
    """
    place = _place(name, checkpoint, device, precision, settings)
    if place is None:
        return load()
    facts = _read(place)
    if facts is not None and all(_identity(Path(path)) == known for path, known in facts.files.items()):
        return KnownPredictor(name, facts, load)
    predictor = load()
    with suppress(OSError, TypeError, ValueError):
        if (found := _facts(predictor)) is not None:
            write_json(place, plain(found))
    return predictor


def _place(name: str, checkpoint: str | None, device: str, precision: str, settings: Mapping[str, Any]) -> Path | None:
    """Where facts are kept; ``None`` for predictors of other packages."""
    cls = PREDICTORS[name]
    module = sys.modules.get(cls.__module__)
    own = __name__.partition(".")[0]
    file = getattr(module, "__file__", None)
    if cls.__module__.partition(".")[0] != own or file is None:
        return None
    code = [
        [path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(Path(file).parent.glob("*.py"))
    ]
    variables = sorted(
        (key, value) for key, value in os.environ.items() if key.startswith(("MOSHARNESS_", "HF_", "CUDA_", "TORCH_"))
    )
    given = "" if checkpoint is None else str(Path(checkpoint).expanduser().resolve())
    key = [
        VERSION, own_version(), package_versions(), name, cls.card.version, code, given, device, precision,
        repr(sorted(settings.items())), variables, sorted(path.name for path in Path("/dev").glob("nvidia*")),
        str(Path.cwd()),
    ]  # fmt: skip
    return cache_root() / "predictors" / f"{digest(key).removeprefix('sha256:')[:40]}.json"


def _read(place: Path) -> PredictorFacts | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=PredictorFacts)
    except (OSError, msgspec.DecodeError):
        return None


def _identity(path: Path) -> str:
    """A file as the file system states it; empty where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"


def _facts(predictor: Predictor) -> PredictorFacts | None:
    """Facts of a loaded predictor; ``None`` where files count that loading has not named."""
    files = predictor.read_files()
    fingerprint = predictor.fingerprint()
    if not files or not {*fingerprint["files"].values()} <= {*files.values()}:
        return None
    return PredictorFacts(
        fingerprint=fingerprint,
        dimensions=predictor.dimensions,
        checkpoint=CheckpointDetails(
            kind=predictor.checkpoint.kind, name=predictor.checkpoint.name, sha256=predictor.checkpoint.sha256
        ),
        title=predictor.describe().title,
        stated=predictor.stated_settings(),
        files={str(path.resolve()): _identity(path) for path in files},
    )
