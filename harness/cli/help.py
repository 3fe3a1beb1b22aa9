"""Help of a verb: options in groups, and an example at the end."""

from __future__ import annotations

from typing import Any

SECTIONS: dict[str, tuple[str, ...]] = {
    "Data": (
        "task", "split", "predictions", "truth", "from_", "column", "without", "group_by", "groups", "data_root",
        "task_path", "split_by", "dev", "test", "split_seed", "limit", "allow_missing", "system", "labels_not_human",
        "source", "labels_only", "results",
    ),
    "Predictor": (
        "predictor", "checkpoint", "device", "precision", "set_", "workers", "no_cache", "windows", "window",
        "allow_failed",
    ),
    "Training": (
        "train", "recipe", "seeds", "resume", "init_from", "stage", "tensorboard", "fetch", "seed",
    ),
    "Measuring": (
        "system_truth", "interval", "metric", "level", "dimension", "against", "intersection", "resamples",
        "trained_on",
    ),
    "Output": (
        "output", "name", "note", "overwrite", "summary", "over_time", "as_json", "dry_run", "format_", "plots",
    ),
}  # fmt: skip
"""Heading to the parameters below it; others stand under `Options`."""

EXAMPLES: dict[str, str] = {
    "run": "mosharness run -t demo -p dsp --train",
    "bench": "mosharness bench demo",
    "predict": "mosharness predict clips/ -p distillmos -o scores.csv",
    "evaluate": "mosharness evaluate --predictions NISQA_results.csv --truth truth.csv",
    "compare": "mosharness compare results/demo/test/dsp results/demo/test/distillmos",
    "ratings": "mosharness ratings panel.csv",
    "agree": "mosharness agree scores.csv",
    "leaderboard": "mosharness leaderboard --results results -o boards",
    "gate": "mosharness gate --candidate new/ --baseline old/ -p distillmos,dnsmos",
    "train": "mosharness train -t demo -p dsp",
    "plan": "mosharness plan bvcc sslmos",
    "study": "mosharness study jsqa-demo -t demo",
    "ls": "mosharness ls tasks --json",
    "prepare": "mosharness prepare folder --from clips/ --name night",
    "inspect": "mosharness inspect clip.wav -p dsp -o looks/",
    "check": "mosharness check dsp",
    "verify": "mosharness verify results/demo/test/dsp",
    "new": "mosharness new predictor mine",
    "doctor": "mosharness doctor",
}
"""Verb to a command that shows it."""


def with_sections(command: Any, name: str) -> Any:
    """``command``, whose help from now on has its options in groups and ends with an example.

    Args:
        command: Of the command-line library.
        name: The verb.
    """
    if name in EXAMPLES:
        command.epilog = f"Example: {EXAMPLES[name]}"
    if getattr(command, "commands", None):
        return command

    def format_options(ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*SECTIONS, "Options")}
        arguments = []
        for parameter in command.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if parameter.param_type_name == "argument":
                arguments.append(record)
                continue
            heading = next((one for one, names in SECTIONS.items() if parameter.name in names), "Options")
            rows[heading].append(record)
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        for heading, listed in rows.items():
            if listed:
                with formatter.section(heading):
                    formatter.write_dl(listed)

    command.format_options = format_options
    return command
