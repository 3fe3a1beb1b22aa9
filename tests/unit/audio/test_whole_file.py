"""A whole file is heard, or its row fails: streams end to end, samples behind the declared ones, destroyed parts."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mosharness.harness.audio.containers import mp3_frame
from mosharness.harness.audio.read import read_audio, read_header
from mosharness.harness.audio.streams import streams_of
from mosharness.harness.core.errors import AudioError

RATE = 16_000


def wave(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.1, size=int(seconds * RATE))


def encode(samples: np.ndarray, kind: str, rate: int = RATE) -> bytes:
    options = {
        "mp3": {"format": "MP3"},
        "ogg": {"format": "OGG", "subtype": "VORBIS"},
        "opus": {"format": "OGG", "subtype": "OPUS"},
        "wav": {"format": "WAV"},
        "flac": {"format": "FLAC"},
    }
    memory = io.BytesIO()
    soundfile.write(memory, samples, rate, **options[kind])
    return memory.getvalue()


def code_of(data: bytes | Path) -> str:
    with pytest.raises(AudioError) as caught:
        read_audio(data)
    return caught.value.code


@pytest.mark.parametrize(("name", "seconds"), [("base.wav", 5.519), ("concat.mp3", 11.038), ("chained.ogg", 11.038)])
def test_real_cases_are_heard_whole(shared: Path, name: str, seconds: float) -> None:
    file = shared / "cases/audio" / name
    assert read_audio(file).duration_s == pytest.approx(seconds, abs=0.08)
    assert read_header(file).duration_s == pytest.approx(read_audio(file).duration_s)


def test_the_real_header_that_declares_too_little_fails(shared: Path) -> None:
    with pytest.raises(AudioError, match=r"declares 32,000 bytes.*144,610 more follow") as caught:
        read_audio(shared / "cases/audio/under_declared.wav")
    assert caught.value.code == "partly_decoded"


def test_another_format_under_a_wav_name_says_what_it_is_and_what_reads_it(shared: Path) -> None:
    with pytest.raises(AudioError, match=r"M4A.*not what \.wav says.*mosharness\[codec\]") as caught:
        read_audio(shared / "cases/audio/m4a_named.wav")
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("kind", ["mp3", "ogg", "opus"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_streams_end_to_end_are_the_streams_one_after_the_other(kind: str, count: int) -> None:
    parts = [encode(wave(0.7 + 0.3 * at, at), kind) for at in range(count)]
    alone = np.concatenate([read_audio(part).samples for part in parts])
    together = read_audio(b"".join(parts))
    assert np.array_equal(together.samples, alone)
    assert read_header(b"".join(parts)).frames == alone.size


def test_mp3_streams_without_length_headers_or_with_tags_are_heard_whole() -> None:
    def bare(data: bytes) -> bytes:
        return data[mp3_frame(data[:4])[0] :]

    tag = b"ID3\x04\0\0" + bytes([0, 0, 0, 50]) + bytes(50)
    first, second = encode(wave(1, 0), "mp3"), encode(wave(2, 1), "mp3")
    for data in (bare(first) + bare(second), tag + bare(first) + tag + second, first + b"TAG" + bytes(125)):
        expected = 1.0 if data.endswith(bytes(125)) else 3.0
        assert read_audio(data).duration_s == pytest.approx(expected, abs=0.3)


def ape(size: int) -> bytes:
    ends = [struct.pack("<IIII", 2000, size + 32, 1, flags) + bytes(8) for flags in (0xA000_0000, 0x8000_0000)]
    return b"APETAGEX" + ends[0] + b"x" * size + b"APETAGEX" + ends[1]


TAGS = {
    "none": b"",
    "id3v1": b"TAG" + bytes(125),
    "id3v1 twice": 2 * (b"TAG" + bytes(125)),
    "enhanced": b"TAG+" + bytes(223) + b"TAG" + bytes(125),
    "ape": ape(300) + b"TAG" + bytes(125),
    "large ape": ape(30_000),
    "lyrics": b"LYRICSBEGIN" + b"a" * 100 + b"000111LYRICS200" + b"TAG" + bytes(125),
    "id3v2 with a footer": b"ID3\x04\0\x10\0\0\0\x32" + bytes(50) + b"3DI\x04\0\x10\0\0\0\x32",
}


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("bare", [False, True])
def test_mp3_streams_behind_tags_and_behind_a_declared_length_are_heard(tag: str, bare: bool) -> None:
    first, second = encode(wave(1, 0), "mp3"), encode(wave(2, 1), "mp3")
    second = second[mp3_frame(second[:4])[0] :] if bare else second
    data = first + TAGS[tag] + second + TAGS[tag]
    assert read_audio(data).duration_s == pytest.approx(3.0, abs=0.2)
    assert read_header(data).duration_s == pytest.approx(read_audio(data).duration_s)
    assert read_audio(first + TAGS[tag]).samples.size == RATE


@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.0])
@pytest.mark.parametrize("filling", [0, 1])
def test_a_destroyed_half_of_a_short_mp3_fails(seconds: float, filling: int) -> None:
    data = encode(wave(seconds, 0), "mp3")
    lost = len(data) // 2
    filled = np.random.default_rng(1).bytes(lost) if filling else bytes(lost)
    assert code_of(data[:-lost] + filled) == "partly_decoded"


@pytest.mark.parametrize(
    ("kind", "at", "size"),
    [("AIFF", b"SSND", ">I"), ("AU", b".snd", ">4xI"), ("CAF", b"data", ">Q"), ("FLAC", b"", "")],
)
def test_other_headers_that_declare_less_than_the_file_holds_fail(kind: str, at: bytes, size: str) -> None:
    memory = io.BytesIO()
    soundfile.write(memory, wave(4, 0), RATE, format=kind)
    data = bytearray(memory.getvalue())
    assert read_audio(bytes(data)).samples.size == 4 * RATE
    if kind == "FLAC":
        declared = int.from_bytes(data[18:26], "big")
        data[18:26] = (declared - 3 * RATE).to_bytes(8, "big")
    else:
        struct.pack_into(size, data, data.index(at) + 4, 32_000)
    assert code_of(bytes(data)) == "partly_decoded"


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_streams_of_different_rates_fail(kind: str) -> None:
    assert code_of(encode(wave(1, 0), kind) + encode(wave(1, 1), kind, rate=24_000)) == "partly_decoded"


@pytest.mark.parametrize("kind", ["mp3", "ogg", "opus", "flac"])
@pytest.mark.parametrize("filling", ["zeros", "noise", "text"])
def test_a_destroyed_second_half_never_scores(kind: str, filling: str) -> None:
    data = encode(wave(8, 0), kind)
    half = len(data) // 2
    assert half > 8192, "the loss must be one that can be heard"
    fill: dict[str, Callable[[int], bytes]] = {
        "zeros": bytes,
        "noise": lambda count: np.random.default_rng(1).bytes(count),
        "text": lambda count: (b"<html>404 not found</html>" * count)[:count],
    }
    assert code_of(data[:half] + fill[filling](len(data) - half)) in {"partly_decoded", "unreadable"}


def test_chunks_and_padding_behind_the_samples_are_no_loss() -> None:
    data = encode(wave(1, 0), "wav")
    for behind in (
        b"LIST" + struct.pack("<I", 10) + b"INFOabcdef",
        bytes(512),
        b"id3 " + struct.pack("<I", 3) + b"abc\0",
    ):
        assert read_audio(data + behind).samples.size == RATE


@pytest.mark.parametrize("declared", [0.1, 0.5, 0.9])
def test_a_header_that_declares_less_than_the_file_holds_fails(declared: float) -> None:
    data = bytearray(encode(wave(2, 0), "wav"))
    at = data.index(b"data") + 4
    (size,) = struct.unpack("<I", data[at : at + 4])
    data[at : at + 4] = struct.pack("<I", int(size * declared) // 2 * 2)
    assert code_of(bytes(data)) == "partly_decoded"


def test_two_wav_files_in_one_fail() -> None:
    assert code_of(encode(wave(1, 0), "wav") + encode(wave(1, 1), "wav")) in {"partly_decoded", "unreadable"}


def test_walking_random_bytes_ends() -> None:
    for seed in range(50):
        data = np.random.default_rng(seed).bytes(20_000)
        for head in (b"ID3\x04\0\0\0\0\0\0", b"OggS", b"RIFF\0\0\0\0WAVE", b"\xff\xfb\x90\x00", b""):
            text = head + data
            found = streams_of(lambda at, count, text=text: text[at : at + count], len(text))
            assert sum(size for _, size in found.parts) <= len(text)
