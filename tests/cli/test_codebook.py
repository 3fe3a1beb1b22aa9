"""``mosharness apgmos codebook``: reproducible, interruptible, labelled, and never from an evaluation split."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.audio.discover import find_audio
from mosharness.harness.core.errors import CheckpointError, UsageError
from mosharness.predictors.apgmos.config import ApgmosConfig, StageSettings
from mosharness.predictors.apgmos.semantic import frames, make_codebook
from mosharness.predictors.apgmos.semantic.distortion import SemanticDistortion
from mosharness.predictors.apgmos.semantic.kmeans import KMeansSettings
from mosharness.predictors.apgmos.semantic.sources import load_semantics
from mosharness.predictors.apgmos.semantics import make_semantics

TINY = ("--hubert", "random", "--size", "tiny", "--clusters", "8", "--batch", "32", "--epochs", "3", "--starts", "2",
        "--device", "cpu")  # fmt: skip


@pytest.fixture
def speech(tmp_path: Path, write_wave: Callable[..., Path]) -> Path:
    """Five clips of noise; one has another rate."""
    folder = tmp_path / "speech"
    for at in range(5):
        write_wave(folder / f"clip{at}.wav", 0.5 + 0.1 * at, rate=16_000 if at else 22_050, seed=at)
    return folder


def tensors(folder: Path) -> bytes:
    return (folder / "vq.safetensors").read_bytes()


def test_a_codebook_is_made_and_says_that_it_is_a_substitute(cli: Any, speech: Path, tmp_path: Path) -> None:
    outcome = cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "cb")
    assert outcome.code == 0, outcome.err
    assert "kmeans substitute, not the codebook of the paper" in outcome.out
    assert "train.joint.settings.hubert=random" in outcome.out and "stopped: no improvement" not in outcome.out
    facts = json.loads((tmp_path / "cb" / "vq.json").read_text())
    origin = facts["origin"]
    assert (origin["vq_source"], origin["hubert"], origin["corpus"]) == ("kmeans", "random", "speech")
    assert (origin["clusters"], origin["seed"], origin["layer"]) == (8, 0, 2) and origin["inertia"] > 0
    assert origin["frames"] == sum(int(16_000 * (0.5 + 0.1 * at) - 400) // 320 + 1 >> 1 for at in range(5))
    assert facts["clips"] == {"given": 5, "used": 5, "failed": []}
    assert sorted(path.name for path in (tmp_path / "cb").iterdir()) == ["vq.json", "vq.safetensors"]
    torch.manual_seed(0)
    loaded = load_semantics(SemanticDistortion("tiny", 8), hubert="random", vq_source="kmeans", vq=str(tmp_path / "cb"))
    assert loaded.label in outcome.out.replace("\n", " ")


def test_a_codebook_that_stops_early_says_so(cli: Any, speech: Path, tmp_path: Path) -> None:
    long = ("--epochs", "5000", "--patience", "2")
    outcome = cli("apgmos", "codebook", "--audio", speech, *TINY, *long, "-o", tmp_path / "cb")
    assert outcome.code == 0 and "steps (stopped: no improvement in 2 steps);" in outcome.out, outcome.out


def test_the_same_call_gives_the_same_bytes_and_another_seed_others(cli: Any, speech: Path, tmp_path: Path) -> None:
    for name, extra in (("a", ()), ("b", ("--workers", "1")), ("c", ("--seed", "1"))):
        assert cli("apgmos", "codebook", "--audio", speech, *TINY, *extra, "-o", tmp_path / name).code == 0
    assert tensors(tmp_path / "a") == tensors(tmp_path / "b") != tensors(tmp_path / "c")


@pytest.mark.parametrize("where", ["frames", "k-means"])
def test_an_interrupted_codebook_ends_with_the_same_bytes(
    cli: Any, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    call = ("apgmos", "codebook", "--audio", speech, *TINY, "--frames", "40", "-o")
    assert cli(*call, tmp_path / "whole").code == 0
    calls = 0
    module, name = (frames, "clip_frames") if where == "frames" else (make_codebook, "fit")
    original = getattr(module, name)

    def interrupted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if where == "frames":
            if calls == 2:
                raise KeyboardInterrupt
            return original(*arguments, **options)
        inner = options["on_step"]

        def on_step(state: Any) -> None:
            inner(state)
            if state.step == 2:
                raise KeyboardInterrupt

        return original(*arguments, **{**options, "on_step": on_step})

    with monkeypatch.context() as patch:
        patch.setattr(module, name, interrupted)
        outcome = cli(*call, tmp_path / "cut")
        assert outcome.code == 130 and not (tmp_path / "cut" / "vq.json").exists()
    assert cli(*call, tmp_path / "cut").code == 0
    assert tensors(tmp_path / "whole") == tensors(tmp_path / "cut")


def test_a_codebook_goes_on_only_with_the_audio_it_was_begun_with(
    cli: Any, speech: Path, tmp_path: Path, write_wave: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(make_codebook, "fit", interrupted)  # all frames are there
        assert cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "cut").code == 130
    clip = speech / "clip2.wav"
    size = clip.stat().st_size
    write_wave(clip, 0.7, seed=99)
    assert clip.stat().st_size == size
    for name in ("cut", "whole"):
        assert cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / name).code == 0
    assert tensors(tmp_path / "cut") == tensors(tmp_path / "whole")
    write_wave(clip, 0.7, seed=98)
    outcome = cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "cut")
    assert outcome.code == 2 and "not replaced:\n  other audio\nKeep both with another -o FOLDER" in outcome.err


def test_a_codebook_of_another_kind_of_device_is_another(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = find_audio([str(speech)]).entries
    settings = make_codebook.CodebookSettings("random", "speech", "tiny", kmeans=KMeansSettings(8, starts=1))
    made = make_codebook.make_codebook(entries, settings, tmp_path / "cb")
    assert make_codebook.make_codebook(entries, settings, tmp_path / "cb", device="cpu:0") == made
    original = make_codebook._hubert
    monkeypatch.setattr(make_codebook, "_hubert", lambda settings, device: original(settings, "cpu"))
    with pytest.raises(UsageError, match="--device: cpu -> cuda"):
        make_codebook.make_codebook(entries, settings, tmp_path / "cb", device="cuda")


def test_a_codebook_over_random_hubert_is_tied_to_the_one_that_training_draws(
    cli: Any, speech: Path, tmp_path: Path
) -> None:
    assert cli("apgmos", "codebook", "--audio", speech, *TINY, "--seed", "5", "-o", tmp_path / "cb").code == 0
    assert json.loads((tmp_path / "cb" / "vq.json").read_text())["origin"]["hubert_sha256"].startswith("sha256:")
    settings = StageSettings(vq_source="kmeans", vq=str(tmp_path / "cb"), hubert="random")
    branch = make_semantics(ApgmosConfig(size="tiny"), settings, "joint")
    wave = np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32)
    assert branch(torch.from_numpy(wave)).codes.shape == (1, 12)
    torch.manual_seed(1)
    with pytest.raises(CheckpointError, match="was made from random"):
        load_semantics(SemanticDistortion("tiny", 8), hubert="random", vq_source="kmeans", vq=str(tmp_path / "cb"))


def test_a_finished_codebook_is_left_alone_and_never_mixed_with_another(cli: Any, speech: Path, tmp_path: Path) -> None:
    call = ("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "cb")
    assert cli(*call).code == 0
    before = (tmp_path / "cb" / "vq.json").stat().st_mtime_ns
    assert cli(*call).code == 0
    assert (tmp_path / "cb" / "vq.json").stat().st_mtime_ns == before
    outcome = cli(*call, "--seed", "3")
    assert outcome.code == 2 and "not replaced:\n  --seed: 0 -> 3" in outcome.err
    assert cli(*call, "--seed", "3", "--overwrite").code == 0
    assert json.loads((tmp_path / "cb" / "vq.json").read_text())["origin"]["seed"] == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "vq.json").write_text('{"mine": 1}')
    for place, says in (("mine", "mosharness did not write it"), ("mine/vq.json", "is a file where a folder")):
        refused = cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / place)
        assert refused.code == 2 and says in refused.err, refused.err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("keep")
    outcome = cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "full")
    assert outcome.code == 2 and "holds other things" in outcome.err


def test_too_little_audio_is_an_error_that_says_so(cli: Any, speech: Path, tmp_path: Path) -> None:
    outcome = cli("apgmos", "codebook", "--audio", speech, *TINY, "--clusters", "1024", "-o", tmp_path / "cb")
    assert outcome.code == 2 and "frames for 1024 clusters" in outcome.err and "more audio" in outcome.err
    assert not (tmp_path / "cb" / "vq.json").exists()


def test_clips_that_cannot_be_used_are_named(cli: Any, speech: Path, tmp_path: Path, write_wave: Any) -> None:
    (speech / "broken.wav").write_bytes(b"no audio at all")
    write_wave(speech / "short.wav", 0.02)
    outcome = cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "cb")
    assert outcome.code == 4 and "broken: unreadable" in outcome.err and "short: too_short" in outcome.err
    failed = json.loads((tmp_path / "cb" / "vq.json").read_text())["clips"]["failed"]
    assert {one["utterance_id"] for one in failed} == {"broken", "short"}
    assert cli("apgmos", "codebook", "--audio", speech, *TINY, "-o", tmp_path / "cb", "--allow-failed", "2").code == 0


def test_evaluation_splits_are_refused_and_train_splits_taken(cli: Any, small_folder: Path, tmp_path: Path) -> None:
    call = ("apgmos", "codebook", "--task", "folder", "--data-root", small_folder, *TINY, "-o", tmp_path / "cb")
    outcome = cli(*call, "--split", "test")
    assert outcome.code == 2 and "worthless" in outcome.err
    table = small_folder / "metadata.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line.replace(",test", ",train") if "sys0" in line else line for line in lines) + "\n")
    outcome = cli(*call, "--system", "00*", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["origin"]["corpus"] == "folder/train (00*)" and outcome.json["clips"]["used"] == 4
    assert "no clips" in cli(*call[:-1], tmp_path / "none", "--system", "zz").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--hubert", "random"), "either --audio"),
        (("--hubert", "random", "--audio", "SPEECH", "--task", "demo"), "either --audio"),
        (("--hubert", "random", "--audio", "SPEECH", "--system", "a"), "--system chooses"),
        (("--hubert", "random", "--audio", "/none"), "No such file"),
        (("--hubert", "TencentGameMate/chinese-hubert-base", "--audio", "SPEECH"), "@COMMIT"),
        (("--hubert", "random", "--size", "huge", "--audio", "SPEECH"), "'huge' is not one of 'base', 'tiny'"),
    ],
)
def test_wrong_use_ends_with_a_sentence(
    cli: Any, speech: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    arguments = tuple(str(speech) if one == "SPEECH" else one for one in arguments)
    outcome = cli("apgmos", "codebook", *arguments, "-o", tmp_path / "cb", "--device", "cpu")
    assert outcome.code == 2 and message in outcome.err and "Traceback" not in outcome.err
