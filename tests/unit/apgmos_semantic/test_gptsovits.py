"""GPT-SoVITS generator files, in small: every version's layout, tags, objects in the pickle, damage, hostility."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from mosharness.harness.core.errors import CheckpointError
from mosharness.harness.core.files import file_sha256
from mosharness.predictors.apgmos.semantic.gptsovits import TAGS, UNUSED, read_gptsovits
from mosharness.predictors.apgmos.semantic.quantizer import CODEBOOK, SemanticQuantizer
from mosharness.predictors.apgmos.semantic.weights import NAMES

WIDTH, CODES = 24, 16
LAYOUTS: dict[str, tuple[dict[str, tuple[int, ...]], str]] = {
    "v1": ({"enc_p.text_embedding.weight": (322, 2), "dec.conv_pre.weight": (512, 2, 7)}, ""),
    "v2": ({"enc_p.text_embedding.weight": (732, 2), "dec.conv_pre.weight": (512, 2, 7)}, ""),
    "v4": ({"enc_p.text_embedding.weight": (732, 2), "cfm.estimator.x.weight": (4, 4)}, "pretrained_s2G_v4"),
    "v2Pro": (
        {"enc_p.text_embedding.weight": (732, 2), "dec.conv_pre.weight": (512, 2, 7), "sv_emb.weight": (4, 4)},
        "",
    ),
    "v2ProPlus": (
        {"enc_p.text_embedding.weight": (732, 2), "dec.conv_pre.weight": (768, 2, 7), "sv_emb.weight": (4, 4)},
        "",
    ),
}
"""What tells the published files apart, beside the tensors that all of them have. v3 is v4 without the word in info."""


def state(rate: str = "25hz", seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(SemanticQuantizer(WIDTH, CODES, frame_rate=rate).state_dict())  # type: ignore[arg-type]


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def generator(version: str = "v2", **more: Any) -> dict[str, Any]:
    shapes, info = LAYOUTS.get(version, LAYOUTS["v4"])
    extra = {name: torch.zeros(shape) for name, shape in shapes.items()}
    if version == "v3":
        info = "pretrained_s2G"
    return {"weight": {**state(), **extra}, "config": {"model": {"version": version}}, "info": info, **more}


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "s2G.pth"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def settings_class() -> Iterator[type]:
    """The authors' class of settings, as their training script pickles it: ``utils.HParams``."""
    module = ModuleType("utils")

    class HParams:
        def __init__(self, **values: Any) -> None:
            self.__dict__.update(values)

    HParams.__module__, HParams.__qualname__ = "utils", "HParams"
    module.HParams = HParams  # type: ignore[attr-defined]
    sys.modules["utils"] = module
    yield HParams
    del sys.modules["utils"]


@pytest.mark.parametrize("version", ["v1", "v2", "v3", "v4", "v2Pro", "v2ProPlus"])
def test_every_version_is_read_and_named(put: Callable[[bytes], Path], version: str) -> None:
    path = put(saved(generator(version)))
    weights = read_gptsovits(path)
    assert (weights.origin.vq_source, weights.origin.version, weights.origin.file) == ("gptsovits", version, "s2G.pth")
    assert weights.origin.sha256 == file_sha256(path)
    assert set(weights.tensors) == set(NAMES)
    assert (weights.frame_rate, weights.channels, weights.codebook_size) == ("25hz", WIDTH, CODES)
    for name, value in state().items():
        assert torch.equal(weights.tensors[name], value)


@pytest.mark.parametrize("version", ["v1", "v2", "v4", "v2Pro", "v2ProPlus"])
def test_published_files_are_told_apart_by_their_layers(put: Callable[[bytes], Path], version: str) -> None:
    assert read_gptsovits(put(saved({**generator(version), "config": None}))).origin.version == version


def test_a_file_that_does_not_tell_its_version_has_none(put: Callable[[bytes], Path]) -> None:
    assert read_gptsovits(put(saved({"weight": state()}))).origin.version == ""


@pytest.mark.parametrize("tag", sorted(TAGS))
def test_tagged_float16_files_are_read_without_changing_them(put: Callable[[bytes], Path], tag: bytes) -> None:
    halves = {name: value.half() for name, value in state().items()}
    data = tag + saved({"weight": halves})[2:]
    path = put(data)
    weights = read_gptsovits(path)
    assert weights.origin.version == TAGS[tag][0]
    assert path.read_bytes() == data
    for name, value in halves.items():
        assert weights.tensors[name].dtype == torch.float32 and torch.equal(weights.tensors[name], value.float())


