"""The conformance checks pass good predictors and name what is wrong with faulty ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.audio.read import Waveform
from mosharness.harness.core.errors import AudioError, UsageError
from mosharness.harness.training import train_predictor
from mosharness.predictors import PREDICTORS, Predictor, PredictorCard, load_predictor
from mosharness.predictors.conformance import CHECKS, check_predictor, speech_like
from mosharness.predictors.trained import resolve_predictor
from mosharness.predictors.weightless import package_of
from mosharness.tasks import load_task


class Loudness(Predictor):
    """A third party's predictor, kept to the contract."""

    card = PredictorCard("loudness", "loudness", ("mos",), (0.0, 5.0), paper="none", batching="padded")
    needs_torch = False

    def build(self) -> None:
        self.weight = np.array([10.0], np.float32)

    def prepare(self, clip: Waveform) -> Any:
        return clip.samples

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.array([[self.value(samples)] for samples in batch])

    def value(self, samples: np.ndarray) -> float:
        return float(np.abs(samples.astype(np.float64)).mean()) * float(self.weight[0])

    def tensors(self) -> dict[str, Any]:
        return {"weight": self.weight}

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        self.weight = np.asarray(tensors["weight"])


def failed(predictor: Predictor) -> dict[str, str]:
    results = check_predictor(predictor)
    assert [result.name for result in results] == list(CHECKS)
    assert all(result.detail for result in results)
    return {result.name: result.detail for result in results if not result.passed}


def test_a_good_predictor_passes_every_check() -> None:
    assert failed(Loudness()) == {}


def test_a_generated_sound_is_the_same_every_time_and_another_for_another_seed() -> None:
    assert np.array_equal(speech_like(0.5, 16_000, 3), speech_like(0.5, 16_000, 3))
    assert not np.array_equal(speech_like(0.5, 16_000, 3), speech_like(0.5, 16_000, 4))
    assert speech_like(0.5, 8_000, 3).shape == (4_000,)
    assert np.abs(speech_like(3.0, 16_000, 3)).max() < 0.999


class BatchNormalising(Loudness):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        values: np.ndarray = super().score(batch)
        return values - 0.1 * values.mean() if len(values) > 1 else values


class PadsWithoutMask(Loudness):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        longest = max(samples.size for samples in batch)
        return super().score([np.pad(samples, (0, longest - samples.size)) for samples in batch])


class OrderDependent(Loudness):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.asarray(super().score(batch) + 0.01 * np.arange(len(batch))[:, None])


class Stateful(Loudness):
    calls = 0

    def value(self, samples: np.ndarray) -> float:
        self.calls += 1
        return super().value(samples) + 1e-4 * self.calls


class Random(Loudness):
    def value(self, samples: np.ndarray) -> float:
        return super().value(samples) + 1e-3 * float(np.random.default_rng().random())


class Constant(Loudness):
    def value(self, samples: np.ndarray) -> float:
        return 3.0


class NotFinite(Loudness):
    def value(self, samples: np.ndarray) -> float:
        return float("inf")


class CrashesOnShort(Loudness):
    def prepare(self, clip: Waveform) -> Any:
        if clip.samples.size < 400:
            raise RuntimeError("kernel size can't be greater than actual input size")
        return clip.samples


class CrashesAt44k(Loudness):
    def prepare(self, clip: Waveform) -> Any:
        assert clip.sample_rate % 1000 == 0
        return clip.samples


class Only16k(Loudness):
    def prepare(self, clip: Waveform) -> Any:
        if clip.sample_rate != 16_000:
            raise AudioError("rate", "16 kHz only", clip.path)
        return clip.samples


class Normalises(Loudness):
    def prepare(self, clip: Waveform) -> Any:
        samples = clip.samples
        samples /= np.abs(samples).max() * 2
        return samples


class Forgets(Loudness):
    def build(self) -> None:
        self.weight = np.array([np.random.default_rng().uniform(5, 10)], np.float32)

    def tensors(self) -> dict[str, Any]:
        return {}

    def load_tensors(self, tensors: Mapping[str, Any]) -> None:
        assert not tensors


class Learns(Loudness):
    def score(self, batch: Sequence[Any]) -> np.ndarray:
        self.weight = self.weight * np.float32(1.001)
        return super().score(batch)


class BadCard(Loudness):
    card = PredictorCard("Bad Card", "", (), (5.0, 1.0), paper="", sample_rates=(), resampler="nearest")


