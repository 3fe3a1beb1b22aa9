"""Where a result came from: versions, commit, device. No machine name, user or path."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("datasets", "numpy", "scipy", "soundfile", "soxr", "torch", "torchaudio", "transformers")


def utc_now() -> str:
    """The time in UTC, to the second: ``2026-01-31T12:00:00Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that scores and figures depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def source_commit() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout this package runs from; ``(None, None)`` when it is no checkout of ours."""
    folder = Path(__file__).resolve().parents[1]
    try:
        top = _git(folder, "rev-parse", "--show-toplevel")
        if Path(top).resolve() != folder.parent:
            return None, None
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", "harness", "predictors", "tasks")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(changed)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder.parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()


COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "GIT_COMMIT", "BUILD_SOURCEVERSION")
"""Where CI systems say which commit they build, in the order in which they are looked at."""


def work_commit() -> str:
    """The commit that is being worked on: what the CI system says, else that of the current folder; empty without."""
    for name in COMMIT_VARIABLES:
        if os.environ.get(name):
            return os.environ[name].strip()
    try:
        command = ["git", "rev-parse", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def own_version() -> str:
    """The installed version of mosharness."""
    try:
        return version("mosharness")
    except PackageNotFoundError:
        return "unknown"


def device_name(device: str) -> str:
    """``cpu``, or the name of the GPU."""
    if not device.startswith("cuda"):
        return device
    import torch

    return str(torch.cuda.get_device_name(device))


def provenance(device: str = "cpu") -> dict[str, Any]:
    """The ``provenance`` part of a result."""
    commit, dirty = source_commit()
    return {
        "mosharness": own_version(),
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": package_versions(),
        "device": device_name(device),
    }
