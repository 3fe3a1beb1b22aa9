"""Portable copies: equal to the official layout, reproducible, readable by others, and safe to open."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

sys.path.append(str(Path(__file__).parent))
from layout_aes import write_eval_audio, write_labels, write_natural_audio
from layout_audio import write_wav
from layout_bvcc import write_bvcc
from layout_musiceval import write_phase
from mosharness.harness.core.errors import DataError, DataMissing, UsageError
from mosharness.harness.core.files import digest, dump_json, file_sha256, read_json, write_json
from mosharness.tasks import load_task, portable
from mosharness.tasks.base import MosTask, Row, TaskSplit
from mosharness.tasks.manifest import MANIFEST, is_portable
from mosharness.tasks.portable import read_portable_findings
from mosharness.tasks.prepare import prepare
from mosharness.tasks.unpack import clip_name, unpack

FULL = ("train", "dev", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def musiceval(root: Path) -> MosTask:
    return load_task("musiceval", write_phase(root / "MusicEval-full", FULL))


def bvcc(root: Path) -> MosTask:
    write_bvcc(root)
    return load_task("bvcc", root)


def aes_natural(root: Path) -> MosTask:
    write_natural_audio(write_labels(root), without="musiccaps")
    write_eval_audio(root)
    return load_task("aes_natural", root)


def folder(root: Path) -> MosTask:
    for name in ("s1/a.wav", "s2/a.wav", "s2/b.flac"):
        write_wav(root / name, 22_050)
    (root / "metadata.csv").write_text(
        "path,system_id,pq,split,text\ns1/a.wav,01,2,dev,x\ns2/a.wav,1,9,test,\ns2/b.flac,1,0,test,é\n"
    )
    return load_task("folder", root, scale="0-10")


def plain(rows: list[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key != "audio_path"} for row in rows]


def audio_bytes(loaded: TaskSplit) -> dict[str, bytes]:
    return {row["utterance_id"]: Path(row["audio_path"]).read_bytes() for row in loaded.rows if row["audio_path"]}


@pytest.mark.parametrize("make", [musiceval, bvcc, aes_natural, folder])
@pytest.mark.parametrize("audio", [True, False])
def test_a_copy_gives_the_rows_and_the_audio_of_the_official_layout(
    tmp_path: Path, make: Callable[[Path], MosTask], audio: bool
) -> None:
    task = make(tmp_path / "official")
    summary = prepare(task, tmp_path / "copy")
    assert not summary.absent
    official = {split: task.open(split, audio=audio) for split in task.card.splits}
    kept = {split: audio_bytes(loaded) for split, loaded in official.items()}
    shutil.rmtree(tmp_path / "official")
    copy = load_task(task.card.name, tmp_path / "copy")
    assert list(copy.card.splits) == list(official)
    for split, loaded in official.items():
        again = copy.open(split, audio=audio)
        assert plain(again.rows) == plain(loaded.rows)
        assert (again.digest, again.missing_audio) == (loaded.digest, loaded.missing_audio)
        assert audio_bytes(again) == kept[split]
        assert again.headers == loaded.headers
        assert again.dataset().features == loaded.dataset().features


def test_official_system_scores_travel_with_the_copy(tmp_path: Path) -> None:
    task = musiceval(tmp_path)
    summary = prepare(task, tmp_path / "copy")
    copy = load_task("musiceval", tmp_path / "copy")
    assert copy.system_truth("dev") == task.system_truth("dev")
    assert [summary.splits[split].system_truth for split in FULL] == [True, True, False]
    with pytest.raises(DataError, match="no official system scores of musiceval/test"):
        copy.system_truth("test")


def test_what_the_loader_noted_travels_with_the_copy(tmp_path: Path) -> None:
    prepare(aes_natural(tmp_path / "official"), tmp_path / "copy")
    findings = {finding.code: finding.message for finding in read_portable_findings(tmp_path / "copy", "train")}
    assert "MusicCaps 0/1" in findings["audio_by_source"]
    assert "natural clips have no systems" in findings["systems_not_official"]
    assert str(tmp_path) not in (tmp_path / "copy" / MANIFEST).read_text()


def test_the_same_download_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    for place in ("one", "two/deeper"):
        prepare(musiceval(tmp_path / place / "official"), tmp_path / place / "copy")
    for path in sorted((tmp_path / "one/copy").iterdir()):
        assert file_sha256(path) == file_sha256(tmp_path / "two/deeper/copy" / path.name), path.name


def test_a_copy_of_a_copy_is_the_same_copy(tmp_path: Path) -> None:
    prepare(bvcc(tmp_path / "official"), tmp_path / "copy")
    prepare(load_task("bvcc", tmp_path / "copy"), tmp_path / "again")
    for split in FULL:
        one, two = (load_task("bvcc", tmp_path / name).open(split) for name in ("copy", "again"))
        assert plain(one.rows) == plain(two.rows)
        assert audio_bytes(one) == audio_bytes(two)


def test_the_datasets_library_opens_the_files_and_casts_the_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    task = musiceval(tmp_path)
    prepare(task, tmp_path / "copy")
    files = {split: str(tmp_path / "copy" / f"{split}.parquet") for split in FULL}
    table = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "hf"))
    table = table.cast_column("audio", datasets.Audio(decode=False))
    for split in FULL:
        for row, official in zip(table[split], task.open(split).rows, strict=True):
            assert row["audio"]["bytes"] == Path(official["audio_path"]).read_bytes()
            assert row["audio"]["path"] == Path(official["audio_path"]).name
            assert (row["mi"], row["ta"], row["text"]) == (official["mi"], official["ta"], official["text"])


def test_memory_is_bounded_by_row_groups_and_audio_is_stored_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr(portable, "ROW_GROUP_BYTES", 10_000)
    task = musiceval(tmp_path)
    prepare(task, tmp_path / "copy")
    with pq.ParquetFile(tmp_path / "copy" / "train.parquet") as file:
        size = Path(task.open("train").rows[0]["audio_path"]).stat().st_size  # 0.2 s at 16 kHz
        assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [-(-10_000 // size)] * 2
        group = file.metadata.row_group(0)
        kinds = {group.column(at).path_in_schema: group.column(at).compression for at in range(group.num_columns)}
    assert kinds.pop("audio.bytes") == "UNCOMPRESSED"
    assert set(kinds.values()) == {"ZSTD"}
    assert audio_bytes(load_task("musiceval", tmp_path / "copy").open("train")) == audio_bytes(task.open("train"))


# --- what prepare reports ---------------------------------------------------------------------------------------------


def test_missing_silent_and_broken_clips_are_reported_and_kept(tmp_path: Path) -> None:
    task = musiceval(tmp_path)
    rows = task.open("train").rows
    Path(rows[0]["audio_path"]).unlink()
    Path(rows[1]["audio_path"]).write_text("no sound at all")
    soundfile.write(rows[2]["audio_path"], np.zeros(16_000), 16_000)
    summary = prepare(task, tmp_path / "copy")
    train = summary.splits["train"]
    assert train.missing_audio == (rows[0]["utterance_id"],)
    assert train.unusable == {"silent": (rows[2]["utterance_id"],), "unreadable": (rows[1]["utterance_id"],)}
    assert not summary.complete
    assert len(load_task("musiceval", tmp_path / "copy").open("train").rows) == 4
    text = str(summary)
    assert f"audio silent: 1 ({rows[2]['utterance_id']})" in text
    assert f"no audio file: 1 ({rows[0]['utterance_id']})" in text
    assert json.loads(dump_json(dataclasses.asdict(summary)))["splits"]["train"]["clips"] == 4


def test_splits_that_the_download_lacks_are_named_with_the_reason(tmp_path: Path) -> None:
    task = load_task("musiceval", write_phase(tmp_path / "MusicEval-phase1", ("train", "dev")))
    summary = prepare(task, tmp_path / "copy")
    assert list(summary.splits) == ["train", "dev"]
    assert "test labels come with MusicEval-full" in summary.absent["test"]
    assert not summary.complete
    with pytest.raises(DataError, match=r"holds dev, train, not test: it was not in the download"):
        load_task("musiceval", tmp_path / "copy").open("test")


def test_a_complete_download_is_called_complete(tmp_path: Path) -> None:
    summary = prepare(musiceval(tmp_path), tmp_path / "copy")
    assert summary.complete
    assert summary.bytes == sum(path.stat().st_size for path in (tmp_path / "copy").iterdir())
    assert [part.duration_s for part in summary.splits.values()] == pytest.approx([0.8, 0.4, 0.6])


def test_labels_alone_can_be_copied(tmp_path: Path) -> None:
    task = musiceval(tmp_path)
    assert not prepare(task, tmp_path / "copy", audio=False).complete
    loaded = load_task("musiceval", tmp_path / "copy").open("dev")
    assert [row["mi"] for row in loaded.rows] == [row["mi"] for row in task.open("dev", audio=False).rows]
    assert len(loaded.missing_audio) == 2


def test_a_download_of_something_else_is_an_error_that_lists_every_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no split of musiceval can be read:\n  train: (.|\n)*\n  test: "):
        prepare(load_task("musiceval", tmp_path / "empty"), tmp_path / "copy")
    with pytest.raises(DataMissing):
        prepare(load_task("musiceval", tmp_path / "absent"), tmp_path / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


# --- where it is written ----------------------------------------------------------------------------------------------


def test_an_older_copy_is_replaced_and_anything_else_is_left_alone(tmp_path: Path) -> None:
    task = musiceval(tmp_path)
    prepare(task, tmp_path / "copy")
    edit(tmp_path / "copy", license="old")
    prepare(task, tmp_path / "copy")
    assert read_json(tmp_path / "copy" / MANIFEST)["license"] == task.card.license
    assert {path.name for path in tmp_path.iterdir()} == {"MusicEval-full", "copy"}
    (tmp_path / "copy" / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match=r"notes\.txt, which would be lost"):
        prepare(task, tmp_path / "copy")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="exists and is no portable copy"):
        prepare(task, tmp_path / "other")
    with pytest.raises(UsageError, match="cannot take the place of the download"):
        prepare(task, task.root())
    with pytest.raises(UsageError, match="holds a portable copy of musiceval"):
        prepare(bvcc(tmp_path / "bvcc"), tmp_path / "copy")
    assert (tmp_path / "other" / "thesis.tex").is_file()


def test_a_failure_leaves_the_old_copy_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = musiceval(tmp_path / "official")
    prepare(task, tmp_path / "copy")
    before = {path.name: file_sha256(path) for path in (tmp_path / "copy").iterdir()}

    def fail(*_: Any, **__: Any) -> list[Row]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mosharness.tasks.prepare.read_portable", fail)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); free space"):
        prepare(task, tmp_path / "copy")
    assert {path.name: file_sha256(path) for path in (tmp_path / "copy").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"official", "copy"}


# --- copies that are not what they should be --------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    prepare(musiceval(tmp_path / "official"), tmp_path / "copy")
    return tmp_path / "copy"


def edit(copy: Path, **changes: Any) -> None:
    write_json(copy / MANIFEST, read_json(copy / MANIFEST) | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"task": "bvcc"}, "a portable copy of task bvcc, not of musiceval"),
        ({"version": 0}, r"version 0, the loader here is version 1; run `mosharness prepare`"),
        ({"dimensions": ["ta", "mi"]}, "has the dimensions ta, mi; musiceval has mi, ta"),
        ({"schema": "mosharness.task/2"}, "schema 'mosharness.task/2'"),
        (
            {"splits": []},
            r"task\.json: \$\.splits: expected `object`, got `array`; run `mosharness prepare`",
        ),
        ({"splits": {"dev": {"clips": 2}}}, r"\$\.splits\.dev: object missing required field `bytes`"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy: Path, changes: dict[str, Any], expected: str) -> None:
    edit(copy, **changes)
    with pytest.raises(DataError, match=expected):
        load_task("musiceval", copy).open("dev")


def test_an_older_version_of_the_task_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = load_task("musiceval", copy)
    monkeypatch.setattr(type(task), "card", dataclasses.replace(task.card, version=7))
    with pytest.raises(DataError, match="version 1, the loader here is version 7"):
        task.open("dev")


def test_a_manifest_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_text("{")
    assert is_portable(copy)
    with pytest.raises(DataError, match="not a readable JSON file"):
        load_task("musiceval", copy).open("dev")


def test_a_cut_file_and_an_absent_file_are_noticed_at_once(copy: Path) -> None:
    path = copy / "dev.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"dev\.parquet: \d+ bytes, the manifest says \d+: cut or replaced"):
        load_task("musiceval", copy).open("dev", audio=False)
    path.unlink()
    with pytest.raises(DataError, match=r"dev\.parquet: the file is absent"):
        load_task("musiceval", copy).open("dev", audio=False)


def test_a_changed_byte_of_audio_is_noticed_when_the_audio_is_unpacked(copy: Path, cache: Path) -> None:
    path = copy / "dev.parquet"
    data = bytearray(path.read_bytes())
    data[data.index(b"WAVE") + 200] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="sha256 differs"):
        load_task("musiceval", copy).open("dev")
    assert [item for item in cache.rglob("*") if item.is_file()] == []


def test_changed_labels_are_noticed_without_reading_the_audio(copy: Path) -> None:
    manifest = read_json(copy / MANIFEST)
    manifest["splits"]["dev"]["labels"] = digest("other labels")
    write_json(copy / MANIFEST, manifest)
    with pytest.raises(DataError, match="the labels of dev are not those"):
        load_task("musiceval", copy).open("dev", audio=False)


def test_hostile_ids_and_paths_stay_inside_the_cache(copy: Path, cache: Path, tmp_path: Path) -> None:
    card = load_task("musiceval").card
    names = ["../../escape", "/tmp/escape", "a\x00b", "C:\\windows\\x", "...", "x" * 300, "a/b", "a_b", "ä", "日本"]
    rows = []
    for at, name in enumerate(names):
        write_wav(tmp_path / "hostile" / f"{at}.wav", 16_000)
        row = {**load_task("musiceval", copy).open("dev", audio=False).rows[0], "utterance_id": name}
        rows.append(
            {**row, "mi": 1 + at / 10, "ta": 5 - at / 10, "audio_path": str(tmp_path / "hostile" / f"{at}.wav")}
        )
    path = copy / "dev.parquet"
    portable.write_split(path, card.dimensions, rows, audio=True)
    poison_paths(path, "../../../../escape.sh")
    entry = {"clips": len(rows), "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    edit(copy, splits={"dev": {**entry, "labels": portable.labels_digest(card, rows)}})
    before = {item for item in tmp_path.rglob("*") if not item.is_relative_to(cache)}
    loaded = load_task("musiceval", copy).open("dev")
    places = {row["utterance_id"]: Path(row["audio_path"]) for row in loaded.rows}
    assert set(places) == set(names)
    assert len({str(place).lower() for place in places.values()}) == len(names)
    assert {place.parent.parent for place in places.values()} == {cache / "musiceval"}
    assert {item for item in tmp_path.rglob("*") if not item.is_relative_to(cache)} == before
    for at, name in enumerate(names):
        assert places[name].read_bytes() == (tmp_path / "hostile" / f"{at}.wav").read_bytes()


def poison_paths(path: Path, name: str) -> None:
    """Rewrite the file with ``name`` as the path of every clip."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        row["audio"]["path"] = name
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


