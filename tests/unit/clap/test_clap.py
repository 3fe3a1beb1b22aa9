"""CLAP as a backbone: its input, LAION's names, published weights, prompts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parent))
from laion_names import to_laion
from mosharness.harness.core.errors import CheckpointError, HubError, UsageError
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.layers.clap.backbone import ClapBackbone, distinct
from mosharness.predictors.layers.clap.mel import fill_window, log_mel
from mosharness.predictors.layers.clap.official import JOINED, from_laion, rename
from mosharness.predictors.layers.clap.pretrained import PUBLISHED, load_pretrained
from mosharness.predictors.layers.clap.shapes import FRAMES, HIGHEST_HZ, LOWEST_HZ, N_MELS, PAD, SAMPLE_RATE, WINDOW
from mosharness.predictors.layers.clap.tokenizer import ROBERTA, PromptTokenizer, byte_tokenizer, load_tokenizer

PROMPTS = ("slow piano", 'a "quoted" drum loop, 140 bpm', "Streicher, wärmer – 5%")


def make(seed: int = 0, *, text: bool = True) -> ClapBackbone:
    torch.manual_seed(seed)
    backbone = ClapBackbone("tiny", text=text)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return backbone.eval()


def in_laions_names(backbone: ClapBackbone) -> dict[str, torch.Tensor]:
    """The tensors as a checkpoint of laion_clap has them."""
    return {f"module.{name}": tensor for name, tensor in to_laion(backbone.model.state_dict()).items()}


def same(one: ClapBackbone, other: ClapBackbone) -> bool:
    state = other.model.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in one.model.state_dict().items())


# --- the front end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 1000, 160_000, 333_333, 470_000, WINDOW])
def test_log_mel_is_that_of_the_transformers_extractor(samples: int) -> None:
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=LOWEST_HZ, frequency_max=HIGHEST_HZ)
    wave = speech_like(samples / SAMPLE_RATE, SAMPLE_RATE, samples)
    wave += 0.02 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    wanted = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="np")["input_features"][0, 0]
    mel = log_mel(fill_window(wave))
    assert mel.shape == (FRAMES, N_MELS) == wanted.shape
    assert mel.dtype == np.float32
    assert np.abs(mel - wanted).max() <= 2e-4


def test_a_clip_is_repeated_whole_times_then_filled_up_with_zeros() -> None:
    wave = np.arange(1, 200_001, dtype=np.float32)
    filled = fill_window(wave)
    assert np.array_equal(filled[:400_000], np.tile(wave, 2))
    assert not filled[400_000:].any()
    with pytest.raises(UsageError, match="480001 samples"):
        fill_window(np.zeros(WINDOW + 1, np.float32))


def test_the_front_end_leaves_torch_s_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        log_mel(np.zeros(WINDOW, np.float32))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# --- the two branches -------------------------------------------------------------------------------------------------


def test_the_mean_of_both_kinds_of_frames_is_claps_own_vector() -> None:
    backbone = make()
    mel = torch.from_numpy(log_mel(fill_window(speech_like(1.0, SAMPLE_RATE, 0))))[None]
    with torch.inference_mode():
        pooled = backbone.model.audio_model(input_features=mel[:, None]).pooler_output
        tokens, steps = backbone.frames(mel), backbone.frames(mel, "freq_mean32")
    assert tokens.shape == (1, 64, backbone.channels)
    assert steps.shape == (1, 32, backbone.channels)
    torch.testing.assert_close(tokens.mean(1), pooled, atol=1e-5, rtol=0)
    torch.testing.assert_close(tokens.unflatten(1, (2, 32)).mean(1), steps, atol=1e-5, rtol=0)
    with pytest.raises(UsageError, match="frame features 'other'"):
        backbone.frames(mel, "other")  # type: ignore[arg-type]


def test_a_text_has_the_same_embedding_beside_a_longer_one() -> None:
    backbone = make()
    ids = torch.tensor([[0, 7, 9, 2, PAD, PAD], [0, 4, 5, 6, 7, 2], [0, 7, 9, 2, PAD, PAD]])
    with torch.inference_mode():
        together, alone = backbone.embed_text(ids), backbone.embed_text(ids[:1, :4])
    torch.testing.assert_close(together[:1], alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
    rows, which = distinct(ids)
    assert len(rows) == 2
    assert torch.equal(rows[which], ids)


def test_the_audio_branch_alone_refuses_text() -> None:
    with pytest.raises(UsageError, match="no text branch"):
        make(text=False).embed_text(torch.tensor([[0, 2]]))


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [True, False])
def test_laions_checkpoint_loads_into_both_forms(tmp_path: Path, text: bool) -> None:
    source = make(1)
    torch.save({"epoch": 15, "state_dict": in_laions_names(source)}, tmp_path / "clap.pt")
    target = make(2, text=text)
    assert load_pretrained(target, str(tmp_path / "clap.pt")) == "clap.pt"
    assert same(target, source)


def test_a_transformers_folder_loads(tmp_path: Path) -> None:
    source, target = make(1), make(2)
    source.model.save_pretrained(tmp_path / "clap")
    assert load_pretrained(target, str(tmp_path / "clap")) == "clap"
    assert same(target, source)


def test_joined_projections_are_found_in_every_block() -> None:
    names = [name for name in in_laions_names(make()) if JOINED.fullmatch(name)]
    assert len(names) == 2 * 4  # weight and bias of four blocks
    assert rename("audio_branch.bn0.weight") == "audio_model.audio_encoder.batch_norm.weight"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda state: state.pop("module.audio_branch.norm.weight"), "1 missing"),
        (lambda state: state.update({"module.audio_branch.new.weight": torch.zeros(1)}), "1 not known"),
        (lambda state: state.update({"module.audio_branch.norm.weight": torch.zeros(3)}), "audio_encoder.norm.weight"),
        (lambda state: state["module.audio_branch.norm.weight"].fill_(float("nan")), "NaN or infinity"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path, change: Any, expected: str) -> None:
    state = in_laions_names(make(1))
    change(state)
    torch.save({"state_dict": state}, tmp_path / "clap.pt")
    with pytest.raises(CheckpointError, match=expected):
        load_pretrained(make(2), str(tmp_path / "clap.pt"))


def test_other_files_and_names_are_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of laion_clap"):
        load_pretrained(make(), str(tmp_path / "other.pt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"neither model\.safetensors"):
        load_pretrained(make(), str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="lukewys/laion_clap"):
        load_pretrained(make(), "someone/else")
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    for name in PUBLISHED:
        with pytest.raises(HubError, match="pretrained"):
            load_pretrained(make(), name)


def test_laions_tensors_fit_without_the_prefix_too() -> None:
    source = make(1)
    bare = {name.removeprefix("module."): one for name, one in in_laions_names(source).items()}
    found = from_laion(bare, make(2), "file")
    assert set(found) == set(source.model.state_dict())


# --- prompts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """RoBERTa's kind of files in miniature: bytes and a few merges."""
    from tokenizers.pre_tokenizers import ByteLevel

    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet()), "lo", "Ġp", "Ġpi", "<mask>"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: at for at, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nl o\nĠ p\nĠp i\n")
    return tmp_path


