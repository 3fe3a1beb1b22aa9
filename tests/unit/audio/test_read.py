"""The reader: every format, every way a file can be no audio, and what it never does (hang, follow a lying header)."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import struct
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from mosharness.harness.audio import decode
from mosharness.harness.audio.containers import mp3_frame
from mosharness.harness.audio.read import (
    AudioError,
    AudioLimits,
    Header,
    clip_from_array,
    printable,
    read_audio,
    read_header,
)


def codes(clip):
    return [finding.code for finding in clip.findings]


def error_code(source, limits=None):
    with pytest.raises(AudioError) as caught:
        read_audio(source, limits or AudioLimits())
    assert caught.value.reason
    return caught.value.code


@pytest.mark.parametrize(
    "case",
    [
        ("WAV", "PCM_U8", ".wav", 2**-7), ("WAV", "PCM_16", ".wav", 2**-15), ("WAV", "PCM_24", ".wav", 2**-23),
        ("WAV", "PCM_32", ".wav", 2**-24), ("WAV", "FLOAT", ".WAV", 0), ("WAV", "DOUBLE", ".wav", 0),
        ("WAV", "ULAW", ".wav", 0.02), ("WAV", "ALAW", ".wav", 0.02), ("WAV", "MS_ADPCM", ".wav", 0.05),
        ("WAVEX", "PCM_16", ".wav", 2**-15), ("RF64", "PCM_16", ".wav", 2**-15), ("FLAC", "PCM_16", ".flac", 2**-15),
        ("FLAC", "PCM_24", ".flac", 2**-23), ("AIFF", "PCM_16", ".aiff", 2**-15), ("AIFF", "FLOAT", ".aif", 0),
        ("MP3", None, ".mp3", 0.05), ("OGG", "VORBIS", ".ogg", 0.1), ("OGG", "OPUS", ".opus", 0.1),
    ],
)  # fmt: skip
def test_every_format_reads_without_findings(tmp_path, tone, case):
    format, subtype, suffix, tolerance = case
    file = tmp_path / f"clip{suffix}"
    # libsndfile's Opus encoder leaves a click at the end of some float signals
    written = np.round(tone * 32767).astype(np.int16) if subtype == "OPUS" else tone
    soundfile.write(file, written, 16_000, format=format, subtype=subtype)
    clip = read_audio(file)
    assert codes(clip) == []
    assert clip.sample_rate == 16_000
    assert clip.samples.dtype == np.float32
    assert clip.path == str(file)
    if subtype == "MS_ADPCM":  # its last block is filled up
        assert tone.size <= clip.samples.size < tone.size + 2048
    else:
        assert clip.samples.shape == tone.shape
    middle = slice(2000, 14_000)  # lossy codecs ring at the ends
    assert np.abs(clip.samples[middle] - tone[middle]).max() <= tolerance
    assert read_audio(file.read_bytes()).content_sha256 == clip.content_sha256


def test_header_says_length_rate_and_format(tmp_path, tone):
    file = tmp_path / "clip.flac"
    soundfile.write(file, np.stack([tone, tone], 1), 48_000)
    header = read_header(file)
    assert header == Header(16_000, 48_000, 2, "FLAC", "PCM_16")
    assert header.duration_s == pytest.approx(1 / 3)
    assert read_header(file.read_bytes()) == header


def test_digest_is_of_the_rate_and_the_samples_only(tmp_path, tone, encoded):
    integers = np.round(tone * 2**15).astype(np.int16)
    steps = integers / 2**15
    flac, wav = read_audio(encoded(integers, format="FLAC")), read_audio(encoded(steps, subtype="FLOAT"))
    expected = hashlib.sha256(b"16000\n" + steps.astype("<f4").tobytes()).hexdigest()
    assert flac.content_sha256 == wav.content_sha256 == expected
    assert read_audio(encoded(steps, 16_001)).content_sha256 != expected


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AudioError, match=r"absent\.wav: no such file") as caught:
        read_audio(tmp_path / "absent.wav")
    assert caught.value.code == "missing"


def test_a_file_below_a_file_is_missing(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    assert error_code(tmp_path / "file" / "clip.wav") == "missing"


def test_broken_links_and_link_loops_are_missing(tmp_path):
    (tmp_path / "broken.wav").symlink_to("gone.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    assert error_code(tmp_path / "broken.wav") == "missing"
    assert error_code(tmp_path / "loop.wav") == "missing"
    with pytest.raises(AudioError, match=r"a link to gone\.wav"):
        read_audio(tmp_path / "broken.wav")


def test_a_link_to_a_file_reads(tmp_path, tone):
    soundfile.write(tmp_path / "real.wav", tone, 16_000)
    (tmp_path / "link.wav").symlink_to("real.wav")
    assert read_audio(tmp_path / "link.wav").samples.size == tone.size


def test_names_with_nul_or_too_long_are_refused(tmp_path):
    assert error_code("a\0b.wav") == "missing"
    assert error_code(tmp_path / ("x" * 300 + ".wav")) == "unreadable"


@pytest.mark.timeout(20)
def test_pipes_sockets_devices_and_folders_neither_hang_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "device.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        place = Path.cwd()
        os.chdir(tmp_path)  # socket names are short
        try:
            server.bind("socket.wav")
        finally:
            os.chdir(place)
        for name in ("pipe.wav", "folder.wav", "device.wav", "socket.wav"):
            assert error_code(tmp_path / name) == "not_a_file"
    with pytest.raises(AudioError, match="this is a pipe"):
        read_header(tmp_path / "pipe.wav")


@pytest.mark.timeout(20)
def test_a_pipe_that_takes_the_place_of_the_file_does_not_hang(tmp_path, monkeypatch):
    file, ordinary = tmp_path / "clip.wav", tmp_path / "ordinary"
    os.mkfifo(file)
    ordinary.write_bytes(b"x")
    status = ordinary.stat()
    monkeypatch.setattr(decode.os, "stat", lambda path: status)
    assert error_code(file) == "not_a_file"


def test_permission_denied_is_said(tmp_path, tone, monkeypatch):
    file = tmp_path / "clip.wav"
    soundfile.write(file, tone, 16_000)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(decode.os, "open", refuse)
    assert error_code(file) == "permission"


@pytest.mark.parametrize(
    "content", [b"RIFF", b"once upon a time\n" * 50, b"\xff" * 5000, b"\0" * 5000, b"fLaC", b"ID3"]
)
def test_what_is_no_audio_is_unreadable(tmp_path, content):
    file = tmp_path / "clip.wav"
    file.write_bytes(content)
    assert error_code(file) == "unreadable"
    assert error_code(content) == "unreadable"
    with pytest.raises(AudioError) as caught:
        read_header(file)
    assert caught.value.code == "unreadable"


def test_zero_bytes_and_zero_samples_are_empty(tmp_path, encoded, raw_wav):
    (tmp_path / "clip.wav").write_bytes(b"")
    assert error_code(tmp_path / "clip.wav") == "empty"
    assert error_code(b"") == "empty"
    for format in ("WAV", "FLAC"):
        assert error_code(encoded(np.zeros(0), format=format)) == "empty"
    with pytest.raises(AudioError, match="was the writer interrupted"):
        read_audio(raw_wav(b"\0\1" * 1000, size=0))


def test_a_wav_that_ends_early_is_scored_with_a_warning(tone, encoded):
    whole = encoded(tone)
    assert codes(read_audio(whole)) == []
    clip = read_audio(whole[:-1000])
    assert codes(clip) == ["truncated"]
    assert clip.samples.size == tone.size - 500
    assert "32,000 bytes" in clip.reason
    assert "31,000" in clip.reason


@pytest.mark.parametrize("format", ["AIFF", "RF64", "WAVEX"])
def test_relatives_of_wav_that_end_early_warn(tone, encoded, format):
    whole = encoded(tone, format=format)
    assert codes(read_audio(whole)) == []
    assert codes(read_audio(whole[:-1000])) == ["truncated"]


def test_big_endian_wav_reads_and_warns(tone, raw_wav):
    data = np.round(tone * 32767).astype(">i2").tobytes()
    clip = read_audio(raw_wav(data, big_endian=True))
    assert codes(clip) == []
    assert np.abs(clip.samples - tone).max() < 1e-4
    assert codes(read_audio(raw_wav(data, big_endian=True, size=len(data) + 2))) == ["truncated"]


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_a_streamed_header_is_no_truncation(tone, raw_wav, size):
    clip = read_audio(raw_wav(np.round(tone * 32767).astype("<i2").tobytes(), size=size))
    assert codes(clip) == []
    assert clip.samples.size == tone.size


def test_a_cut_flac_is_unreadable_and_says_so(tone, encoded):
    noise = np.random.default_rng(0).normal(scale=0.1, size=160_000)
    with pytest.raises(AudioError, match="damaged or cut short") as caught:
        read_audio(encoded(noise, format="FLAC")[:-20_000])
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_cut_ogg_warns(encoded, subtype):
    noise = np.random.default_rng(0).normal(scale=0.1, size=480_000)
    whole = encoded(noise, 48_000, "OGG", subtype)
    assert codes(read_audio(whole)) == []
    last_page = whole.rindex(b"OggS")
    for end in (len(whole) - 1, last_page + 20, last_page):
        clip = read_audio(whole[:end])
        assert codes(clip) == ["truncated"]
        assert clip.samples.size < noise.size


def test_a_cut_mp3_warns(tone, encoded):
    whole = encoded(np.tile(tone, 5), format="MP3")
    assert codes(read_audio(whole)) == []
    assert codes(read_audio(whole[: len(whole) // 2])) == ["truncated"]


def test_an_mp3_whose_length_the_decoder_would_underestimate_is_read_to_its_end(encoded):
    rng = np.random.default_rng(0)
    quiet_then_loud = np.concatenate([np.sin(np.arange(80_000) / 10) * 0.3, rng.normal(scale=0.1, size=80_000)])
    memory = io.BytesIO()
    soundfile.write(memory, quiet_then_loud, 16_000, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    whole = memory.getvalue()
    stated = read_audio(whole)
    assert codes(stated) == []
    first_frame, _ = mp3_frame(whole[:4])  # it states the length
    assert soundfile.info(io.BytesIO(whole[first_frame:])).frames < 150_000
    clip = read_audio(whole[first_frame:])
    assert codes(clip) == []
    assert 160_000 <= clip.samples.size <= 160_000 + 2 * 2304
    delay = clip.samples.size - stated.samples.size  # without its header, the encoder's delay is not known
    assert any(np.allclose(clip.samples[at : at + 150_000], stated.samples[:150_000], atol=1e-3) for at in range(delay))


def test_a_suffix_that_lies_warns(tmp_path, tone, encoded):
    file = tmp_path / "clip.wav"
    file.write_bytes(encoded(tone, format="FLAC"))
    assert codes(read_audio(file)) == ["wrong_suffix"]
    for name in ("clip.flac", "clip", "clip.dat"):
        (tmp_path / name).write_bytes(file.read_bytes())
        assert codes(read_audio(tmp_path / name)) == []


@pytest.mark.parametrize(("sample_rate", "accepted"), [(3999, False), (4000, True), (384_000, True), (384_001, False)])
def test_the_sample_rate_must_be_within_limits(raw_wav, sample_rate, accepted):
    data = np.random.default_rng(0).integers(-9000, 9000, sample_rate).astype("<i2").tobytes()
    file = raw_wav(data, sample_rate=sample_rate)
    if accepted:
        assert codes(read_audio(file)) == []
    else:
        assert error_code(file) == "rate_out_of_range"


@pytest.mark.parametrize("sample_rate", [0, 1, 3_000_000, 2**32 - 1])
def test_absurd_sample_rates_are_refused(raw_wav, sample_rate):
    assert error_code(raw_wav(b"\1\2" * 100, sample_rate=sample_rate)) in {"rate_out_of_range", "unreadable"}


def test_no_channels_is_unreadable(raw_wav):
    assert error_code(raw_wav(b"\1\2" * 100, channels=0)) == "unreadable"


@pytest.mark.parametrize("channels", [3, 16, 255, 1000])
def test_many_channels_are_mixed_with_a_warning(tone, encoded, channels):
    weights = np.linspace(-1, 1, channels) + 0.5
    clip = read_audio(encoded(tone[:, None] * weights * 0.5, subtype="FLOAT"))
    assert codes(clip) == ["multichannel"]
    assert np.abs(clip.samples - 0.25 * tone).max() < 1e-6


def test_the_length_limit_is_read_from_the_header_before_decoding(tone, encoded, monkeypatch):
    def blocks(*_):
        pytest.fail("decoded")
        yield

    monkeypatch.setattr(decode, "_soundfile_blocks", blocks)
    assert error_code(encoded(np.tile(tone, 61))) == "too_long"


def test_a_clip_at_the_length_limit_passes_and_the_limit_can_be_lifted(tone, encoded):
    exact, over = encoded(np.tile(tone, 60)), encoded(np.append(np.tile(tone, 60), 0.1))
    assert codes(read_audio(exact)) == []
    assert error_code(over) == "too_long"
    assert read_audio(over, AudioLimits(max_seconds=None)).samples.size == 960_001
    assert error_code(over, AudioLimits(max_seconds=None, max_samples=960_000)) == "too_long"


def flac_claiming(data, frames):
    field = int.from_bytes(data[18:26], "big") >> 36 << 36 | frames
    return data[:18] + field.to_bytes(8, "big") + data[26:]


def test_a_flac_of_unstated_length_is_read_to_its_end(tone, encoded):
    stream = flac_claiming(encoded(tone, format="FLAC"), 0)
    assert read_audio(stream).samples.size == tone.size
    assert codes(read_audio(stream)) == []
    assert read_header(stream).frames == tone.size
    long = flac_claiming(encoded(np.tile(tone, 61), format="FLAC"), 0)
    assert error_code(long) == "too_long"


def test_a_header_that_lies_about_the_length_is_not_believed(tone, encoded):
    data = encoded(tone, format="FLAC")
    clip = read_audio(flac_claiming(data, 16_001))
    assert codes(clip) == ["truncated"]
    assert clip.samples.size == tone.size
    assert error_code(flac_claiming(data, 2**36 - 1)) == "too_long"


def test_endless_empty_chunks_do_not_keep_the_reader(tone, encoded):
    data = encoded(tone)
    hostile = data[:12] + b"junk" + struct.pack("<I", 0) + data[12:]
    assert read_audio(hostile).samples.size == tone.size
    hostile = data[:12] + (b"junk" + b"\0" * 4) * 200_000
    with pytest.raises(AudioError):
        read_audio(hostile)


def test_the_file_that_was_checked_is_the_file_that_is_decoded(tmp_path, tone, monkeypatch):
    file, other = tmp_path / "clip.wav", tmp_path / "other.wav"
    soundfile.write(file, tone, 16_000)
    soundfile.write(other, tone[:9000], 8000)
    opening = decode.open_whole

    def swap_then_open(source):
        other.replace(file)
        return opening(source)

    monkeypatch.setattr("mosharness.harness.audio.read.open_whole", swap_then_open)
    clip = read_audio(file)
    assert (clip.samples.size, clip.sample_rate) == (16_000, 16_000)


def test_reading_leaves_no_file_open(tmp_path, tone, encoded):
    (tmp_path / "good.wav").write_bytes(encoded(tone))
    (tmp_path / "bad.wav").write_bytes(b"nonsense" * 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        read_audio(tmp_path / "good.wav")
        error_code(tmp_path / "bad.wav")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


ODD_NAMES = ["new\nline", "-rf", "two words", "emoji 🎧", "tab\t", "日本語", "'\"$(x)", "e\u0301", "\u202egpj"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_read_and_print_on_one_line(tmp_path, tone, name):
    file = tmp_path / f"{name}.wav"
    soundfile.write(file, tone, 16_000)
    assert read_audio(file).samples.size == tone.size
    file.write_bytes(b"")
    with pytest.raises(AudioError) as caught:
        read_audio(file)
    assert len(str(caught.value).splitlines()) == 1
    assert "\u202e" not in str(caught.value)


def test_names_that_are_not_utf8_read_and_print(tmp_path, tone, encoded):
    file = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with open(file, "wb") as stream:  # noqa: PTH123 - the name is bytes
        stream.write(encoded(tone))
    path = Path(os.fsdecode(file))
    assert read_audio(path).samples.size == tone.size
    path.write_bytes(b"")
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    assert "caf\\xe9.wav" in str(caught.value)


def test_printable_changes_only_what_does_not_print():
    for text in ("plain.wav", "two words", "日本語　全角", "👩‍💻.wav", "-rf", "a\\b"):
        assert printable(text) == text
    assert printable("a\nb\x1b[31m\u202e\u2028") == "a\\nb\\x1b[31m\\u202e\\u2028"
    assert printable(b"\xff\xfe") == "\\xff\\xfe"
    assert printable("\ud83d") == "\\ud83d"


def test_threads_read_the_same_as_one_thread(tmp_path, encoded):
    rng = np.random.default_rng(0)
    files = []
    for number in range(24):
        file = tmp_path / f"{number}.{('wav', 'flac', 'ogg', 'mp3')[number % 4]}"
        soundfile.write(file, rng.normal(scale=0.1, size=(20_000 + number, 1 + number % 2)), 16_000)
        files.append(file)
    (tmp_path / "broken.wav").write_bytes(b"nonsense" * 99)
    files.append(tmp_path / "broken.wav")

    def digest(file):
        try:
            return read_audio(file).content_sha256
        except AudioError as error:
            return error.code

    alone = [digest(file) for file in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(digest, files * 4)) == alone * 4
    assert alone[-1] == "unreadable"
    assert len(set(alone)) == len(files)


class FakeDecoder:
    """What torchcodec's decoder does, on a stereo signal of 2.5 s at 8 kHz."""

    wave = np.random.default_rng(0).normal(scale=0.1, size=(2, 20_000)).astype(np.float32)

    def __init__(self, data):
        assert isinstance(data, bytes), "a path would let a playlist name other files"
        self.metadata = SimpleNamespace(
            sample_rate=8000,
            num_channels=2,
            duration_seconds=2.5,
            codec="aac",
            begin_stream_seconds=0.0,
            end_stream_seconds=2.5,
        )

    def get_samples_played_in_range(self, start, stop):
        import torch

        return SimpleNamespace(data=torch.from_numpy(self.wave[:, round(start * 8000) : round(stop * 8000)].copy()))