# --- the unpacked audio -----------------------------------------------------------------------------------------------


def test_audio_is_unpacked_once_and_mended_when_it_was_damaged(copy: Path) -> None:
    task = load_task("musiceval", copy)
    paths = [Path(row["audio_path"]) for row in task.open("dev").rows]
    kept = [(path.stat().st_ino, path.read_bytes()) for path in paths]
    assert [(path.stat().st_ino, path.read_bytes()) for path in paths if task.open("dev")] == kept
    paths[0].unlink()
    paths[1].write_bytes(b"cut")
    task.open("dev")
    assert [path.read_bytes() for path in paths] == [data for _, data in kept]


def test_two_readers_at_once_get_the_same_files(tmp_path: Path) -> None:
    def clips() -> list[tuple[str, str, bytes]]:
        return [(f"clip {at}", "x.wav", bytes([at]) * 1000) for at in range(50)]

    with ThreadPoolExecutor(8) as pool:
        tables = list(pool.map(lambda _: unpack(tmp_path / "folder", clips), range(8)))
    assert all(table == tables[0] for table in tables)
    assert all(Path(path).stat().st_size == 1000 for path in tables[0].values())
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_stop_half_way_leaves_nothing(tmp_path: Path) -> None:
    def clips() -> Any:
        yield "one", "x.wav", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "folder", clips)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_in_the_way_of_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    with pytest.raises(DataError, match="set MOSHARNESS_CACHE to another folder"):
        unpack(tmp_path / "cache" / "folder", lambda: [("one", "x.wav", b"1")])


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".flac", "", ".tar gz", "./../x", ".exe\x00"])
def test_file_names_are_plain_and_differ_for_different_ids(suffix: str) -> None:
    name = clip_name("a/../b c", f"clip{suffix}")
    assert name == Path(name).name
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert clip_name("a/b") != clip_name("a_b")
