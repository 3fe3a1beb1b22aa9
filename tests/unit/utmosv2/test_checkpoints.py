"""Weights of UTMOSv2: official files, folders of folds, our own folders, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, HubError
from mosharness.predictors import PREDICTORS, load_predictor
from mosharness.predictors.utmosv2 import Utmosv2, convert
from mosharness.predictors.utmosv2.inference import for_inference

Make = Callable[..., Utmosv2]
Waves = list[Any]


@pytest.fixture
def folder(tmp_path: Path, make_tiny: Make) -> Path:
    """The files of five folds in the official layout; each fold's scores are a tenth higher than those before."""
    tiny = make_tiny()
    for fold in range(5):
        state = {name: tensor.clone() for name, tensor in tiny.network.state_dict().items()}
        state["fc.bias"] += 0.1 * fold
        torch.save(state, tmp_path / convert.filename(fold))
    return tmp_path


def test_folds_load_from_a_folder_or_a_file_and_their_scores_are_averaged(folder: Path, waves: Waves) -> None:
    single = load_predictor("utmosv2", folder, "cpu", size="tiny", folds=2)
    by_file = load_predictor("utmosv2", folder / convert.filename(2), "cpu", size="tiny")
    assert by_file.config.folds == 2
    assert np.array_equal(by_file.predict(waves, 16_000), single.predict(waves, 16_000))
    every = load_predictor("utmosv2", folder, "cpu", size="tiny", folds="all")
    assert isinstance(every, Utmosv2)
    detailed = every.predict_detailed(waves, 16_000)
    assert detailed.folds == (0, 1, 2, 3, 4)
    assert np.abs(detailed.scores[:, 2, 0, 1] - single.predict(waves, 16_000)[:, 0]).max() < 1e-6
    assert np.abs(every.predict(waves, 16_000)[:, 0] - detailed.mean()).max() < 1e-6
    from_one = load_predictor("utmosv2", folder / convert.filename(0), "cpu", size="tiny", folds=[0, 4])
    assert from_one.config.fold_numbers == (0, 4)


def test_a_file_of_another_fold_and_absent_folds_are_refused(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="holds fold 2, not fold 1"):
        load_predictor("utmosv2", folder / convert.filename(2), "cpu", size="tiny", folds=1)
    (folder / convert.filename(3)).unlink()
    with pytest.raises(CheckpointError, match="1 of 5 fold files are absent"):
        load_predictor("utmosv2", folder, "cpu", size="tiny", folds="all")


def test_files_of_the_faulty_first_set_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "file_sha256", lambda path: "sha256:92fb17df" + 56 * "0")
    with pytest.raises(CheckpointError, match="first published set"):
        load_predictor("utmosv2", folder / convert.filename(0), "cpu", size="tiny")


def test_published_files_are_known_by_digest_and_bring_their_training_data(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / convert.filename(1)
    unknown = load_predictor("utmosv2", path, "cpu", size="tiny")
    assert unknown.trained_on == ()
    assert "none of the published" in capsys.readouterr().err
    monkeypatch.setattr(convert, "file_sha256", lambda path: f"sha256:{convert.SHA256[1]}")
    path = path.rename(folder / "renamed.pth")
    known = load_predictor("utmosv2", path, "cpu", size="tiny")
    assert {"bvcc/test", "somos/test", "bvcc/train"} <= set(known.trained_on)
    assert known.config.folds == 1


def test_five_digests_and_five_faulty_ones_are_pinned() -> None:
    assert len(set(convert.SHA256)) == len(set(convert.FAULTY)) == 5
    assert all(len(digest) == 64 for digest in convert.SHA256)
    assert convert.download(3).url.endswith("sarulab-speech/UTMOSv2/resolve/main/fold3_s42_best_model.pth")


def test_without_network_or_files_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    with pytest.raises(HubError, match="UTMOSv2 weights, fold 0"):
        load_predictor("utmosv2", device="cpu")
    with pytest.raises(CheckpointError, match="no published default weights"):
        load_predictor("utmosv2", device="cpu", variant="spec_only")


def test_the_environment_names_a_folder_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSHARNESS_UTMOSV2_WEIGHTS", str(tmp_path))
    assert PREDICTORS["utmosv2"].local_weights({}) == tmp_path
    assert PREDICTORS["utmosv2"].local_weights({"size": "tiny"}) is None
    monkeypatch.setenv("MOSHARNESS_UTMOSV2_WEIGHTS", str(tmp_path / "absent"))
    with pytest.raises(CheckpointError, match="MOSHARNESS_UTMOSV2_WEIGHTS"):
        PREDICTORS["utmosv2"].local_weights({})


@pytest.mark.parametrize("content", [b"no checkpoint", b""])
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fold0_s42_best_model.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"no readable PyTorch checkpoint|read safely|an empty file"):
        load_predictor("utmosv2", path, "cpu")


