"""The semantic branch: exact per clip, frozen whatever is asked, counts, ties, normalisation."""

from __future__ import annotations

import pytest
import torch
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.predictors.apgmos.semantic.distortion import SemanticDistortion, normalise_by_length
from mosharness.predictors.apgmos.semantic.origin import VqOrigin
from mosharness.predictors.apgmos.semantic.quantizer import SemanticQuantizer, nearest, squared_distances
from mosharness.predictors.layers.ssl.shapes import frame_counts

LENGTHS = [400, 719, 720, 6000, 3333]


@pytest.fixture(params=["25hz", "50hz"])
def branch(request: pytest.FixtureRequest) -> SemanticDistortion:
    torch.manual_seed(0)
    return SemanticDistortion("tiny", 16, frame_rate=request.param)


@pytest.fixture
def waves() -> torch.Tensor:
    """Clips of LENGTHS with rubbish behind their ends."""
    generator = torch.Generator().manual_seed(1)
    padded = torch.full((len(LENGTHS), max(LENGTHS)), 7.0)
    for row, length in zip(padded, LENGTHS, strict=True):
        row[:length] = 0.1 * torch.randn(length, generator=generator)
    return padded


def test_a_clip_in_a_padded_batch_is_the_clip_alone_bit_for_bit(
    branch: SemanticDistortion, waves: torch.Tensor
) -> None:
    together = branch(waves, torch.tensor(LENGTHS))
    wanted = [count // branch.stride for count in frame_counts(LENGTHS)]
    assert together.counts.tolist() == wanted
    for at, length in enumerate(LENGTHS):
        alone = branch(waves[at : at + 1, :length])
        count = wanted[at]
        for part in ("residual", "quantised", "codes"):
            assert torch.equal(getattr(alone, part)[0], getattr(together, part)[at, :count])
        assert not together.residual[at, count:].any() and not together.quantised[at, count:].any()
        assert (together.codes[at, count:] == -1).all()


def test_batched_states_agree_with_single_ones_by_the_masked_group_norm(
    branch: SemanticDistortion, waves: torch.Tensor
) -> None:
    single, counts = branch.states(waves, LENGTHS)
    branch.one_by_one = False
    batched, _ = branch.states(waves, LENGTHS)
    for at, count in enumerate(counts.tolist()):
        torch.testing.assert_close(batched[at, :count], single[at, :count], atol=1e-5, rtol=0)


def test_the_residual_is_what_the_nearest_code_leaves(branch: SemanticDistortion, waves: torch.Tensor) -> None:
    found = branch(waves[3:4])
    projected = branch.project(branch.states(waves[3:4])[0])
    assert torch.equal(found.residual + 0.0, projected - branch.codebook.embed[found.codes])
    distances = torch.cdist(projected[0].double(), branch.codebook.embed.double())
    assert torch.equal(distances.argmin(1), found.codes[0])


def test_nothing_trains_and_the_mode_stays_eval(branch: SemanticDistortion, waves: torch.Tensor) -> None:
    before = branch(waves[3:4]).residual
    branch.train()
    assert not branch.training and not any(module.training for module in branch.modules())
    assert not any(parameter.requires_grad for parameter in branch.parameters())
    branch.requires_grad_(True)  # what an engine does to parts that no pattern freezes
    after = branch(waves[3:4]).residual
    assert torch.equal(before, after) and not after.requires_grad


def test_a_clip_of_one_hubert_frame_has_no_25_hz_frame(waves: torch.Tensor) -> None:
    branch = SemanticDistortion("tiny", 16)
    found = branch(waves[:1, :719])
    assert found.residual.shape == (1, 0, branch.channels) and found.counts.tolist() == [0]


def test_a_clip_without_any_frame_is_refused() -> None:
    with pytest.raises(UsageError, match="400 samples"):
        SemanticDistortion("tiny", 16)(torch.zeros(2, 800), [399, 800])


def test_silence_is_finite() -> None:
    found = SemanticDistortion("tiny", 16)(torch.zeros(1, 8000))
    assert found.residual.isfinite().all() and found.residual.shape[1] == 12


def test_each_clip_is_normalised_over_its_true_length(waves: torch.Tensor) -> None:
    ready = normalise_by_length(waves, LENGTHS)
    for row, length in zip(ready, LENGTHS, strict=True):
        assert abs(float(row[:length].mean())) < 1e-6 and abs(float(row[:length].var(correction=0)) - 1) < 1e-4
        assert not row[length:].any()


def test_level_and_offset_do_not_count(waves: torch.Tensor) -> None:
    branch = SemanticDistortion("tiny", 16)
    torch.testing.assert_close(
        branch.states(3.0 * waves[3:4] + 0.2)[0], branch.states(waves[3:4])[0], atol=1e-4, rtol=0
    )


def test_ties_go_to_the_lowest_code() -> None:
    embed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert nearest(torch.tensor([[0.0, 2.0], [2.0, 0.0], [0.5, 0.5]]), embed).tolist() == [1, 0, 0]
    assert nearest(torch.zeros(0, 2), embed).shape == (0,)


def test_distances_are_squared_and_never_negative() -> None:
    points = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    distances = squared_distances(points, points)
    assert (distances >= 0).all() and distances.diagonal().max() < 1e-5
    torch.testing.assert_close(distances, torch.cdist(points, points) ** 2, atol=1e-4, rtol=1e-4)


def test_weights_of_other_shapes_names_and_values_are_refused() -> None:
    model = SemanticQuantizer(24, 16)
    good = dict(model.state_dict())
    for change, message in (
        ({"ssl_proj.bias": torch.zeros(23)}, "ssl_proj.bias should be"),
        ({"other": torch.zeros(1)}, "not known"),
        ({"ssl_proj.bias": torch.full((24,), torch.nan)}, "NaN"),
    ):
        with pytest.raises(CheckpointError, match=message):
            model.load_vq({**good, **change}, VqOrigin(), "x.pth")
    assert model.origin == VqOrigin()


def test_names_of_projection_and_codebook_are_those_of_gptsovits() -> None:
    names = set(SemanticDistortion("tiny", 16).vq_shapes())
    layer = "quantizer.vq.layers.0._codebook"
    assert names == {"ssl_proj.weight", "ssl_proj.bias"} | {
        f"{layer}.{name}" for name in ("inited", "cluster_size", "embed", "embed_avg")
    }


def test_an_unknown_frame_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="25hz or 50hz"):
        SemanticQuantizer(24, 16, frame_rate="40hz")  # type: ignore[arg-type]


def test_an_origin_survives_its_dictionary_and_says_that_it_is_a_substitute() -> None:
    origin = VqOrigin("kmeans", corpus="bvcc/train", clusters=16, frames=100, seed=0, inertia=0.5)
    assert VqOrigin.from_dict(origin.to_dict()) == origin
    assert "kmeans" in origin.label and "not the codebook of the paper" in origin.label
    assert "tests only" in VqOrigin().label
