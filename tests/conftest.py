"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real labels, weights and audio beside the project; other people's licences keep it out of the tree."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the folder ../shared with real labels, weights and audio is absent")
    return folder


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """Golden vectors: ``$MOSHARNESS_PARITY`` (must exist when set), else ``../shared/parity`` (skips when absent)."""
    chosen = os.environ.get("MOSHARNESS_PARITY")
    if chosen:
        return Path(chosen)
    folder = ROOT.parent / "shared" / "parity"
    if not folder.is_dir():
        pytest.skip("no golden vectors: $MOSHARNESS_PARITY is not set and ../shared/parity is absent")
    return folder


@pytest.fixture(autouse=True)
def _own_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's data roots, caches or settings."""
    for name in [name for name in os.environ if name.startswith("MOSHARNESS_") and name != "MOSHARNESS_PARITY"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
