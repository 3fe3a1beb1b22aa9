"""JSQA's network: sizes, the strided form, batches, checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.config import build_config
from mosharness.harness.core.errors import UsageError
from mosharness.predictors import load_predictor
from mosharness.predictors.base import check_tensors
from mosharness.predictors.jsqa import Jsqa, JsqaConfig
from mosharness.predictors.jsqa.network import JsqaNetwork, Projection

Make = Callable[..., Jsqa]
Waves = list[Any]


def parameters(module: torch.nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


@pytest.mark.parametrize(
    ("preset", "embedding", "encoder", "widths"),
    [
        ("paper", 512, 26_065_920, (256, 64, 16)),
        ("slim", 256, 6_520_320, (128, 64, 16)),
        ("deep", 256, 6_551_040, (128, 64, 16)),
        ("tiny", 8, 6_000, (16, 16, 16)),
    ],
)
def test_the_presets_have_the_sizes_of_the_table(
    preset: Any, embedding: int, encoder: int, widths: tuple[int, ...]
) -> None:
    config = JsqaConfig(preset)
    with torch.device("meta"):
        network = JsqaNetwork(config)
    assert (config.embedding, config.head_widths) == (embedding, widths)
    assert parameters(network.encoder) == encoder
    assert network.encoder.width == 2 * embedding
    if preset == "paper":
        assert parameters(network) == 26_214_753


def test_the_projection_head_halves_twice() -> None:
    with torch.device("meta"):
        head = Projection(512)
    assert parameters(head) == 164_224 + 512
    assert [tuple(one.weight.shape) for one in (head[0], head[4])] == [(256, 512), (128, 256)]  # type: ignore[arg-type]


def test_filters_and_layers_can_be_set_and_odd_ones_are_refused() -> None:
    assert JsqaConfig("tiny", 16, 12).embedding == 64
    for wrong in ({"num_layers": 6}, {"base_filters": 3}, {"base_filters": 0}):
        with pytest.raises(UsageError, match="predictor jsqa"):
            build_config(JsqaConfig, wrong, "predictor jsqa")


def test_the_strided_form_equals_the_plain_one_in_evaluation(make_jsqa: Make) -> None:
    network = make_jsqa().network
    for length in (1, 2, 15, 800, 801, 4_001):
        wave = torch.randn(1, length, generator=torch.manual_seed(length)) * 0.1
        seen: dict[bool, list[Any]] = {True: [], False: []}
        with torch.inference_mode():
            for form, layers in seen.items():
                network.encoder.strided = form
                network.encoder(wave, seen=layers)
        assert len(seen[True]) == 8
        for one, other in zip(seen[True], seen[False], strict=True):
            assert one.shape == other.shape
            assert float((one - other).abs().max()) <= 1e-5 * max(1.0, float(other.abs().max()))


def test_training_is_the_plain_form_with_statistics_over_all_steps(make_jsqa: Make) -> None:
    network = make_jsqa().network
    waves = torch.randn(3, 2_000, generator=torch.manual_seed(0)) * 0.1
    network.train()
    layer, norm = network.encoder.encoder[3], network.encoder.ebatch[3]
    norm.momentum = 1.0  # type: ignore[assignment]  # keeps the last batch's statistics
    inputs: list[Any] = []
    layer.register_forward_hook(lambda module, given, result: inputs.append(result))
    network.encoder(waves)
    assert inputs[0].shape[-1] == 2_000
    assert torch.allclose(norm.running_mean, inputs[0].mean(dim=(0, 2)), atol=1e-6)  # type: ignore[arg-type]


def test_padding_leaves_no_trace_in_training_either(make_jsqa: Make) -> None:
    lengths = torch.tensor([900, 1_500, 700])
    waves = [torch.randn(int(length), generator=torch.manual_seed(int(length))) * 0.1 for length in lengths]
    found = []
    for padding in (0, 333):
        network = make_jsqa().network.train()
        batch = torch.full((3, 1_500 + padding), 0.7)
        for row, wave in zip(batch, waves, strict=True):
            row[: len(wave)] = wave
        outputs = network.embedding(batch, lengths)
        found.append([outputs.detach(), *(one.clone() for one in network.encoder.buffers())])
        outputs.sum().backward()  # type: ignore[no-untyped-call]
    for one, other in zip(*found, strict=True):
        assert float((one - other).abs().max()) <= 1e-5


def test_a_batch_scores_as_single_clips_do(make_jsqa: Make, waves: Waves) -> None:
    predictor = make_jsqa()
    assert np.std(predictor.predict(waves, 16_000)) > 0.1
    batch = predictor.collate([wave.astype(np.float32) for wave in waves])
    with torch.inference_mode():
        together = predictor.forward(batch).numpy()
    assert np.abs(together - predictor.predict(waves, 16_000)).max() < 1e-5


def test_scores_lie_inside_the_scale(make_jsqa: Make, waves: Waves) -> None:
    loud = [np.sign(np.sin(0.05 * np.arange(5_000))), np.random.default_rng(0).normal(0, 0.3, 8_000)]
    scores = make_jsqa().predict([*waves, *loud], 16_000)
    assert ((scores > 1) & (scores < 5)).all()


def test_a_checkpoint_round_trips_and_the_projection_head_is_left_behind(
    make_jsqa: Make, waves: Waves, tmp_path: Path
) -> None:
    predictor = make_jsqa()
    scores = predictor.predict(waves, 16_000)
    predictor.network.projection = Projection(predictor.config.embedding)
    predictor.save_pretrained(tmp_path)
    loaded = load_predictor("jsqa", tmp_path, "cpu")
    assert isinstance(loaded, Jsqa) and loaded.network.projection is None
    assert np.array_equal(loaded.predict(waves, 16_000), scores)
    check_tensors(
        {name: value for name, value in predictor.tensors().items() if not name.startswith("projection.")},
        loaded.tensors(),
        "a checkpoint",
    )


def test_very_short_and_very_long_clips_are_refused(make_jsqa: Make) -> None:
    from mosharness.harness.core.errors import PredictionError

    predictor = make_jsqa(base_filters=2, num_layers=4)
    assert predictor.limits().max_seconds == 60.0
    with pytest.raises(PredictionError, match=r"0\.031 s is under the 0\.05 s"):
        predictor.predict([np.ones(500) * 0.1 * np.sin(np.arange(500))], 16_000)
