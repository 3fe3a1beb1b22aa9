"""Hostile weight files: whatever is hidden in them, and wherever, nothing runs, in any reader of any predictor."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import importlib
import io
import os
import pathlib
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, MosharnessError
from mosharness.predictors.checkpoints import load_torch
from mosharness.predictors.layers.pickles.machine import BadPickle, Machine
from mosharness.predictors.layers.pickles.meanings import Refused, _known, named

sys.path.append(str(Path(__file__).parent))
from readers import NAMES, reader


class Call:
    """Pickles as the call of something, with a state and items where they are given."""

    def __init__(self, function: Any, *args: Any, state: Any = None, items: Any = None) -> None:
        self.parts = (function, args, state, iter(items) if items is not None else None)

    def __reduce__(self) -> Any:
        return self.parts


def attacks(mark: Path) -> dict[str, Any]:
    """What would make the file ``mark`` (or a folder) if a reader ran it."""
    code = f"open({str(mark)!r}, 'w').close()"
    return {
        "os": Call(os.mkdir, str(mark)),
        "open": Call(open, str(mark), "w"),
        "exec": Call(exec, code),
        "subprocess": Call(subprocess.getoutput, f"touch {mark}"),
        "pathlib": Call(pathlib.Path.touch, pathlib.Path(mark)),
        "numpy": Call(np.savetxt, str(mark), [1.0]),
        "torch": Call(torch.save, 1, str(mark)),
        "partial": Call(functools.partial(os.mkdir, str(mark))),
    }


def nests(inner: Any) -> dict[str, Any]:
    """Something inside every kind of value that is let in."""
    plain = np.dtype("f8")
    return {
        "list": [inner],
        "tuples": ((((inner,),),),),
        "key": {(1, inner): 2} if not isinstance(inner, Call) else {"a": (1, inner)},
        "ordered": OrderedDict(a=inner),
        "defaultdict": defaultdict(int, a=inner),
        "counter": Call(Counter, {"a": inner}),
        "scalar": Call(np._core.multiarray.scalar, plain, inner),  # type: ignore[attr-defined]
        "scalar of objects": Call(np._core.multiarray.scalar, np.dtype("O"), inner),  # type: ignore[attr-defined]
        "dtype": Call(np.dtype, inner, False, True),
        "dtype state": Call(np.dtype, "f8", False, True, state=(3, "<", None, None, inner, -1, -1, 0)),
        "array": Call(
            np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
            np.ndarray,
            (0,),
            b"b",
            state=(1, (1,), np.dtype("O"), False, [inner]),
        ),
        "array of bytes": Call(
            np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
            np.ndarray,
            (0,),
            b"b",
            state=(1, (1,), plain, False, inner),
        ),
        "datetime": Call(datetime.datetime, b"\x07\xe9\x01\x02\x03\x04\x05\x00\x00\x00", inner),
        "slice": Call(slice, 0, inner, None),
        "set": Call(set, [1, (inner,)]),
        "path": Call(pathlib.PurePosixPath, inner),
        "namespace": Call(argparse.Namespace, state={"a": inner}),
        "state": Call(Stateful, state=inner),
        "items": Call(Stateful, items=[inner]),
        "arguments": Call(Stateful, inner),
        "parameter": Call(torch._utils._rebuild_parameter, torch.ones(1), False, inner),
        "tensor": Call(torch._utils._rebuild_tensor_v2, inner, 0, (1,), (1,), False, OrderedDict()),
        "subclass": Call(torch._tensor._rebuild_from_type_v2, inner, torch.Tensor, (), {}),  # type: ignore[attr-defined]
    }


class Stateful:
    """A class of a package: it would do harm when it is made, given a state or added to."""

    mark: Any = None

    def __init__(self, *_: Any) -> None:
        self.strike()

    def __setstate__(self, state: Any) -> None:
        self.strike()

    def append(self, item: Any) -> None:
        self.strike()

    extend = append

    @classmethod
    def strike(cls) -> None:
        if cls.mark is not None:
            cls.mark.mkdir()


def saved(content: Any, protocol: int = 4) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, pickle_protocol=protocol)
    return stream.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_file_is_run_by_any_reader(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # with which torch.load itself would run code
    one, mark, path = reader(name), tmp_path / "mark", tmp_path / "weights.pt"
    monkeypatch.setattr(Stateful, "mark", mark)
    first = next(iter(one.state))
    for other, text in one.beside.items():
        (tmp_path / other).write_text(text)
    tried = 0
    for attack, planted in attacks(mark).items():
        every = nests(planted) if attack == "os" else {"list": [planted]}
        for kind, nest in every.items():
            whole = one.state if attack in ("numpy", "torch") else dict(list(one.state.items())[:3])
            hidden = {"extra": nest, **one.pack({**whole, first: nest} if tried % 2 else whole)}
            path.write_bytes(saved(hidden, 2 if tried % 3 else 4))
            try:
                one.load(path)
                ran = attack in ("numpy", "torch")  # names of other packages are not refused: they are not looked up
            except MosharnessError as error:
                assert str(path) in str(error)
                ran = True
            assert ran, f"{attack} in {kind} was neither refused nor inert"
            assert not mark.exists(), f"{attack} in {kind} ran"
            tried += 1
    assert tried >= 30
    capsys.readouterr()


def meant(path: str) -> Any:
    """What a name that the reader lets in really is; ``None`` where this Python has none, or it cannot be called."""
    module, _, name = path.rpartition(".")
    try:
        with warnings.catch_warnings(action="ignore"):
            found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if callable(found) else None


LARGE = {"laion", "distillmos", "fairseq", "ecapa"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LARGE else ()) for n in NAMES])
def test_an_attack_in_any_name_that_is_let_in_runs_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every name that has a meaning, called with it or given it as state: each way in some of the readers."""
    one, mark, path = reader(name), tmp_path / "mark", tmp_path / "weights.pt"
    for other, text in one.beside.items():
        (tmp_path / other).write_text(text)
    inner = attacks(mark)["os"]
    few = dict(list(one.state.items())[:3])
    tried = 0
    for known in _known():
        if (real := meant(known)) is None:
            continue
        ways = (Call(real, inner), Call(real, 1, inner), Call(real, (1, [inner])), Call(real, state={"a": inner}))
        nest = ways[(tried + NAMES.index(name)) % len(ways)]
        path.write_bytes(saved({"extra": nest, **one.pack(few)}, 2 + 2 * (tried % 2)))
        with contextlib.suppress(MosharnessError):
            one.load(path)
        assert not mark.exists(), f"{known} ran it"
        tried += 1
    assert tried >= 40
    capsys.readouterr()


