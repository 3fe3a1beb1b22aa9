"""Official files in a hub repository: a bare hub id loads them, as it loads folders of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.harness.core.errors import HubError
from mosharness.harness.core.files import file_sha256
from mosharness.harness.hub.hub import set_offline
from mosharness.predictors import load_predictor
from mosharness.predictors.conformance import speech_like
from mosharness.predictors.nisqa import Nisqa
from mosharness.predictors.nisqa.export import export
from mosharness.predictors.utmos import Utmos
from mosharness.predictors.utmos.convert import FILE

from .server import COMMIT, LocalHub

WAVE = speech_like(0.6, 16_000, 1)


@pytest.fixture
def nisqa_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return export(Nisqa({"variant": "nisqa"}, device="cpu"), tmp_path / "nisqa.tar")


@pytest.mark.slow
@pytest.mark.parametrize("place", ["nisqa.tar", "weights/nisqa.tar"])
def test_a_bare_hub_id_loads_the_official_file(local_hub: LocalHub, nisqa_file: Path, place: str) -> None:
    wanted = load_predictor("nisqa", nisqa_file, "cpu")
    local_hub.repos["models/owner/mirror"] = {place: nisqa_file.read_bytes(), "README.md": b"-"}
    for name in ("owner/mirror", f"owner/mirror@{COMMIT}"):
        found = load_predictor("nisqa", name, "cpu")
        assert np.array_equal(found.predict([WAVE], 16_000), wanted.predict([WAVE], 16_000))
        assert (found.checkpoint.kind, found.checkpoint.name) == ("hub", name)
        assert found.checkpoint.sha256 == file_sha256(nisqa_file)
    set_offline(True)
    try:
        load_predictor("nisqa", "owner/mirror", "cpu")  # from the cache
    finally:
        set_offline(False)


@pytest.mark.slow
def test_a_folder_of_ours_goes_before_an_official_file(local_hub: LocalHub, nisqa_file: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    ours = Nisqa({"variant": "nisqa"}, device="cpu")
    folder = ours.save_pretrained(tmp_path / "ours")
    files = {one.name: one.read_bytes() for one in Path(folder).iterdir()}
    local_hub.repos["models/owner/both"] = {**files, "nisqa.tar": nisqa_file.read_bytes()}
    found = load_predictor("nisqa", "owner/both", "cpu").predict([WAVE], 16_000)
    assert np.array_equal(found, ours.predict([WAVE], 16_000))


@pytest.mark.slow
def test_a_repository_without_either_is_refused_with_what_was_looked_for(local_hub: LocalHub) -> None:
    local_hub.repos["models/owner/other"] = {"README.md": b"-"}
    with pytest.raises(HubError, match=r"nisqa\.tar or weights/nisqa\.tar.*has no file config\.json"):
        load_predictor("nisqa", "owner/other", "cpu")


def test_utmos_takes_its_mirror_by_name(
    local_hub: LocalHub, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Through ``--predictor utmos=OWNER/NAME``; the network is stood in for, its file is read elsewhere."""
    read: list[Path] = []

    def loads(cls: type[Utmos], path: Path, config: Any, **options: Any) -> Utmos:
        read.append(path)
        return Utmos({"size": "tiny"}, **options)

    monkeypatch.setattr(Utmos, "from_official", classmethod(loads))
    local_hub.repos["models/owner/models"] = {f"mos/{FILE}": b"weights"}
    import soundfile

    soundfile.write(tmp_path / "a.wav", WAVE, 16_000)
    outcome = cli("predict", tmp_path / "a.wav", "--predictor", "utmos=owner/models", "--device", "cpu", "--no-cache")
    assert outcome.code == 0, outcome.err
    assert [path.name for path in read] == [FILE] and read[0].read_bytes() == b"weights"
