"""Every check on samples: just inside the limit passes, just outside is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mosharness.harness.audio.checks import ERROR_CODES, WARNING_CODES, active_share, check_samples
from mosharness.harness.audio.read import AudioError, AudioLimits, Finding, Waveform, clip_from_array, mono, read_audio
from mosharness.harness.core.errors import UsageError

RATE = 16_000


def noise(seconds=1.0, scale=0.1, seed=0):
    return np.random.default_rng(seed).normal(scale=scale, size=round(seconds * RATE)).clip(-0.9, 0.9)


def with_peak(peak, signal=None):
    signal = noise() if signal is None else signal
    signal = signal - signal.mean()
    return signal / np.abs(signal).max() * peak


def codes(samples, sample_rate=RATE, **limits):
    return [finding.code for finding in clip_from_array(samples, sample_rate, limits=AudioLimits(**limits)).findings]


def error(samples, sample_rate=RATE, **limits):
    with pytest.raises(AudioError) as caught:
        clip_from_array(samples, sample_rate, "clip", AudioLimits(**limits))
    assert caught.value.code in ERROR_CODES
    assert str(caught.value) == f"clip: {caught.value.reason}"
    return caught.value.code


def test_ordinary_noise_has_no_findings():
    clip = clip_from_array(noise(), RATE, "clip")
    assert clip.findings == ()
    assert clip.reason == ""
    assert clip.duration_s == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 700, -1])
def test_one_sample_that_is_not_finite_is_an_error(bad, place):
    samples = noise(30, 0.1)[:400_000]
    samples[place] = bad
    assert error(samples) == "non_finite"
    stereo = np.stack([samples, noise(30)[:400_000]], 1)
    assert error(stereo) == "non_finite"


def test_opposite_infinities_in_two_channels_are_found():
    samples = np.stack([noise(), noise()], 1)
    samples[5] = np.inf, -np.inf
    assert error(samples) == "non_finite"


def test_float64_beyond_float32_is_not_finite():
    samples = noise()
    samples[3] = 1e60
    assert error(samples) == "non_finite"


def test_silence_is_an_error_below_minus_60_dbfs_and_low_level_a_warning_below_minus_40():
    assert error(np.zeros(RATE)) == "silent"
    assert error(with_peak(0.00098)) == "silent"
    assert codes(with_peak(0.00102)) == ["low_level"]
    assert codes(with_peak(0.0098)) == ["low_level"]
    assert codes(with_peak(0.0102)) == []


def test_constant_offset_and_last_bit_dither_are_silence():
    assert error(np.full(RATE, 0.3)) == "silent"
    dither = np.random.default_rng(0).integers(-1, 2, RATE).astype(np.int16)
    assert error(dither) == "silent"


def test_silence_can_be_allowed_and_then_warns_once():
    assert codes(np.zeros(RATE), allow_silent=True) == ["silent"]
    assert "silent" in WARNING_CODES


def test_opposite_channels_cancel_and_the_message_says_so():
    with pytest.raises(AudioError, match="cancel each other out") as caught:
        clip_from_array(np.stack([noise(), -noise()], 1), RATE)
    assert caught.value.code == "silent"


def test_float_samples_on_an_integer_scale_are_an_error_above_100():
    samples = noise()
    samples[9] = 100.0
    assert codes(samples)[-1] == "float_peak"
    samples[9] = 100.1
    assert error(samples) == "integer_scaled"
    assert error(noise() * 32768) == "integer_scaled"


def test_float_peaks_above_one_warn():
    samples = noise()
    samples[9] = 1.0
    assert codes(samples) == []
    samples[9] = -1.0001
    assert codes(samples) == ["float_peak"]


def test_duration_limits():
    assert codes(noise(0.5)) == []
    assert codes(noise(0.5)[:-1]) == ["short"]
    assert codes(noise(60)) == []
    assert error(np.append(noise(60), 0.1)) == "too_long"
    assert codes(noise(61), max_seconds=None) == []
    assert error(np.zeros(0)) == "empty"
    assert error(np.zeros((0, 2))) == "empty"


def test_sample_rate_limits():
    assert error(noise(), 3999) == "rate_out_of_range"
    assert codes(noise(), 4000) == []
    assert codes(np.tile(noise(), 24), 384_000) == []
    assert error(np.tile(noise(), 24), 384_001) == "rate_out_of_range"


def test_clipping_is_a_share_of_the_worst_channel():
    samples = noise()
    samples[:16] = 0.9991  # 0.1 %
    assert codes(samples) == []
    samples[:17] = -0.9991
    assert codes(samples) == ["clipping"]
    samples[:160] = 0.9991  # 1 %
    assert codes(samples) == ["clipping"]
    samples[:161] = 0.9991
    assert codes(samples) == ["heavy_clipping"]
    samples[:161] = 0.9989
    assert codes(samples) == []
    clipped = noise()
    clipped[:161] = 1.0
    assert "heavy_clipping" in codes(np.stack([clipped, noise(seed=1)], 1))


def test_dc_offset_warns_above_a_mean_of_005_either_way():
    samples = noise() - noise().mean()
    assert codes(samples + 0.049) == []
    assert codes(samples + 0.051) == ["dc_offset"]
    assert codes(samples - 0.051) == ["dc_offset"]


def test_activity_below_a_tenth_of_the_frames_warns():
    frame, quiet = RATE // 50, noise(2, 1e-5)
    assert quiet.size // frame == 100
    for active, expected in ((9, ["low_activity"]), (10, [])):
        samples = quiet.copy()
        samples[: active * frame] = noise(2)[: active * frame]
        assert active_share(samples.astype(np.float32), RATE) == pytest.approx(active / 100)
        assert codes(samples) == expected


def test_a_lone_click_has_low_activity_even_on_an_offset():
    samples = np.zeros(RATE)
    samples[5000] = 0.8
    assert codes(samples) == ["low_activity"]
    assert codes(samples + 0.04) == ["low_activity"]


def test_activity_of_a_frame_40_db_down_counts():
    frame = RATE // 50
    square = np.resize([0.5, -0.5], 10 * frame).astype(np.float32)
    for gain, share in ((0.0101, 1.0), (0.0099, 0.1)):
        samples = square.copy()
        samples[frame:] *= gain
        assert active_share(samples, RATE) == pytest.approx(share)


def test_stereo_warns_only_when_the_channels_differ():
    left = noise()
    assert codes(np.stack([left, left], 1)) == []
    assert codes(np.stack([left, left + 2.0**-16], 1)) == []
    assert codes(np.stack([left, left + 2.0**-14], 1)) == ["stereo_differs"]
    clip = clip_from_array(np.stack([left, 0 * left], 1), RATE)
    assert np.allclose(clip.samples, left / 2, atol=1e-7)


def test_more_than_two_channels_warn_even_when_equal():
    assert codes(np.stack([noise()] * 3, 1)) == ["multichannel"]


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(np.uint8, 0, 255), (np.int8, -128, 127), (np.int16, -(2**15), 2**15 - 1), (np.uint16, 0, 2**16 - 1),
     (np.int32, -(2**31), 2**31 - 1)],
)  # fmt: skip
def test_integers_are_scaled_by_their_range(dtype, low, high):
    samples = np.tile(np.array([low, high], dtype), RATE // 2)
    got = clip_from_array(samples, RATE).samples
    assert got.min() == -1.0
    assert got.max() == pytest.approx(1.0, abs=2 / (high - low + 1) + 1e-7)


@pytest.mark.parametrize("dtype", [bool, np.int64, complex, object, "U3"])
def test_types_that_could_be_on_any_scale_are_refused(dtype):
    assert error(np.ones(RATE).astype(dtype)) == "bad_array"


@pytest.mark.parametrize("shape", [(), (2, 16_000), (1, 16_000), (10, 10, 10)])
def test_shapes_other_than_samples_by_channels_are_refused(shape):
    assert error(np.full(shape, 0.1)) == "bad_array"


def test_ragged_lists_are_refused():
    assert error([[1.0, 2.0], [3.0]]) == "bad_array"


@pytest.mark.parametrize("rate", [None, "16000", True, 16_000.5, float("nan"), float("inf")])
def test_sample_rates_that_are_no_whole_number_are_refused(rate):
    assert error(noise(), rate) == "bad_array"


def test_tensors_and_half_precision_are_accepted():
    wave = torch.tensor(noise(), dtype=torch.float32, requires_grad=True)
    assert np.array_equal(clip_from_array(wave, 16_000.0).samples, noise().astype(np.float32))
    assert clip_from_array(noise().astype(np.float16), np.int64(RATE)).sample_rate == RATE


def test_a_clip_shares_no_memory_with_the_array_it_was_made_from():
    samples = noise().astype(np.float32)
    clip = clip_from_array(samples, RATE)
    samples[:] = 0
    assert np.abs(clip.samples).max() > 0.1


def test_several_findings_come_together_and_read_as_one_line():
    samples = noise(0.4) * 0.05 + 0.2
    clip = clip_from_array(samples, RATE)
    assert [finding.code for finding in clip.findings] == ["short", "dc_offset"]
    assert clip.reason == "short: the clip is 0.400 s long, under 0.5 s; dc_offset: the mean is +0.200, beyond 0.05"
    assert str(Finding("code", "message")) == "code: message"


def test_every_warning_code_is_documented():
    emitted = {"short", "silent", "low_activity", "low_level", "clipping", "heavy_clipping", "dc_offset", "float_peak"}
    assert set(WARNING_CODES) == emitted | {"stereo_differs", "multichannel", "truncated", "wrong_suffix"}


def test_limits_that_make_no_sense_are_refused():
    for limits in ({"max_seconds": 0}, {"max_seconds": float("nan")}, {"min_seconds": -1}):
        with pytest.raises(UsageError):
            AudioLimits(**limits)


def test_check_samples_judges_a_mono_signal_alone():
    assert check_samples(noise().astype(np.float32), RATE) == ()
    with pytest.raises(AudioError, match=r"x\.wav: "):
        check_samples(np.zeros(RATE, np.float32), RATE, path="x.wav")


waves = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 50), st.integers(1, 9)),
    elements=st.floats(-1, 1, width=32, allow_subnormal=False),
)


@given(waves)
def test_mono_is_the_mean_over_channels_to_the_last_bit(wave):
    expected = wave.astype(np.float64).mean(axis=1)
    assert np.allclose(mono(wave), expected, rtol=6e-8, atol=1e-16)
    assert mono(wave).dtype == np.float32


@given(waves, st.integers(1, 49))
def test_mono_does_not_depend_on_where_blocks_end(wave, cut):
    assert np.array_equal(mono(wave), np.concatenate([mono(wave[:cut]), mono(wave[cut:])]))


@given(waves)
def test_mono_of_equal_channels_is_the_channel(wave):
    channel = wave[:, :1]
    assert np.array_equal(mono(np.repeat(channel, 2, axis=1)), channel[:, 0])
    assert np.array_equal(mono(channel), channel[:, 0])


@given(waves, st.integers(4000, 384_000), st.data())
def test_the_digest_changes_with_any_sample_or_the_rate(wave, rate, data):
    samples = mono(wave)
    clip = Waveform(samples, rate)
    assert Waveform(samples.copy(), rate, "other name").content_sha256 == clip.content_sha256
    assert Waveform(samples, rate + 1).content_sha256 != clip.content_sha256
    changed = samples.copy()
    place = data.draw(st.integers(0, samples.size - 1))
    changed[place] = np.nextafter(changed[place], np.float32(2))
    assert Waveform(changed, rate).content_sha256 != clip.content_sha256
    assert Waveform(np.append(samples, np.float32(0)), rate).content_sha256 != clip.content_sha256


def test_a_file_and_its_array_give_the_same_clip(encoded):
    samples = np.stack([noise(), noise(seed=1)], 1).astype(np.float32)
    file, array = read_audio(encoded(samples, subtype="FLOAT")), clip_from_array(samples, RATE)
    assert file.content_sha256 == array.content_sha256
    assert file.findings == array.findings
