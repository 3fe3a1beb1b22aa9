"""Where HuBERT, projection and codebook come from: folders of ours, and what may not be mixed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, MosharnessError, UsageError
from mosharness.predictors.apgmos.semantic.codebook_file import make_tensors, read_codebook, write_codebook
from mosharness.predictors.apgmos.semantic.distortion import SemanticDistortion
from mosharness.predictors.apgmos.semantic.frames import FrameStore, pieces
from mosharness.predictors.apgmos.semantic.origin import VqOrigin
from mosharness.predictors.apgmos.semantic.sources import hubert_digest, load_hubert, load_semantics
from mosharness.predictors.base import save_tensors


@pytest.fixture
def model() -> SemanticDistortion:
    torch.manual_seed(0)
    return SemanticDistortion("tiny", 16)


def hubert_folder(folder: Path, model: SemanticDistortion, dtype: torch.dtype = torch.float32) -> Path:
    """A folder as ``transformers`` writes it (the Chinese HuBERT is published in float16)."""
    folder.mkdir()
    state = {name: value.to(dtype) for name, value in model.hubert.model.state_dict().items()}
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({"model_type": "hubert", "torch_dtype": "float16"}))
    return folder


def codebook(folder: Path, hubert: SemanticDistortion | None = None) -> Path:
    centres, counts = torch.randn(16, 24), torch.arange(16.0)
    tied = hubert_digest(hubert) if hubert is not None else ""
    origin = VqOrigin("kmeans", hubert="h", hubert_sha256=tied, layer=2, clusters=16, frames=120, seed=0, inertia=0.5)
    write_codebook(folder, make_tensors(centres, counts), origin, {})
    return folder


def test_a_chinese_hubert_folder_in_float16_is_taken(tmp_path: Path, model: SemanticDistortion) -> None:
    folder = hubert_folder(tmp_path / "chinese-hubert-base", model, torch.float16)
    torch.manual_seed(9)
    fresh = SemanticDistortion("tiny", 16)
    assert load_hubert(fresh, str(folder)) == "chinese-hubert-base"
    for name, value in model.hubert.model.state_dict().items():
        assert torch.equal(fresh.hubert.model.state_dict()[name], value.half().to(value.dtype))


def test_a_codebook_folder_round_trips_and_its_projection_is_the_pair_mean(
    tmp_path: Path, model: SemanticDistortion
) -> None:
    origin = load_semantics(model, hubert="random", vq_source="kmeans", vq=str(codebook(tmp_path / "cb")))
    assert origin == model.origin and origin.vq_source == "kmeans" and origin.file == "cb"
    assert "kmeans substitute" in origin.label
    states = torch.randn(1, 7, 24)
    torch.testing.assert_close(model.project(states)[0], (states[0, 0:6:2] + states[0, 1:6:2]) / 2)


def test_a_codebook_of_another_hubert_is_refused(tmp_path: Path, model: SemanticDistortion) -> None:
    folder = str(codebook(tmp_path / "cb", model))
    own = str(hubert_folder(tmp_path / "own", model))
    torch.manual_seed(3)
    other = str(hubert_folder(tmp_path / "other", SemanticDistortion("tiny", 16)))
    assert load_semantics(model, hubert=own, vq_source="kmeans", vq=folder).hubert == "h"
    with pytest.raises(CheckpointError, match="made from h, not from the weights"):
        load_semantics(model, hubert=other, vq_source="kmeans", vq=folder)


def test_sources_that_are_not_named_or_of_another_kind_say_what_to_do(
    tmp_path: Path, model: SemanticDistortion
) -> None:
    folder, file = codebook(tmp_path / "cb"), tmp_path / "x.pth"
    file.write_bytes(b"PK")
    for arguments, kind, message in (
        ({"hubert": "", "vq_source": "random"}, UsageError, "name the weights of HuBERT"),
        ({"hubert": "random", "vq_source": "gptsovits"}, UsageError, "mosharness apgmos codebook"),
        ({"hubert": "random", "vq_source": "kmeans", "vq": "/none"}, CheckpointError, "no such file"),
        ({"hubert": "random", "vq_source": "gptsovits", "vq": folder}, CheckpointError, "vq_source: kmeans takes"),
        ({"hubert": "random", "vq_source": "kmeans", "vq": file}, CheckpointError, "vq_source: gptsovits takes"),
        ({"hubert": "random", "vq_source": "other", "vq": file}, UsageError, "vq_source: other"),
        ({"hubert": "TencentGameMate/chinese-hubert-base", "vq_source": "random"}, UsageError, "owner/name@COMMIT"),
    ):
        with pytest.raises(kind, match=message):
            load_semantics(model, **arguments)  # type: ignore[arg-type]


def test_a_random_codebook_says_so(model: SemanticDistortion) -> None:
    origin = load_semantics(model, hubert="random", vq_source="random")
    assert (origin.vq_source, origin.hubert, origin.layer) == ("random", "random", 2)
    assert "tests only" in origin.label


def test_changed_incomplete_and_foreign_codebook_folders_are_refused(tmp_path: Path) -> None:
    folder = codebook(tmp_path / "cb")
    facts = (folder / "vq.json").read_text()
    for text in ("{}", "[1]", "no json", facts.replace('"layer": 2', '"layer": "two"'), facts.replace("kmeans", "k")):
        (folder / "vq.json").write_text(text)
        with pytest.raises(MosharnessError, match=r"vq\.json"):
            read_codebook(folder)
    (folder / "vq.json").write_text(facts)
    tensors = read_codebook(folder).tensors
    save_tensors(folder / "vq.safetensors", {**tensors, "ssl_proj.bias": torch.ones(24)})
    with pytest.raises(CheckpointError, match="changed since it was written"):
        read_codebook(folder)
    (folder / "vq.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no complete folder"):
        read_codebook(folder)


def test_a_frame_store_goes_on_after_a_torn_write_and_starts_anew_for_other_settings(tmp_path: Path) -> None:
    frames = np.arange(12, dtype=np.float32).reshape(4, 3)
    with FrameStore(tmp_path, "a", 3) as store:
        store.add("one", frames)
        store.add("bad", frames[:0], "unreadable: broken")
        store.add("two", frames[:2] + 1)
    with (tmp_path / "frames.jsonl").open("ab") as stream:
        stream.write(b'["three", 5, ')
    with (tmp_path / "frames.f32").open("ab") as stream:
        stream.write(b"\0" * 7)
    with FrameStore(tmp_path, "a", 3) as store:
        assert store.clips == [("one", 4, ""), ("bad", 0, "unreadable: broken"), ("two", 2, "")]
        store.add("three", frames[:1] + 2)
        np.testing.assert_array_equal(store.read(), np.concatenate([frames, frames[:2] + 1, frames[:1] + 2]))
        with pytest.raises(UsageError, match="another process"), FrameStore(tmp_path, "a", 3):
            pass
    with (tmp_path / "frames.f32").open("r+b") as stream:
        stream.truncate(4 * 3 * 5)  # the last two clips are gone, whatever the lines say
    with FrameStore(tmp_path, "a", 3) as store:
        assert [clip for clip, _, _ in store.clips] == ["one", "bad"]
    with FrameStore(tmp_path, "b", 3) as store:
        assert store.clips == [] and len(store.read()) == 0


@pytest.mark.parametrize("samples", [1, 720, 480_000, 480_001, 495_999, 496_000, 1_000_000])
def test_long_waves_are_cut_into_pieces_of_30_s_that_keep_at_least_a_second(samples: int) -> None:
    wave = np.arange(samples, dtype=np.float32)
    cut = pieces(wave)
    np.testing.assert_array_equal(np.concatenate(cut), wave)
    assert max(map(len, cut)) < 496_000
    assert len(cut) == 1 or min(map(len, cut)) >= 16_000
