"""``mosharness gate``: is a candidate system worse than the baseline? Exit code 0 pass, 1 fail, 3 inconclusive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from . import common
from .show import clean, print_json, print_table, say

Baseline = Annotated[
    str | None, typer.Option("--baseline", help="Folder, manifest (.csv), saved baseline (.json); a name of the table.")
]
Candidate = Annotated[str | None, typer.Option("--candidate", help="Folder or manifest (.csv); a name of the table.")]
Predictors = Annotated[
    list[str] | None,
    typer.Option("--predictor", help="P or P=CHECKPOINT; may repeat. All have to pass; take at least two."),
]
PlanPredictors = Annotated[
    list[str] | None,
    typer.Option("--predictor", help="P or P=CHECKPOINT; may repeat: the ones that the gate will take."),
]
ApprovePredictors = Annotated[
    list[str] | None,
    typer.Option("--predictor", help="P or P=CHECKPOINT; may repeat: all that the saved baseline holds scores of."),
]
Margin = Annotated[
    list[str] | None,
    typer.Option("--margin", help="Loss still accepted (0.2), or NAME=loss for one score; may repeat."),
]
Alpha = Annotated[float, typer.Option("--alpha", help="One-sided level, between 0 and 0.5.")]
ScoresCsv = Annotated[
    Path | None, typer.Option("--scores-csv", help="Long table of outside scores, a row per system and text.")
]
SystemColumn = Annotated[str, typer.Option("--system-column", help="Column of the table with the system.")]
KeyColumn = Annotated[str, typer.Option("--key", help="Column of the table that pairs the rows of two systems.")]
ScoreColumns = Annotated[
    list[str] | None, typer.Option("--score", help="Column of the table with a score; may repeat, all have to pass.")
]


OnError = Annotated[str, typer.Option("--on-error", help="A file that cannot be used: fail, or skip its text.")]
MixedRates = Annotated[
    bool, typer.Option("--allow-mixed-rates", help="Resample both sides to one rate where rates differ.")
]
MaxSeconds = Annotated[float, typer.Option("--max-seconds", help="Longer clips cannot be used.")]


def register(app: typer.Typer) -> None:
    """Add the verb and its subcommands to the application."""
    group = typer.Typer(
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    group.callback()(gate)
    group.command("plan")(plan)
    group.command("approve")(approve)
    app.add_typer(group, name="gate")


def gate(
    context: typer.Context,
    candidate: Candidate = None,
    baseline: Baseline = None,
    predictor: Predictors = None,
    margin: Margin = None,
    alpha: Alpha = 0.05,
    method: Annotated[str, typer.Option("--method", help="paired-t, bootstrap or wilcoxon.")] = "paired-t",
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Texts differ: Welch's test, needs far more.")] = False,
    min_n: Annotated[int, typer.Option("--min-n", min=1, help="Fewest texts per voice.")] = 20,
    floor: Annotated[
        list[str] | None, typer.Option("--floor", help="The candidate's mean must be shown to reach this; NAME=value.")
    ] = None,
    utt_floor: Annotated[
        list[str] | None, typer.Option("--utt-floor", help="Scores below are bad; NAME=value for one score.")
    ] = None,
    max_bad: Annotated[int, typer.Option("--max-bad", min=0, help="How many bad scores are accepted.")] = 0,
    max_utt_drop: Annotated[
        list[str] | None, typer.Option("--max-utt-drop", help="No single text may lose more; NAME=loss for one score.")
    ] = None,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Inconclusive ends with exit code 0.")
    ] = False,
    allow_missing: Annotated[
        int, typer.Option("--allow-missing", min=0, help="How many texts the candidate may lack.")
    ] = 0,
    worst: Annotated[int, typer.Option("--worst", min=0, help="How many of the worst utterances are listed.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
    scores_csv: ScoresCsv = None,
    system_column: SystemColumn = "system",
    key: KeyColumn = "key",
    score: ScoreColumns = None,
    lower_is_better: Annotated[
        list[str] | None, typer.Option("--lower-is-better", help="A score that is better when lower (error rates).")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for gate.json, junit.xml, summary.md, gate.html; its parent must exist."),
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Append the summary to the file that $GITHUB_STEP_SUMMARY names.")
    ] = False,
    save_baseline: Annotated[
        Path | None,
        typer.Option("--save-baseline", help="Write the baseline's scores (of the one side given) to a JSON file."),
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="Append a line of JSON with the figures to this file.")
    ] = None,
    on_error: OnError = "fail",
    max_skipped: Annotated[
        int, typer.Option("--max-skipped", min=0, help="How many texts --on-error skip may leave out.")
    ] = 0,
    allow_same: Annotated[bool, typer.Option("--allow-same", help="Accept one folder on both sides.")] = False,
    allow_mixed_rates: MixedRates = False,
    max_seconds: MaxSeconds = 60.0,
    device: common.Device = "auto",
    set_: common.PredictorSettings = None,
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the verdict only.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Gate a candidate system against a baseline: pass, fail or inconclusive."""
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from ..gates.model import GateOptions, PerScore, parse_per_score

    options = GateOptions(
        margin=parse_per_score(margin, "--margin") if margin else PerScore(0.2),
        alpha=alpha,
        method="unpaired"
        if unpaired
        else common.check_choice(method, ("paired-t", "bootstrap", "wilcoxon"), "--method"),
        min_n=min_n,
        floor=parse_per_score(floor or [], "--floor"),
        utterance_floor=parse_per_score(utt_floor or [], "--utt-floor"),
        max_bad=max_bad,
        max_drop=parse_per_score(max_utt_drop or [], "--max-utt-drop"),
        allow_inconclusive=allow_inconclusive,
        allow_missing=allow_missing,
        worst=worst,
        seed=seed,
        lower_is_better=tuple(lower_is_better or ()),
    )
    if max_bad and not utt_floor:
        raise UsageError("--max-bad counts scores below --utt-floor; give that too")
    _check_targets(report, github, save_baseline, history)
    if scores_csv is not None:
        if predictor or set_ or save_baseline or on_error != "fail":
            raise UsageError(
                "--scores-csv brings its scores: --predictor, --set, --save-baseline and --on-error do not apply"
            )
        result = _gate_table(scores_csv, baseline, candidate, score, options, system_column, key)
    else:
        if score:
            raise UsageError("--score names a column of --scores-csv; audio is scored by --predictor")
        audio = _audio_options(on_error, allow_same, allow_mixed_rates, max_seconds, workers, no_cache, not quiet)
        load = _loader(predictor, device, set_)
        if save_baseline is not None and not (baseline and candidate):
            _save_alone(save_baseline, baseline or candidate, load, audio)
            return
        if not (baseline and candidate):
            raise UsageError("gate needs --candidate and --baseline (folders or manifests), or --scores-csv")
        from ..gates.run import gate_audio

        run = gate_audio(baseline, candidate, load, replace(options, max_skipped=max_skipped), audio)
        result = run.result
        if save_baseline is not None:
            _save(save_baseline, run, audio.max_seconds)
    _write(result, report, github, history)
    show(result, quiet=quiet, as_json=as_json)
    raise typer.Exit(result["exit_code"])


