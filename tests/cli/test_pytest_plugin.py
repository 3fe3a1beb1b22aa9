"""The pytest plugin: a gate as a test, and how it reads when it fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Session:
    """What a pytest session in a fresh process said."""

    code: int
    out: str

    def counts(self) -> str:
        return self.out.strip().splitlines()[-1]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project with scores of the systems old, new (as good), bad (0.8 worse) and noisy on 24 texts."""
    lines = ["system,key,mos,wer"]
    for at in range(24):
        wobble = 0.1 * ((at * 7) % 5 - 2)
        for system, change in (("old", 0.0), ("new", wobble), ("bad", -0.8 + wobble), ("noisy", 8 * wobble - 0.1)):
            lines.append(f"{system},t{at:02d},{3 + at / 24 + change:.3f},{0.10 - change / 10:.4f}")
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return tmp_path


def session(place: Path, test: str, *arguments: str) -> Session:
    (place / "test_quality.py").write_text(test)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=place,
        env={**environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Session(done.returncode, done.stdout + done.stderr)


def test_the_fixture_passes_fails_and_says_why_it_could_not_run(place: Path) -> None:
    found = session(
        place,
        """
import pytest

TABLE = {"scores_csv": "scores.csv", "scores": ["mos"], "baseline": "old"}

def test_new(mos_gate):
    result = mos_gate(candidate="new", **TABLE, margin=0.2)
    assert result["verdict"] == "pass" and result["predictors"][0]["n"] == 24

def test_bad(mos_gate):
    mos_gate(candidate="bad", **TABLE, report="out")

def test_noisy(mos_gate):
    mos_gate(candidate="noisy", **TABLE)

def test_noisy_is_allowed(mos_gate):
    assert mos_gate(candidate="noisy", **TABLE, allow_inconclusive=True)["verdict"] == "inconclusive"

def test_by_score(mos_gate):
    both = {**TABLE, "scores": ["mos", "wer"]}
    mos_gate(candidate="new", **both, margin={"": 0.2, "wer": 0.02}, lower_is_better=["wer"], history="gates.jsonl")

@pytest.mark.parametrize("wrong", [
    {"candidate": "nwe"}, {"candidate": "new", "margn": 0.1}, {"candidate": "new", "margin": "big"}, {},
    {"candidate": "new", "predictors": ["dsp"]}, {"candidate": "new", "scores": []}, {"candidate": "new", "workers": 2},
])
def test_wrong(mos_gate, wrong):
    mos_gate(**{**TABLE, **wrong})
""",
        "--junit-xml=junit.xml",
    )
    assert found.code == 1 and re.match(r"9 failed, 3 passed", found.counts()), found.out
    bad = found.out.partition("test_bad _")[2].partition("test_noisy _")[0]
    assert "gate: FAIL (fail: mos)" in bad
    assert re.search(r"^score +n +baseline +candidate +difference", bad, re.MULTILINE)
    assert re.search(r"^mos +24 +3\.4792 +2\.\d+ +-0\.8\d+ .* fail$", bad, re.MULTILINE)
    assert "worst by mos" in bad and re.search(r"^t\d\d +[\d.]+ +[\d.]+ +-1\.000 +bad$", bad, re.MULTILINE)
    assert "pytest_plugin.py" not in bad and "Traceback" not in bad
    assert "gate: INCONCLUSIVE" in found.out and "90 % needs" in found.out
    assert "mos_gate could not run" in found.out and 'Did you mean "new"?' in found.out
    assert 'Did you mean "margin"' in found.out and "give candidate= and baseline=" in found.out
    assert (place / "out" / "gate.json").is_file() and len((place / "gates.jsonl").read_text().splitlines()) == 1
    assert '<property name="mos_gate" value="fail"' in (place / "junit.xml").read_text()


def test_the_marker_gates_before_the_body_and_gives_the_fixture_its_defaults(place: Path) -> None:
    found = session(
        place,
        """
import pytest

pytestmark = pytest.mark.mos_gate(scores_csv="scores.csv", scores=["mos"], baseline="old", candidate="new")

def test_new():
    print("the body of new")

@pytest.mark.mos_gate(candidate="bad")
def test_bad():
    print("the body of bad")

@pytest.mark.mos_gate(candidate="bad")
def test_asks_for_the_fixture(mos_gate):
    assert mos_gate(candidate="new")["verdict"] == "pass"
    with pytest.raises(pytest.fail.Exception, match="FAIL"):
        mos_gate()

@pytest.mark.mos_gate("bad")
def test_by_position():
    pass
""",
        "-s",
    )
    assert found.code == 1 and found.counts().startswith("2 failed, 2 passed"), found.out
    assert "the body of new" in found.out and "the body of bad" not in found.out
    assert "gate: FAIL (fail: mos)" in found.out and "by name only" in found.out


@pytest.mark.slow
def test_audio_is_gated_by_a_predictor_and_the_weights_are_read_once(
    place: Path, write_wave: Callable[..., Path]
) -> None:
    for side, offset in (("old", 0), ("new", 100)):
        for at in range(6):
            write_wave(place / side / f"t{at}.wav", 0.6 + 0.01 * at, seed=at + offset)
    (place / "toy.txt").write_text("1.0 0.5 0.25")
    (place / "conftest.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'tests')!r})\n"
        "import toy_predictor\nfrom mosharness.predictors import PREDICTORS\nPREDICTORS.add('toy', toy_predictor.Toy)\n"
    )
    found = session(
        place,
        """
import shutil
import pytest
from toy_predictor import Toy

SIDES = {"candidate": "new", "baseline": "old", "predictors": ["toy=toy.txt"], "min_n": 6, "use_cache": False}

@pytest.mark.mos_gate(**SIDES)
def test_marked():
    pass

def test_a_second_gate_reads_no_weights(mos_gate, monkeypatch):
    monkeypatch.delattr(Toy, "from_official")
    mos_gate(**SIDES)

def test_a_loaded_predictor(mos_gate):
    from mosharness.predictors import load_predictor
    assert mos_gate(**{**SIDES, "predictors": {"mine": load_predictor("toy", "toy.txt")}})["predictors"][0]["n"] == 6

def test_silence(mos_gate):
    shutil.copytree("new", "broken")
    open("broken/t3.wav", "wb").close()
    mos_gate(**{**SIDES, "candidate": "broken", "min_n": 5})

def test_nothing_there(mos_gate):
    mos_gate(**{**SIDES, "candidate": "nowhere"})
""",
    )
    assert found.code == 1 and found.counts().startswith("2 failed, 3 passed"), found.out
    assert re.search(r"error: broken/t3\.wav: ", found.out) and "nowhere" in found.out


def test_the_plugin_imports_nothing_heavy() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import mosharness.harness.pytest_plugin;"
        "print(*sorted(name for name in set(sys.modules) - before if '.' not in name))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mosharness"]
