"""Files of other people that lie beside the project, and weights in other forms: bfloat16, in parts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors import load_predictor
from mosharness.predictors.layers.ssl.backbone import SslBackbone
from mosharness.predictors.layers.ssl.pretrained import load_pretrained
from mosharness.predictors.weights import load_tensors, save_tensors
from safetensors.torch import load_file, save_file

sys.path.append(str(Path(__file__).parent))
from readers import reader


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip("no ../shared/cases")
    return folder


def test_nisqa_fine_tunings_load_and_score(cases: Path) -> None:
    real = load_predictor("nisqa", cases / "checkpoints" / "nisqa_real_clean.tar", "cpu")
    assert abs(real.predict([cases / "audio" / "base.wav"])[0, 0] - 1.522608) < 1e-4
    now = load_predictor("nisqa", cases / "checkpoints" / "nisqa_ft_now.tar", "cpu")
    assert np.isfinite(now.predict([cases / "audio" / "base.wav"])).all()


def test_laion_s_file_with_numpy_numbers_is_read(cases: Path) -> None:
    from mosharness.predictors.layers.clap.official import laion_state
    from mosharness.predictors.layers.pickles.files import read_weights

    path = cases / "checkpoints" / "clap_npscalar.pt"
    content = read_weights(path)
    assert content["best"] == pytest.approx(90.14)
    state = laion_state(content, path)
    assert len(state) == 108 and all(isinstance(value, torch.Tensor) for value in state.values())


def test_laion_s_file_starts_a_tiny_clap(cases: Path) -> None:
    from mosharness.predictors.layers.clap.backbone import ClapBackbone
    from mosharness.predictors.layers.clap.pretrained import load_pretrained as load_clap

    assert load_clap(ClapBackbone("tiny", text=True), str(cases / "checkpoints" / "clap_npscalar.pt"))


def test_fairseq_s_file_with_arguments_loads(cases: Path) -> None:
    for kind in ("wav2vec2", "hubert"):
        load_pretrained(SslBackbone(kind, "tiny"), str(cases / "checkpoints" / "fs_args.pt"))  # type: ignore[arg-type]


def test_a_folder_in_bfloat16_gives_the_values_of_its_numbers(cases: Path) -> None:
    folder = cases / "checkpoints" / "ssl_bf16"
    backbone = SslBackbone("wav2vec2", "tiny").eval()
    load_pretrained(backbone, str(folder))
    for name, value in load_file(folder / "model.safetensors").items():
        assert torch.equal(backbone.model.state_dict()[name], value.float()), name
    with torch.no_grad():
        assert backbone(torch.randn(2, 8000))[0].isfinite().all()


def test_states_from_bfloat16_are_near_those_of_float32(tmp_path: Path) -> None:
    torch.manual_seed(0)
    full, half = SslBackbone("wav2vec2", "tiny").eval(), SslBackbone("wav2vec2", "tiny").eval()
    save_file(
        {name: value.bfloat16() for name, value in full.model.state_dict().items()}, tmp_path / "model.safetensors"
    )
    (tmp_path / "config.json").write_text('{"model_type": "wav2vec2"}')
    load_pretrained(half, str(tmp_path))
    waves = torch.randn(2, 8000)
    with torch.no_grad():
        assert 0 < (half(waves)[0] - full(waves)[0]).abs().max() < 4e-2


def test_bfloat16_is_widened_exactly_and_other_short_types_name_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, 3e38, 1e-40, float(np.pi)]).bfloat16()
    save_file({"a": values, "b": torch.ones(2, dtype=torch.float16)}, path)
    found = load_tensors(path)
    assert found["a"].dtype == np.float32 and torch.equal(torch.from_numpy(found["a"]), values.float())
    assert found["b"].dtype == np.float16
    short = torch.ones(2, dtype=torch.float8_e4m3fn)
    save_file({"a": short}, path)
    with pytest.raises(CheckpointError, match=r"a holds numbers of the type F8_E4M3.*convert them to float32"):
        load_tensors(path)
    save_file({"a": short.float()}, path)  # as the message advises
    assert load_tensors(path)["a"].tolist() == [1.0, 1.0]


def test_a_checkpoint_of_ours_may_be_stored_in_bfloat16(tmp_path: Path) -> None:
    one = reader("sslmos")
    loaded = load_predictor("sslmos", one.write(tmp_path, one.state), "cpu")
    file = loaded.save_pretrained(tmp_path / "saved") / "model.safetensors"
    tensors = {name: torch.from_numpy(value).bfloat16() for name, value in load_tensors(file).items()}
    save_file(tensors, file)
    again = load_predictor("sslmos", file.parent, "cpu")
    assert all(torch.equal(value, tensors[name].float()) for name, value in again.tensors().items())


def in_parts(folder: Path, tensors: dict[str, torch.Tensor], stem: str = "model.safetensors") -> Path:
    """Tensors in two files and an index, as the libraries of Hugging Face cut large models."""
    names = sorted(tensors)
    where: dict[str, str] = {}
    for at, half in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        begin, _, end = stem.rpartition(".")
        part = f"{begin}-{at:05}-of-00002.{end}"
        content = {name: tensors[name] for name in half}
        if end == "safetensors":
            save_tensors(folder / part, content)
        else:
            torch.save(content, folder / part)
        where |= dict.fromkeys(half, part)
    index = folder / f"{stem}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return index


@pytest.mark.parametrize("stem", ["model.safetensors", "pytorch_model.bin"])
def test_models_in_several_files_load(stem: str, tmp_path: Path) -> None:
    source, target = SslBackbone("wavlm", "tiny"), SslBackbone("wavlm", "tiny")
    index = in_parts(tmp_path, dict(source.model.state_dict()), stem)
    (tmp_path / "config.json").write_text('{"model_type": "wavlm"}')
    load_pretrained(target, str(tmp_path))
    wanted = source.model.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in target.model.state_dict().items())
    part = next(tmp_path.glob("*-00002-of-00002.*"))
    content = part.read_bytes()
    part.unlink()
    with pytest.raises(CheckpointError, match="does not lie beside it; fetch all parts"):
        load_pretrained(target, str(tmp_path))
    part.write_bytes(content)  # as the message advises
    load_pretrained(target, str(tmp_path))
    where = json.loads(index.read_text())["weight_map"]
    for wrong in ("../elsewhere.safetensors", "sub/part.safetensors", "", index.name):
        index.write_text(json.dumps({"weight_map": {**where, "x": wrong}}))
        with pytest.raises(CheckpointError, match="the parts lie beside their index"):
            load_pretrained(target, str(tmp_path))
    index.write_text("[]")
    with pytest.raises(CheckpointError, match="no weight_map"):
        load_pretrained(target, str(tmp_path))


@pytest.mark.parametrize("name", ["sslmos", "utmosv2", "sfissl", "apgmos", "drasp"])
def test_an_index_is_a_checkpoint_too(name: str, tmp_path: Path) -> None:
    one = reader(name)
    whole = one.load(one.write(tmp_path, one.pack(one.state)))
    parts = one.load(in_parts(tmp_path, one.state))
    assert all(torch.equal(value, whole[key]) for key, value in parts.items())


def test_a_hub_folder_of_audiobox_may_be_in_parts(tmp_path: Path) -> None:
    one = reader("audiobox")
    whole = one.load(one.write(tmp_path / "whole", one.pack(one.state)))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "config.json").write_text(one.beside["config.json"])
    in_parts(tmp_path / "hub", one.state)
    parts: dict[str, Any] = load_predictor("audiobox", tmp_path / "hub", "cpu", size="tiny").tensors()
    assert all(torch.equal(value, whole[key]) for key, value in parts.items())


def test_the_advice_for_transformers_files_is_their_folder(tmp_path: Path) -> None:
    source, target = SslBackbone("hubert", "tiny"), SslBackbone("hubert", "tiny")
    source.model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="Files of the transformers library go in as their folder"):
        load_pretrained(target, str(tmp_path / "model.safetensors"))
    load_pretrained(target, str(tmp_path))  # as the message advises


@pytest.mark.parametrize("name", ["sslmos", "utmosv2", "nisqa"])
def test_an_official_file_is_hashed_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mosharness.harness.core import files
    from mosharness.predictors import identified, identity
    from mosharness.predictors.nisqa import Nisqa
    from mosharness.predictors.utmosv2 import convert

    one, hashed = reader(name), list[str]()
    path = one.write(tmp_path, one.pack(one.state))

    def counted(of: str | Path) -> str:
        hashed.append(Path(of).name)
        return files.file_sha256(of)

    for module in (identified, identity, convert, sys.modules[Nisqa.__module__]):
        monkeypatch.setattr(module, "file_sha256", counted)
    settings = {"utmosv2": {"size": "tiny"}}.get(name, {})
    loaded = load_predictor(name, path, "cpu", **settings)
    digest = loaded.fingerprint()["files"]["checkpoint"]
    assert digest == loaded.checkpoint.sha256 == files.file_sha256(path)
    assert hashed == [path.name]
