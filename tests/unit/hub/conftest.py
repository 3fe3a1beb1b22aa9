"""The local hub, and an environment in which it is the only one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mosharness.harness.hub import hub as core_hub

from .server import LocalHub


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fresh caches, no proxy, no offline variable, and downloads switched on again afterwards."""
    for name in [
        name for name in os.environ if name.lower().endswith("_proxy") or name.startswith(("HF_", "TRANSFORM"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "cache"))
    yield
    core_hub.set_offline(False)


@pytest.fixture
def local_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A running hub; ``HF_ENDPOINT`` names it."""
    server = LocalHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()