@pytest.fixture
def torchcodec(monkeypatch):
    package, decoders = types.ModuleType("torchcodec"), types.ModuleType("torchcodec.decoders")
    decoders.AudioDecoder = FakeDecoder
    monkeypatch.setitem(sys.modules, "torchcodec", package)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    return decoders


def test_other_suffixes_go_to_the_optional_decoder(tmp_path, torchcodec, monkeypatch):
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 5000)
    file = tmp_path / "clip.m4a"
    file.write_bytes(b"\0\0\0\x18ftypM4A " * 20)
    clip = read_audio(file)
    assert codes(clip) == ["stereo_differs"]
    assert np.array_equal(clip.samples, clip_from_array(FakeDecoder.wave.T, 8000).samples)
    assert read_header(file) == Header(20_000, 8000, 2, "M4A", "AAC")
    (tmp_path / "clip.wav").write_bytes(file.read_bytes())
    assert error_code(tmp_path / "clip.wav") == "unreadable"


@pytest.mark.parametrize("failure", [ImportError("no torchcodec"), RuntimeError("Could not load libtorchcodec")])
def test_without_the_optional_decoder_the_message_says_what_to_install(tmp_path, monkeypatch, failure):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("torchcodec"):
                raise failure

    for name in [name for name in sys.modules if name.startswith("torchcodec")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    file = tmp_path / "clip.m4a"
    file.write_bytes(b"\0\0\0\x18ftypM4A " * 20)
    with pytest.raises(AudioError, match=r"mosharness\[codec\]") as caught:
        read_audio(file)
    assert caught.value.code == "unreadable"


def test_real_speech_raises_no_finding(shared):
    files = sorted((shared / "data" / "tts" / "wav").rglob("*.flac"))
    assert files
    assert {str(file): codes(read_audio(file)) for file in files if codes(read_audio(file))} == {}
