"""NISQA: files of the original's trainer load, ours are exported in its layout, bare weights need a word."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import CheckpointError
from mosharness.predictors import load_predictor
from mosharness.predictors.checkpoints import load_torch
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.nisqa import Nisqa
from mosharness.predictors.nisqa.convert import PUBLISHED
from mosharness.predictors.nisqa.export import args_of, export

sys.path.append(str(Path(__file__).parent))
from readers import fresh

VARIANTS = ("nisqa", "nisqa_mos_only", "nisqa_tts")
WAVES = [speech_like(0.8, 16_000, 0), speech_like(1.4, 16_000, 1)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_exported_is_the_original_s_layout_and_scores_the_same(variant: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    ours = Nisqa({"variant": variant, "segment_hop": 3}, device="cpu")
    content = torch.load(export(ours, tmp_path / "mine.tar"), weights_only=True)  # plain values only
    assert set(content) == {"args", "model_state_dict"} and content["args"]["name"] == "mine"
    assert content["args"]["ms_seg_hop_length"] == 3
    again = load_predictor("nisqa", tmp_path / "mine.tar", "cpu")
    assert np.array_equal(again.predict(WAVES, 16_000), ours.predict(WAVES, 16_000))
    assert again.config == ours.config


@pytest.mark.parametrize("variant", VARIANTS)
def test_arguments_and_tensors_are_those_of_the_published_file(variant: str, shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "nisqa_weights" / PUBLISHED[variant].filename
    published, loaded = load_torch(path), load_predictor("nisqa", path, "cpu")
    written = load_torch(export(loaded, tmp_path / "again.tar", published["args"]["name"]))
    training = {name for name in published["args"] if name.startswith("tr_")}
    of_runs = {"input_file", "csv_ref", "csv_subfolder", "dim_mos_w", "mode"}
    wanted = {name: value for name, value in published["args"].items() if name not in training | of_runs}
    assert training <= set(written["args"])
    assert {name: written["args"][name] for name in wanted} == wanted
    assert set(written["model_state_dict"]) == set(published["model_state_dict"])
    for name, tensor in published["model_state_dict"].items():
        assert torch.equal(written["model_state_dict"][name], tensor)


def test_a_file_as_the_original_s_trainer_writes_it_loads(tmp_path: Path) -> None:
    import pandas as pd

    ours = fresh("nisqa")
    content = torch.load(export(ours, tmp_path / "plain.tar"), weights_only=True)
    content["args"] |= {"now": datetime.datetime(2025, 3, 4, 5, 6, 7), "csv_db_train": ["A"], "yaml": "ft.yaml"}
    content |= {"epoch": 3, "model_args": {"part": slice(0, 2)}, "results": {"best": np.float64(0.5)}}
    content |= {"db_results": pd.DataFrame({"db": ["A"], "r": [0.9]}), "optimizer_state_dict": {"state": {}}}
    torch.save(content, tmp_path / "trainer.tar")
    again = load_predictor("nisqa", tmp_path / "trainer.tar", "cpu")
    assert np.array_equal(again.predict(WAVES, 16_000), ours.predict(WAVES, 16_000))


@pytest.mark.parametrize("variant", VARIANTS)
def test_bare_weights_load_once_it_is_said_whose_front_end_they_have(variant: str, tmp_path: Path) -> None:
    torch.manual_seed(3)
    ours = Nisqa({"variant": variant}, device="cpu")
    content = torch.load(export(ours, tmp_path / "mine.tar"), weights_only=True)
    torch.save(content["model_state_dict"], tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match=rf"without args.*fine-tuning of {variant}.tar.*--set variant={variant}"):
        load_predictor("nisqa", tmp_path / "bare.pt", "cpu")
    again = load_predictor("nisqa", tmp_path / "bare.pt", "cpu", variant=variant)  # as the message advises
    assert np.array_equal(again.predict(WAVES, 16_000), ours.predict(WAVES, 16_000))


def test_the_verb_exports_and_replaces_nothing_unasked(cli: Callable[..., Any], tmp_path: Path) -> None:
    folder = fresh("nisqa").save_pretrained(tmp_path / "saved")
    target = tmp_path / "mine.tar"
    done = cli("nisqa", "export", folder, "-o", target)
    assert done.code == 0 and "as the original stores it" in done.out + done.err, done.err
    assert load_torch(target)["args"]["model"] == "NISQA_DIM"
    again = cli("nisqa", "export", folder, "-o", target)
    assert again.code == 2 and "pass --overwrite" in again.err
    assert cli("nisqa", "export", folder, "-o", target, "--overwrite", "--json").json["variant"] == "nisqa"
    other: Any = fresh("nisqa_tts")
    assert args_of(other.config, "x")["td"] == "lstm"
