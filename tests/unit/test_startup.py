"""Start-up stays light: no heavy package is imported for help and listings."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchaudio", "transformers", "datasets", "evaluate", "scipy", "pandas", "numpy")
COMMANDS = (
    "import mosharness",
    "import mosharness.harness, mosharness.tasks, mosharness.predictors",
    "run(['--help'])",
    "run(['run', '--help'])",
    "run(['ls', 'tasks'])",
    "run(['ls', 'predictors'])",
    "run(['ls', 'predictors', '--json'])",
    "run(['run', '--tsk', 'demo'])",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_start_up_imports_nothing_heavy(command: str) -> None:
    script = (
        "import sys\n"
        "def run(arguments):\n"
        "    from mosharness.harness.cli.app import run_app\n"
        "    run_app(arguments)\n"
        f"{command}\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('imported:', heavy, file=sys.stderr)\n"
        "sys.exit(len(heavy))\n"
    )
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "imported: []" in outcome.stderr


def test_a_package_that_cannot_be_imported_is_an_internal_error() -> None:
    script = (
        "import sys\nsys.modules['mosharness.harness.cli.run'] = None\n"
        "from mosharness.harness.cli import main\nmain(['run', '--help'])\n"
    )
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert outcome.returncode == 70 and "mosharness: error: internal error: " in outcome.stderr
