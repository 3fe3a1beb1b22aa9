"""Data sets of the hub as tasks: guessed and given columns, downloaded, streamed, offline, interrupted."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from mosharness.harness.core.errors import DataError, HubError, MosharnessError, UnknownName
from mosharness.harness.hub.hub import set_offline
from mosharness.tasks import TASKS, load_task
from mosharness.tasks.hubcolumns import find_columns

from .server import COMMIT, LocalHub

Cli = Callable[..., Any]
NAME = "hf:own/rated"


@pytest.fixture(autouse=True)
def only_for_one_test() -> Iterator[None]:
    before = set(TASKS)
    yield
    for name in set(TASKS) - before:
        del TASKS._entries[name], TASKS._origins[name]


def parquet(first: int, count: int, *, ids: bool = True, **more: list[Any]) -> bytes:
    """A shard as the hub has them: an audio struct, a label, a system."""
    audio = []
    for at in range(first, first + count):
        stream = io.BytesIO()
        noise = np.random.default_rng(at).standard_normal(3200) * 0.02 * (1 + at % 5)
        soundfile.write(stream, noise.clip(-0.99, 0.99), 8000, format="WAV")
        audio.append({"bytes": stream.getvalue(), "path": f"clip{at:03d}.wav"})
    columns: dict[str, Any] = {"audio": audio, "system": [f"s{at % 4}" for at in range(first, first + count)]}
    columns |= {"mos": [1.0 + (at % 5) * 0.75 for at in range(first, first + count)]}
    columns |= {"utt_id": [f"u{at:03d}" for at in range(first, first + count)]} if ids else {}
    table = pa.table(columns | more)
    about = {"info": {"features": {"audio": {"_type": "Audio"}, **{
        name: {"dtype": "string" if pa.types.is_string(kind.type) else "float64", "_type": "Value"}
        for name, kind in zip(table.schema.names, table.schema, strict=True) if name != "audio"
    }}}}  # fmt: skip
    stream = io.BytesIO()
    declared = {"huggingface": json.dumps(about)} if not more else {}
    pq.write_table(table.replace_schema_metadata(declared), stream)
    return stream.getvalue()


@pytest.fixture
def rated(local_hub: LocalHub) -> LocalHub:
    local_hub.repos["datasets/own/rated"] = {
        "README.md": b"# rated",
        "data/train-00000-of-00001.parquet": parquet(0, 10),
        "data/validation-00000-of-00001.parquet": parquet(10, 4),
        "data/test-00000-of-00002.parquet": parquet(20, 5),
        "data/test-00001-of-00002.parquet": parquet(25, 3),
    }
    return local_hub


def test_a_data_set_is_a_task_with_its_revision(rated: LocalHub) -> None:
    task = load_task(NAME)
    test = task.open("test")
    assert task.card.name == "hf-own-rated" and list(task.card.splits) == ["train", "dev", "test"]
    assert len(test.rows) == 8 and test.n_systems == 4 and not test.missing_audio
    row = test.rows[6]
    assert row["utterance_id"] == "u026" and row["mos"] == 1.75 and row["sample_rate"] == 8000
    samples, _ = soundfile.read(row["audio_path"])
    assert samples.std() == pytest.approx(0.04, rel=0.1), "the audio of clip 26, not of another row"
    said = next(finding.message for finding in test.findings if finding.code == "hub")
    assert COMMIT in said and "audio = audio" in said and "system_id = system" in said and "mos = mos" in said
    assert load_task(f"{NAME}@{COMMIT}").open("test").digest == test.digest
    assert not any("train" in one for one in rated.asked if "resolve" in one), "only what is needed is fetched"


def test_offline_it_is_what_it_was(rated: LocalHub) -> None:
    online = load_task(NAME).open("test")
    asked = len(rated.asked)
    set_offline(True)
    assert load_task(NAME).open("test").digest == online.digest and len(rated.asked) == asked
    with pytest.raises(HubError, match="the cache lacks"):
        load_task(NAME).open("train")
    with pytest.raises(HubError, match="not known on this machine"):
        load_task("hf:own/other").open("test")


@pytest.mark.slow
def test_a_run_of_it_is_stored_under_its_name_and_goes_on(rated: LocalHub, cli: Cli, tmp_path: Path) -> None:
    rated.fault = ("file", "gated")
    failed = cli("run", "--task", NAME, "--predictor", "dsp", "--train", "--output", tmp_path / "out")
    assert failed.code not in (0, 1) and "own/rated" in failed.err and "Traceback" not in failed.err
    rated.fault = ("", "")
    outcome = cli("run", "--task", NAME, "--predictor", "dsp", "--train", "--output", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    result = json.loads((tmp_path / "out/hf-own-rated/test/dsp/result.json").read_text())
    assert any(COMMIT in finding["message"] for finding in result["findings"]) and result["counts"]["scored"] == 8


STREAM = """
import sys
from mosharness.tasks import load_task
task = load_task("hf:own/rated", streaming=True)
test = task.open("test")
print(test.digest, sum(bool(row["audio_path"]) for row in test.rows))
"""


LIMITED = """
from mosharness.tasks import load_task
task = load_task("hf:own/rated", streaming=True)
task.only = (2, None)
test = task.open("test")
print([row["utterance_id"] for row in test.rows if row["audio_path"]], len(test.rows), len(test.missing_audio))
"""


@pytest.mark.slow
def test_streamed_with_a_limit_it_fetches_the_audio_of_those_clips(rated: LocalHub, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_ENDPOINT": rated.url},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip().splitlines()[-1] == "['u020', 'u021'] 8 0"
    assert len(list((Path(os.environ["MOSHARNESS_CACHE"]) / "hub-audio").rglob("*.wav"))) == 2


@pytest.mark.slow
def test_streamed_it_is_the_same_and_keeps_no_parquet(rated: LocalHub, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STREAM],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_ENDPOINT": rated.url},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not list((tmp_path / "hf").rglob("*.parquet"))
    assert done.stdout.split()[-2:] == [load_task(NAME).open("test").digest, "8"]


def test_a_downloaded_repository_is_read_from_its_folder(rated: LocalHub, tmp_path: Path) -> None:
    root = tmp_path / "download"
    for name, body in rated.repos["datasets/own/rated"].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(body)
    asked = len(rated.asked)
    local = load_task(NAME, root).open("test")
    assert len(rated.asked) == asked and local.digest == load_task(NAME).open("test").digest


def test_a_yaml_file_names_it_and_maps_columns_and_splits(rated: LocalHub, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: my-hub-set\nsource: {hub: own/rated}\nmap: {quality: mos, system_id: system}\nscale: [0, 10]\n"
        "splits: {test: {name: validation, utterances: 4}}\nlicense: CC BY 4.0\n"
    )
    task = load_task(str(path))
    assert task.open("test").rows[0]["quality"] == 1.0 and list(task.card.splits) == ["test"]
    assert task.card.name == "my-hub-set" and task.card.scale == (0.0, 10.0) and task.card.license == "CC BY 4.0"


def test_one_row_a_rating_and_lists_of_ratings(local_hub: LocalHub) -> None:
    single = parquet(0, 6, ids=False, clip=["a", "a", "b", "b", "c", "c"], annotator=list("xyxyxy"))
    table = pq.read_table(io.BytesIO(single)).set_column(1, "system", [["s"] * 6])
    stream = io.BytesIO()
    pq.write_table(table, stream)
    local_hub.repos["datasets/own/single"] = {"test.parquet": stream.getvalue()}
    rows = load_task("hf:own/single").open("test").rows
    assert [row["mos"] for row in rows] == [1.375, 2.875, 2.5] and rows[0]["listeners"] == ["x", "y"]
    assert rows[2]["n_ratings"] == 2 and rows[2]["ratings"] == [4.0, 1.0]
    lists = [[value, value] for value in (1.0, 1.75, 2.5, 3.25)]
    local_hub.repos["datasets/own/lists"] = {"data/test.parquet": parquet(0, 4, ids=False, raw_ratings=lists)}
    rows = load_task("hf:own/lists").open("test").rows
    assert rows[1]["utterance_id"] == "clip001" and rows[1]["ratings"] == [1.75, 1.75]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"set.py": b"x", "README.md": b"x"}, "loading script"),
        ({"a.wav": b"x"}, "no parquet files"),
        ({"data/test-00001-of-00002.parquet": b"x"}, "not all parts"),
        ({"en/test-00000-of-00001.parquet": b"x", "de/test-00000-of-00001.parquet": b"x"}, "task.config"),
        ({"test.parquet": b"PAR1 no"}, "cannot be read"),
    ],
)
def test_what_will_not_do_is_a_sentence(local_hub: LocalHub, files: dict[str, bytes], said: str) -> None:
    local_hub.repos["datasets/own/bad"] = files
    with pytest.raises(MosharnessError, match=said):
        load_task("hf:own/bad").open("test")


def test_unknown_places_and_columns(rated: LocalHub) -> None:
    with pytest.raises(HubError, match="no such dataset"):
        load_task("hf:own/absent").open("test")
    with pytest.raises(HubError, match="no revision"):
        load_task(f"{NAME}@other").open("test")
    with pytest.raises(DataError, match="OWNER/NAME"):
        load_task("hf:rated")
    with pytest.raises(UnknownName):
        load_task(NAME, columns="mos=quality").open("test")
    with pytest.raises(UnknownName, match="train"):
        load_task(NAME).resolve_split("unseen")


def test_columns_that_could_be_two_are_asked_for() -> None:
    with pytest.raises(DataError, match="score or rating"):
        find_columns({"audio": "audio", "score": "number", "rating": "number"}, "", "", "x")
    with pytest.raises(DataError, match="clean or noisy"):
        find_columns({"clean": "audio", "noisy": "audio", "mos": "number"}, "", "", "x")
    with pytest.raises(DataError, match="the label"):
        find_columns({"audio": "audio", "text": "text"}, "", "", "x")
    found = find_columns({"clean": "audio", "noisy": "audio", "mos": "number"}, "audio=noisy", "", "x")
    assert found.audio == "noisy" and found.dimensions == {"mos": "mos"}
