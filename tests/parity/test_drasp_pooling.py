"""The poolings against the DRASP repository and asv-subtools, as the manifest and arrays of the golden vectors say."""

from __future__ import annotations

import fnmatch
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mosharness.predictors.layers.pooling import make_pooling
from mosharness.predictors.layers.pooling.base import Pooling

STEM = "drasp_pooling"


@pytest.fixture(scope="module")
def golden(parity_dir: Path) -> tuple[dict[str, Any], Any, Any]:
    manifest = json.loads((parity_dir / f"{STEM}.json").read_text())
    spec = importlib.util.spec_from_file_location("golden_rules", parity_dir / "sinfill.py")
    assert spec is not None and spec.loader is not None
    rules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rules)
    return manifest, np.load(parity_dir / f"{STEM}.npz"), rules


def frames_of(case: dict[str, Any]) -> torch.Tensor:
    """The input of a case, made by the manifest's recipe."""
    given = case["input"]
    random = np.random.RandomState(given["seed"]).standard_normal(given["shape"])
    phase = np.arange(given["shape"][1]) * given["sine_radians_per_frame"]
    values = given["scale"] * random + given["sine_amplitude"] * np.sin(phase)[None, :, None]
    return torch.from_numpy(values.astype(given["dtype"]))


def mask_of(case: dict[str, Any], arrays: Any) -> torch.Tensor | None:
    """The mask of a case, from the arrays and again from the manifest's words."""
    if case["mask_array"] is None:
        return None
    mask = arrays[case["mask_array"]]
    if case["mask_lengths"] is not None:
        rows = [[1.0] * length + [0.0] * (mask.shape[1] - length) for length in case["mask_lengths"]]
    else:
        rows = [[float(digit) for digit in row] for row in case["mask_rows"]]
    np.testing.assert_array_equal(mask, np.asarray(rows))
    return torch.from_numpy(mask)


def reference_name(name: str) -> str:
    """What the reference calls a parameter of ours; only those of the multi-head modules differ."""
    return f"attention.{name}" if name.startswith(("first_affine", "last_affine")) else name


def tolerance_of(manifest: dict[str, Any], name: str) -> dict[str, float]:
    """The tolerance of an array: the first entry whose pattern matches."""
    for entry in manifest["tolerances"]:
        if fnmatch.fnmatchcase(name, entry["arrays"]):
            return {"rtol": entry["rtol"], "atol": entry["atol"]}
    raise AssertionError(f"no tolerance for {name}")


def check(golden: tuple[dict[str, Any], Any, Any], name: str, value: torch.Tensor) -> None:
    manifest, arrays, _ = golden
    np.testing.assert_allclose(value.numpy(), arrays[name], err_msg=name, **tolerance_of(manifest, name))


def settings_of(output: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of a module, in our names."""
    names = {
        "segment_size": "segment_size",
        "num_head": "num_heads",
        "hidden_size": "head_width",
        "stddev": "deviations",
    }
    return {ours: output[theirs] for theirs, ours in names.items() if output[theirs] is not None}


def filled(output: dict[str, Any], channels: int, rules: Any) -> Pooling:
    """The module of an output with the reference's weights."""
    module = make_pooling(output["module"], channels, zero_pad_remainder=True, **settings_of(output))
    state = {
        name: rules.sinfill_tensor(reference_name(name), tuple(tensor.shape))
        for name, tensor in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module


def test_every_module_of_every_case_of_drasp_pooling_agrees(golden: tuple[dict[str, Any], Any, Any]) -> None:
    manifest, arrays, rules = golden
    compared = []
    for case in manifest["cases"]:
        frames, mask = frames_of(case), mask_of(case, arrays)
        if case["input"]["stored"]:
            check(golden, f"{case['name']}/x", frames)
            compared.append(f"{case['name']}/x")
        if mask is not None:
            compared.append(case["mask_array"])
        for output in case["outputs"]:
            module = filled(output, frames.shape[-1], rules)
            with torch.no_grad():
                pooled = module(frames, mask=mask)
            assert list(pooled.shape) == output["shape"] == [len(frames), module.output_channels]
            check(golden, output["array"], pooled)
            compared.append(output["array"])
    assert sorted(compared) == sorted(arrays.files), "not every array was compared"


def test_the_parameters_of_drasp_pooling_have_the_reference_names(golden: tuple[dict[str, Any], Any, Any]) -> None:
    """Heads and widths of the multi-head modules are those of the shapes."""
    example = golden[0]["key_shapes_example"]
    for name, shapes in example["modules"].items():
        settings = {"segment_size": example["n"]}
        if "attention.last_affine.weight" in shapes:
            heads, width = shapes["attention.last_affine.weight"][:2]
            settings |= {"num_heads": heads, "head_width": width}
        module = make_pooling(name, example["D"], **settings)
        ours = {reference_name(key): list(value.shape) for key, value in module.state_dict().items()}
        assert ours == {key: shape for key, shape in shapes.items() if key != "attention.t"}, name


def test_counts_and_masks_of_drasp_pooling_agree(golden: tuple[dict[str, Any], Any, Any]) -> None:
    """Where a case's mask has no holes, valid counts say the same, whatever stands behind them.

    Of a row without a valid frame the reference pools the padding, which therefore stays.
    """
    manifest, _, rules = golden
    checked = 0
    for case in manifest["cases"]:
        if case["mask_lengths"] is None:
            continue
        frames, counts = frames_of(case), torch.tensor(case["mask_lengths"])
        for row, count in enumerate(counts):
            if count:
                frames[row, count:] = torch.nan
        for output in case["outputs"]:
            with torch.no_grad():
                check(golden, output["array"], filled(output, frames.shape[-1], rules)(frames, counts))
            checked += 1
    if not checked:
        pytest.skip("no case of this set has a mask that is given by lengths")
