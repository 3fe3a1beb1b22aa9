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
plain = found

import numpy, pandas, torch
frame = pandas.DataFrame({"mos": predicted, "human": human, "system": systems}, index=range(10, 16))
numbers = pandas.DataFrame({"p": predicted, "h": human, "s": [7, 7, 8, 8, 9, 9]}).iloc[::-1]
weights = torch.tensor(predicted, dtype=torch.float64, requires_grad=True)
calls = {
    "lists": dict(predictions=predicted, references=human, systems=systems),
    "numpy": dict(predictions=numpy.array(predicted), references=numpy.array(human), systems=numpy.array(systems)),
    "column": dict(predictions=numpy.array(predicted)[:, None], references=tuple(human), systems=systems),
    "pandas": dict(predictions=frame["mos"], references=frame["human"], systems=frame["system"]),
    "category": dict(predictions=frame["mos"], references=frame["human"], systems=frame["system"].astype("category")),
    "whole": dict(predictions=numbers["p"], references=numbers["h"], systems=numbers["s"]),
    "torch": dict(predictions=weights * 1, references=torch.tensor(human), systems=systems),
    "scalars": dict(predictions=[*weights], references=[numpy.float32(one) for one in human], systems=systems),
    "half": dict(predictions=torch.tensor(predicted).bfloat16(), references=torch.tensor(human).half()),
    "nullable": dict(predictions=frame["mos"].astype("Float64"), references=numpy.array(human, object),
                     systems=frame["system"].astype("string")),
    "frames": dict(predictions=frame[["mos"]], references=[numpy.array(one) for one in human],
                   systems=numpy.array(systems)[:, None]),
    "masked": dict(predictions=numpy.ma.array(predicted), references=torch.tensor(human).to_sparse(), systems=systems),
    "missing": dict(predictions=weights, references=human, systems=pandas.Series([None] * 6, dtype="string")),
    "nan": dict(predictions=weights, references=frame["human"], systems=pandas.Series([None, float("nan")] * 3)),
}
found = {name: metric.compute(**call) for name, call in calls.items()}
found["no systems"] = metric.compute(predictions=weights, references=frame["human"])
for start in (0, 3):
    part = slice(start, start + 3)
    metric.add_batch(predictions=weights[part], references=frame["human"][part], systems=frame["system"][part])
found["batches"] = metric.compute()
for at in range(6):
    metric.add(prediction=weights[at], reference=numpy.float64(human[at]), systems=numpy.str_(systems[at]))
found["one by one"] = metric.compute(system_truth=pandas.Series({"a": 1.0, "b": 2.0, "c": 3.0}))
for name, call in {"shape": dict(predictions=numpy.ones((6, 2)), references=human, systems=systems),
                   "length": dict(predictions=predicted[:5], references=human, systems=systems[:5]),
                   "hidden": dict(predictions=numpy.ma.array(predicted, mask=[1] + [0] * 5), references=human),
                   "gap": dict(predictions=frame["mos"].astype("Float64").shift(), references=human),
                   "text": dict(predictions=["good"] * 6, references=human, systems=systems)}.items():
    try:
        evaluate.load(path).compute(**call)
    except ValueError as error:
        found[name] = str(error)
print("RESULT" + json.dumps([plain, found]))
"""


def test_import_lines_name_one_package_each():
    text = (MODULE / "mosharness_metrics.py").read_text("utf-8")
    lines = re.findall(r"^\s*import .*$", text, flags=re.M)
    assert all("," not in line for line in lines)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What the script prints, in one process of its own, as the real ``evaluate`` loads the module."""
    cache = str(tmp_path_factory.mktemp("hf"))
    environment = {**os.environ, "HF_HOME": cache, "HF_EVALUATE_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    argument = json.dumps([str(MODULE), HUMAN, PREDICTED, SYSTEMS])
    outcome = subprocess.run(
        [sys.executable, "-c", SCRIPT, argument], env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr[-2000:]
    return json.loads(outcome.stdout.split("RESULT")[1])


@pytest.mark.slow
def test_arrays_series_and_tensors_give_the_numbers_of_lists(outcomes):
    found = outcomes[1]
    lists = found["lists"]
    for name in (
        "numpy",
        "column",
        "pandas",
        "category",
        "torch",
        "scalars",
        "batches",
        "nullable",
        "frames",
        "masked",
    ):
        assert found[name] == pytest.approx(lists, abs=1e-6), name
    assert found["whole"] == pytest.approx(lists, abs=1e-9)
    assert found["half"]["utterance_mse"] == pytest.approx(lists["utterance_mse"], abs=0.01)
    assert found["no systems"] == found["nan"] == found["missing"]
    assert all("predictions: expected numbers" in found[name] for name in ("hidden", "gap"))
    assert found["no systems"].keys() == {key for key in lists if key.startswith("utterance_")}
    assert found["one by one"]["utterance_lcc"] == pytest.approx(lists["utterance_lcc"])
    assert "predictions: expected numbers of shape (n,) or (n, 1), got ndarray of shape (6, 2)" in found["shape"]
    assert "Mismatch in the number of predictions (5) and references (6)" in found["length"]
    assert "predictions: expected numbers" in found["text"]


@pytest.mark.slow
def test_the_module_gives_the_same_numbers_as_the_functions(outcomes):
    plain, without, resampled, added, given = outcomes[0]
    expected = describe(PREDICTED, HUMAN, SYSTEMS, resamples=50)
    for level, entries in expected.items():
        for name, entry in entries.items():
            assert plain[f"{level}_{name}"] == added[f"{level}_{name}"] == entry["value"]
            assert resampled[f"{level}_{name}_ci"] == entry["ci"]
    assert sorted(without) == sorted(key for key in plain if key.startswith("utterance_"))
    assert given["system_srcc"] is None
    assert "every human score is the same (2)" in given["system_srcc_reason"]
