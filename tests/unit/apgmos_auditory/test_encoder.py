"""ECAPA-TDNN, the encoder around it, the decoder, and SpeechBrain's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.predictors.apgmos.auditory.config import ECAPA_SIZES, EcapaConfig
from mosharness.predictors.apgmos.auditory.convert import read_speechbrain
from mosharness.predictors.apgmos.auditory.ecapa import AuditoryEncoder, Ecapa
from mosharness.predictors.apgmos.decoder import Decoder

TINY = ECAPA_SIZES["tiny"]


def count(module: torch.nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def made(module: type[Any] = Ecapa, channels: int = 12, **given: Any) -> Any:
    """A small network whose batch norms do something."""
    torch.manual_seed(0)
    network = module(channels, given.pop("config", TINY), **given).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.uniform_(0.5, 1.5)
    return network


def frames(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("channels", "config", "parameters"),
    [
        (128, EcapaConfig(), 6_316_928),
        (80, EcapaConfig(), 6_194_048),
        (64, EcapaConfig(), 6_153_088),
        (128, EcapaConfig(channels=(1024, 1024, 1024, 1024, 3072)), 21_013_696 - 384),
    ],
)
def test_parameter_counts_are_the_published_ones(channels: int, config: EcapaConfig, parameters: int) -> None:
    with torch.device("meta"):
        ecapa, encoder = Ecapa(channels, config), AuditoryEncoder(channels, config)
    assert count(ecapa) == parameters
    assert len(ecapa.state_dict()) == 231
    assert count(encoder) == parameters + 384
    assert {name.removeprefix("ecapa.") for name in encoder.state_dict() if name.startswith("ecapa.")} == set(
        ecapa.state_dict()
    )


def test_decoder_scores_every_position_alone_within_1_and_5() -> None:
    decoder = Decoder(192).eval()
    assert count(decoder) == 192 * 64 + 64 + 64 + 1
    features = 100.0 * torch.randn(3, 7, 192)
    scores = decoder(features)
    assert scores.shape == (3, 7) and scores.min() >= 1.0 and scores.max() <= 5.0
    assert torch.allclose(decoder(features[1, 2]), scores[1, 2])
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
    assert (decoder(features) == 3.0).all()
    assert Decoder(5, hidden=2, dropout=0.5).layers[2].p == 0.5


@pytest.mark.parametrize("subtract_mean", [False, True])
def test_padding_leaves_no_trace(subtract_mean: bool) -> None:
    encoder, counts = made(AuditoryEncoder, subtract_mean=subtract_mean), [40, 5, 17, 9]
    batch = frames(4, 40, 12)
    with torch.inference_mode():
        alone = torch.cat([encoder(batch[at : at + 1, :length]) for at, length in enumerate(counts)])
        assert torch.allclose(encoder(batch, counts), alone, atol=1e-6)
        for at, length in enumerate(counts):
            batch[at, length:] = 1e6
        assert torch.allclose(encoder(batch, torch.tensor(counts)), alone, atol=1e-6)
        assert torch.allclose(encoder(batch.flip(0), counts[::-1]).flip(0), alone, atol=1e-6)


def test_speechbrain_s_lengths_let_padding_into_the_convolutions_and_ours_do_not() -> None:
    ecapa, batch = made(), frames(2, 20, 12)
    with torch.inference_mode():
        alone = ecapa(batch[1:, :10])
        theirs = ecapa(batch, relative_lengths=[1.0, 0.5])[1:]
        assert (theirs - alone).abs().max() > 1e-4
        assert torch.allclose(ecapa(batch, [20, 10])[1:], alone, atol=1e-6)
        assert torch.equal(ecapa(batch, relative_lengths=torch.ones(2)), ecapa(batch, relative_lengths=[1.0, 1.0]))
        assert torch.allclose(ecapa(batch, relative_lengths=[1.0, 1.0]), ecapa(batch), atol=1e-6)


def test_training_statistics_see_valid_frames_only() -> None:
    batch, counts = frames(3, 30, 12), [30, 11, 20]
    states = []
    for fill in (0.0, 50.0):
        for at, length in enumerate(counts):
            batch[at, length:] = fill
        ecapa = made().train()
        embedding = ecapa(batch, counts)
        embedding.square().sum().backward()
        states.append(
            {**ecapa.state_dict(), "embedding": embedding.detach(), "grad": ecapa.blocks[0].conv.conv.weight.grad}
        )
    for name, tensor in states[0].items():
        assert torch.allclose(tensor.double(), states[1][name].double(), atol=1e-4, rtol=1e-4), name
    first = made().train()
    first(batch[:, :5])
    valid = torch.relu(first.blocks[0].conv(batch[:, :5].transpose(1, 2)))
    expected = 0.9 * made().blocks[0].norm.norm.running_mean + 0.1 * valid.mean((0, 2))
    assert torch.allclose(first.blocks[0].norm.norm.running_mean, expected, atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        replace(TINY, global_context=False),
        replace(
            TINY, channels=(16, 32, 16, 32), kernel_sizes=(3, 3, 5, 1), dilations=(1, 2, 2, 1), groups=(1, 2, 1, 1)
        ),
        replace(TINY, embedding=7, dropout=0.2),
    ],
    ids=["without context", "uneven", "dropout"],
)
def test_other_sizes_work_and_are_exact(config: EcapaConfig) -> None:
    ecapa = made(config=config)
    batch = frames(2, 20, 12)
    with torch.inference_mode():
        found = ecapa(batch, [20, 8])
        assert found.shape == (2, config.embedding)
        assert torch.allclose(found[1:], ecapa(batch[1:, :8]), atol=1e-6)
    assert ecapa.train()(batch, [20, 8]).requires_grad


def test_what_does_not_fit_is_said() -> None:
    ecapa = made()
    assert ecapa.config.shortest == 5
    for wrong, message in (
        (lambda: ecapa(frames(1, 4, 12)), "a clip of 4 frames is too short .* needs 5 .*125 ms.* repeat the clip"),
        (lambda: ecapa(frames(2, 9, 12), [9, 3]), "a clip of 3 frames is too short"),
        (lambda: ecapa(frames(2, 9, 12), [10, 9]), r"counts \[10, 9\] do not fit"),
        (lambda: ecapa(frames(1, 9, 13)), r"frames must be \(clips, frames, 12\), not \(1, 9, 13\)"),
        (lambda: ecapa(frames(1, 9, 12), [9], relative_lengths=[1.0]), "not both"),
        (lambda: ecapa(frames(1, 9, 12), relative_lengths=[1.5]), "above 0, up to 1"),
        (lambda: made().train()(frames(1, 9, 12)), "cannot train on a batch of one clip"),
        (lambda: Ecapa(12, "huge"), "no ECAPA size called 'huge'; known: base, tiny"),
    ):
        with pytest.raises(UsageError, match=message):
            wrong()
    for settings, message in (
        ({"channels": (8, 8)}, "at least three layers"),
        ({"dilations": (1,)}, "one per layer"),
        ({"kernel_sizes": (5, 3, 3, 4, 1)}, "must be odd"),
        ({"res2net_scale": 7}, "must be multiples of 7"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(EcapaConfig(), **settings)


@pytest.mark.parametrize("prefix", ["", "module.", "embedding_model.", "mods.embedding_model.", "module.ecapa."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_speechbrain_files_load_bit_for_bit(tmp_path: Path, prefix: str, wrapper: str | None) -> None:
    original, path = made(), tmp_path / "embedding_model.ckpt"
    state = {prefix + name: tensor for name, tensor in original.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    fresh = Ecapa(12, TINY)
    fresh.load_speechbrain(path)
    for name, tensor in original.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor)


def test_speechbrain_files_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "embedding_model.ckpt"
    state = made().state_dict()
    torch.save(state, path)
    other = made(channels=9)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"blocks\.0\.conv\.conv\.weight is \(16, 12, 5\), this network has \(16, 9"
    ):
        other.load_speechbrain(path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())
    del state["fc.conv.bias"]
    state["extra"] = torch.zeros(1)
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"1 tensors absent: fc\.conv\.bias; 1 tensors unknown here: extra"):
        made().load_speechbrain(path)
    for content in ({"epoch": 3}, [1, 2], {}):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="holds no state dict"):
            read_speechbrain(path)
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"embedding_model\.ckpt"):
        read_speechbrain(path)
