"""Signals of a gate: what each measures, the margins that renderings of one system leave, and counts of texts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mosharness.harness.audio.read import AudioLimits, read_audio
from mosharness.harness.audio.signals import measure_signals
from mosharness.harness.core.errors import UnknownName, UsageError
from mosharness.harness.gates.decide import decide
from mosharness.harness.gates.options import SIGNAL_NAMES, GateOptions, PerScore, parse_per_score
from mosharness.harness.gates.sides import Rendering
from mosharness.harness.gates.signals import (
    SIGNALS,
    broken_texts,
    chosen_signals,
    compare_signals,
    duplicate_findings,
)
from mosharness.harness.gates.units import TextKey, TextScores
from mosharness.predictors.conformance import speech_like
from scipy import stats

RATE = 16_000
OPTIONS = GateOptions()


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def burst(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """Noise without a pause, its level exact."""
    wave = np.random.default_rng(seed).uniform(-1, 1, round(seconds * RATE))
    return (level * wave / np.sqrt(np.mean(wave**2))).astype(np.float32)


def test_every_signal_measures_what_it_says() -> None:
    wave = np.concatenate([silence(0.25), burst(0.5), silence(0.3), burst(0.4, 1), silence(0.15)])
    found = measure_signals(wave, RATE)
    assert list(found) == list(SIGNALS)
    assert math.exp(found["duration"]) == pytest.approx(1.6)
    assert [found[name] for name in ("lead_silence", "longest_pause", "trail_silence")] == pytest.approx(
        [0.25, 0.3, 0.15]
    )
    assert found["level"] == pytest.approx(-20.0, abs=0.05) and found["clipping"] == 0.0
    assert 2 ** found["bandwidth"] == pytest.approx(8_000, rel=0.02)
    half = burst(2.0)
    spectrum = np.fft.rfft(half)
    spectrum[np.fft.rfftfreq(half.size, 1 / RATE) > 4_000] = 0
    narrow = measure_signals(np.fft.irfft(spectrum).astype(np.float32), RATE)
    assert narrow["bandwidth"] - measure_signals(half, RATE)["bandwidth"] == pytest.approx(-1.0, abs=0.03)
    assert measure_signals(np.clip(20 * half, -1, 1), RATE)["clipping"] > 0.3


@given(arrays(np.float32, st.integers(0, 700), elements=st.floats(-4, 4, width=32)), st.sampled_from([8_000, 44_100]))
def test_signals_are_finite_for_any_clip(wave: np.ndarray, rate: int) -> None:
    assert all(map(math.isfinite, measure_signals(wave, rate).values()))


def texts(waves: list[np.ndarray]) -> list[TextScores]:
    return [
        TextScores(f"t{at:02d}", "", {"mos": 3.0}, "", measure_signals(wave, RATE)) for at, wave in enumerate(waves)
    ]


WAVES = [speech_like(1.0 + 0.02 * at, RATE, at) for at in range(20)]
TREATMENTS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "babble": ("duration", lambda wave: np.concatenate([wave, wave[-3_000:], wave[-3_000:]])),
    "cut": ("duration", lambda wave: wave[: int(0.78 * wave.size)]),
    "silence before": ("lead_silence", lambda wave: np.concatenate([silence(0.4), wave])),
    "silence behind": ("trail_silence", lambda wave: np.concatenate([wave, silence(2.0)])),
    "pause": ("longest_pause", lambda wave: np.insert(wave, wave.size // 2, silence(0.4))),
    "louder": ("level", lambda wave: 1.6 * wave),
    "softer": ("level", lambda wave: wave / 1.6),
    "clipped": ("clipping", lambda wave: np.clip(20 * wave, -1, 1)),
}


@pytest.mark.parametrize("name", TREATMENTS)
def test_what_every_ear_hears_fails_its_signal(name: str) -> None:
    signal, treat = TREATMENTS[name]
    old, new = texts(WAVES), texts([treat(wave).astype(np.float32) for wave in WAVES])
    report = decide(old, new, ["mos"], OPTIONS)
    verdicts = {entry.name: entry.verdict for entry in report.signals}
    assert verdicts[signal] == "fail" and report.verdict == "fail"
    without = decide(old, new, ["mos"], replace_options(signals=("broken",)))
    assert without.verdict == "pass" and without.signals == ()
    wide = decide(old, new, ["mos"], replace_options(signals=(signal,), margin=PerScore(0.2, {signal: 50.0})))
    assert wide.verdict == "pass"


def replace_options(**fields: Any) -> GateOptions:
    import msgspec

    return msgspec.structs.replace(OPTIONS, **fields)


def test_less_silence_and_more_bandwidth_are_no_fault() -> None:
    old = texts([np.concatenate([silence(0.5), wave, silence(0.5)]) for wave in WAVES])
    found = {one.name: one.verdict for one in compare_signals(old, texts(WAVES), OPTIONS)}
    assert found["lead_silence"] == found["trail_silence"] == "pass" and found["duration"] == "fail"


def test_two_sided_figures_are_those_of_both_tests() -> None:
    old, new = texts(WAVES), texts([1.2 * wave for wave in WAVES])
    (entry,) = compare_signals(old, new, replace_options(signals=("level",)))
    change = 20 * math.log10(1.2)
    assert entry.mean_diff == pytest.approx(change, abs=0.05) and entry.verdict == "pass" and entry.two_sided
    assert entry.lower is not None and entry.lower <= entry.mean_diff <= (entry.upper or 0.0)


@pytest.mark.parametrize(("count", "n"), [(0, 20), (1, 20), (1, 40), (2, 200), (3, 200), (4, 1_000), (7, 1_000)])
def test_broken_texts_are_counted_against_the_accepted_share(count: int, n: int) -> None:
    pairs = [
        (
            TextScores(f"{at}", "", {"a": 4.0, "b": 3.0}),
            TextScores(f"{at}", "", {"a": 4.0, "b": 1.4 if at < count else 3.1}),
        )
        for at in range(n)
    ]
    (found,) = broken_texts(pairs, ["a", "b"], OPTIONS)
    p = stats.binom.sf(count - 1, n, 0.002)
    assert found.kind == "broken" and len(found.bad) == count
    assert found.p == pytest.approx(p) and found.verdict == (
        "pass" if not count else "fail" if p <= 0.05 else "inconclusive"
    )
    (wider,) = broken_texts(pairs, ["a", "b"], replace_options(margin=PerScore(0.2, {"broken": 0.2})))
    assert wider.verdict != "fail"


def rendering(key: str, content: str) -> Rendering:
    return Rendering(TextKey(key), "", f"{key}.wav", Path(f"{key}.wav"), content=content)


def test_different_texts_with_the_same_audio_are_an_error() -> None:
    old = [rendering(key, key) for key in "abcd"]
    new = [rendering("a", "x"), rendering("b", "y"), rendering("c", "x"), rendering("d", "z")]
    (found,) = duplicate_findings(old, new, OPTIONS)
    assert found.level == "error" and "a.wav" in found.message and "c.wav" in found.message
    assert duplicate_findings(new, new, OPTIONS) == []  # the baseline has the same, as for a text that is there twice
    assert duplicate_findings(old, new, replace_options(signals=())) == []
    repeats = [replace(file, key=TextKey("a")) for file in new]
    assert duplicate_findings(old, repeats, OPTIONS) == []  # repeats of one text


def test_names_and_margins_of_signals_are_checked() -> None:
    assert chosen_signals("off") == () and chosen_signals(["clipping", "duration,broken"]) == (
        "duration",
        "clipping",
        "broken",
    )
    with pytest.raises(UnknownName, match="duration"):
        chosen_signals("duraton")
    replace_options(margin=parse_per_score(["0.2", "level=1"], "--margin")).check(["mos"])
    with pytest.raises(UsageError, match="level"):
        replace_options(margin=PerScore(0.2, {"level": -1.0})).check(["mos"])
    with pytest.raises(UnknownName, match="lvel"):
        replace_options(margin=PerScore(0.2, {"lvel": 1.0})).check(["mos"])
    assert tuple(SIGNALS) == SIGNAL_NAMES[:7]


def test_renderings_of_one_neural_voice_raise_no_alarm(shared: Path) -> None:
    folder = shared / "data" / "gate_neural"
    limits = AudioLimits(max_seconds=60.0)
    sides = []
    for name in ("joe_d", "joe_e", "joe_f"):
        clips = [read_audio(path, limits) for path in sorted((folder / name).glob("*.flac"))]
        measured = [measure_signals(clip.samples, clip.sample_rate) for clip in clips]
        sides.append([TextScores(str(at), "", {}, "", one) for at, one in enumerate(measured)])
    for old, new in permutations(sides, 2):
        for some in (slice(None), slice(0, 20), slice(4, 24)):
            assert {one.verdict for one in compare_signals(old[some], new[some], OPTIONS)} == {"pass"}