@pytest.mark.parametrize(
    ("cls", "expected", "words"),
    [
        (BatchNormalising, {"batch", "order", "padding"}, "instead of alone"),
        (PadsWithoutMask, {"batch", "padding"}, "instead of alone"),
        (OrderDependent, {"batch", "order"}, "instead of alone"),
        (Stateful, {"repeatable"}, "the same call again"),
        (Random, {"repeatable", "batch", "saving and loading"}, "the same call again"),
        (Constant, {"output"}, "six different sounds all score"),
        (NotFinite, {"output", "batch"}, "not_finite"),
        (CrashesOnShort, {"short clips"}, "raise AudioError"),
        (CrashesAt44k, {"rates"}, "at 22050 Hz: predictor_error: AssertionError"),
        (Only16k, {"rates"}, "refuses 8000 Hz"),
        (Normalises, {"input untouched"}, "copy before writing"),
        (Forgets, {"saving and loading"}, "after saving and loading"),
        (Learns, {"repeatable", "fingerprint"}, "scoring changed the weights"),
        (BadCard, {"card"}, "scale"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_faulty_predictor_is_caught(cls: type[Predictor], expected: set[str], words: str) -> None:
    found = failed(cls())
    assert expected <= set(found)
    assert any(words in detail for detail in found.values()), found


def test_a_predictor_with_a_fixed_rate_and_equal_lengths_passes() -> None:
    class Fixed(Loudness):
        card = replace(
            Loudness.card, sample_rates=(24_000,), batching="equal_length", min_seconds=0.5, max_seconds=20.0
        )

        def score(self, batch: Sequence[Any]) -> np.ndarray:
            return np.asarray(np.abs(np.stack(batch).astype(np.float64)).mean(axis=1, keepdims=True))

    assert failed(Fixed()) == {}


def test_a_predictor_that_scores_clips_singly_may_only_be_given_one() -> None:
    class Single(Loudness):
        card = replace(Loudness.card, batching="single")

        def score(self, batch: Sequence[Any]) -> np.ndarray:
            (samples,) = batch
            return np.array([[self.value(samples)]])

    assert failed(Single()) == {}


@pytest.mark.parametrize("variant", ["nisqa", pytest.param("nisqa_mos_only", marks=pytest.mark.slow), "nisqa_tts"])
def test_nisqa_conforms_with_any_weights(variant: str) -> None:
    import torch
    from mosharness.predictors.nisqa import Nisqa

    torch.manual_seed(0)
    assert failed(Nisqa({"variant": variant}, device="cpu")) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nisqa", "nisqa_tts"])
def test_nisqa_conforms_with_the_published_weights(shared: Path, name: str) -> None:
    weights = shared / "data" / "nisqa_weights" / f"{name}.tar"
    assert failed(load_predictor(name, weights, device="cpu")) == {}


def test_dsp_conforms_once_it_is_trained() -> None:
    from mosharness.predictors.dsp import Dsp
    from mosharness.predictors.dsp.features import FEATURES
    from mosharness.predictors.dsp.ridge import fit_ridge

    random = np.random.default_rng(0)
    predictor = Dsp()
    features = random.standard_normal((50, len(FEATURES))) * 30
    predictor.ridge, _ = fit_ridge(features, random.uniform(1, 5, (50, 1)), [f"s{at % 5}" for at in range(50)])
    assert failed(predictor) == {}


class Formula(Predictor):
    """Loudness without a weight."""

    card = PredictorCard("formula", "loudness", ("mos",), (0.0, 5.0), paper="none", needs_weights=False)
    needs_torch = False

    def prepare(self, clip: Waveform) -> Any:
        return float(np.abs(clip.samples.astype(np.float64)).mean())

    def score(self, batch: Sequence[Any]) -> np.ndarray:
        return np.array(batch)[:, None]


def test_a_formula_passes_and_is_known_by_its_package_not_by_the_digest_of_nothing() -> None:
    predictor = Formula()
    assert failed(predictor) == {}
    identity = predictor.fingerprint()["weights"]
    assert identity == f"package:{Formula.__module__} (not installed)"
    assert package_of("mosharness.predictors.dsp") == f"mosharness {version('mosharness')}"


def test_a_card_that_is_wrong_about_weights_is_a_fault() -> None:
    class Silent(Formula):
        card = replace(Formula.card, needs_weights=True)

    class Secret(Loudness):
        card = replace(Loudness.card, needs_weights=False)

    assert "needs_weights=False" in failed(Silent())["card"]
    assert "1 tensors" in failed(Secret())["card"]


def test_a_formula_loads_by_its_name_and_cannot_be_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(PREDICTORS._entries, "formula", Formula)
    loaded = load_predictor("formula")
    assert (loaded.checkpoint.kind, loaded.checkpoint.name) == ("package", f"{Formula.__module__} (not installed)")
    assert "needs none" in repr(loaded)
    options = {"output": tmp_path, "device": "cpu", "precision": "float32"}
    found = resolve_predictor("formula", "demo", checkpoint=None, config={}, **options)
    assert found.fingerprint() == loaded.fingerprint()
    again = load_predictor("formula", loaded.save_pretrained(tmp_path / "saved"))
    assert again.fingerprint() == loaded.fingerprint()
    with pytest.raises(UsageError, match="there is nothing to train"):
        train_predictor("formula", load_task("demo"), output=tmp_path)
