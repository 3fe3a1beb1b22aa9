"""Plan, folds, losses, schedules, recipes, stop rule and feature cache, each on its own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import DataError, UnknownName, UsageError
from mosharness.harness.engine.features import FeatureCache
from mosharness.harness.recipes.recipe import Batch, Loss, Schedule, Stop, parse_recipe, read_recipe
from mosharness.harness.training.folds import make_folds
from mosharness.harness.training.losses import LOSSES, check_loss, named_loss
from mosharness.harness.training.monitor import Judgement, judge
from mosharness.harness.training.optimisers import rate_at
from mosharness.harness.training.plan import plan_epoch, share, windows

LENGTHS = [0.5 + 0.37 * (7 * at % 23) for at in range(101)]


def plan(batch: Batch, **place: Any) -> list[tuple[int, ...]]:
    where = {"seed": 0, "stage": "a", "epoch": 0, **place}
    return plan_epoch(LENGTHS, [16_000 if at % 3 else 48_000 for at in range(101)], batch, **where)


def test_an_epoch_holds_every_clip_once_and_depends_on_seed_stage_and_epoch_alone() -> None:
    first = plan(Batch(8))
    assert sorted(at for batch in first for at in batch) == list(range(101))
    assert first == plan(Batch(8))
    assert all(first != plan(Batch(8), **other) for other in ({"seed": 1}, {"stage": "b"}, {"epoch": 1}))


def test_batches_hold_clips_of_similar_length_within_the_bounds() -> None:
    def padding(batches: list[tuple[int, ...]]) -> float:
        return sum(len(one) * max(LENGTHS[at] for at in one) for one in batches) / sum(LENGTHS)

    assert padding(plan(Batch(8, pool=13))) < 1.1
    assert padding(plan(Batch(8, pool=1))) > 1.4
    bounded = plan(Batch(8, seconds=20.0))
    assert all(len(one) * max(LENGTHS[at] for at in one) <= 20.0 for one in bounded)
    assert any(len({at % 3 == 0 for at in one}) == 2 for one in plan(Batch(8)))
    assert all(len({at % 3 == 0 for at in one}) == 1 for one in plan(Batch(8, same_rate=True)))


def test_every_process_has_the_same_number_of_steps_and_shares_make_up_the_batch() -> None:
    batches = plan(Batch(7))
    for processes in (1, 2, 3, 8):
        for batch in batches:
            shares = [share(batch, rank, processes) for rank in range(processes)]
            assert sorted(place for one in shares for place in one) == list(range(len(batch)))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert [len(one) for one in windows(batches, 4)] == [4, 4, 4, 3]


@given(
    groups=st.lists(st.sampled_from("abcdefghijkl"), min_size=24, max_size=60).filter(lambda g: len(set(g)) >= 4),
    n=st.integers(2, 4),
    seed=st.integers(0, 99),
)
def test_no_group_lies_in_two_folds_and_the_order_of_clips_does_not_matter(
    groups: list[str], n: int, seed: int
) -> None:
    scores = [float(ord(group) % 5) for group in groups]
    folds = make_folds(groups, scores, n, seed)
    where = {group: {fold for fold, own in zip(folds, groups, strict=True) if own == group} for group in set(groups)}
    assert all(len(found) == 1 for found in where.values())
    assert set(folds) == set(range(n))
    assert make_folds(groups[::-1], scores[::-1], n, seed) == folds[::-1]


def test_every_fold_spans_the_range_of_quality() -> None:
    groups = [f"s{system:02d}" for system in range(20) for _ in range(5)]
    scores = [1 + system / 5 for system in range(20) for _ in range(5)]
    folds = make_folds(groups, scores, 5, seed=3)
    means = [np.mean([score for score, fold in zip(scores, folds, strict=True) if fold == one]) for one in range(5)]
    assert max(means) - min(means) < 0.8  # blocks of five neighbours differ by at most that
    assert [folds.count(one) for one in range(5)] == [20] * 5
    with pytest.raises(DataError, match="2 groups cannot be cut into 3 folds"):
        make_folds(["a", "b"], [1, 2], 3, 0)
    with pytest.raises(DataError, match="1 of 2 clips have no group"):
        make_folds(["a", ""], [1, 2], 2, 0)


def test_losses_equal_sums_written_out() -> None:
    import torch

    p, t = [1.0, 2.5, 4.0, 2.0], [1.5, 2.0, 4.2, 3.0]
    gaps = [(a - b, c - d) for a, c in zip(p, t, strict=True) for b, d in zip(p, t, strict=True)]
    pairs = [(p[i] - p[j], t[i] - t[j]) for i in range(4) for j in range(i + 1, 4)]
    wins = [one if two > 0 else -one for one, two in pairs]
    expected = {
        "l1": (0.5 + 0.5 + 0.2 + 1.0) / 4,
        "mse": (0.25 + 0.25 + 0.04 + 1.0) / 4,
        "clipped_l1": 1.0 / 4,
        "clipped_mse": 1.0 / 4,
        "huber": (0.125 + 0.125 + 0.02 + 0.5) / 4,
        "pairwise": sum(max(0.0, abs(one - two) - 0.1) for one, two in gaps) / 16,
        "hinge": sum(max(0.0, -one) for one in wins) / 6,
        "ranknet": sum(math.log1p(math.exp(-one)) for one in wins) / 6,
        "correlation": 1 - float(np.corrcoef(p, t)[0, 1]),
    }
    assert expected.keys() == LOSSES.keys()
    for name, value in expected.items():
        found = named_loss(Loss(name), torch.tensor(p)[:, None], torch.tensor(t)[:, None], ("mos",))
        assert float(found) == pytest.approx(value, rel=1e-5), name


def test_clips_without_a_label_do_not_count_and_every_loss_survives_one_clip() -> None:
    import torch

    scores = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], requires_grad=True)
    targets = torch.tensor([[1.5, math.nan], [math.nan, math.nan], [3.5, math.nan]])
    assert named_loss(Loss("l1"), scores, targets, ("a", "b")).item() == 0.5
    only_b = named_loss(Loss("l1", settings={"dimensions": ["b"]}), scores, targets, ("a", "b"))
    assert only_b.item() == 0.0
    for name in LOSSES:
        value = named_loss(Loss(name), scores[:1], targets[:1], ("a", "b"))
        value.backward()
        assert bool(torch.isfinite(value)) and bool(torch.isfinite(scores.grad).all()), name


def test_wrong_losses_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r'no loss called "pairwize"\. Did you mean "pairwise"'):
        check_loss(Loss("pairwize"), (), ("mos",))
    with pytest.raises(UnknownName, match="setting of loss l1"):
        check_loss(Loss("l1", settings={"margin": 0.1}), (), ("mos",))
    with pytest.raises(UsageError, match="expected a number"):
        check_loss(Loss("pairwise", settings={"margin": "wide"}), (), ("mos",))
    with pytest.raises(UnknownName, match="dimension of loss l1"):
        check_loss(Loss("l1", settings={"dimensions": ["noi"]}), (), ("mos",))


def test_the_cosine_is_that_of_torch_per_step() -> None:
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.001)
    for step in range(50):
        assert rate_at(Schedule("cosine", minimum=0.001), 0.1, step, 50) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_a_correlation_that_does_not_exist_is_the_worst_and_ties_go_to_the_lower_error() -> None:
    stop = Stop()
    nothing = judge({"system/srcc": math.nan, "system/mse": 0.1}, stop)
    assert nothing == Judgement(-1.0, 0.1)
    assert judge({"system/srcc": -0.5, "system/mse": 9.0}, stop).beats(nothing, stop.maximise)
    assert Judgement(0.9, 0.2).beats(Judgement(0.9, 0.3), True)
    assert not Judgement(0.9, 0.3).beats(Judgement(0.9, 0.3), True)
    by_loss = Stop("loss")
    assert judge({"loss": math.nan}, by_loss).value == math.inf
    assert Judgement(0.1, 5.0).beats(Judgement(0.2, 0.0), by_loss.maximise)


VALUES: dict[str, Any] = {
    "predictor": "toy",
    "config": {"width": 4},
    "train": {"epochs": 2, "losses": ["l1"], "optimizer": {"name": "sgd", "lr": 0.1}},
    "stages": [
        {"name": "one", "data": ["bvcc/train", {"task": "somos", "repeat": 2}, "audio: clips"]},
        {"name": "two", "optimizer": {"lr": 0.01}, "losses": [{"name": "pairwise", "weight": 0.7, "margin": 0.2}]},
    ],
}


def test_a_recipe_fills_stages_from_shared_settings_and_the_command_line_wins() -> None:
    overrides = {"two.epochs": 5, "batch.size": 3, "folds.n": 4, "folds.fold": 2}
    recipe = parse_recipe("r", VALUES, "r.yaml", "toy", overrides=overrides, config={"depth": 1}, seed=7)
    one, two = recipe.stages
    assert (one.epochs, two.epochs, one.batch.size, two.batch.size) == (2, 5, 3, 3)
    assert (one.optimizer.name, one.optimizer.lr, two.optimizer.name, two.optimizer.lr) == ("sgd", 0.1, "sgd", 0.01)
    assert two.losses == (Loss("pairwise", 0.7, {"margin": 0.2}),)
    assert [source.name for source in one.data] == ["bvcc/train", "somos/train", "audio:clips"]
    assert one.data[1].repeat == 2 and one.data[2].audio == "clips"
    assert recipe.config == {"width": 4, "depth": 1} and recipe.seed == 7
    assert recipe.folds is not None and (recipe.folds.n, recipe.folds.fold) == (4, 2)
    assert VALUES["train"]["epochs"] == 2 and "batch" not in VALUES["train"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictor": "other"}, "is a recipe for other, not for toy"),
        ({"stage": []}, 'no key of recipe r.yaml called "stage". Did you mean "stages"'),
        ({"train": {"epoch": 2}}, 'called "epoch". Did you mean "epochs"'),
        ({"train": {}}, "stage one needs a length: epochs or steps"),
        ({"train": {"epochs": 1, "optimizer": {"lr": "1e-5"}}}, "write 1e-05 with a decimal point"),
        ({"train": {"epochs": 1, "stop": {"monitor": "sytem/srcc"}}}, 'Did you mean "system/srcc"'),
        ({"stages": [{"name": "a"}, {"name": "a"}]}, "every stage needs a name of its own"),
        ({"stages": [{"name": "a", "data": [{"split": "train"}]}]}, "either `task:` or `audio:`"),
        ({"folds": {"n": 5, "fold": 5}}, "fold from 0 to n - 1"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"stages": [{"name": "a", "starts": {}}]}, "starts"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(change: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, UnknownName)) as caught:
        parse_recipe("r", {**VALUES, **change}, "r.yaml", "toy")
    assert message in str(caught.value)


def test_a_recipe_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(UnknownName, match='no recipe called "nothing"'):
        read_recipe("nothing", "toynet", "bvcc")
    with pytest.raises(UsageError, match="there is no recipe toynet-bvcc"):
        read_recipe(None, "toynet", "bvcc")


def test_cosmetic_settings_do_not_change_what_resuming_compares(recipe: Callable[..., Any]) -> None:
    plain = recipe()
    changed = replace(plain, stages=(replace(plain.stages[0], epochs=9),))
    assert plain.digest() == recipe().digest() != changed.digest()


def test_cached_features_are_the_computed_ones_to_the_bit(tmp_path: Path) -> None:
    clip = clip_from_array(np.linspace(-0.5, 0.5, 800, dtype=np.float32), 16_000, name="a")
    same_sound = clip_from_array(np.linspace(-0.5, 0.5, 800, dtype=np.float32), 16_000, name="b")
    features = {"x": np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32), "n": np.array([7])}
    cache = FeatureCache("w1", {"layer": 3}, root=tmp_path)
    made = cache.get_or_compute(clip, lambda: features)
    found = cache.get_or_compute(same_sound, lambda: pytest.fail("it is there"))
    for name in features:
        assert made[name].dtype == found[name].dtype and np.array_equal(made[name], found[name])
    others = [FeatureCache("w2", {"layer": 3}, root=tmp_path), FeatureCache("w1", {"layer": 4}, root=tmp_path)]
    for other in others:
        other.get_or_compute(clip, lambda: np.zeros(1, np.float32))
        assert (other.hits, other.misses) == (0, 1)


def test_a_damaged_feature_file_is_made_again(tmp_path: Path) -> None:
    clip = clip_from_array(np.linspace(-0.5, 0.5, 800, dtype=np.float32), 8000, name="a")
    cache = FeatureCache("w", root=tmp_path)
    cache.get_or_compute(clip, lambda: np.arange(50, dtype=np.float32))
    path = cache.path(clip)
    damaged = bytearray(path.read_bytes())
    damaged[-60] ^= 1
    path.write_bytes(damaged)
    again = cache.get_or_compute(clip, lambda: np.arange(50, dtype=np.float32))
    assert np.array_equal(again, np.arange(50)) and cache.misses == 2
    threads = [threading.Thread(target=cache.get_or_compute, args=(clip, lambda: again)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.hits == 4