def test_a_foreign_or_incomplete_state_is_refused(tmp_path: Path, make_tiny: Make) -> None:
    state = dict(make_tiny().network.state_dict())
    torch.save({"model": {"weight": torch.ones(2)}}, tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match=r"bare state dict.*it holds model"):
        load_predictor("utmosv2", tmp_path / "foreign.pth", "cpu", size="tiny")
    del state["ssl.weights"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(CheckpointError, match=r"1 missing \(first: ssl.weights\)"):
        load_predictor("utmosv2", tmp_path / "short.pth", "cpu", size="tiny")


@pytest.mark.parametrize("variant", ["fusion", "spec_only", "ssl_only"])
def test_every_variant_saves_and_loads_bit_for_bit(tmp_path: Path, waves: Waves, variant: str) -> None:
    predictor = Utmosv2({"size": "tiny", "variant": variant}, device="cpu")
    scores = predictor.predict(waves, 16_000)
    predictor.save_pretrained(tmp_path / "own")
    again = load_predictor("utmosv2", tmp_path / "own", "cpu")
    assert np.array_equal(again.predict(waves, 16_000), scores)
    assert again.fingerprint()["weights"] == predictor.fingerprint()["weights"]
    torch.save(predictor.network.state_dict(), tmp_path / "official.pth")
    official = load_predictor("utmosv2", tmp_path / "official.pth", "cpu", size="tiny")
    assert official.config.variant == variant
    assert np.array_equal(official.predict(waves, 16_000), scores)


def test_several_folds_save_and_load_and_settings_can_change_on_loading(tmp_path: Path, make_tiny: Make) -> None:
    make_tiny(folds=[1, 2]).save_pretrained(tmp_path / "two")
    loaded = load_predictor("utmosv2", tmp_path / "two", "cpu", repetitions=2)
    assert loaded.config.fold_numbers == (1, 2)
    make_tiny().save_pretrained(tmp_path / "one")
    one = load_predictor("utmosv2", tmp_path / "one", "cpu", repetitions=2)
    assert one.dimensions == ("mos", "mos_spread")


def test_the_inference_network_differs_by_rounding_only(make_tiny: Make) -> None:
    network = make_tiny().networks[0]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)  # type: ignore[union-attr, operator]
                module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr, operator]
        waves, pictures = torch.randn(3, 16_000), torch.rand(3, 4, 48, 48)
        expected = network(waves, pictures)
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        fast = for_inference(network)
        assert (fast(waves, pictures) - expected).abs().max() < 1e-5
    after = network.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert sum(isinstance(module, torch.nn.BatchNorm2d) for module in fast.modules()) == 0


def test_the_domain_follows_the_task() -> None:
    assert Utmosv2.task_config("bvcc") == {"predict_dataset": "bvcc"}
    assert Utmosv2.task_config("somos_full") == {"predict_dataset": "somos"}
    assert Utmosv2.task_config("musiceval") == {}
