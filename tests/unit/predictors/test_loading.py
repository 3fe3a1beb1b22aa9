"""Loading: networks are built empty and once, weights read and hashed once, and nothing random is left over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors import PREDICTORS, empty, load_predictor, weights
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.trainable import Trainable

SMALL: dict[str, list[dict[str, Any]]] = {
    "apgmos": [{"size": "tiny"}],
    "audiobox": [{"size": "tiny"}, {"size": "tiny", "pooling": "drasp", "projection": True}],
    "drasp": [{"size": "tiny"}, {"size": "tiny", "text": False}, {"size": "tiny", "backbone": "audiobox"}],
    "jsqa": [{"preset": "tiny"}],
    "nisqa": [{}, {"variant": "nisqa_tts"}],
    "nisqa_tts": [{}],
    "sfissl": [{"backbone": "hubert-tiny"}],
    "sslmos": [{"backbone": f"{kind}-tiny"} for kind in ("wav2vec2", "hubert", "wavlm")]
    + [{"backbone": "wavlm-tiny_large", "layer": "weighted", "pooling": "drasp"}],
    "utmosv2": [{"size": "tiny", "variant": variant} for variant in ("fusion", "ssl_only", "spec_only")],
}
CASES = [(name, config) for name, configs in SMALL.items() for config in configs]


def fresh(name: str, config: dict[str, Any]) -> Any:
    import torch

    torch.manual_seed(7)
    return PREDICTORS[name](config, device="cpu")


def scores(predictor: Any) -> np.ndarray:
    rate = (predictor.describe().sample_rates or (16_000,))[0]
    waves = [speech_like(seconds, rate, at) for at, seconds in enumerate((1.3, 2.1))]
    return predictor.predict(waves, rate, texts=["a calm piano"] * 2, workers=1)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "config"), CASES, ids=[f"{name}-{at}" for at, (name, _) in enumerate(CASES)])
def test_what_is_loaded_scores_bit_for_bit_and_keeps_no_random_leftovers(
    name: str, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = fresh(name, config)
    folder = saved.save_pretrained(tmp_path / "model")
    monkeypatch.setattr(empty, "FILL", float("nan"))  # what no weights replace makes every score NaN
    loaded = load_predictor(name, folder, "cpu")
    assert np.array_equal(scores(loaded), scores(saved))
    assert loaded.fingerprint() == saved.fingerprint()
    assert loaded.dimensions == saved.dimensions
    for key, buffer in saved.network.named_buffers():
        assert np.array_equal(loaded.network.get_buffer(key).numpy(), buffer.numpy()), key


def test_a_leftover_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(empty, "FILL", float("nan"))
    predictor = PREDICTORS["sslmos"].empty({"backbone": "wav2vec2-tiny"}, device="cpu")
    assert np.isnan(predictor.score([np.ones(16_000, np.float32)])).all()


def test_an_empty_instance_draws_nothing() -> None:
    import torch

    torch.manual_seed(3)
    wanted = torch.rand(5)
    torch.manual_seed(3)
    PREDICTORS["sslmos"].empty({"backbone": "wavlm-tiny"}, device="cpu")
    assert torch.equal(torch.rand(5), wanted)


def test_a_network_is_built_once_and_for_its_own_dimensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, ...]] = []
    build = Trainable.build

    def counted(self: Trainable) -> None:
        built.append(self.dimensions)
        build(self)

    monkeypatch.setattr(Trainable, "build", counted)
    predictor = PREDICTORS["sslmos"]({"backbone": "wav2vec2-tiny"}, dimensions=("mi", "ta"), device="cpu")
    folder = predictor.save_pretrained(tmp_path)
    assert load_predictor("sslmos", folder, "cpu").dimensions == ("mi", "ta")
    assert built == [("mi", "ta")] * 2


def test_dimensions_training_data_and_checkpoint_are_not_assigned() -> None:
    predictor: Any = fresh("sslmos", {"backbone": "wav2vec2-tiny"})
    for name in ("dimensions", "trained_on", "checkpoint"):
        with pytest.raises(AttributeError):
            setattr(predictor, name, ())


def test_weights_are_read_and_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fresh("sslmos", {"backbone": "wav2vec2-tiny"}).save_pretrained(tmp_path)
    content = (folder / "model.safetensors").read_bytes()
    reads, digests = [], []
    read, digest = Path.read_bytes, weights.tensors_digest

    def counted(path: Path) -> bytes:
        reads.append(path.name)
        return read(path)

    def hashed(tensors: Any) -> str:
        digests.append(len(tensors))
        return digest(tensors)

    monkeypatch.setattr(Path, "read_bytes", counted)
    monkeypatch.setattr(weights, "tensors_digest", hashed)
    loaded = load_predictor("sslmos", folder, "cpu")
    assert loaded.checkpoint.sha256 == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert loaded.fingerprint()["weights"] == digest(loaded.tensors())
    assert (reads.count("model.safetensors"), len(digests)) == (1, 1)


def test_weights_that_change_after_loading_have_another_fingerprint(tmp_path: Path) -> None:
    import torch

    loaded: Any = load_predictor("sslmos", fresh("sslmos", {"backbone": "wav2vec2-tiny"}).save_pretrained(tmp_path))
    before = loaded.fingerprint()["weights"]
    with torch.no_grad():
        loaded.network.head.bias.add_(1.0)
    loaded.weights_changed()
    assert loaded.fingerprint()["weights"] != before


def test_a_folder_whose_card_is_not_of_this_kind_is_refused(tmp_path: Path) -> None:
    folder = fresh("jsqa", {"preset": "tiny"}).save_pretrained(tmp_path)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "trained_on": [1]}))
    with pytest.raises(CheckpointError, match=r"card.json: \$.trained_on\[0\]: expected `str`, got `int`"):
        load_predictor("jsqa", folder, "cpu")
    (folder / "card.json").unlink()  # a folder of the first versions
    assert load_predictor("jsqa", folder, "cpu").dimensions == ("mos",)
