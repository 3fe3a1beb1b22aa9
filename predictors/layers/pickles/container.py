"""The two layouts of ``torch.save``: a zip archive, and before version 1.6 pickles with the numbers behind them."""

from __future__ import annotations

import io
import mmap
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from .machine import BadPickle, Machine
from .meanings import named
from .standin import Named
from .tensors import Storage

MAGIC = 0x1950A86A20F9469CFC6C
LOCAL_HEADER = 30
MOST_PICKLE = 1 << 30


class BadContainer(Exception):
    """The file is no such container; the message says why."""


def read_container(path: Path, tag: bytes = b"") -> Any:
    """What a file of ``torch.save`` holds: dictionaries, lists, values, stand-ins and tensors on the CPU.

    Tensors of an archive are views of the file in memory (private: writing to them changes no file).

    Args:
        path: The file.
        tag: First bytes that stand in the place of the archive's own.

    Raises:
        BadContainer, BadPickle, Refused: What is wrong.
    """
    with _mapped(path) as content:
        if tag or content[:4] == b"PK\x03\x04":
            return _Archive(content, path).read()
        return _read_sequence(content)


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    """The bytes of a file; what is written to them stays in memory. They live as long as tensors look at them."""
    with path.open("rb") as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError as error:
            raise BadContainer(str(error)) from error
    yield content


class _Archive:
    """A zip archive with ``data.pkl`` and one record per storage."""

    def __init__(self, content: mmap.mmap, path: Path) -> None:
        self.content = content
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as listing:
                self.records = {one.filename: one for one in listing.infolist()}
        except (zipfile.BadZipFile, ValueError, OSError, UnicodeError, NotImplementedError) as error:
            raise BadContainer(str(error)) from error
        pickles = [name for name in self.records if name.endswith("data.pkl") and name.count("/") <= 1]
        if len(pickles) != 1:
            raise BadContainer("a zip archive without data.pkl")
        self.root = pickles[0].removesuffix("data.pkl")
        if f"{self.root}constants.pkl" in self.records:
            raise BadContainer(
                "a TorchScript archive, which is a program; save its state_dict() with torch.save and pass that file"
            )
        self.storages: dict[str, memoryview] = {}

    def read(self) -> Any:
        order = self.records.get(f"{self.root}byteorder")
        if order is not None and bytes(self._record(order.filename)) != b"little":
            raise BadContainer("written on a machine of the other byte order; load and save it there first")
        pickled = self._record(f"{self.root}data.pkl")
        if len(pickled) > MOST_PICKLE:
            raise BadContainer("more than 1 GiB beside the tensors")
        return Machine(named, self._storage).read(bytes(pickled))

    def _record(self, name: str) -> memoryview:
        """The bytes of a record; archives that were compressed afterwards are unpacked."""
        info = self.records.get(name)
        if info is None:
            raise BadContainer(f"{name} is missing")
        start = info.header_offset
        lengths = self.content[start + 26 : start + LOCAL_HEADER]
        first = start + LOCAL_HEADER + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
        packed = memoryview(self.content)[first : first + info.compress_size]
        if len(lengths) < 4 or len(packed) != info.compress_size:
            raise BadContainer(f"{name} reaches behind the end of the file")
        if info.compress_type == zipfile.ZIP_STORED:
            return packed
        if info.compress_type != zipfile.ZIP_DEFLATED:
            raise BadContainer(f"{name} is compressed in a way that is not read")
        if not info.file_size:
            return memoryview(bytearray())
        try:
            unpacked = zlib.decompressobj(-15).decompress(packed, info.file_size)  # no more than it says
        except zlib.error as error:
            raise BadContainer(f"{name}: {error}") from error
        return memoryview(bytearray(unpacked))

    def _storage(self, given: Any) -> Storage:
        if type(given) is not tuple or len(given) < 5 or given[0] != "storage" or type(given[2]) is not str:
            raise BadPickle("a storage of another kind")
        dtype, size = element(given[1]), given[4]
        key = given[2]
        if key not in self.storages:
            self.storages[key] = self._record(f"{self.root}data/{key}")
        wanted = size * (dtype.itemsize if dtype is not None else 1)
        data = self.storages[key]
        if type(size) is not int or size < 0 or len(data) < wanted:
            raise BadContainer(f"the record data/{key} has {len(data)} bytes, {wanted} are needed")
        return Storage(data[:wanted], dtype)


def element(kind: Any) -> torch.dtype | None:
    """The type of numbers of a storage; ``None`` where its tensors say so.

    Raises:
        BadPickle: For one that is not read.
    """
    if type(kind) is Named:
        if isinstance(kind.value, torch.dtype):
            return kind.value
        if kind.path == "torch.storage.UntypedStorage":
            return None
        raise BadPickle(f"numbers of the type {kind.path} are not read; convert the tensors to float32")
    raise BadPickle("a storage of no type")


def _read_sequence(content: mmap.mmap) -> Any:
    """The layout before version 1.6: magic number, version, machine, object, keys, then the numbers."""
    content.seek(0)
    stream: Any = content
    try:
        if Machine(named).read(stream) != MAGIC:
            raise BadContainer("a plain pickle; write it with torch.save")
    except BadPickle as error:
        raise BadContainer(f"damaged ({error})") from error
    version, machine = Machine(named).read(stream), Machine(named).read(stream)
    if version != 1001 or not isinstance(machine, dict) or not machine.get("little_endian", False):
        raise BadContainer("written by a version of PyTorch or on a machine that is not read; load and save it there")
    storages: dict[str, tuple[bytearray, int]] = {}
    left = len(content) - content.tell()

    def storage(given: Any) -> Storage:
        nonlocal left
        if type(given) is not tuple or len(given) < 5 or given[0] != "storage" or type(given[2]) is not str:
            raise BadPickle("a storage of another kind")
        dtype, key, size = element(given[1]), given[2], given[4]
        if dtype is None or type(size) is not int or size < 0:
            raise BadPickle("a storage of no size")
        if key not in storages:
            left -= size * dtype.itemsize
            if left < 0:
                raise BadContainer("more numbers than the file has")
            storages[key] = bytearray(size * dtype.itemsize), dtype.itemsize
        data = memoryview(storages[key][0])
        view = given[5] if len(given) > 5 else None
        if view is not None:
            _, offset, count = view
            if type(offset) is not int or type(count) is not int or offset < 0 or count < 0:
                raise BadPickle("a part of a storage that is no part")
            data = data[offset * dtype.itemsize : (offset + count) * dtype.itemsize]
        return Storage(data, dtype)

    found = Machine(named, storage).read(stream)
    keys = Machine(named).read(stream)
    if not isinstance(keys, list) or set(keys) != set(storages):
        raise BadContainer("damaged: the numbers are not those of its tensors")
    for key in keys:
        data, size = storages[key]
        count = int.from_bytes(content.read(8), "little")
        raw = content.read(len(data))
        if count * size != len(data) or len(raw) != len(data):
            raise BadContainer("damaged: it ends too early")
        data[:] = raw
    return found


def pickled_names(content: bytes) -> list[str]:
    """Module and name of every class and function that a pickle names, sorted; for lists of what files hold."""
    found, texts = set(), list[str]()
    for code, argument, _ in pickletools.genops(io.BytesIO(content)):
        if code.name == "GLOBAL":
            found.add(str(argument).replace(" ", "."))
        elif code.name == "STACK_GLOBAL" and len(texts) >= 2:
            found.add(".".join(texts[-2:]))
        if isinstance(argument, str):
            texts.append(argument)
    return sorted(found)