@pytest.mark.parametrize("tag", [None, b"01"])
def test_settings_objects_of_the_authors_are_stood_in_for(
    put: Callable[[bytes], Path], settings_class: type, tag: bytes | None
) -> None:
    data = saved({"weight": state(), "config": settings_class(model=settings_class(version="v3"), steps=3)})
    sys.modules.pop("utils")  # reading must not need it
    path = put(data if tag is None else tag + data[2:])
    sys.modules["utils"] = ModuleType("utils")
    assert read_gptsovits(path).origin.version == ("v3" if tag is None else "v2")


class Hostile:
    """Makes a file when it is unpickled by a reader that runs code."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("tag", [b"PK", b"05"])
def test_a_hostile_pickle_is_refused_and_not_run(put: Callable[[bytes], Path], tmp_path: Path, tag: bytes) -> None:
    mark = tmp_path / "mark"
    data = saved({"weight": state(), "config": Hostile(mark)})
    with pytest.raises(CheckpointError, match=r"s2G.pth: refused.*mkdir"):
        read_gptsovits(put(tag + data[2:]))
    assert not mark.exists()
    pickle.loads(pickle.dumps(Hostile(mark)))
    assert mark.exists()  # it would have shown


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with b''"),
        (b"99" + saved({"weight": {}})[2:], "begins with b'99'.*version tags"),
        (b"\x80\x02not a checkpoint", "neither a PyTorch archive"),
        (saved({"weight": state()})[:3000], "no readable PyTorch checkpoint"),
        (b"05" + saved({"weight": state()})[2:3000], "no readable PyTorch checkpoint"),
        (saved([1, 2]), "no key 'weight', it holds a list"),
        (saved({"model": {}, "optimizer": {}, "iteration": 1}), "state of its training"),
        (saved({"weight": {}}), "no ssl_proj.weight under 'weight'"),
        (b"03" + saved({"weight": {"cfm.lora_A": torch.zeros(2)}, "lora_rank": 32})[2:], "v3 fine-tuning.*s2Gv3.pth"),
    ],
)
def test_other_and_damaged_files_are_refused_with_their_name(
    put: Callable[[bytes], Path], data: bytes, message: str
) -> None:
    path = put(data)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_gptsovits(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {*UNUSED}))
def test_a_missing_or_wrong_tensor_is_named(put: Callable[[bytes], Path], name: str) -> None:
    content = state()
    for wrong in (None, torch.full_like(content[name], torch.inf), torch.zeros(3, dtype=torch.int64), "text"):
        changed = {key: value for key, value in content.items() if key != name} | (
            {} if wrong is None else {name: wrong}
        )
        with pytest.raises(CheckpointError, match=rf"s2G.pth: (no )?{name}"):
            read_gptsovits(put(saved({"weight": changed})))


@pytest.mark.parametrize("name", UNUSED)
def test_statistics_of_training_may_be_absent_or_beyond_float16(put: Callable[[bytes], Path], name: str) -> None:
    content = state()
    for wrong in (None, torch.full_like(content[name], 1e6).half(), torch.zeros(3), torch.zeros(3).long(), "text"):
        changed = {key: value for key, value in content.items() if key != name} | (
            {} if wrong is None else {name: wrong}
        )
        model = SemanticQuantizer(WIDTH, CODES)
        read_gptsovits(put(saved({"weight": changed}))).put_into(model)
        assert torch.equal(model.codebook.embed, content[f"{CODEBOOK}.embed"])
        assert torch.equal(model.codebook.embed_avg / model.codebook.cluster_size[:, None], model.codebook.embed)


def test_a_codebook_that_was_never_trained_is_refused(put: Callable[[bytes], Path]) -> None:
    content = state()
    content[f"{CODEBOOK}.inited"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match="inited is 0"):
        read_gptsovits(put(saved({"weight": content})))


def test_an_absent_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none.pth: No such file"):
        read_gptsovits(tmp_path / "none.pth")


def test_the_50_hz_form_is_found_by_its_kernel_and_needs_a_50_hz_model(put: Callable[[bytes], Path]) -> None:
    weights = read_gptsovits(put(saved({"weight": state("50hz")})))
    assert weights.frame_rate == "50hz"
    model = SemanticQuantizer(WIDTH, CODES, frame_rate="50hz")
    assert weights.put_into(model) == model.origin == weights.origin
    with pytest.raises(CheckpointError, match="set frame_rate"):
        weights.put_into(SemanticQuantizer(WIDTH, CODES))


def test_another_width_or_codebook_is_refused_with_the_key(put: Callable[[bytes], Path]) -> None:
    weights = read_gptsovits(put(saved({"weight": state()})))
    with pytest.raises(CheckpointError, match=r"s2G.pth.*_codebook"):
        weights.put_into(SemanticQuantizer(WIDTH, CODES + 1))
    with pytest.raises(CheckpointError, match=r"should be \(16, 32\), the file has \(16, 24\)"):
        weights.put_into(SemanticQuantizer(32, CODES))