def test_the_attacks_work_where_nobody_holds_them_back(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name, planted in attacks(mark).items():
        pickle.loads(pickle.dumps(planted))
        assert mark.exists(), name
        mark.rmdir() if mark.is_dir() else mark.unlink()


@pytest.mark.parametrize("name", ["os", "open", "exec", "subprocess", "pathlib", "partial"])
def test_what_runs_code_is_refused_by_its_name_with_what_to_do(name: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(saved({"state_dict": {}, "extra": attacks(tmp_path / "mark")[name]}))
    words = {"os": "posix.mkdir|nt.mkdir", "partial": "posix.mkdir|nt.mkdir", "pathlib": "pathlib.Path.touch"}
    with pytest.raises(CheckpointError, match=rf"refused.*({words.get(name, name)}).*save the bare state dict"):
        load_torch(path)
    torch.save(torch.nn.Linear(2, 1).state_dict(), path)  # as the message advises
    assert set(load_torch(path)) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02]q\x00(K\x01e", "exhausted"),
        (b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x82\x01.", "EXT1|ends|not enough"),
        (b"\x80\x02N)R.", "is called"),
        (b"\x80\x02)\x81.", "IndexError|is called"),
        (b"\x80\x02}q\x00](K\x01eK\x02s.", "as a key"),
        (b"\x80\x02K\x01](K\x02ea.", "appended to a int"),
        (b"\x80\x02h\x07.", "KeyError"),
        (b"\x80\x02K\x01K\x02a.", "appended to a int"),
        (b"\x80\x02Ppid\n.", "PERSID"),
        (b"\x80\x02U\x03abcQ.", "outside"),
    ],
)
def test_broken_pickles_are_refused(content: bytes, words: str) -> None:
    with pytest.raises(BadPickle, match=words):
        Machine(named).read(content)


def test_tuples_in_tuples_do_not_overflow_the_stack() -> None:
    deep = b"\x80\x02)" + b"\x85" * 30_000
    assert isinstance(Machine(named).read(deep + b"."), tuple)
    with pytest.raises(BadPickle, match="tuples in tuples"):
        Machine(named).read(b"\x80\x02}" + deep[2:] + b"K\x01s.")  # Python's hash of such a key ends the process
    lists = b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b"."
    assert isinstance(Machine(named).read(lists), list)


@pytest.mark.parametrize(
    "path",
    [
        *("os.system", "posix.system", "nt.system", "subprocess.Popen", "builtins.eval", "builtins.__import__"),
        *("__builtin__.open", "importlib.import_module", "pathlib.Path.touch", "shutil.rmtree", "ctypes.CDLL"),
        *("operator.methodcaller", "types.CodeType", "runpy.run_path", "collections.namedtuple.x", "enum.Enum.a.b"),
        *("functools.reduce", "socket.socket", "webbrowser.open", "pickle.loads", "copyreg.add_extension"),
        *("commands.getoutput", "cPickle.loads", "copy_reg.add_extension", "urllib2.urlopen", "__builtin__.execfile"),
        *("logging.config.dictConfig", "asyncio.run", "code.interact", "sys.setprofile", "typing.a.b"),
    ],
)
def test_names_of_the_standard_library_that_do_something_are_refused(path: str) -> None:
    module, _, name = path.rpartition(".")
    if path in ("pathlib.Path.touch", "collections.namedtuple.x", "enum.Enum.a.b", "typing.a.b"):  # dots in a name
        module, _, name = path.partition(".")
    with pytest.raises(Refused, match=name.rpartition(".")[2]):
        named(module, name)


def test_an_inner_class_is_let_in_and_an_attribute_of_a_module_is_not(tmp_path: Path) -> None:
    class Inner:
        pass

    Inner.__qualname__ = "Stateful.Inner"
    Stateful.Inner = Inner  # type: ignore[attr-defined]
    path = tmp_path / "weights.pt"
    for protocol in (2, 4):
        path.write_bytes(saved({"kind": Inner}, protocol))
        assert load_torch(path)["kind"].path.endswith("Stateful.Inner")
    path.write_bytes(saved({"x": Call(getattr, 1, "real")}, 2))
    with pytest.raises(CheckpointError, match=r"refused.*getattr"):
        load_torch(path)


def crafted(records: dict[str, bytes], compress: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compress) as archive:
        for name, content in records.items():
            archive.writestr(f"archive/{name}", content)
    return stream.getvalue()


def storage_pickle(count: int = 4, size: bytes = b"K\x04\x85", stride: bytes = b"K\x01\x85", offset: int = 0) -> bytes:
    """A tensor on storage 0 with these numbers, unchecked."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK" + bytes([count])
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + b"tQK"
        + bytes([offset])
        + size
        + stride
        + b"\x89}tR."
    )


@pytest.mark.parametrize(
    ("pickled", "data", "words"),
    [
        (storage_pickle(), b"\0" * 16, ""),
        (storage_pickle(5), b"\0" * 16, "has 16 bytes, 20 are needed"),
        (storage_pickle(size=b"K\x05\x85"), b"\0" * 16, "ends at 4 of 4"),
        (storage_pickle(offset=1), b"\0" * 16, "ends at 4 of 4"),
        (storage_pickle(stride=b"K\x02\x85"), b"\0" * 16, "ends at 6 of 4"),
        (storage_pickle(size=b"J\xff\xff\xff\xff\x85"), b"\0" * 16, "of size"),
        (storage_pickle(size=b"K\x02K\x02\x86"), b"\0" * 16, "of size"),
        (storage_pickle(size=b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x3f\x85"), b"\0" * 16, "ends at"),
        (storage_pickle().replace(b"FloatStorage", b"QInt8Storage"), b"\0" * 16, "QInt8Storage are not read"),
        (storage_pickle().replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x001"), b"\0" * 16, "data/1 is missing"),
    ],
)
def test_a_tensor_never_reaches_out_of_its_storage(pickled: bytes, data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    for compress in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path.write_bytes(crafted({"data.pkl": pickled, "data/0": data}, compress))
        if not words:
            assert load_torch(path).tolist() == [0.0] * 4
        else:
            with pytest.raises(CheckpointError, match=words):
                load_torch(path)


def test_programs_of_torch_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), str(path))
    with pytest.raises(CheckpointError, match=r"TorchScript archive.*save its state_dict\(\) with torch.save"):
        load_torch(path)
    torch.save(torch.jit.load(str(path)).state_dict(), path)
    assert set(load_torch(path)) == {"weight", "bias"}


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_was_cut_anywhere_is_refused(legacy: bool, tmp_path: Path) -> None:
    stream = io.BytesIO()
    content = {"state_dict": {"a": torch.arange(6.0), "b": torch.ones(2, 2)}, "when": datetime.date(2025, 1, 1)}
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    data, path = stream.getvalue(), tmp_path / "weights.pt"
    path.write_bytes(data)
    assert load_torch(path)["state_dict"]["a"].tolist() == list(range(6))
    for length in range(1, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=str(path)):
            load_torch(path)


def test_bytes_changed_at_random_never_end_in_anything_but_a_sentence(tmp_path: Path) -> None:
    data = saved(
        {"state_dict": {"a": torch.arange(6.0)}, "x": [np.float64(1), {"k": (1, 2)}], "n": argparse.Namespace()}
    )
    random, path = np.random.default_rng(0), tmp_path / "weights.pt"
    read = 0
    start, end = data.index(b"data.pkl"), data.index(b"byteorder") if b"byteorder" in data else len(data)
    for _ in range(300):
        changed = bytearray(data)
        for at in random.integers(start, end, 3):
            changed[at] = random.integers(256)
        path.write_bytes(changed)
        try:
            load_torch(path)
            read += 1
        except CheckpointError:
            pass
    assert 0 < read < 300
