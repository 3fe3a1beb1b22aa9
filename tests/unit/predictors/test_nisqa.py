"""NISQA without its weights: settings, limits, checkpoints, batches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosharness.harness.audio.read import clip_from_array
from mosharness.harness.core.errors import AudioError, CheckpointError, UnknownName, UsageError
from mosharness.predictors import load_predictor
from mosharness.predictors.layers.mel import hann, hertz_to_mel, mel_bank, mel_to_hertz
from mosharness.predictors.nisqa import Nisqa, NisqaTts
from mosharness.predictors.nisqa.config import NisqaConfig
from mosharness.predictors.nisqa.convert import PUBLISHED, download, key_map, settings_from_args
from mosharness.predictors.nisqa.frontend import mel_bands, mel_picture

VARIANTS = ("nisqa", "nisqa_mos_only", "nisqa_tts")

ARGS: dict[str, Any] = {
    "model": "NISQA_DIM",
    "dim": True,
    "double_ended": False,
    "name": "fine-tuned",
    "tr_bs": 80,
    "csv_ref": None,
    "ms_sr": None,
    "ms_fmax": 20000,
    "ms_n_fft": 4096,
    "ms_hop_length": 0.01,
    "ms_win_length": 0.02,
    "ms_n_mels": 48,
    "ms_seg_length": 15,
    "ms_seg_hop_length": 4,
    "ms_max_segments": 1300,
    "cnn_model": "adapt",
    "cnn_c_out_1": 16,
    "cnn_c_out_2": 32,
    "cnn_c_out_3": 64,
    "cnn_kernel_size": (3, 3),
    "cnn_dropout": 0.2,
    "cnn_pool_1": [24, 7],
    "cnn_pool_2": [12, 5],
    "cnn_pool_3": [6, 3],
    "cnn_fc_out_h": None,
    "td": "self_att",
    "td_sa_d_model": 64,
    "td_sa_nhead": 1,
    "td_sa_num_layers": 2,
    "td_sa_h": 64,
    "td_sa_dropout": 0.1,
    "td_sa_pos_enc": False,
    "td_2": "skip",
    "pool": "att",
    "pool_att_h": 128,
    "pool_att_dropout": 0,
}


def noise(seconds: float, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def fresh(variant: str = "nisqa", **config: Any) -> Nisqa:
    import torch

    torch.manual_seed(0)
    return Nisqa({"variant": variant, **config}, device="cpu")


def official_file(path: Path, args: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A file in the official format with fresh weights."""
    import torch

    predictor = fresh()
    own = predictor.tensors()
    state = {theirs: own[ours].clone() for theirs, ours in key_map(predictor.config).items()}
    for name, tensor in changes.items():
        state.pop(name) if tensor is None else state.update({name: tensor})
    torch.save({"args": args or ARGS, "model_state_dict": state}, path)
    return path


def test_listing_the_predictors_does_not_import_torch() -> None:
    code = (
        "import sys; from mosharness.predictors import PREDICTORS\n"
        "cards = [PREDICTORS[name].card for name in ('nisqa', 'nisqa_tts', 'dsp')]\n"
        "assert cards[1].dimensions == ('mos',), cards\n"
        "print([name for name in ('torch', 'scipy', 'transformers', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variant", "tensors", "values"),
    [("nisqa", 100, 253_072), ("nisqa_mos_only", 76, 219_016), ("nisqa_tts", 54, 304_539)],
)
def test_networks_have_as_many_tensors_and_values_as_the_official_ones(variant: str, tensors: int, values: int) -> None:
    own = fresh(variant).tensors()
    assert (len(own), sum(tensor.numel() for tensor in own.values())) == (tensors, values)
    names = key_map(NisqaConfig(variant))  # type: ignore[arg-type]
    assert set(names.values()) == set(own)
    assert len(names) == tensors


