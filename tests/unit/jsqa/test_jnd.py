"""The check by listeners' judgements: reading them, the features, the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mosharness.harness.core.errors import DataError, DataMissing, UsageError
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.jsqa import jnd
from mosharness.predictors.jsqa.jnd import check_jnd, measure, pesq_score, read_listening, si_sdr, wilson
from mosharness.predictors.jsqa.mixing import mix
from mosharness.predictors.jsqa.pairs import Pair
from mosharness.predictors.jsqa.svm import KernelSvm


@pytest.fixture
def listening(tmp_path: Path) -> Path:
    """CDPAM's layout in small: noises above 12 dB of SI-SDR sound the same, louder ones do not."""
    lines = []
    random = np.random.default_rng(0)
    for speaker in range(6):
        clean = speech_like(0.5, 16_000, speaker).astype(np.float64)
        reference = f"audio/ref{speaker}.wav"
        (tmp_path / "dataset" / "audio").mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "dataset" / reference, clean, 16_000)
        for at, snr in enumerate((0, 4, 8, 16, 20, 24)):
            name = f"audio/c{speaker}_{at}.wav"
            soundfile.write(tmp_path / "dataset" / name, mix(clean, random.standard_normal(clean.size), snr)[0], 16_000)
            lines.append(f"{reference}\t{name}\t{int(snr < 12)}\t{('pink_noise', 'siren')[at % 2]}")
    lines += ["audio/ref0.wav\taudio/gone.wav\t1\tbrown_noise", "audio/ref0.wav\taudio/ref0.wav\t0\t reverb_noise"]
    lines += ["audio/ref0.wav\taudio/ref0.wav\t0\tmp3"]
    (tmp_path / "dataset" / "dataset_linear.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def pair(snrs: tuple[float, float], seed: int) -> Pair:
    speech = speech_like(0.5, 16_000, seed).astype(np.float64)
    noise = np.random.default_rng(seed).standard_normal(speech.size)
    (first, gain), (second, other) = (mix(speech, noise, snr) for snr in snrs)
    return Pair((first, second), snrs, (gain, other), speech, noise, "white")


def test_judgements_of_additive_noises_are_read_and_the_rest_is_counted(listening: Path) -> None:
    for folder in (listening, listening / "dataset"):
        found = read_listening(folder)
        assert (len(found.judgements), found.left_out, found.missing) == (36, 2, 1)
        assert sum(one.same for one in found.judgements) == 18
        assert {one.perturbation for one in found.judgements} == {"pink_noise", "siren"}


def test_the_share_of_pairs_within_the_jnd_is_what_the_judgements_say(listening: Path) -> None:
    near = [pair((snr, snr + 0.5), at) for at, snr in enumerate((20.0, 25.0, 30.0))]  # little noise, little difference
    far = [pair((-12.0, 9.0), at) for at in range(3, 5)]
    turned = [pair((9.0, -12.0), 5)]
    ticks: list[None] = []
    found = read_listening(listening)
    report = check_jnd(found, [*near, *far, *turned], ("si-sdr",), tick=lambda: ticks.append(None))
    assert (report.pairs, report.within, report.share) == (6, 3, 0.5)
    assert report.interval == wilson(3, 6)
    assert (report.judgements, report.same, report.left_out, report.missing, report.unusable) == (36, 18, 2, 1, 0)
    assert report.accuracy == 1.0
    assert len(ticks) == 42


def test_pairs_that_cannot_be_measured_are_counted(listening: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(reference: np.ndarray, changed: np.ndarray) -> float:
        if reference.size < 8_000:
            raise ValueError("too short")
        return si_sdr(reference, changed)

    monkeypatch.setitem(jnd.MEASURES, "si-sdr", picky)
    near = pair((20.0, 20.5), 0)
    short = Pair((near.signals[0][:99], near.signals[1][:99]), near.snrs, near.gains, near.speech, near.noise, "white")
    report = check_jnd(read_listening(listening), iter([short, near]), ("si-sdr",))
    assert (report.pairs, report.within, report.unmeasured) == (1, 1, 1)


def test_judgements_that_cannot_be_used_say_why(listening: Path, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no dataset_linear"):
        read_listening(tmp_path / "elsewhere")
    table = listening / "dataset" / "dataset_linear.txt"
    for text, message in (
        ("a.wav\tb.wav\t2\tsiren\n", "line 1: reference, changed file, 0 or 1"),
        ("a.wav b.wav 1 siren\n", "line 1: reference, changed file, 0 or 1"),
        ("../../a.wav\tb.wav\t1\tsiren\n", "leaves the folder"),
        ("a.wav\tb.wav\t1\tsiren\n", "none of 1 judgements"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=message):
            read_listening(listening)
    table.write_text("audio/ref0.wav\taudio/c0_0.wav\t1\tsiren\n")
    with pytest.raises(DataError, match="both same and different"):
        check_jnd(read_listening(listening), [pair((0.0, 1.0), 0)], ("si-sdr",))


def test_si_sdr_is_the_ratio_of_the_scaled_reference_to_the_rest() -> None:
    clean = speech_like(1.0, 16_000, 0).astype(np.float64)
    clean -= clean.mean()
    other = np.random.default_rng(0).standard_normal(clean.size)
    other -= other.mean()
    other -= clean * (other @ clean) / (clean @ clean)  # orthogonal: the ratio is exact
    for snr in (-5.0, 0.0, 17.0):
        assert si_sdr(clean, 3.0 * mix(clean, other, snr)[0]) == pytest.approx(snr, abs=1e-9)
    assert si_sdr(clean, 0.5 * clean) == pytest.approx(100.0)


def test_pesq_is_optional_and_falls_with_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pesq")
    clean = speech_like(2.0, 16_000, 0).astype(np.float64)
    noise = np.random.default_rng(0).standard_normal(clean.size)
    scores = [pesq_score(clean, mix(clean, noise, snr)[0]) for snr in (5.0, 20.0, 40.0)]
    assert scores == sorted(scores) and 1.0 <= scores[0] < scores[2] <= 4.65
    assert len(measure(clean, clean[:-100], ("pesq", "si-sdr"))) == 2
    with pytest.raises(ValueError, match="PESQ finds no speech"):
        pesq_score(clean[:100], clean[:100])


def test_without_the_package_pesq_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pesq", None)
    with pytest.raises(UsageError, match="uv pip install pesq"):
        measure(np.ones(100), np.ones(100), ("pesq",))


def test_the_machine_learns_a_round_border() -> None:
    random = np.random.default_rng(1)
    features = random.uniform(-2, 2, (300, 2)) * (1.0, 100.0) + (5.0, 0.0)
    inside = (features - (5.0, 0.0)) / (1.0, 100.0)
    labels = (inside**2).sum(axis=1) < 2.0
    machine = KernelSvm(cost=10.0).fit(features, labels)
    assert (machine.decide(features) == labels).mean() > 0.95
    assert np.array_equal(machine.decide(features), KernelSvm(cost=10.0).fit(features, labels).decide(features))
    with pytest.raises(ValueError, match="both classes"):
        KernelSvm().fit(features, np.ones(300, bool))


@pytest.mark.parametrize("cost", [1.0, 30.0])
def test_the_machine_is_the_standard_one(cost: float) -> None:
    """At the optimum the gap between the primal and the dual objective closes: hinge loss, classes unweighted."""
    random = np.random.default_rng(2)
    labels = random.random(150) < 0.2
    features = random.standard_normal((150, 1)) + labels[:, None]
    features[:20] = features[20:40]  # points that are the same
    machine = KernelSvm(cost).fit(features, labels)
    ready = (features - features.mean(axis=0)) / features.std(axis=0)
    sign = np.where(labels, 1.0, -1.0)
    kernel = np.exp(-((ready - ready.T) ** 2))
    weights, offset = machine._solve(ready, sign)
    assert weights.min() >= 0 and weights.max() == cost and abs(float(weights @ sign)) < 1e-9
    values = kernel @ (weights * sign)
    size = float((weights * sign) @ values)
    primal = 0.5 * size + cost * float(np.maximum(0.0, 1.0 - sign * (values + offset)).sum())
    dual = float(weights.sum()) - 0.5 * size
    assert 0 <= primal - dual < 1e-2 * abs(dual)
    assert np.array_equal(machine.decide(features), values + offset > 0)


@pytest.mark.slow
def test_the_machine_decides_as_scikit_learn_s_does() -> None:
    svm = pytest.importorskip("sklearn.svm")
    random = np.random.default_rng(3)
    labels = random.random(200) < 0.3
    features = random.standard_normal((200, 2)) + labels[:, None]
    ready = (features - features.mean(axis=0)) / features.std(axis=0)
    reference = svm.SVC(C=1.0, kernel="rbf", gamma="scale").fit(ready, labels)
    assert np.array_equal(KernelSvm().fit(features, labels).decide(features), reference.predict(ready))


def test_every_feature_has_a_measure() -> None:
    assert set(jnd.FEATURES) == set(jnd.MEASURES)
    assert all(isinstance(one, Callable) for one in jnd.MEASURES.values())  # type: ignore[arg-type]
