"""A gate decodes each file once for checks and all predictors, and no unchanged file whose scores are known."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mosharness.harness.audio.read as reader
import numpy as np
import pytest
import soundfile
from mosharness.harness.audio.checks import AudioLimits
from mosharness.harness.core.errors import AudioError, DataError
from mosharness.harness.engine import waveforms
from mosharness.harness.engine.known_audio import AudioFacts, KnownAudio, file_identity
from mosharness.harness.engine.waveforms import WaveformStore

Cli = Callable[..., Any]
Write = Callable[..., Path]
FILES = 9


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded: the reader checks the samples of each of them once."""
    names: list[str] = []
    original = reader.check_samples

    def check(samples: Any, *arguments: Any, path: str = "", **options: Any) -> Any:
        names.append(path)
        return original(samples, *arguments, path=path, **options)

    monkeypatch.setattr(reader, "check_samples", check)
    return names


@pytest.fixture
def gate(
    cli: Cli, tmp_path: Path, write_wave: Write, toy: ModuleType, monkeypatch: pytest.MonkeyPatch, decoded: list[str]
) -> Callable[..., Any]:
    """Gates ``new`` against ``old``, nine files each, with one predictor under two names; the cache starts empty."""
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "cache"))
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("1.0 0.5 0.25" if name == "a.txt" else "1.0 0.4 0.25")
    for side, offset in (("old", 0), ("new", 100)):
        for at in range(FILES):
            write_wave(tmp_path / side / f"t{at}.wav", 0.6 + 0.01 * at, seed=at + offset)
    time.sleep(0.05)  # beyond one tick of the clock of the file system

    def run(*more: object) -> Any:
        decoded.clear()
        return cli(
            "gate", "--baseline", tmp_path / "old", "--candidate", tmp_path / "new", "--min-n", 5, "--json",
            "--predictor", f"toy={tmp_path / 'a.txt'}", "--predictor", f"toy={tmp_path / 'b.txt'}", *more,
        )  # fmt: skip

    return run


def figures(outcome: Any) -> Any:
    return {name: value for name, value in outcome.json.items() if name not in ("time", "seconds")}


def test_every_file_is_decoded_once_and_none_when_nothing_changed(
    gate: Callable[..., Any], decoded: list[str], tmp_path: Path
) -> None:
    first = gate()
    assert first.code == 0 and len(decoded) == len(set(decoded)) == 2 * FILES
    again = gate()
    assert decoded == [] and figures(again) == figures(first)
    samples, rate = soundfile.read(tmp_path / "new" / "t3.wav")
    soundfile.write(tmp_path / "new" / "t3.wav", 0.5 * samples, rate)
    time.sleep(0.05)
    changed = gate()
    assert [Path(name).name for name in decoded] == ["t3.wav"]
    before, after = (outcome.json["pairs"] for outcome in (first, changed))
    assert [pair["key"] for pair, other in zip(before, after, strict=True) if pair != other] == ["t3"]
    fresh = gate("--no-cache")
    assert len(decoded) == 2 * FILES  # without the cache nothing is known
    for known, new in zip(after, fresh.json["pairs"], strict=True):  # other batches may change the last digits
        assert list(known["diff"].values()) == pytest.approx(list(new["diff"].values()), abs=1e-5)


def test_known_files_are_decoded_once_for_a_new_predictor(
    gate: Callable[..., Any], decoded: list[str], tmp_path: Path
) -> None:
    assert gate().code == 0
    (tmp_path / "a.txt").write_text("1.0 0.3 0.25")
    (tmp_path / "b.txt").write_text("1.0 0.2 0.25")
    assert gate().code == 0
    assert len(decoded) == len(set(decoded)) == 2 * FILES


def test_checks_of_known_files_are_those_of_their_decoding(
    gate: Callable[..., Any], decoded: list[str], tmp_path: Path
) -> None:
    samples, rate = soundfile.read(tmp_path / "new" / "t1.wav")
    soundfile.write(tmp_path / "new" / "t1.wav", np.stack([samples, 0.5 * samples], 1), rate)
    (tmp_path / "new" / "t2.wav").write_bytes(b"RIFF")
    time.sleep(0.05)
    first, again = gate(), gate()
    assert {finding["code"] for finding in first.json["findings"]} >= {"stereo_differs", "unreadable"}
    assert figures(first) == figures(again) and decoded == []  # a header that cannot be read has no samples


def test_samples_beyond_the_memory_are_kept_on_disk_and_stay_the_same(
    tmp_path: Path, write_wave: Write, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write_wave(tmp_path / f"{at}.wav", 0.5 + 0.1 * at, seed=at) for at in range(5)]
    with WaveformStore(AudioLimits(), memory=40_000) as store:
        facts = store.examine(paths)
        kept = [store.waveform(path) for path in paths]
        assert len(decoded) == len(paths)
    for path, known, waveform in zip(paths, facts, kept, strict=True):
        direct = reader.read_audio(path)
        assert isinstance(known, AudioFacts) and known.content == direct.content_sha256 == waveform.content_sha256
        assert waveform.samples.dtype == np.float32 and np.array_equal(waveform.samples, direct.samples)
    monkeypatch.setattr(waveforms.os, "pwrite", lambda *arguments: 0)  # type: ignore[attr-defined]  # a full disk
    decoded.clear()
    with WaveformStore(AudioLimits(), memory=0) as store:
        store.examine(paths)
        assert np.array_equal(store.waveform(paths[2]).samples, kept[2].samples) and len(decoded) == len(paths) + 1


def test_a_file_that_is_replaced_while_it_is_used_is_refused(tmp_path: Path, write_wave: Write) -> None:
    path = write_wave(tmp_path / "a.wav", 0.6, seed=1)
    time.sleep(0.05)
    known = KnownAudio(tmp_path / "audio.sqlite")
    with WaveformStore(AudioLimits(), known=known) as store:
        store.examine([path])
    with WaveformStore(AudioLimits(), known=known) as store:
        store.examine([path])
        write_wave(path, 0.7, seed=2)
        with pytest.raises(DataError, match="changed while it was being used"):
            store.waveform(path)


def test_facts_hold_for_one_file_as_it_is_and_one_set_of_limits(tmp_path: Path, write_wave: Write) -> None:
    path = write_wave(tmp_path / "a.wav", 0.6, seed=1)
    time.sleep(0.05)
    identity = file_identity(path, AudioLimits())
    shutil.copy(path, tmp_path / "b.wav")
    time.sleep(0.05)
    others = [file_identity(tmp_path / "b.wav", AudioLimits()), file_identity(path, AudioLimits(max_seconds=30))]
    write_wave(path, 0.6, seed=2)
    assert file_identity(path, AudioLimits()) != identity  # None within a tick of the change
    assert identity is not None and identity not in others
    assert file_identity(tmp_path / "absent.wav", AudioLimits()) is None


def test_a_store_that_cannot_be_used_costs_decoding_only(tmp_path: Path, write_wave: Write) -> None:
    path = write_wave(tmp_path / "a.wav", 0.6, seed=1)
    (tmp_path / "audio.sqlite").write_bytes(b"no database" * 100)
    known = KnownAudio(tmp_path / "audio.sqlite")
    assert known.problem
    with WaveformStore(AudioLimits(), known=known) as store:
        facts, error = store.examine([path, tmp_path / "absent.wav"])
        assert isinstance(facts, AudioFacts) and isinstance(error, AudioError) and error.code == "missing"
