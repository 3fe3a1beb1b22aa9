"""The metrics of MOS prediction as a module of Hugging Face ``evaluate``: a thin shell around ``mosharness``.

Load it by path, without a network: ``evaluate.load("<folder>/mosharness_metrics")``. mosharness must be installed, and
``HF_HOME`` must be writable, because ``evaluate`` copies this file into it.

One import a line: the loader reads import lines as text, and takes ``a,`` in ``import a, b`` for a package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate
from mosharness.harness.stats import describe
from mosharness.harness.stats.metrics import LEVELS, METRICS, metric_names

_DESCRIPTION = """\
{metrics} between predicted and human mean opinion scores, at the utterance level and, when system ids are given, at the
level of system means.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions: predicted score of each utterance: a list, numpy array, pandas Series or torch tensor (on any device,
        of any float type) of shape (n,) or (n, 1).
    references: human score of each utterance, likewise.
    systems: system id of each utterance, a list, array or Series; may be left out.
Returns:
    {utterance}; when there are systems also {system}. A value that does not exist (a constant side, fewer than 3 items)
    is None, and <key>_reason says why. With resamples above 0, <key>_ci is [low, high] of a bootstrap over systems, or
    None.
"""


def _description() -> str:
    """What is measured, as the table of metrics says now."""
    named = [f"{one.label} ({one.title})" if one.title else one.label for one in METRICS.values()]
    return _DESCRIPTION.format(metrics=", ".join(named))


def _inputs_description() -> str:
    """Arguments and keys, as the table of metrics says now."""
    keys = {level: ", ".join(f"{level}_{name}" for name in metric_names(level)) for level in LEVELS}
    return _KWARGS_DESCRIPTION.format(**keys)


class MosharnessMetrics(evaluate.Metric):  # type: ignore[misc]
    """``compute(predictions=..., references=..., systems=...)``; ``systems`` may be left out.

    Other arguments of ``compute``: ``resamples`` (0: no intervals), ``seed``, and ``system_truth``, a mapping from
    system id to the human score to use at the system level.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = {
            "predictions": datasets.Value("float64"),
            "references": datasets.Value("float64"),
            "systems": datasets.Value("string"),
        }
        return evaluate.MetricInfo(
            description=_description(),
            citation="",
            inputs_description=_inputs_description(),
            features=datasets.Features(features),
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> Any:
        """See ``inputs_description``; utterances that were added before are measured when no predictions are given."""
        if predictions is not None:  # the base class hands them on to ``add_batch``
            kwargs.setdefault("systems", None)
        return super().compute(predictions=predictions, references=references, **kwargs)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Add utterances; ``systems`` may be left out.

        Raises:
            ValueError: If an input has another shape than (n,) or (n, 1), holds no numbers, or their lengths differ.
        """
        sides = {"predictions": _numbers(predictions, "predictions"), "references": _numbers(references, "references")}
        kwargs["systems"] = _names(kwargs.get("systems"), len(sides["predictions"]))
        super().add_batch(**sides, **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Add one utterance, a number, numpy scalar or tensor of one; ``systems``, its system id, may be left out."""
        name = kwargs.get("systems")
        kwargs["systems"] = _names(None if name is None else [name], 1)[0]
        sides = {"prediction": _number(prediction), "reference": _number(reference)}
        super().add(**sides, **kwargs)

    def _compute(
        self,
        predictions: Sequence[float],
        references: Sequence[float],
        systems: Sequence[str | None],
        resamples: int = 0,
        seed: int = 0,
        system_truth: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        truth = None if system_truth is None else {str(key): float(value) for key, value in system_truth.items()}
        options: dict[str, Any] = {"resamples": resamples, "seed": seed, "system_truth": truth}
        found = describe(predictions, references, systems, ties="published", **options)
        flat = {}
        for level, metrics in found.items():
            for name, entry in metrics.items():
                key = f"{level}_{name}"
                flat[key] = entry["value"]
                if resamples:
                    flat[f"{key}_ci"] = entry["ci"]
                if entry["value"] is None or (resamples and entry["ci"] is None):
                    flat[f"{key}_reason"] = entry["reason"]
        return flat


def _plain(values: Any) -> Any:
    """Lists and Python's own numbers and texts, from whatever array, series, tensor or scalar holds them."""
    if hasattr(values, "detach"):  # torch: off the graph, off the device
        values = values.detach().cpu()
        values = values.to_dense() if values.is_sparse else values
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):  # a frame: its cells and not its header
        values = values.to_numpy()
    for method in ("tolist", "to_list"):
        if hasattr(values, method):
            return getattr(values, method)()
    return values


def _number(value: Any) -> float:
    """One number; a list, array or tensor of one as well."""
    value = _plain(value)
    while isinstance(value, (list, tuple)) and len(value) == 1:
        value = _plain(value[0])
    if not isinstance(value, (list, tuple, str)) and value is not None:
        return float(value)
    raise ValueError(f"expected one number, got {value!r}")


def _numbers(values: Any, name: str) -> list[float]:
    """A column of numbers, shape (n,) or (n, 1)."""
    if values is None:
        raise ValueError(f"{name}: none were given")
    plain = _plain(values)
    if not hasattr(plain, "__iter__") or isinstance(plain, (str, Mapping)):
        raise ValueError(f"{name}: expected a list, array, series or tensor of numbers, got {type(values).__name__}")
    try:
        return [_number(value) for value in plain]
    except (TypeError, ValueError) as error:
        shape = getattr(values, "shape", None)
        said = f" of shape {tuple(shape)}" if shape is not None else ""
        raise ValueError(
            f"{name}: expected numbers of shape (n,) or (n, 1), got {type(values).__name__}{said}: {error}"
        ) from None


def _names(systems: Any, n: int) -> list[str]:
    """System ids, every one a string; empty ones where none were given (``None``, or the NaN of data frames)."""
    if systems is None:
        return [""] * n
    return [_name(name) for name in _plain(systems)]


def _name(name: Any) -> str:
    """A system id as a string; empty for ``None`` and the missing values of data frames."""
    name = _plain(name)
    while isinstance(name, (list, tuple)) and len(name) == 1:
        name = _plain(name[0])
    if name is None or type(name).__name__ in {"NAType", "NaTType"} or name != name:  # noqa: PLR0124 - NaN
        return ""
    return str(name)
