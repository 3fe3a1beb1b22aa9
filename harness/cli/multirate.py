"""The part ``multirate`` of a result as tables."""

from __future__ import annotations

from typing import Any

from .show import number, print_table, with_interval


def show_rates(report: dict[str, Any]) -> None:
    """Metrics by sampling rate, and the drift of one recording over rates, on stdout."""
    from ..stats.metrics import shown_metrics

    rows = []
    columns = shown_metrics(detail="compact")
    for one in report["rates"]:
        for level in ("system", "utterance"):
            for dimension, metrics in one["metrics"][level].items():
                values = [with_interval(metrics.get(metric.name, {}), metric.digits) for metric in columns]
                counts = one["n_systems"] if level == "system" else one["n_utterances"]
                rows.append([one["sample_rate"], level, dimension, counts, *values, number(one["bias"][dimension])])
    header = ["Hz", "level", "dimension", "n", *(metric.label for metric in columns), "bias"]
    print_table(header, rows, title="by sampling rate", right=3)
    for dimension, drift in report["drift"].items():
        if not drift["recordings"]:
            continue
        title = (
            f"drift of one recording over rates ({dimension}; {drift['recordings']} recordings): "
            f"highest minus lowest score {number(drift['range']['predicted'])}, "
            f"of the labels {number(drift['range']['truth'])}"
        )
        shown = [
            [
                f"{pair['low']} -> {pair['high']}",
                pair["recordings"],
                *(_change(pair[name]) for name in ("predicted", "truth")),
            ]
            for pair in drift["pairs"]
        ]
        print_table(["Hz", "recordings", "score changes by", "label changes by"], shown, title=title, right=1)


def _change(entry: dict[str, Any]) -> str:
    spread = "" if entry["sd"] is None else f" ± {entry['sd']:.3f}"
    return f"{entry['mean']:+.3f}{spread}"
