"""Finding files: what counts as audio, what is passed over and counted, and ids that never collide."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from mosharness.harness.audio.discover import find_audio
from mosharness.harness.audio.suffixes import AUDIO_LIKE, AUDIO_SUFFIXES
from mosharness.harness.core.errors import DataError, UsageError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def ids(*paths):
    return [entry.utterance_id for entry in find_audio(paths).entries]


def test_folders_are_searched_recursively_in_order(tmp_path):
    touch(tmp_path, "b.wav", "a.flac", "sys2/x.mp3", "sys1/deep/y.opus", "sys1/z.AIFF", "q.Ogg", "r.aif")
    assert ids(tmp_path) == ["a", "b", "q", "r", "sys1/z", "sys1/deep/y", "sys2/x"]
    entry = find_audio([tmp_path]).entries[-1]
    assert entry.path == tmp_path / "sys2" / "x.mp3"
    assert {"wav", "flac", "mp3", "ogg", "opus", "aiff", "aif"} == {suffix[1:] for suffix in AUDIO_SUFFIXES}


def test_every_audio_like_file_is_a_row_whatever_reads_it(tmp_path):
    names = [f"x{number}{suffix}" for number, suffix in enumerate(sorted(AUDIO_LIKE))]
    touch(tmp_path, "film.mp4", "notes.txt", *names, *(name.upper() for name in names))
    found = find_audio([tmp_path])
    assert len(found.entries) == 2 * len(names)
    assert {".aac", ".m4a", ".wma", ".amr", ".webm", ".caf", ".au", ".pcm"} < AUDIO_LIKE
    assert found.ignored["other suffix"].count == 2


def test_a_file_is_called_by_its_name_without_suffix(tmp_path):
    touch(tmp_path, "deep/clip.v2.wav")
    assert ids(tmp_path / "deep" / "clip.v2.wav") == ["clip.v2"]
    assert ids(str(tmp_path / "deep" / "clip.v2.wav")) == ["clip.v2"]


def test_relative_paths_work(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav", "sub/b.wav", "sub/c.wav")
    monkeypatch.chdir(tmp_path)
    assert ids("a.wav") == ["a"]
    assert ids(".") == ["a", "sub/b", "sub/c"]
    monkeypatch.chdir(tmp_path / "sub")
    assert ids("..") == ["a", "sub/b", "sub/c"]
    assert ids("../a.wav", "b.wav") == ["a", "b"]


def test_other_and_hidden_files_are_counted_with_examples(tmp_path):
    touch(tmp_path, "a.wav", "notes.txt", "list.csv", "x.mid", "y.json", ".hidden.wav", ".git/b.wav")
    found = find_audio([tmp_path])
    assert [entry.utterance_id for entry in found.entries] == ["a"]
    assert found.ignored["other suffix"].count == 4
    assert len(found.ignored["other suffix"].examples) == 3
    assert found.ignored["hidden"].count == 2
    assert found.describe_ignored().startswith("2 hidden (")
    assert found.describe_ignored().endswith(", ...)")


def test_counts_of_several_folders_add_up(tmp_path):
    for name in ("one", "two"):
        touch(tmp_path, *(f"{name}/{number}.txt" for number in range(2)), f"{name}/{name}.wav")
    ignored = find_audio([tmp_path / "one", tmp_path / "two"]).ignored["other suffix"]
    assert ignored.count == 4
    assert len(ignored.examples) == 3


def test_links_to_folders_are_not_followed_but_counted_and_links_to_files_are_read(tmp_path):
    touch(tmp_path, "set/a.wav", "elsewhere/b.wav")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "c.wav").symlink_to(tmp_path / "elsewhere" / "b.wav")
    found = find_audio([tmp_path / "set"])
    assert [entry.utterance_id for entry in found.entries] == ["a", "c"]
    assert found.ignored["linked folder"].count == 2
    (tmp_path / "named").symlink_to(tmp_path / "set")
    assert ids(tmp_path / "named") == ["a", "c"]


def test_what_looks_like_audio_but_is_not_is_left_to_the_reader(tmp_path):
    touch(tmp_path, "a.wav")
    (tmp_path / "broken.wav").symlink_to("gone")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert ids(tmp_path) == ["a", "broken", "loop", "pipe"]


def test_colliding_files_keep_their_suffix_and_only_those(tmp_path):
    touch(tmp_path, "x.wav", "x.flac", "y.wav", "sub/x.wav")
    assert ids(tmp_path) == ["x.flac", "x.wav", "y", "sub/x"]
    assert ids(tmp_path / "x.wav", tmp_path / "x.flac") == ["x.wav", "x.flac"]


def test_a_suffix_that_was_kept_may_collide_in_turn(tmp_path):
    touch(tmp_path, "x.wav", "x.flac", "x.wav.wav")
    assert ids(tmp_path) == ["x.flac", "x.wav", "x.wav.wav"]


def test_suffixes_that_differ_in_case_are_kept_apart(tmp_path):
    touch(tmp_path, "x.wav", "x.WAV")
    assert ids(tmp_path) == ["x.WAV", "x.wav"]


def test_the_same_name_below_two_arguments_is_told_apart_by_the_path_they_do_not_share(tmp_path):
    touch(tmp_path, "sys1/a.wav", "sys2/a.wav", "sys2/b.wav")
    assert ids(tmp_path / "sys1", tmp_path / "sys2") == ["sys1/a.wav", "sys2/a.wav", "b"]
    assert ids(*sorted(tmp_path.glob("*/a.wav"))) == ["sys1/a.wav", "sys2/a.wav"]


def test_a_file_named_twice_is_read_once_and_counted(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav", "b.wav")
    monkeypatch.chdir(tmp_path)
    found = find_audio([tmp_path, "a.wav", "./a.wav"])
    assert [entry.utterance_id for entry in found.entries] == ["a", "b"]
    assert found.ignored["given twice"].count == 2


def test_names_equal_after_normalisation_are_refused(tmp_path):
    names = [unicodedata.normalize(form, "é.wav") for form in ("NFC", "NFD")]
    touch(tmp_path, *names)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system normalises names")
    with pytest.raises(DataError, match="would both be called"):
        find_audio([tmp_path])


def test_ids_are_normalised_and_printable(tmp_path):
    touch(tmp_path, unicodedata.normalize("NFD", "café.wav"), "new\nline.wav", "emoji 🎧.wav", "-rf.wav")
    (tmp_path / os.fsdecode(b"\xff.wav")).write_bytes(b"")
    found = {entry.utterance_id: entry.path for entry in find_audio([tmp_path]).entries}
    assert set(found) == {"café", "new\\nline", "emoji 🎧", "-rf", "\\xff"}
    assert all(path.exists() for path in found.values())
    for name in found:
        name.encode("utf-8")


def test_a_named_file_is_taken_whatever_its_suffix(tmp_path):
    touch(tmp_path, "clip.m4a", ".hidden.wav", "noext")
    assert ids(tmp_path / "clip.m4a", tmp_path / ".hidden.wav", tmp_path / "noext") == ["clip", ".hidden", "noext"]


def test_a_missing_argument_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"absent: No such file"):
        find_audio([tmp_path / "absent"])
    (tmp_path / "broken.wav").symlink_to("gone")
    with pytest.raises(UsageError, match="a link to gone, which cannot be reached"):
        find_audio([tmp_path / "broken.wav"])
    with pytest.raises(UsageError, match="NUL"):
        find_audio(["a\0b"])
    with pytest.raises(UsageError, match="no audio was named"):
        find_audio([])


def test_a_folder_without_audio_says_what_it_holds(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="it holds nothing"):
        find_audio([tmp_path / "empty"])
    touch(tmp_path, "texts/a.txt", "texts/b.mid", "texts/.c.wav")
    with pytest.raises(DataError, match=r"1 hidden \(.*2 other suffix \(.*a\.txt"):
        find_audio([tmp_path / "texts"])


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, monkeypatch):
    touch(tmp_path, "a.wav", "closed/b.wav")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("mosharness.harness.audio.discover.os.scandir", refuse)
    with pytest.raises(DataError, match="closed: the folder cannot be listed"):
        find_audio([tmp_path])
