"""The Hugging Face module loads by path without a network and gives the numbers of the functions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.resources import files

import pytest
from mosharness.harness.stats import describe

MODULE = files("mosharness.harness") / "evaluate_module" / "mosharness_metrics"
HUMAN = [1.0, 2.0, 2.5, 3.0, 4.0, 4.5]
PREDICTED = [1.2, 2.2, 2.1, 3.3, 3.9, 4.9]
SYSTEMS = list("aabbcc")

SCRIPT = """
import json, sys
import evaluate
path, human, predicted, systems = json.loads(sys.argv[1])
metric = evaluate.load(path)
both = dict(predictions=predicted, references=human)
found = [metric.compute(**both, systems=systems), metric.compute(**both)]
metric.add_batch(**both, systems=systems)
found.append(metric.compute(resamples=50))
for triple in zip(predicted, human, systems):
    metric.add(prediction=triple[0], reference=triple[1], systems=triple[2])
found.append(metric.compute())
truth = dict.fromkeys("abc", 2.0)
found.append(metric.compute(**both, systems=systems, system_truth=truth))
print("RESULT" + json.dumps(found))
"""


def test_import_lines_name_one_package_each():
    text = (MODULE / "mosharness_metrics.py").read_text("utf-8")
    lines = re.findall(r"^\s*import .*$", text, flags=re.M)
    assert all("," not in line for line in lines)


@pytest.mark.slow
def test_the_module_gives_the_same_numbers_as_the_functions(tmp_path):
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    argument = json.dumps([str(MODULE), HUMAN, PREDICTED, SYSTEMS])
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT, argument], env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    plain, without, resampled, added, given = json.loads(outcome.stdout.split("RESULT")[1])
    expected = describe(PREDICTED, HUMAN, SYSTEMS, resamples=50)
    for level, entries in expected.items():
        for name, entry in entries.items():
            assert plain[f"{level}_{name}"] == added[f"{level}_{name}"] == entry["value"]
            assert resampled[f"{level}_{name}_ci"] == entry["ci"]
    assert sorted(without) == sorted(key for key in plain if key.startswith("utterance_"))
    assert given["system_srcc"] is None
    assert "every human score is the same (2)" in given["system_srcc_reason"]
