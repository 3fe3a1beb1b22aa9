"""Weight files as people have them: every reader takes what trainers put around and before the tensors."""

from __future__ import annotations

import argparse
import datetime
import pathlib
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors.weights import save_tensors, tensors_digest

sys.path.append(str(Path(__file__).parent))
from readers import NAMES, SMALL_ECAPA, Reader, State, reader


def digest(tensors: dict[str, Any]) -> str:
    return tensors_digest({name: torch.as_tensor(value).contiguous() for name, value in tensors.items()})


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Digest of what the authors' own layout gives, by reader."""
    known: dict[str, str] = {}

    def of(name: str) -> str:
        if name not in known:
            one = reader(name)
            known[name] = digest(one.load(one.write(tmp_path_factory.mktemp(name), one.pack(one.state))))
        return known[name]

    return of


class Kept:
    """An object of a class that the reading side has not: fairseq's Dictionary, say."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


@pytest.fixture
def absent_class() -> Any:
    """A class of a module that is gone when the file is read."""
    module = ModuleType("absent_package")
    Kept.__module__, Kept.__qualname__ = module.__name__, "Dictionary"
    module.Dictionary = Kept  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    yield Kept
    sys.modules.pop(module.__name__, None)


def trained(dictionary: type[Any]) -> dict[str, Any]:
    """What trainers keep beside the weights."""
    import pandas as pd

    frame = pd.DataFrame({"file": ["a.wav", "b.wav"], "mos": [1.5, 4.0]})
    return {
        "best": np.float64(0.9),
        "step": np.int64(7),
        "curve": np.arange(4.0).reshape(2, 2),
        "kind": np.dtype("float32"),
        "now": datetime.datetime(2025, 1, 2, 3, 4, 5),
        "took": datetime.timedelta(seconds=3),
        "part": slice(0, 5, None),
        "frame": frame,
        "args": argparse.Namespace(data=pathlib.Path("/data/x"), lr=0.1),
        "task": dictionary(symbols=["<s>", "a"], indices={"a": 1}),
        "sizes": {torch.Size([2, 3]), (4,)},
        "seen": defaultdict(list, {"a": [1]}),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "half": torch.ones(3, dtype=torch.bfloat16),
    }


def with_prefix(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": one for name, one in state.items()}


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n == "distillmos" else ()) for n in NAMES])
def test_what_stands_around_the_tensors_changes_nothing(
    name: str, expected: Any, absent_class: type[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = reader(name)
    official = one.pack(one.state)
    wrapped = official if official is not one.state else {"state_dict": one.state}
    contents = {
        "trainer": {**trained(absent_class), **wrapped},
        "ordered": one.pack(OrderedDict(one.state)),  # type: ignore[arg-type]
        "parameters": one.pack({key: torch.nn.Parameter(value, False) for key, value in one.state.items()}),
        "module": one.pack(with_prefix(one.state, "module.")),
        "lightning": {**wrapped, **one.pack(with_prefix(one.state, "net.model."))}
        if official is not one.state
        else {"state_dict": with_prefix(one.state, "net.model."), "pytorch-lightning_version": "2.4.0"},
    }
    paths = {kind: one.write(tmp_path / kind, content) for kind, content in contents.items()}
    paths["protocol 4"] = one.write(tmp_path / "p4", official, pickle_protocol=4)
    if one.bare:
        paths["bare"] = one.write(tmp_path / "bare", one.state)
    if one.any_format:
        paths["legacy"] = one.write(tmp_path / "legacy", official, _use_new_zipfile_serialization=False)
        paths["safetensors"] = one.write(tmp_path / "safe", None, "weights.bin")
        save_tensors(paths["safetensors"], one.state)
    sys.modules.pop("absent_package")
    for kind, path in paths.items():
        assert digest(one.load(path)) == expected(name), kind
    assert "Traceback" not in capsys.readouterr().err


def test_reading_takes_no_class_of_the_file(absent_class: type[Any], tmp_path: Path) -> None:
    from mosharness.predictors.checkpoints import load_torch
    from mosharness.predictors.layers.pickles.standin import StandIn

    torch.save(trained(absent_class), tmp_path / "file.pt")
    sys.modules.pop("absent_package")
    found = load_torch(tmp_path / "file.pt")
    assert (found["best"], found["step"]) == (0.9, 7) and type(found["best"]) is float
    np.testing.assert_array_equal(found["curve"], [[0.0, 1.0], [2.0, 3.0]])
    assert found["now"] == datetime.datetime(2025, 1, 2, 3, 4, 5) and found["took"].seconds == 3
    assert found["part"] == slice(0, 5, None) and found["sizes"] == {(2, 3), (4,)}
    assert found["seen"] == {"a": [1]}
    assert found["half"].dtype == torch.bfloat16 and found["half"].tolist() == [1.0] * 3
    assert isinstance(found["args"], StandIn) and found["args"].attribute("data") == pathlib.PurePosixPath("/data/x")
    assert found["task"].path == "absent_package.Dictionary" and found["task"].attribute("indices") == {"a": 1}
    assert isinstance(found["frame"], StandIn)


def test_a_module_that_was_saved_whole_gives_its_state_dict(tmp_path: Path, expected: Any) -> None:
    from mosharness.predictors.apgmos.auditory.ecapa import Ecapa

    one = reader("ecapa")
    network = Ecapa(12, SMALL_ECAPA)
    network.load_state_dict(one.state)
    torch.save({"embedding_model": network}, tmp_path / "whole.ckpt")
    assert digest(one.load(tmp_path / "whole.ckpt")) == expected("ecapa")


def test_tensors_beside_the_model_are_left_out_and_said(
    tmp_path: Path, expected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one = reader("sfissl")
    content = {"state_dict": {**with_prefix(one.state, "model."), "criterion.weight": torch.ones(2)}}
    assert digest(one.load(one.write(tmp_path, content))) == expected("sfissl")
    assert "1 tensors beside it are left out (first: criterion.weight)" in capsys.readouterr().err


def test_two_models_in_one_file_are_not_chosen_between(tmp_path: Path, expected: Any) -> None:
    one = reader("sslmos")
    both = {**with_prefix(one.state, "model."), **with_prefix(one.state, "ema.")}
    with pytest.raises(CheckpointError, match=r"holds 2 models, below ema\. and model\..*in a file of its own"):
        one.load(one.write(tmp_path, {"state_dict": both}))
    chosen = {name.removeprefix("ema."): value for name, value in both.items() if name.startswith("ema.")}
    assert digest(one.load(one.write(tmp_path, chosen))) == expected("sslmos")  # as the message advises


def test_something_else_under_a_tensor_s_name_is_named(tmp_path: Path) -> None:
    one = reader("utmosv2")
    content: dict[str, Any] = {**one.state, "ssl.weights": argparse.Namespace(a=1)}
    with pytest.raises(CheckpointError, match=r"ssl.weights is no tensor but an object of argparse.Namespace"):
        one.load(one.write(tmp_path, content))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_without_the_model_says_what_it_holds(name: str, tmp_path: Path) -> None:
    one = reader(name)
    with pytest.raises(CheckpointError) as caught:
        one.load(one.write(tmp_path, {"something": torch.ones(2), "else": 3}))
    assert str(tmp_path / "weights.pt") in str(caught.value)
    assert "something" in str(caught.value)


def test_every_reader_is_here() -> None:
    assert len({reader(name).name for name in NAMES}) == len(NAMES) and isinstance(reader("nisqa"), Reader)
