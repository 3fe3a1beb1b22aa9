"""Resampling: each method does what it says, lengths are as stated, no rate pair costs gigabytes."""

from __future__ import annotations

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st
from mosharness.harness.audio.resample import (
    LARGEST_KERNEL,
    METHODS,
    TORCHAUDIO_PARAMETERS,
    _torchaudio_module,
    kernel_bytes,
    resample,
)
from mosharness.harness.core.errors import UnknownName, UsageError


def sine(frequency, sample_rate, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (44_100, 16_000), (8_000, 48_000)])
def test_a_tone_within_both_bands_survives(method, source, target):
    changed, used = resample(sine(1000, source), source, target, method)
    assert used == method
    assert changed.dtype == np.float32
    expected = sine(1000, target)
    middle = slice(target // 10, -target // 10)
    assert np.abs(changed[middle] - expected[: changed.size][middle]).max() < 0.02


def test_a_tone_above_the_new_band_vanishes_with_soxr_and_leaks_through_the_torchaudio_default():
    def leak_db(method):
        changed = resample(sine(8500, 48_000), 48_000, 16_000, method).samples[1600:-1600]
        return 20 * math.log10(float(np.sqrt(np.mean(changed**2))) * math.sqrt(2) + 1e-12)

    assert leak_db("soxr_hq") < -100
    assert leak_db("soxr_vhq") < -100
    assert -40 < leak_db("torchaudio_default") < -5


@pytest.mark.parametrize("method", TORCHAUDIO_PARAMETERS)
def test_torchaudio_methods_equal_torchaudio(method):
    wave = torch.from_numpy(np.random.default_rng(0).normal(size=12_345).astype(np.float32))
    function = torchaudio.functional.resample(wave, 44_100, 16_000, **TORCHAUDIO_PARAMETERS[method]).numpy()
    module = torchaudio.transforms.Resample(44_100, 16_000, **TORCHAUDIO_PARAMETERS[method])(wave).numpy()
    changed = resample(wave.numpy(), 44_100, 16_000, method).samples
    assert np.array_equal(changed, function if method == "torchaudio_functional" else module)
    assert 0 < np.abs(function - module).max() < 2e-5


def test_short_names_of_the_kaiser_filters_are_known():
    wave = sine(440, 48_000)
    changed, used = resample(wave, 48_000, 16_000, "kaiser_best")
    assert used == "torchaudio_kaiser_best"
    assert np.array_equal(changed, resample(wave, 48_000, 16_000, used).samples)


def test_equal_rates_change_nothing():
    wave = sine(440, 16_000)
    changed, used = resample(wave, 16_000, 16_000, "torchaudio_default")
    assert changed is wave
    assert used == "none"


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 5000),
    source=st.sampled_from([8000, 16_000, 22_050, 24_000, 44_100, 48_000]),
    target=st.sampled_from([8000, 16_000, 24_000, 48_000]),
    method=st.sampled_from(["soxr_hq", "torchaudio_default"]),
)
def test_the_ceil_length_is_the_ceiling_and_only_appends_zeros(size, source, target, method):
    wave = np.random.default_rng(size).normal(size=size).astype(np.float32)
    native = resample(wave, source, target, method).samples
    full = resample(wave, source, target, method, length="ceil").samples
    assert full.size == -(-size * target // source)
    assert 0 <= full.size - native.size <= 1
    assert np.array_equal(full[: native.size], native)
    assert not full[native.size :].any()


def test_native_lengths_of_the_two_families_differ_by_one_sample():
    wave = np.zeros(48_001, np.float32)
    assert resample(wave, 48_000, 16_000).samples.size == 16_000
    assert resample(wave, 48_000, 16_000, "torchaudio_default").samples.size == 16_001


@pytest.mark.parametrize(
    ("source", "target", "method"),
    [
        (48_000, 16_000, "torchaudio_default"),
        (44_100, 16_000, "torchaudio_kaiser_best"),
        (160, 147, "torchaudio_default"),
    ],
)
def test_the_kernel_size_is_what_torchaudio_builds(source, target, method):
    kernel = torchaudio.transforms.Resample(source, target, **TORCHAUDIO_PARAMETERS[method]).kernel
    assert kernel.numel() * 4 == kernel_bytes(source, target, method)


def test_rates_without_a_common_divisor_go_to_soxr_and_the_result_says_so():
    wave = sine(440, 44_101)
    assert kernel_bytes(44_101, 16_000) > LARGEST_KERNEL > kernel_bytes(44_100, 16_000)
    changed, used = resample(wave, 44_101, 16_000, "torchaudio_default")
    assert used == "soxr_hq"
    assert np.array_equal(changed, resample(wave, 44_101, 16_000).samples)


def test_the_torchaudio_kernel_is_built_once():
    _torchaudio_module.cache_clear()
    for _ in range(3):
        resample(sine(440, 24_000), 24_000, 16_000, "torchaudio_default")
    assert (_torchaudio_module.cache_info().misses, _torchaudio_module.cache_info().hits) == (1, 2)


@pytest.mark.parametrize("method", ["soxr_hq", "torchaudio_default"])
def test_threads_resample_the_same_as_one_thread(method):
    waves = [np.random.default_rng(seed).normal(size=9000 + seed).astype(np.float32) for seed in range(16)]
    alone = [resample(wave, 24_000, 16_000, method).samples for wave in waves]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(
            alone, pool.map(lambda wave: resample(wave, 24_000, 16_000, method).samples, waves), strict=True
        ):
            assert np.array_equal(one, other)


def test_a_read_only_signal_is_accepted_without_a_warning(recwarn):
    wave = sine(440, 24_000)
    wave.setflags(write=False)
    for method in METHODS:
        resample(wave, 24_000, 16_000, method)
    assert not recwarn.list


def test_mistakes_are_named():
    wave = sine(440, 16_000)
    with pytest.raises(UnknownName, match='Did you mean "soxr_hq"'):
        resample(wave, 16_000, 8000, "soxr_h")
    for rates in ((0, 8000), (16_000, -1), (16_000.5, 8000)):
        with pytest.raises(UsageError, match="positive whole number"):
            resample(wave, *rates)
    with pytest.raises(UsageError, match="length"):
        resample(wave, 16_000, 8000, length="floor")
    with pytest.raises(UsageError, match=r"shape \(n,\)"):
        resample(wave[None], 16_000, 8000)


def test_soxr_does_not_load_torch():
    program = (
        "import sys, numpy; from mosharness.harness.audio.resample import resample;"
        "resample(numpy.zeros(999, numpy.float32), 48000, 16000); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
