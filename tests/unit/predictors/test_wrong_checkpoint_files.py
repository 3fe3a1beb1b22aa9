"""What is said of files that are no checkpoint, before torch is asked."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors import load_predictor
from mosharness.predictors.checkpoints import load_torch


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"scores of last week\n", "not a PyTorch file"),
        (b"x", "not a PyTorch file"),
        ((2).to_bytes(8, "little") + b"{}", "a safetensors file: pass the folder that holds it"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_told_by_its_first_bytes(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        load_torch(path)


def test_the_first_bytes_need_no_torch(tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    program = (
        "import sys\nfrom pathlib import Path\nfrom mosharness.predictors.checkpoints import load_torch\n"
        "try:\n    load_torch(Path(sys.argv[1]))\nexcept Exception as error:\n    print(error, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "empty.pt")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("an empty file False")


@pytest.mark.parametrize("content", [pickle.dumps(print, 2), pickle.dumps({"a": 1}, 2)[:9], b"\x80\x02 nothing"])
def test_nobody_is_advised_to_load_a_file_unsafely(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_torch(path)
    assert str(path) in str(caught.value) and "weights_only" not in str(caught.value)


def test_the_weights_of_a_folder_of_ours_stand_for_their_folder(tmp_path: Path, toy: Any) -> None:
    folder = toy.Toy(device="cpu").save_pretrained(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="a safetensors file: pass the folder that holds it") as caught:
        load_predictor("toy", folder / "model.safetensors", "cpu")
    assert str(folder) in str(caught.value)
    (tmp_path / "empty").touch()
    with pytest.raises(CheckpointError, match="an empty file"):
        load_predictor("toy", tmp_path / "empty", "cpu")
