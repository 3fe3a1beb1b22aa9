"""``fetch_snapshot`` against a local hub, behaving and misbehaving; and the libraries on the folders it gives."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mosharness.harness.core.errors import HubError
from mosharness.harness.hub import download, hub
from mosharness.harness.hub.hub import describe_cache, fetch_snapshot

from .server import COMMIT, LocalHub
from .test_file_download import sentence

CONFIG = json.dumps({"model_type": "wav2vec2", "hidden_size": 24}).encode()
WEIGHTS = bytes(range(256)) * 2000
PINNED = {"config.json": None, "model.bin": hashlib.sha256(WEIGHTS).hexdigest()}


def fetch(revision: str = COMMIT, repo_id: str = "owner/net", files: dict[str, str | None] | None = None) -> Path:
    return fetch_snapshot(repo_id, revision=revision, files=files or PINNED, what="the test backbone")


@pytest.fixture
def served(local_hub: LocalHub) -> LocalHub:
    local_hub.repos["models/owner/net"] = {"config.json": CONFIG, "model.bin": WEIGHTS, "huge.bin": b"unwanted"}
    return local_hub


def test_a_snapshot_has_the_wanted_files_only_and_is_asked_for_once(served: LocalHub) -> None:
    folder = fetch()
    assert folder.name == COMMIT and folder.is_relative_to(hub.hub_cache())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin"]
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    asked = list(served.asked)
    hub.set_offline(True)
    assert fetch() == folder and served.asked == asked


def test_a_branch_is_resolved_to_its_commit_and_known_offline_afterwards(served: LocalHub) -> None:
    assert fetch("main").name == COMMIT
    hub.set_offline(True)
    assert fetch("main").name == fetch(COMMIT).name == COMMIT


def test_files_placed_by_hand_are_taken_without_network(served: LocalHub) -> None:
    folder = hub.hub_cache() / "models--owner--net" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    (folder / "model.bin").write_bytes(WEIGHTS)
    assert fetch() == folder and served.asked == []


def test_a_damaged_cached_file_is_fetched_anew(served: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    (fetch() / "model.bin").resolve().write_bytes(b"x" + WEIGHTS[1:])
    assert (fetch() / "model.bin").read_bytes() == WEIGHTS
    assert "fetching it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "mode", "words"),
    [
        ("api", "gated", r"only users in who accept terms; accept them at http\S+/owner/net and log in"),
        pytest.param("api", "401", r"asks for a login \(401\); log in with", marks=pytest.mark.slow),
        ("api", "429", r"how often it may be asked \(429\)"),
        pytest.param("api", "500", r"fault of its own \(500\)", marks=pytest.mark.slow),
        ("file", "flip", r"model.bin has sha256 \w{12}… instead of \w{12}… and was removed; try again"),
    ],
)
def test_a_misbehaving_hub_gives_one_sentence(served: LocalHub, place: str, mode: str, words: str) -> None:
    served.fault = (place, mode)
    message = sentence(fetch)
    assert message.startswith("the test backbone (owner/net on the model hub) cannot be downloaded: ")
    assert re.search(words, message), message
    assert "pass --checkpoint PATH, or place the files in " in message
    if mode == "flip":
        served.fault = ("", "")
        assert (fetch() / "model.bin").read_bytes() == WEIGHTS, "a failure must not spoil the cache"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "mode", "words"),
    [
        ("tree", "429", r"how often it may be asked \(429\)"),
        ("tree", "500", r"fault of its own \(500\)"),
        ("file", "401", r"asks for a login \(401\)"),
        ("file", "403", r"forbids it \(403\)"),
        ("file", "404", r"no such file \(404\)"),
        ("file", "429", r"how often it may be asked \(429\)"),
        ("file", "500", r"fault of its own \(500\)"),
        ("file", "cut", r"the connection breaks off for 3 s|broke the connection off"),
        ("api", "hang", r"did not answer within 5 s"),
        ("tree", "hang", r"nothing arrived for 3 s"),
        ("file", "hang", r"nothing arrived for 3 s"),
        ("file", "stall", r"nothing arrived for 3 s"),
    ],
)
def test_a_hub_that_fails_after_the_probe_or_hangs_gives_one_sentence(
    served: LocalHub, place: str, mode: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place != "api":  # less patience than users have
        monkeypatch.setattr(download.transfer, "__defaults__", (None, 3.0))
    served.fault = (place, mode)
    message = sentence(fetch)
    assert re.search(words, message), message


def test_an_unknown_repository_revision_or_file_is_named(served: LocalHub) -> None:
    assert "no such model, or it is private; check the name" in sentence(lambda: fetch(repo_id="owner/nothing"))
    assert f"it has no revision {'f' * 40}" in sentence(lambda: fetch("f" * 40))
    assert "has no file absent.bin" in sentence(lambda: fetch(files={"absent.bin": None}))


def test_a_hub_that_is_not_there_gives_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert "127.0.0.1 refused the connection" in sentence(fetch)
    monkeypatch.setenv("HF_ENDPOINT", "https://mosharness.invalid")
    assert re.search("mosharness.invalid cannot be resolved|nothing arrived for 7 s", sentence(fetch))


def test_a_hub_cache_that_cannot_be_written_gives_one_sentence(
    served: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file"))
    assert re.search("the cache .* cannot be written; set", sentence(fetch))


def test_offline_says_which_files_are_wanted(served: LocalHub) -> None:
    hub.set_offline(True)
    message = sentence(fetch)
    assert "the cache lacks config.json, model.bin and downloads are off (--offline)" in message and served.asked == []


@pytest.mark.parametrize(("repo_id", "revision"), [("../x", COMMIT), ("a/b/c", COMMIT), ("a/b", "../x"), ("a/b", "")])
def test_names_that_could_leave_the_cache_are_refused(repo_id: str, revision: str) -> None:
    with pytest.raises(HubError, match=r"is no (name of a repository|revision)"):
        fetch_snapshot(repo_id, revision=revision, files={"a": None})
    with pytest.raises(ValueError, match="no path inside"):
        fetch_snapshot("a/b", revision=COMMIT, files={"../a": None})


def test_switching_offline_reaches_libraries_that_are_imported_already_and_can_be_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_EVALUATE_OFFLINE", "1")
    hub.set_offline(True)
    assert constants.is_offline_mode() and all(os.environ[name] == "1" for name in hub.OFFLINE_VARIABLES)
    hub.set_offline(False)
    assert not constants.is_offline_mode() and not hub.is_offline()
    assert os.environ.get("HF_HUB_OFFLINE") is None and os.environ["HF_EVALUATE_OFFLINE"] == "1"


def test_the_caches_can_be_described(served: LocalHub) -> None:
    fetch()
    (hub.cache_root() / "scores").mkdir(parents=True)
    (hub.cache_root() / "scores" / "a.npy").write_bytes(b"12345")
    entries = {(entry.what, entry.path.name): entry.bytes for entry in describe_cache()}
    assert entries["cache", "scores"] == 5
    assert entries["hub model", "models--owner--net"] >= len(WEIGHTS) + len(CONFIG)


def run_python(code: str, *arguments: object) -> str:
    """Run code in a fresh interpreter, where the libraries read the environment anew."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_transformers_and_datasets_read_the_fetched_folders_with_the_network_switched_off(served: LocalHub) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = io.BytesIO()
    pq.write_table(pa.table({"utterance_id": ["a", "b"], "mos": [1.0, 4.5]}), table)
    served.repos["datasets/owner/labels"] = {"data/test.parquet": table.getvalue()}
    model = fetch()
    data = fetch_snapshot("owner/labels", revision=COMMIT, files={"data/test.parquet": None}, kind="dataset")
    asked = list(served.asked)
    code = """
import sys
from mosharness.harness.hub.hub import set_offline
set_offline(True)
import datasets, transformers
print(transformers.AutoConfig.from_pretrained(sys.argv[1], local_files_only=True).hidden_size)
print(datasets.load_dataset("parquet", data_files={"test": sys.argv[2]}, split="test")["mos"][:])
print(datasets.load_dataset(sys.argv[3], split="test").num_rows)
"""
    assert run_python(code, model, data / "data" / "test.parquet", data).split("\n")[:3] == ["24", "[1.0, 4.5]", "2"]
    assert served.asked == asked
