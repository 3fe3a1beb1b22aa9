"""The page ``docs/plans.md``: what training each predictor on its paper's task needs, as ``mosharness plan`` prints it.

Also a program: ``python tests/cli/plans_page.py`` writes the page anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plans.md"
HEAD = """# What training needs

For each predictor that can be trained, on the task of its paper: what `mosharness plan` prints on a machine that has
nothing yet and no network. With the network it asks the hub, and what can be had is `to fetch`. Nothing here is typed:
`python tests/cli/plans_page.py` writes this page, and a test compares it.

Exit code 0: everything is on this machine; 2: something is not. `--json` prints the same as
[`mosharness.training-plan/1`](schemas/training-plan.json). See [training](training.md).
"""
PLANS = {
    "apgmos": ["bvcc"],
    "audiobox": ["aes_natural"],
    "drasp": ["musiceval", "aes_natural"],
    "dsp": ["demo"],
    "jsqa": ["nisqa"],
    "nisqa": ["nisqa"],
    "nisqa_tts": ["nisqa"],
    "sfissl": ["multisr", "multisr --recipe sfissl-paper"],
    "sslmos": ["bvcc"],
    "utmos": ["bvcc"],
    "utmosv2": ["bvcc --recipe utmosv2-paper", "bvcc"],
}
"""Predictor to its tasks, with the options that name the paper's recipe."""


def trained() -> list[str]:
    """Our predictors that can be trained."""
    from mosharness.predictors import PREDICTORS

    ours = [name for name in PREDICTORS if PREDICTORS.origin(name) == PREDICTORS.OURS]
    return [name for name in ours if PREDICTORS[name].card.stages]


def command(predictor: str, given: str) -> str:
    """The command line of a plan."""
    task, *options = shlex.split(given)
    return " ".join(["mosharness --offline plan", task, predictor, *options])


@contextlib.contextmanager
def bare_machine() -> Iterator[None]:
    """An empty folder, empty caches, no data, no settings in the environment."""
    before, place = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory() as empty:
        for name in list(os.environ):
            if name.startswith(("MOSHARNESS_", "HF_", "HUGGINGFACE", "TRANSFORMERS")):
                del os.environ[name]
        os.environ |= {"HF_HOME": f"{empty}/hf", "MOSHARNESS_CACHE": before.get("MOSHARNESS_CACHE", f"{empty}/cache")}
        os.chdir(empty)
        try:
            yield
        finally:
            os.chdir(place)
            os.environ.clear()
            os.environ.update(before)


def printed(line: str) -> tuple[int, str]:
    """Exit code and standard output of a command, run in this process."""
    from mosharness.harness.cli.app import run_app
    from mosharness.harness.hub.hub import set_offline

    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = run_app(shlex.split(line)[1:])
    finally:
        set_offline(False)
    return code, out.getvalue()


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    with bare_machine():
        for predictor in trained():
            parts.append(f"\n## {predictor}\n")
            for given in PLANS.get(predictor, ["bvcc"]):
                line = command(predictor, given)
                code, out = printed(line)
                parts.append(f"\n```console\n$ {line}\n{out}$ echo $?\n{code}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"wrote {PAGE}", file=sys.stderr)
