"""What a training needs besides itself: start weights, data, room on the disk. Looked up before anything costs time.

A predictor's training object lists the weights of a stage (``Training.needs``); the engine adds data and disk, and says
all that is missing in one list. ``mosharness plan`` prints the list without training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from ..core.errors import HubError, MosharnessError, NotAtHand
from ..hub.hub import Download, fetch_file, fetch_snapshot
from ..hub.look import ask_hub, look_file, look_snapshot, why_offline

NeedKind = Literal["data", "audio", "weights", "disk", "setting"]
Status = Literal["here", "to fetch", "missing"]


@dataclass(frozen=True)
class HubFiles:
    """Files of a hub repository at a revision, name to sha256 (``None``: not known)."""

    repo_id: str
    revision: str
    files: Mapping[str, str | None]


@dataclass(frozen=True)
class Need:
    """One thing that stages of a recipe need.

    Attributes:
        kind: ``data`` (rated clips), ``audio`` (unlabelled), ``weights``, ``disk``, or ``setting`` (something in the
            recipe or on the command line that cannot work).
        name: What it is, in words.
        status: ``here``; ``to fetch`` (training downloads it itself); ``missing``.
        stages: Names of the stages that need it.
        setting: What names it: ``train.STAGE.settings.KEY``; empty where nothing does.
        where: A path, or a hub id with its commit.
        license: Terms in a few words; empty where not known.
        bytes: Of the download, or of what is written; ``None`` where not known.
        reason: Why it is not here.
        remedy: What to do about it.
        instead: What can be done without a download.
        hub: For what a hub has: the files.
        download: For a file at a web address.
        error: What loading it raised, to be raised again where it is the only thing that is missing.
    """

    kind: NeedKind
    name: str
    status: Status = "here"
    stages: tuple[str, ...] = ()
    setting: str = ""
    where: str = ""
    license: str = ""
    bytes: int | None = None
    reason: str = ""
    remedy: str = ""
    instead: str = ""
    hub: HubFiles | None = field(default=None, repr=False)
    download: Download | None = field(default=None, repr=False)
    error: MosharnessError | None = field(default=None, compare=False, repr=False)

    def fetch(self, instead: str = "") -> Path | None:
        """Download it; nothing to do where it is here already.

        Raises:
            HubError: Why it cannot be had, and what to do.
        """
        if self.hub is not None:
            hub = self.hub
            return fetch_snapshot(
                hub.repo_id, revision=hub.revision, files=hub.files, what=self.name, instead=instead or self.instead
            )
        return fetch_file(self.download) if self.download is not None else None


def local_need(
    name: str,
    path: str | Path,
    setting: str,
    *,
    check: Callable[[], object] | None = None,
    license: str = "",
    remedy: str = "",
) -> Need:
    """Weights that a setting names by a path.

    Args:
        name: What they are.
        path: Where they should be.
        setting: Which setting says so.
        check: Reads as much of them as shows that they are what is needed; raises where they are not.
        license: Their terms.
        remedy: What to do where they are missing; by default to name others by the setting.
    """
    path = Path(path).expanduser()
    remedy = remedy or f"set {setting} to a file or folder that is there (--set {setting}=...)"
    need = Need("weights", name, setting=setting, where=str(path), license=license)
    if not path.exists():
        return replace(need, status="missing", reason=f"{path}: no such file or folder", remedy=remedy)
    return checked(need, check, remedy)


def audio_need(folder: str | Path, name: str, setting: str, remedy: str = "", option: str = "") -> Need:
    """Audio without labels that a setting names by a folder; ``option`` is what errors call the setting."""
    from ..audio.unlabelled import unlabelled_clips

    need = Need("audio", f"{name} in {folder}", setting=setting, where=str(folder))
    remedy = remedy or f"put audio files there, or name another folder (--set {setting}='[FOLDER]')"
    return checked(need, lambda: unlabelled_clips(folder, option or f"{setting}:"), remedy)


def hub_need(
    name: str, hub: HubFiles, setting: str, *, license: str = "", bytes: int | None = None, instead: str = ""
) -> Need:
    """Weights on the hub: whether they are in its cache.

    Args:
        name: What they are.
        hub: Repository, revision, files.
        setting: Which setting names them.
        license: Their terms.
        bytes: Of the download, where known.
        instead: What can be done without the download.
    """
    looked = look_snapshot(hub.repo_id, revision=hub.revision, files=hub.files)
    where = f"{hub.repo_id}@{hub.revision[:12]}"
    need = Need("weights", name, setting=setting, where=where, license=license, bytes=bytes, instead=instead, hub=hub)
    return need if looked.here else _to_fetch(need, looked.reason)


def download_need(name: str, download: Download, setting: str) -> Need:
    """Weights at a web address: whether they are in the cache."""
    looked = look_file(download)
    need = Need(
        "weights",
        name,
        setting=setting,
        where=download.url,
        license=download.license,
        bytes=download.size,
        instead=download.instead,
        download=download,
    )
    return need if looked.here else _to_fetch(need, looked.reason)


def refused(kind: NeedKind, name: str, error: MosharnessError, *, setting: str = "", remedy: str = "") -> Need:
    """Something that cannot be used, with the error that said so."""
    return Need(kind, name, "missing", setting=setting, reason=str(error), remedy=remedy, error=error)


def checked(need: Need, check: Callable[[], object] | None, remedy: str = "") -> Need:
    """The need, missing where ``check`` raises an error that a user can cause."""
    try:
        if check is not None:
            check()
    except MosharnessError as error:
        return replace(need, status="missing", reason=str(error), remedy=remedy, error=error)
    return need


def _to_fetch(need: Need, reason: str) -> Need:
    switch, instead = why_offline(), f", or {need.instead}" if need.instead else ""
    if switch:
        reason = f"{reason}, and downloads are off ({switch})"
        return replace(need, status="missing", reason=reason, remedy=f"leave {switch} away{instead}")
    remedy = f"training downloads it, `mosharness plan ... --fetch` beforehand{instead}"
    return replace(need, status="to fetch", reason=reason, remedy=remedy)


def merged(needs: Iterable[Need]) -> list[Need]:
    """The needs in their order, those that several stages share once."""
    found: dict[tuple[str, str, str, str], Need] = {}
    for need in needs:
        key = (need.kind, need.name, need.where, need.reason)
        known = found.get(key)
        stages = dict.fromkeys([*(known.stages if known else ()), *need.stages])
        found[key] = replace(known or need, stages=tuple(stages))
    return list(found.values())


def asked(needs: Sequence[Need]) -> list[Need]:
    """The needs after the hub was asked about those to fetch: with their bytes, or missing with the hub's reason."""
    wanted: dict[str, tuple[str, str, list[str]]] = {}
    for need in needs:
        if need.status == "to fetch" and need.hub is not None:
            repo, revision, names = wanted.get(need.hub.repo_id, (need.hub.repo_id, need.hub.revision, []))
            wanted[need.hub.repo_id] = (repo, revision, [*names, *need.hub.files])
    answers = ask_hub(list(wanted.values()))
    done = []
    for need in needs:
        answer = answers.get(need.hub.repo_id) if need.status == "to fetch" and need.hub is not None else None
        if isinstance(answer, HubError):
            advice = "try again with the network" + (f", or {need.instead}" if need.instead else "")
            done.append(replace(need, status="missing", reason=f"{need.reason}, and {answer}", remedy=advice))
        elif answer is not None and need.hub is not None:
            sizes = [answer.get(name) for name in need.hub.files]
            known = None if None in sizes else sum(one or 0 for one in sizes)
            done.append(replace(need, bytes=known if known is not None else need.bytes))
        else:
            done.append(need)
    return done


