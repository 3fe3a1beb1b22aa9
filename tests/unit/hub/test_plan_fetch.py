"""Start weights on a hub: looked up with their size, fetched by ``plan --fetch``; those of GPT-SoVITS by default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .server import COMMIT, LocalHub


@pytest.mark.slow
def test_weights_on_a_hub_are_sized_fetched_and_then_here(
    local_hub: LocalHub, cli: Callable[..., Any], small_folder: Path, tmp_path: Path
) -> None:
    from mosharness.predictors.layers.ssl.backbone import SslBackbone

    SslBackbone("wav2vec2", "tiny").model.save_pretrained(tmp_path / "made")
    files = {one.name: one.read_bytes() for one in (tmp_path / "made").iterdir()}
    local_hub.repos["models/owner/tiny"] = files
    source = f"train.settings.pretrained=owner/tiny@{COMMIT}:model.safetensors"
    given = ["plan", "folder", "sslmos", "--data-root", small_folder, "--recipe", "sslmos-demo", "--set", source]
    given += ["--split-by", "clip", "--output", tmp_path / "out"]
    outcome = cli(*given, "--json")
    (need,) = [one for one in outcome.json["needs"] if one["kind"] == "weights"]
    assert outcome.code == 2 and need["status"] == "to fetch" and "--fetch" in need["remedy"]
    assert need["bytes"] == len(files["model.safetensors"]) + len(files["config.json"])
    assert cli(*given, "--fetch").code == 0
    local_hub.repos.clear()
    again = cli(*given)
    assert again.code == 0 and "here     weights wav2vec2-tiny; owner/tiny@0123456789ab" in again.out
    absent = [source.replace("owner/tiny", "owner/none") if one == source else one for one in given]
    gone = cli(*absent, "--json")
    (need,) = [one for one in gone.json["needs"] if one["kind"] == "weights"]
    assert need["status"] == "missing" and "there is no such model" in need["reason"]


def test_the_codebook_of_gptsovits_comes_from_its_repository(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mosharness.predictors.apgmos import gptsovits_hub
    from mosharness.predictors.apgmos.config import StageSettings
    from mosharness.predictors.apgmos.semantics import named_sources

    hubert, vq = named_sources(StageSettings(), "base")
    assert vq == f"lj1995/GPT-SoVITS@{gptsovits_hub.GPTSOVITS_COMMIT}:s2G488k.pth"
    assert hubert.endswith(":chinese-hubert-base")
    assert named_sources(StageSettings(), "tiny") == ("", "")  # a miniature cannot take it
    monkeypatch.setattr(gptsovits_hub, "GPTSOVITS_COMMIT", COMMIT)
    local_hub.repos["models/lj1995/GPT-SoVITS"] = {"s2G488k.pth": b"a generator"}
    path = gptsovits_hub.fetched(gptsovits_hub.of_hub("s2G488k.pth"), "joint")
    assert Path(path).read_bytes() == b"a generator" and path.endswith("s2G488k.pth")
    assert gptsovits_hub.fetched("elsewhere.pth", "joint") == "elsewhere.pth"
