"""Scores of APG-MOS: queries, batches, odd clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.clip import Clip, Outcome
from mosharness.harness.core.errors import PredictionError
from mosharness.harness.engine.pipeline import score_batches
from mosharness.harness.recipes.recipe import Stage
from mosharness.predictors import load_predictor
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.items import cut
from mosharness.predictors.conformance import check_predictor, speech_like
from mosharness.predictors.trainable import to_device
from mosharness.predictors.training_clip import training_clip
from mosharness.predictors.training_of import training_of

Make = Callable[..., Apgmos]
Waves = list[np.ndarray]
VARIANTS = ("APG-MOS", "Mel+D", "APM+D", "W2V", "QH+D", "SDM+D", "w/o APM", "w/o SDM", "w/o CA")
MOST_SLOW = ["APG-MOS", *(pytest.param(one, marks=pytest.mark.slow) for one in VARIANTS[1:])]
CHECKED = [pytest.param(one, marks=pytest.mark.slow) for one in ("APG-MOS", "Mel+D", "QH+D", "w/o APM", "w/o CA")]


def row(model: Apgmos, wave: np.ndarray, rate: int = 16_000) -> Outcome:
    ((found,),) = score_batches(model, [Clip("a", (wave, rate))], [(0,)])
    return found


# --- queries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["APG-MOS", pytest.param("w/o CA", marks=pytest.mark.slow)])
def test_three_scores_come_from_one_pass_and_equal_those_of_three_models(
    make_tiny: Make, waves: Waves, variant: str
) -> None:
    model = make_tiny(variant=variant)
    found = model.predict_queries(waves, 16_000)
    for kind in ("pruned", "all", "semantic"):
        alone = make_tiny(variant=variant, queries=kind).predict(waves, 16_000)[:, 0]
        assert np.abs(getattr(found, kind) - alone).max() <= 1e-6, kind
    assert found.pruned.std() > 0.02  # otherwise this would show little
    assert np.abs(found.pruned - found.semantic).max() > 0.02


def test_the_identity_of_pruned_all_and_semantic_scores(make_tiny: Make, waves: Waves) -> None:
    found = make_tiny().predict_queries(waves, 16_000)
    assert found.tokens == 8
    assert found.frames.tolist() == [((len(wave) - 400) // 320 + 1) // 2 for wave in waves]
    mixed = (found.tokens * found.pruned + found.frames * found.semantic) / (found.tokens + found.frames)
    assert np.abs(mixed - found.all).max() <= 1e-6
    balanced = make_tiny(balance_queries=True).predict_queries(waves, 16_000)
    assert np.abs((balanced.pruned + balanced.semantic) / 2 - balanced.all).max() <= 1e-6


def test_pruned_scoring_needs_no_semantic_branch_and_the_others_say_so(make_tiny: Make, waves: Waves) -> None:
    model = make_tiny()
    wanted = model.predict(waves, 16_000)
    model.semantic = None
    assert np.array_equal(model.predict(waves, 16_000), wanted)
    with pytest.raises(PredictionError, match="needs the semantic branch"):
        model.predict_queries(waves[:1], 16_000)
    for variant in ("w/o SDM", "w/o APM", "APM+D"):
        with pytest.raises(PredictionError, match="has no auditory, or no semantic queries"):
            make_tiny(variant=variant).predict_queries(waves[:1], 16_000)


# --- batches ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queries", ["pruned", "all"])
def test_clips_score_in_one_padded_batch_as_alone(make_tiny: Make, waves: Waves, queries: str) -> None:
    model = make_tiny(queries=queries)
    items = [model.prepare(clip_from_array(wave, 16_000, limits=model.limits())) for wave in waves]
    model.rows_seconds = 240.0
    assert len(model._groups(*(model.collate(items)[name] for name in ("waves", "lengths")))) == 1
    with torch.inference_mode():
        together = model.forward(model.collate(items))
        alone = torch.cat([model.forward(model.collate([item])) for item in items])
    assert float(alone.std()) > 0.02
    assert float((together - alone).abs().max()) <= 1e-5


def test_groups_of_rows_bound_memory_and_change_nothing(make_tiny: Make, waves: Waves) -> None:
    model = make_tiny()
    batch = model.collate([model.prepare(clip_from_array(wave, 16_000, limits=model.limits())) for wave in waves])
    with torch.inference_mode():
        assert len(model._groups(batch["waves"], batch["lengths"])) == len(waves)  # on a CPU
        wanted = model.forward(batch)
        model.rows_seconds = 6.0
        groups = model._groups(batch["waves"], batch["lengths"])
        assert 1 < len(groups) < len(waves)
        assert all(part.numel() <= 6.0 * 16_000 for part, _ in groups)
        assert float((model.forward(batch) - wanted).abs().max()) <= 1e-5


@pytest.mark.parametrize("variant", CHECKED)
def test_variants_keep_the_contract_of_predictors(make_tiny: Make, variant: str) -> None:
    faults = [f"{one.name}: {one.detail}" for one in check_predictor(make_tiny(variant=variant)) if not one.passed]
    assert faults == []


@pytest.mark.gpu
def test_a_gpu_gives_the_scores_of_the_cpu_and_trains(make_tiny: Make, waves: Waves, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    make_tiny().save_pretrained(tmp_path)
    for queries in ("pruned", "all"):
        found, wanted = (
            load_predictor("apgmos", tmp_path, device, queries=queries).predict(waves, 16_000)
            for device in ("cuda", "cpu")
        )
        assert np.abs(found - wanted).max() <= 1e-3  # the cochlea is float32 there
    model: Any = load_predictor("apgmos", tmp_path, "cuda")
    training = training_of(model)
    stage = Stage("joint", epochs=1, settings={"vq_source": "random"})
    training.begin_stage(stage)
    model.network.to(model.device)
    training.train_mode()
    clips = [training_clip(clip_from_array(wave, 16_000), utterance_id=str(at)) for at, wave in enumerate(waves)]
    items = [training.prepare(clip, np.random.default_rng(0)) for clip in clips]
    outputs = training.forward(to_device(training.collate(items), model.device))
    losses = training.losses(outputs, torch.linspace(1, 5, len(waves), device="cuda")[:, None])
    assert all(bool(loss.isfinite()) for loss in losses.values())


# --- odd clips ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queries", ["pruned", pytest.param("all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("samples", [1, 399, 400, 719, 1999, 2000, 15_999])
def test_clips_under_one_second_are_repeated_and_flagged(make_tiny: Make, samples: int, queries: str) -> None:
    model, wave = make_tiny(queries=queries), speech_like(1.0, 16_000, 3)[:samples] + np.float32(0.02)
    found = row(model, wave)
    assert found.status == "warning"
    assert "repeated: " in found.reason
    assert 1.0 <= found.scores[0] <= 5.0
    repeated = np.resize(wave, 16_000)
    assert found.scores[0] == pytest.approx(row(model, repeated).scores[0], abs=1e-6)


def test_a_clip_of_one_second_is_not_repeated(make_tiny: Make) -> None:
    found = row(make_tiny(), speech_like(1.0, 16_000, 3))
    assert (found.status, found.reason) == ("ok", "")


@pytest.mark.parametrize("variant", MOST_SLOW)
def test_silence_scores_and_is_flagged(make_tiny: Make, variant: str) -> None:
    found = row(make_tiny(variant=variant), np.zeros(20_000, np.float32))
    assert found.status == "warning"
    assert "silent" in found.reason
    assert 1.0 <= found.scores[0] <= 5.0


def test_empty_and_non_finite_clips_fail_with_a_reason(make_tiny: Make) -> None:
    model, bad = make_tiny(), speech_like(1.0, 16_000, 3)
    bad[777] = np.nan
    for wave, code in ((np.zeros(0, np.float32), "empty"), (bad, "non_finite")):
        found = row(model, wave)
        assert found.status == "failed"
        assert found.reason.startswith(code)
    found = row(model, np.full(1, 0.1, np.float32), 384_000)
    assert (found.status, found.reason) == ("failed", "empty: no sample is left at 16000 Hz")


def test_long_clips_are_cut_and_their_scores_averaged_by_duration(make_tiny: Make) -> None:
    model = make_tiny(chunk_seconds=4.0)
    wave = np.concatenate([speech_like(4.0, 16_000, at) * np.float32(0.1 + 0.2 * at) for at in range(3)])
    for end, lengths in ((160_000, [4.0, 4.0, 2.0]), (143_999, [4.0, 4.999]), (144_000, [4.0, 4.0, 1.0])):
        chunks = cut(wave[:end], 4.0).waves
        assert [len(chunk) for chunk in chunks] == [round(16_000 * one) for one in lengths[:-1]] + [len(chunks[-1])]
        assert sum(map(len, chunks)) == end
        parts = model.predict(list(chunks), 16_000)[:, 0]
        wanted = float(np.average(parts, weights=[len(chunk) for chunk in chunks]))
        assert parts.std() > 1e-3
        assert model.predict([wave[:end]], 16_000)[0, 0] == pytest.approx(wanted, abs=1e-5)
    assert len(cut(wave[:64_000], 4.0).waves) == 1


@given(st.integers(1, 200_000), st.floats(2.0, 5.0))
@settings(max_examples=40)
def test_chunks_are_the_whole_clip_in_parts_of_at_least_a_second(samples: int, longest: float) -> None:
    wave = np.arange(samples, dtype=np.float32)
    chunks = cut(wave, longest).waves
    assert all(len(chunk) >= 16_000 for chunk in chunks)
    assert all(len(chunk) < (longest + 1.0) * 16_000 + 1 for chunk in chunks)
    joined = np.concatenate(chunks)
    assert np.array_equal(joined, wave if samples >= 16_000 else np.resize(wave, 16_000))


def test_stereo_and_other_rates_are_brought_to_16_khz_mono(make_tiny: Make) -> None:
    model, wave = make_tiny(), speech_like(1.5, 48_000, 3)
    mono = model.predict([wave], 48_000)
    assert np.array_equal(model.predict([np.stack([wave, wave], 1)], 48_000), mono)
    assert np.isfinite(mono).all()


def test_scores_are_on_the_scale_of_the_task(make_tiny: Make, waves: Waves) -> None:
    plain, mapped = make_tiny().predict(waves, 16_000), make_tiny(scale=(0, 100)).predict(waves, 16_000)
    np.testing.assert_allclose(mapped, (plain - 1.0) * 25.0, atol=1e-4)


def test_the_range_of_the_cochlea_and_the_subtracted_mean_are_settings(make_tiny: Make, waves: Waves) -> None:
    model = make_tiny(low=80.0, high=7600.0)
    centres = np.asarray(model.front_end.centre_frequencies)
    np.testing.assert_allclose([centres.min(), centres.max()], [80.0, 7600.0], rtol=1e-9)
    plain, narrow, centred = (one.predict(waves, 16_000) for one in (make_tiny(), model, make_tiny(subtract_mean=True)))
    assert np.abs(plain - narrow).max() > 1e-4
    assert np.abs(plain - centred).max() > 1e-4


# --- pictures -----------------------------------------------------------------------------------------------------


def test_an_inspection_shows_what_figure_5_of_the_paper_shows(make_tiny: Make) -> None:
    wave = speech_like(2.0, 16_000, 4)
    model = make_tiny(queries="all")
    found = model.inspect(clip_from_array(wave, 16_000, limits=model.limits()))
    assert [panel.array for panel in found.panels] == ["mel", "cochleagram", "attention_first", "attention_last"]
    frames, tokens = (len(wave) - 400) // 320 + 1, 8
    assert found.arrays["cochleagram"].shape == (24, 80)
    assert found.arrays["attention_last_heads"].shape == (8, tokens + frames // 2, frames)
    for name in ("attention_first", "attention_last"):
        np.testing.assert_allclose(found.arrays[name].sum(1), 1.0, atol=1e-5)
    outside = ~np.array(
        [[abs(frames / (frames // 2) * at - j) <= 10 for j in range(frames)] for at in range(frames // 2)]
    )
    assert not found.arrays["attention_last"][tokens:][outside].any()
    times = found.arrays["attention_times_s"]
    assert times[0] == pytest.approx(0.0125)  # the middle of the first 25 ms
    assert np.allclose(np.diff(times), 0.02)
    assert found.values["score"] == pytest.approx(model.predict([wave], 16_000)[0, 0], abs=1e-5)
    assert np.mean(found.arrays["position_scores"]) == pytest.approx(found.values["score"], abs=1e-5)


def test_an_inspection_computes_as_exactly_as_scoring_does(make_tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[str] = []

    class Watched:
        def __init__(self, device: str) -> None:
            self.device = device

        def __enter__(self) -> None:
            inside.append(self.device)

        def __exit__(self, *_: object) -> None:
            inside.pop()

    model, seen = make_tiny(queries="all"), list[list[str]]()

    def watch(name: str) -> None:
        original = getattr(model, name)

        def watched(*given: Any, **options: Any) -> Any:
            seen.append(list(inside))
            return original(*given, **options)

        monkeypatch.setattr(model, name, watched)

    for name in ("_embedding", "_semantics", "positions"):
        watch(name)
    monkeypatch.setattr("mosharness.predictors.apgmos.views.exact", Watched)
    model.inspect(clip_from_array(speech_like(1.2, 16_000, 4), 16_000, limits=model.limits()))
    assert len(seen) >= 3
    assert all(one == ["cpu"] for one in seen)
    assert inside == []


@pytest.mark.parametrize("variant", MOST_SLOW)
def test_every_variant_shows_what_it_has(make_tiny: Make, variant: str) -> None:
    model = make_tiny(variant=variant)
    model.semantic = None if variant == "APG-MOS" else model.semantic
    clip = clip_from_array(speech_like(0.7, 16_000, 4), 16_000, limits=model.limits())
    names = [panel.array for panel in model.inspect(clip).panels]
    wanted: list[Any] = ["mel"] if variant == "Mel+D" else ["mel", "cochleagram"]
    if variant in ("APG-MOS", "w/o APM", "w/o SDM"):
        wanted += ["attention_first", "attention_last"]
    assert names == wanted