def fetched(needs: Sequence[Need]) -> list[Need]:
    """The needs after everything to fetch was fetched: here, or missing with the reason."""
    done = []
    for need in needs:
        ready = need
        if need.status == "to fetch":
            try:
                need.fetch()
                ready = replace(need, status="here", reason="", remedy="")
            except HubError as error:
                ready = replace(need, status="missing", reason=str(error), remedy="", error=error)
        done.append(ready)
    return done


def refuse_missing(needs: Sequence[Need], what: str) -> None:
    """Raise where something is missing: its own error where it is one thing, else one list of all.

    Where only settings are wrong, the first of them is said: others often follow from it.

    Args:
        needs: All of them.
        what: What cannot begin, for the first line.

    Raises:
        MosharnessError: See above.
    """
    missing = [need for need in needs if need.status == "missing"]
    wrong = all(need.kind == "setting" for need in missing)
    if missing and missing[0].error is not None and (len(missing) == 1 or wrong):
        raise missing[0].error
    if missing:
        count = f"{len(missing)} thing{'s' if len(missing) > 1 else ''} missing"
        raise NotAtHand(
            "\n".join([f"{what} cannot begin: {count}", *(line for need in missing for line in lines(need))])
        )


class Described(Protocol):
    """What :func:`lines` shows of a need."""

    @property
    def status(self) -> Status: ...
    @property
    def kind(self) -> NeedKind: ...
    @property
    def name(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def bytes(self) -> int | None: ...
    @property
    def stages(self) -> tuple[str, ...]: ...
    @property
    def license(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def remedy(self) -> str: ...


def lines(need: Described) -> list[str]:
    """A need as indented lines: what, for which stages, under which licence, why not here, what to do."""
    details = [need.where if need.where not in need.name else "", size(need.bytes)]
    details += [f"stage{'s' if len(need.stages) > 1 else ''} {', '.join(need.stages)}" if need.stages else ""]
    shown = [f"  {need.status:<9}{need.kind} {need.name}" + "".join(f"; {one}" for one in details if one)]
    for label, text in (("licence", need.license), ("why", need.reason), ("do", need.remedy)):
        parts = [line for line in text.splitlines() if line.strip()]
        shown += [f"{'':11}{f'{label}:' if at == 0 else '':<9}{line.strip()}" for at, line in enumerate(parts)]
    return shown


def size(count: int | None) -> str:
    """Bytes in words; empty where not known.

    Example:
        >>> size(380_267_417), size(4_200_000_000), size(None)
        ('380 MB', '4.2 GB', '')
    """
    if count is None:
        return ""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count} bytes"
