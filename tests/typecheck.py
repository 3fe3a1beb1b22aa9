"""Run mypy over the package and the tests.

An editable install maps the folders by an import hook, which mypy cannot follow. So this makes ``.tc/mosharness`` with
links to the folders (git ignores it) and points mypy there; see ``[tool.mypy]`` in pyproject.toml.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def make_links() -> Path:
    """``.tc/mosharness`` as the import package would look."""
    package = ROOT / ".tc" / "mosharness"
    package.mkdir(parents=True, exist_ok=True)
    wanted = {name: ROOT / name for name in ("harness", "predictors", "tasks")}
    wanted |= {path.name: path for path in (ROOT / "harness" / "_root").iterdir() if path.name != "__pycache__"}
    for old in package.iterdir():
        if old.name not in wanted:
            old.unlink()
    for name, target in wanted.items():
        link = package / name
        if not link.is_symlink():
            link.symlink_to(target)
    return package


if __name__ == "__main__":
    make_links()
    sys.exit(subprocess.run([sys.executable, "-m", "mypy", *sys.argv[1:]], cwd=ROOT, check=False).returncode)