def test_the_mel_scale_is_its_own_inverse_and_linear_below_one_kilohertz() -> None:
    hertz = np.array([0.0, 200.0, 1000.0, 6400.0, 20_000.0])
    assert hertz_to_mel(hertz)[:4] == pytest.approx([0.0, 3.0, 15.0, 42.0])
    assert mel_to_hertz(hertz_to_mel(hertz)) == pytest.approx(hertz)


@pytest.mark.parametrize(("rate", "fmax"), [(16_000, 20_000.0), (48_000, 8_000.0), (8_000, 8_000.0)])
def test_mel_bands_multiply_as_the_whole_bank_does(rate: int, fmax: float) -> None:
    bank = mel_bank(rate, 4096, 48, fmax)
    spectrum = np.random.default_rng(0).random((3, bank.shape[0])).astype(np.float32)
    found = np.zeros((3, 48), np.float32)
    for band in mel_bands(rate, 4096, 48, fmax):
        found[:, slice(*band.filters)] = spectrum[:, slice(*band.bins)] @ band.weights
    np.testing.assert_allclose(found, spectrum @ bank, rtol=1e-4)


def test_the_front_end_equals_a_plain_centred_transform() -> None:
    rate, config = 22_050, NisqaConfig()
    wave = noise(0.2, rate)
    padded = np.pad(wave, 2048, mode="reflect").astype(np.float64)
    window = np.pad(hann(441).astype(np.float64), (1827, 1828))
    frames = [np.abs(np.fft.rfft(padded[at : at + 4096] * window)) for at in range(0, wave.size + 1, 220)]
    mel = np.maximum(np.array(frames) @ mel_bank(rate, 4096, 48, 20_000.0), 1e-4)
    decibels = 20 * np.log10(mel)
    found = mel_picture(wave, rate, config)
    assert found.shape == (1 + wave.size // 220, 48)
    np.testing.assert_allclose(found, np.maximum(decibels, decibels.max() - 80), atol=1e-3)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_every_usual_sampling_rate_is_scored_at_its_own_rate(rate: int) -> None:
    scores = fresh().predict([noise(0.5, rate)], rate)
    assert scores.shape == (1, 5)
    assert np.isfinite(scores).all()


def test_a_sampling_rate_whose_window_exceeds_the_transform_is_refused_with_the_cure() -> None:
    clip = clip_from_array(noise(0.3, 384_000), 384_000)
    with pytest.raises(AudioError, match="set sample_rate"):
        fresh().prepare(clip)
    assert fresh(sample_rate=48_000).prepare(clip).shape == (31, 48)


def test_a_fixed_sample_rate_scores_like_the_resampled_wave() -> None:
    from mosharness.harness.audio.resample import resample

    wave = noise(0.7, 22_050)
    resampled = resample(wave, 22_050, 16_000, "soxr_hq").samples
    fixed, native = fresh(sample_rate=16_000), fresh()
    assert np.array_equal(fixed.predict([wave], 22_050), native.predict([resampled], 16_000))
    assert not np.array_equal(native.predict([wave], 22_050), native.predict([resampled], 16_000))


def test_fourteen_hops_are_the_shortest_clip() -> None:
    predictor = fresh()
    assert predictor.prepare(clip_from_array(noise(0.14), 16_000)).shape == (15, 48)
    clip = clip_from_array(noise(0.14)[:-1], 16_000, name="tiny.wav")
    with pytest.raises(AudioError, match=r"tiny\.wav: 0\.140 s is too short: NISQA needs 15 frames, 0\.14 s") as caught:
        predictor.prepare(clip)
    assert caught.value.code == "too_short"


@pytest.mark.parametrize(("variant", "frames"), [("nisqa", 5214), ("nisqa_tts", 6014)])
def test_the_longest_clip_is_that_of_the_official_code(variant: str, frames: int) -> None:
    config = NisqaConfig(variant)  # type: ignore[arg-type]
    assert config.most_frames == frames
    assert config.segments(frames) == config.segment_limit
    from mosharness.predictors.nisqa.frontend import check_frames

    check_frames(frames, 52.0, config, "clip")
    with pytest.raises(AudioError, match="max_segments=null") as caught:
        check_frames(frames + 1, 70.0, config, "long.wav")
    assert caught.value.code == "too_long"
    assert "long.wav" in str(caught.value)


def test_the_limit_can_be_lifted_or_lowered() -> None:
    wave = noise(53.0, 8_000)
    with pytest.raises(AudioError):
        fresh().prepare(clip_from_array(wave, 8_000, limits=fresh(max_segments=None).limits()))
    unlimited = fresh(max_segments=None)
    assert unlimited.limits().max_seconds == 600.0
    assert len(unlimited.prepare(clip_from_array(wave, 8_000))) == 5301
    assert fresh().limits().max_seconds == pytest.approx(52.14)
    short = fresh(max_segments=10)
    with pytest.raises(AudioError, match=r"0\.54 s \(10 segments\)"):
        short.prepare(clip_from_array(noise(0.6), 16_000))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_score_does_not_depend_on_the_batch(variant: str) -> None:
    predictor = fresh(variant)
    pictures = [
        predictor.prepare(clip_from_array(noise(length, seed=seed), 16_000))
        for seed, length in enumerate((0.2, 1.3, 0.5, 3.1, 0.14))
    ]
    alone = np.concatenate([predictor.score([picture]) for picture in pictures])
    order = [3, 0, 4, 2, 1]
    np.testing.assert_allclose(predictor.score([pictures[at] for at in order]), alone[order], atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_folding_the_normalisation_keeps_the_scores(variant: str) -> None:
    import torch

    predictor = fresh(variant)
    for norm in predictor.network.cnn.norms:
        norm.running_mean.uniform_(-1, 1)  # type: ignore[operator]
        norm.running_var.uniform_(0.5, 2)  # type: ignore[operator]
    picture = predictor.prepare(clip_from_array(noise(1.0), 16_000))
    with torch.inference_mode():
        plain = predictor.network([torch.from_numpy(picture)]).numpy()
    np.testing.assert_allclose(predictor.score([picture]), plain, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_saved_weights_come_back_bit_for_bit(tmp_path: Path, variant: str) -> None:
    predictor = fresh(variant, max_segments=200)
    waves = [noise(0.6), noise(1.1, seed=1)]
    before = predictor.predict(waves, 16_000)
    again = load_predictor("nisqa", predictor.save_pretrained(tmp_path / variant), device="cpu")
    assert again.config == predictor.config
    assert again.dimensions == predictor.dimensions
    assert again.fingerprint() == predictor.fingerprint()
    assert np.array_equal(again.predict(waves, 16_000), before)


def test_an_official_file_is_read_and_unknown_arguments_are_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = load_predictor("nisqa", official_file(tmp_path / "mine.tar"), device="cpu")
    assert isinstance(predictor, Nisqa)
    assert predictor.dimensions == ("mos", "noi", "dis", "col", "loud")
    assert predictor.config == NisqaConfig()
    assert predictor.checkpoint.kind == "official"
    assert predictor.checkpoint.name == "mine.tar"
    assert predictor.trained_on == ()
    assert "mine.tar is none of the published NISQA files" in capsys.readouterr().err
    wave = noise(0.5)
    assert np.array_equal(predictor.predict([wave], 16_000), fresh().predict([wave], 16_000))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import torch

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    path = tmp_path / "nisqa.tar"
    torch.save({"args": ARGS, "model_state_dict": {}, "extra": Hostile()}, path)
    with pytest.raises(CheckpointError, match=r"nisqa\.tar: refused.*system"):
        load_predictor("nisqa", path, device="cpu")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken"])
def test_a_damaged_checkpoint_is_an_error_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.tar"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.tar"):
        load_predictor("nisqa", path, device="cpu")


def test_a_foreign_checkpoint_is_no_nisqa_checkpoint(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "other.pt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match="not a NISQA checkpoint"):
        load_predictor("nisqa", path, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cnn.model.conv1.bias": None}, r"1 missing \(first: cnn\.model\.conv1\.bias\)"),
        ({"cnn.model.conv7.bias": 0}, r"1 not known \(first: cnn\.model\.conv7\.bias\)"),
        ({"pool_layers.0.model.linear3.weight": 1}, r"should be \(1, 64\), the file has \(1, 63\)"),
    ],
)
def test_keys_and_shapes_are_strict(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    import torch

    tensors: dict[str, Any] = {name: None if value is None else torch.zeros(1, 63) for name, value in changes.items()}
    with pytest.raises(CheckpointError, match=message):
        load_predictor("nisqa", official_file(tmp_path / "odd.tar", **tensors), device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": "max"}, "pool is 'max'"),
        ({"td_sa_pos_enc": True}, "td_sa_pos_enc is True"),
        ({"model": "NISQA_DE"}, "model is 'NISQA_DE'"),
        ({"double_ended": True}, "double-ended"),
        ({"cnn_kernel_size": (5, 5)}, "kernels other than 3x3"),
        ({"ms_fmax": None}, "args lack ms_fmax"),
    ],
)
def test_other_networks_of_the_reference_are_named_and_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        settings_from_args({**ARGS, **changes}, "file.tar")


def test_the_variant_comes_from_the_file_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    path = official_file(tmp_path / "mine.tar")
    with pytest.raises(CheckpointError, match="holds nisqa, not nisqa_tts"):
        load_predictor("nisqa", path, device="cpu", variant="nisqa_tts")
    with pytest.raises(CheckpointError, match="holds nisqa, not nisqa_tts"):
        load_predictor("nisqa_tts", path, device="cpu")


def test_settings_are_checked() -> None:
    with pytest.raises(UnknownName, match="max_segments"):
        Nisqa({"max_segment": 3}, device="cpu")
    with pytest.raises(UsageError, match="variant"):
        Nisqa({"variant": "nisqa3"}, device="cpu")
    with pytest.raises(UsageError, match="sample_rate must be above 0"):
        Nisqa({"sample_rate": -1}, device="cpu")
    with pytest.raises(UsageError, match="use the predictor nisqa"):
        NisqaTts({"variant": "nisqa"}, device="cpu")
    with pytest.raises(UsageError, match="float32 only"):
        Nisqa(device="cpu", precision="bfloat16")
    assert NisqaTts(device="cpu").dimensions == ("mos",)


def test_weights_are_found_by_the_environment_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = official_file(tmp_path / "nisqa.tar")
    for place in (path, tmp_path):
        monkeypatch.setenv("MOSHARNESS_NISQA_WEIGHTS", str(place))
        assert load_predictor("nisqa", device="cpu").checkpoint.name == "nisqa.tar"
    with pytest.raises(CheckpointError, match=r"nisqa_tts\.tar does not exist"):
        load_predictor("nisqa_tts", device="cpu")


def test_without_weights_and_network_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from mosharness.harness.core.errors import HubError

    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    with pytest.raises(HubError, match="MOSHARNESS_NISQA_WEIGHTS"):
        load_predictor("nisqa", device="cpu")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_download_is_pinned_by_commit_size_and_digest(variant: str) -> None:
    pinned = download(variant)
    assert "/fe84f0f252abec382b24367d5b22498a7ce34dbb/weights/" in pinned.url
    assert pinned.sha256 == PUBLISHED[variant].sha256
    assert pinned.size == PUBLISHED[variant].size


def test_the_real_files_show_their_licence_once_and_name_their_training(
    shared: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path))
    folder = shared / "data" / "nisqa_weights"
    predictor = load_predictor("nisqa", folder / "nisqa.tar", device="cpu")
    assert "CC BY-NC-SA 4.0" in capsys.readouterr().err
    assert predictor.trained_on == ("nisqa/train",)
    load_predictor("nisqa", folder / "nisqa.tar", device="cpu")
    assert capsys.readouterr().err == ""
    for name, known in PUBLISHED.items():
        assert (folder / known.filename).stat().st_size == known.size
        assert load_predictor("nisqa", folder / known.filename, device="cpu").config.variant == name