def _check_targets(report: Path | None, github: bool, save: Path | None, history: Path | None) -> None:
    """Everything that will be written can be written; said before anything is scored."""
    from ..gates.report import check_file, check_folder
    from ..gates.summary import github_target

    if report is not None:
        check_folder(report)
    if github:
        check_file(github_target(), "--github")
    if save is not None:
        check_file(save, "--save-baseline")
    if history is not None:
        check_file(history, "--history")


def _write(result: dict[str, Any], report: Path | None, github: bool, history: Path | None) -> None:
    from ..gates.baseline import append_history
    from ..gates.report import write_report
    from ..gates.summary import append_summary, github_target

    if history is not None:
        append_history(history, result)
    if report is not None:
        write_report(report, result, history)
    if github:
        append_summary(github_target(), result)


def _audio_options(
    on_error: str, same: bool, mixed: bool, max_seconds: float, workers: int | None, no_cache: bool, progress: bool
) -> Any:
    from ..gates.run import AudioOptions

    common.check_choice(on_error, ("fail", "skip"), "--on-error")
    if not max_seconds > 0:
        raise UsageError(f"--max-seconds {max_seconds:g}: must be above 0")
    return AudioOptions(
        allow_same=same,
        allow_mixed_rates=mixed,
        skip_broken=on_error == "skip",
        max_seconds=max_seconds,
        use_cache=not no_cache,
        workers=workers,
        show=progress,
    )


