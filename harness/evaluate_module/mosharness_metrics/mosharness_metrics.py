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
    predictions: predicted score of each utterance.
    references: human score of each utterance.
    systems: system id of each utterance; may be left out.
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

    def compute(
        self, *, predictions: Sequence[float] | None = None, references: Sequence[float] | None = None, **kwargs: Any
    ) -> Any:
        """See ``inputs_description``; utterances that were added before are measured when no predictions are given."""
        if predictions is not None:
            kwargs["systems"] = _or_empty(kwargs.get("systems"), len(predictions))
        return super().compute(predictions=predictions, references=references, **kwargs)

    def add_batch(
        self, *, predictions: Sequence[float] | None = None, references: Sequence[float] | None = None, **kwargs: Any
    ) -> None:
        """Add utterances; ``systems`` may be left out."""
        kwargs["systems"] = _or_empty(kwargs.get("systems"), 0 if predictions is None else len(predictions))
        super().add_batch(predictions=predictions, references=references, **kwargs)

    def add(self, *, prediction: float | None = None, reference: float | None = None, **kwargs: Any) -> None:
        """Add one utterance; ``systems``, its system id, may be left out."""
        kwargs["systems"] = kwargs.get("systems") or ""
        super().add(prediction=prediction, reference=reference, **kwargs)

    def _compute(
        self,
        predictions: Sequence[float],
        references: Sequence[float],
        systems: Sequence[str | None],
        resamples: int = 0,
        seed: int = 0,
        system_truth: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        options: dict[str, Any] = {"resamples": resamples, "seed": seed, "system_truth": system_truth}
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


def _or_empty(systems: Sequence[str | None] | None, n: int) -> list[str]:
    """System ids, every one a string; empty ones where none were given."""
    return [""] * n if systems is None else ["" if name is None else str(name) for name in systems]