def test_prompts_have_the_tokens_of_transformers_tokenizer(files: Path) -> None:
    from transformers import RobertaTokenizer

    theirs = RobertaTokenizer.from_pretrained(str(files))
    ours = load_tokenizer(files)
    for prompt in PROMPTS:
        assert ours(prompt) == theirs(prompt)["input_ids"]
    assert len(ours("slow piano")) < len("slow piano") + 2  # merges are used
    assert ours.size == max(json.loads((files / "vocab.json").read_text()).values()) + 1


def test_a_tokenizer_survives_its_own_file_and_cuts_at_77_tokens(files: Path, tmp_path: Path) -> None:
    ours = load_tokenizer(files)
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(ours.text)
    again = load_tokenizer(folder)
    assert again.digest == ours.digest
    assert [again(prompt) for prompt in PROMPTS] == [ours(prompt) for prompt in PROMPTS]
    long = ours("x" * 500)
    assert (len(long), long[0], long[-1]) == (77, 0, 2)


def test_miniatures_read_bytes() -> None:
    ours = byte_tokenizer()
    assert ours.size == 4 + 256
    assert len(ours("wärmer")) == len("wärmer".encode()) + 2


def test_wrong_tokenizer_files_are_refused(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="empty prompt"):
        load_tokenizer(files)("  ")
    with pytest.raises(CheckpointError, match="no tokenizer file"):
        PromptTokenizer("{}")
    words = json.loads((files / "vocab.json").read_text())
    words["<s>"], words["<pad>"] = 1, 0
    (files / "vocab.json").write_text(json.dumps(words))
    with pytest.raises(CheckpointError, match="special tokens"):
        load_tokenizer(files)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CheckpointError, match=r"neither tokenizer\.json"):
        load_tokenizer(empty)
    with pytest.raises(UsageError, match="is no folder"):
        load_tokenizer("bert-base-uncased")
    monkeypatch.setenv("MOSHARNESS_OFFLINE", "1")
    with pytest.raises(HubError, match="tokenizer"):
        load_tokenizer(ROBERTA)