def _loader(predictors: Sequence[str] | None, device: str, settings: list[str] | None) -> Callable[[], Any]:
    """Loads the predictors once the files are known to pair; names are checked at once."""
    from ...predictors import PREDICTORS
    from ..gates.scoring import load_predictors, parse_predictors

    if not predictors:
        raise UsageError("give --predictor at least once, better twice: one of naturalness, one of signal quality")
    for _, name, _ in parse_predictors(predictors):
        PREDICTORS[name]
    values = common.predictor_settings(settings)
    return lambda: load_predictors(predictors, device=device, **values)


def _save(path: Path, run: Any, max_seconds: float, history: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    from ..gates.baseline import save_baseline

    if any(one.path is None for one in run.baseline):
        raise UsageError(f"--save-baseline {path}: the baseline is a saved one already; copy the file")
    content = save_baseline(path, run.baseline, run.predictors, max_seconds=max_seconds, rate=run.rate, history=history)
    say(f"saved the scores of {len(content['files'])} files by {', '.join(content['predictors'])} in {path}")
    return content


def _save_alone(path: Path, origin: str | None, load: Callable[[], Any], audio: Any) -> None:
    from ..gates.run import score_side

    if origin is None:
        raise UsageError("--save-baseline: give the folder or manifest to score with --baseline")
    _save(path, score_side(origin, load, "--baseline", audio), audio.max_seconds)


def approve(
    baseline: Annotated[Path, typer.Option("--baseline", help="Saved baseline to replace (.json).")],
    candidate: Annotated[str, typer.Option("--candidate", help="Folder or manifest that becomes the baseline.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is right; kept in the file with what it replaces.")],
    predictor: ApprovePredictors = None,
    allow_other_predictors: Annotated[
        bool,
        typer.Option(
            "--allow-other-predictors", help="Accept other predictors, weights or settings than those of the baseline."
        ),
    ] = False,
    allow_mixed_rates: MixedRates = False,
    max_seconds: MaxSeconds = 60.0,
    device: common.Device = "auto",
    set_: common.PredictorSettings = None,
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    as_json: common.AsJson = False,
) -> None:
    """Replace a saved baseline by the scores of a candidate, with the reason recorded."""
    from ..gates.baseline import approval, means, read_baseline, refuse_other_names, refuse_other_scores
    from ..gates.report import check_file
    from ..gates.run import score_side
    from ..gates.scoring import parse_predictors

    record = approval(baseline, reason)
    check_file(baseline, "--baseline")
    audio = _audio_options("fail", False, allow_mixed_rates, max_seconds, workers, no_cache, True)
    load = _loader(predictor, device, set_)
    old = read_baseline(baseline)
    if not allow_other_predictors:
        refuse_other_names(old, baseline, [shown for shown, _, _ in parse_predictors(predictor or [])])

    def checked() -> Any:
        loaded = load()
        if not allow_other_predictors:
            refuse_other_scores(old, baseline, loaded, audio.max_seconds)
        return loaded

    run = score_side(candidate, checked, "--candidate", audio)
    content = _save(baseline, run, audio.max_seconds, [*old["history"], record])
    if as_json:
        figures = {"baseline": str(baseline), "files": len(content["files"]), "means": means(content["files"])}
        predictors = {name: one["fingerprint"] for name, one in content["predictors"].items()}
        print_json({"schema_version": 1, "kind": "gate-approval", **record, **figures, "predictors": predictors})


def plan(
    baseline: Baseline = None,
    rerender: Annotated[
        str | None, typer.Option("--rerender", help="The same system rendered again; a name of the table.")
    ] = None,
    predictor: PlanPredictors = None,
    margin: Margin = None,
    alpha: Alpha = 0.05,
    scores_csv: ScoresCsv = None,
    system_column: SystemColumn = "system",
    key: KeyColumn = "key",
    score: ScoreColumns = None,
    allow_mixed_rates: MixedRates = False,
    max_seconds: MaxSeconds = 60.0,
    device: common.Device = "auto",
    set_: common.PredictorSettings = None,
    workers: common.Workers = None,
    no_cache: common.NoCache = False,
    as_json: common.AsJson = False,
) -> None:
    """How many texts a gate needs, from two renderings of one system."""
    from ..gates.console import entry_name
    from ..gates.model import GateOptions, PerScore, parse_per_score
    from ..gates.power import make_plan

    if not (baseline and rerender):
        raise UsageError("gate plan needs --baseline and --rerender: two renderings of the same system")
    options = GateOptions(margin=parse_per_score(margin, "--margin") if margin else PerScore(0.2), alpha=alpha, min_n=2)
    if scores_csv is not None:
        result = _gate_table(scores_csv, baseline, rerender, score, options, system_column, key, "--rerender")
    else:
        from ..gates.run import gate_audio

        audio = _audio_options("fail", False, allow_mixed_rates, max_seconds, workers, no_cache, True)
        audio = replace(audio, candidate_option="--rerender")
        result = gate_audio(baseline, rerender, _loader(predictor, device, set_), options, audio).result
    entries = [entry for entry in result["predictors"] if entry["scope"] != "pooled"]
    plans = [
        asdict(make_plan(entry_name(entry), entry["n"], entry["sd_diff"], entry["mean_diff"], entry["margin"], alpha))
        for entry in entries
    ]
    if as_json:
        print_json({"schema_version": 1, "kind": "gate-plan", "alpha": alpha, "scores": plans})
        return
    for finding in result["findings"]:
        say(f"{finding['level']}: {finding['message']}")
    header = ["score", "n", "SD", "mean", "margin", "power", "n 80 %", "n 90 %", "n 95 %", "smallest drop seen"]
    rows = [
        [
            one["name"],
            one["n"],
            f"{one['sd_diff']:.3f}",
            f"{one['mean_diff']:+.3f}",
            f"{one['margin']:g}",
            f"{one['power']:.3f}",
            *(one["needed"][level] or "-" for level in ("80", "90", "95")),
            f"{one['detectable_drop']:.3f}",
        ]
        for one in plans
    ]
    print_table(header, rows, right=1)
    print("power: how often an equal system passes with n texts; smallest drop seen: with 80 % power, against no loss")


def _refuse_options(context: typer.Context) -> None:
    """Options before a subcommand would be lost without a word."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(
                f"--{name.replace('_', '-')} stands before {context.invoked_subcommand}; options go after it: "
                f"mosharness gate {context.invoked_subcommand} --{name.replace('_', '-')} ..."
            )


def _gate_table(
    path: Path,
    baseline: str | None,
    candidate: str | None,
    score: Sequence[str] | None,
    options: Any,
    system_column: str,
    key: str,
    option: str = "--candidate",
) -> dict[str, Any]:
    from ..gates.table import gate_table

    if not (baseline and candidate and score):
        raise UsageError(f"--scores-csv needs --baseline NAME, {option} NAME and at least one --score COLUMN")
    columns = {"system_column": system_column, "key_column": key}
    return gate_table(path, baseline, candidate, score, options, **columns, candidate_option=option)


def show(result: dict[str, Any], *, quiet: bool = False, as_json: bool = False) -> None:
    """A result on stdout: JSON, the verdict alone, or tables."""
    from ..gates.console import COLUMNS, advice, entry_cells, floor_line, headline

    if as_json:
        print_json(result)
        return
    if quiet:
        print(result["verdict"])
        return
    for finding in result["findings"][:50]:
        say(f"{finding['level']}: {finding['message']}")
    if len(result["findings"]) > 50:
        say(f"and {len(result['findings']) - 50} more findings; --json or --report has all of them")
    print_table(COLUMNS, [entry_cells(entry) for entry in result["predictors"]], right=1)
    for name, one in (result.get("predictor_details") or {}).items():
        if one.get("stated"):
            print(clean(f"  {name}: scored with {one['stated']}"))
    for line in [advice(entry) for entry in result["predictors"]] + [floor_line(one) for one in result["floors"]]:
        if line:
            print("  " + clean(line))
    for name, lists in result["worst"].items():
        rows = [
            [one["key"], f"{one['score_baseline']:.3f}", f"{one['score_candidate']:.3f}", f"{one['diff']:+.3f}"]
            for one in lists["by_diff"]
        ]
        if rows:
            print_table(["text", "baseline", "candidate", "difference"], rows, title=f"worst by {name}", right=1)
    print(result["limitation"])
    print(clean(headline(result)))
