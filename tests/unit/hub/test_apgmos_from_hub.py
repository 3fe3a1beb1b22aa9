"""Checkpoints of APG-MOS from a hub id: the semantic branch comes along where scores need it, and only there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors import load_predictor
from mosharness.predictors.apgmos import Apgmos
from mosharness.predictors.apgmos.config import StageSettings
from mosharness.predictors.apgmos.semantics import make_semantics, semantic_digest
from mosharness.predictors.conformance import speech_like

from .server import LocalHub

WEIGHTS = "semantics.safetensors"


def publish(hub: LocalHub, folder: Path, **config: Any) -> Apgmos:
    """A tiny checkpoint as ``owner/apg`` on the hub."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Apgmos({"size": "tiny", "D_f": 16, **config}, device="cpu")
    semantic = make_semantics(model.config, StageSettings(vq_source="random"), "test")
    model.use_semantics(semantic)
    model.network.semantics.copy_(semantic_digest(semantic))
    model.save_pretrained(folder)
    hub.repos["models/owner/apg"] = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    return model


def fetched(hub: LocalHub) -> bool:
    return any(WEIGHTS in line for line in hub.asked)


@pytest.mark.slow
def test_the_semantic_branch_is_fetched_when_queries_need_it(local_hub: LocalHub, tmp_path: Path) -> None:
    wave = speech_like(1.3, 16_000, 1)
    wanted = publish(local_hub, tmp_path / "made").predict_queries([wave], 16_000)
    pruned = load_predictor("apgmos", "owner/apg", "cpu")
    assert not fetched(local_hub)
    assert pruned.predict([wave], 16_000)[0, 0] == wanted.pruned[0]
    for queries in ("all", "semantic"):
        model = load_predictor("apgmos", "owner/apg", "cpu", queries=queries)
        assert abs(model.predict([wave], 16_000)[0, 0] - getattr(wanted, queries)[0]) <= 1e-6
        assert model.checkpoint.kind == "hub"
    assert fetched(local_hub)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["w/o APM", "SDM+D", "QH+D"])
def test_variants_without_auditory_queries_load_from_a_hub_id(
    local_hub: LocalHub, tmp_path: Path, variant: str
) -> None:
    wave = speech_like(1.3, 16_000, 1)
    wanted = publish(local_hub, tmp_path / "made", variant=variant).predict([wave], 16_000)
    found = load_predictor("apgmos", "owner/apg", "cpu").predict([wave], 16_000)
    assert fetched(local_hub)
    assert np.array_equal(found, wanted)
