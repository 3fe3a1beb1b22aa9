"""SFI-SSL from the command line on Track 3's layout: native rates end to end, and the report by rate."""

from __future__ import annotations

import csv
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
from mosharness.harness.core.typed import plain
from mosharness.harness.results.multirate import rate_report
from mosharness.harness.results.predictions import Scored
from mosharness.predictors.sfissl import SfiSsl

Cli = Callable[..., Any]
TINY = ("--set", "backbone=hubert-tiny", "--set", "features=16", "--set", "widths=[24, 32]")
TRAIN = ("--set", "train.settings.pretrained=random", "--set", "train.settings.fit_steps=0", "--set", "train.epochs=1")


@pytest.fixture(scope="module")
def track3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(__file__).parents[1] / "unit" / "tasks"
    sys.path.insert(0, str(folder))
    try:
        from layout_multisr import write_multisr
    finally:
        sys.path.remove(str(folder))
    made: Path = write_multisr(tmp_path_factory.mktemp("track3"), audio=True)
    return made


@pytest.mark.slow
def test_a_run_on_track_3_keeps_every_rate_and_reports_by_rate(
    cli: Cli, track3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    original = SfiSsl.forward

    def forward(self: SfiSsl, batch: Any) -> Any:
        seen.add(batch["sample_rate"])
        return original(self, batch)

    monkeypatch.setattr(SfiSsl, "forward", forward)
    options = ("--task", "multisr", "--predictor", "sfissl", "--data-root", track3, "--device", "cpu")
    place = ("--output", tmp_path, "--no-cache")
    outcome = cli("run", *options, *place, "--train", "--recipe", "sfissl-default", *TINY, *TRAIN, "--json")
    assert outcome.code == 0, outcome.err
    assert seen == {16_000, 24_000, 48_000}
    report = outcome.json["multirate"]
    folder = tmp_path / "multisr" / "test" / "sfissl"
    assert json.loads((folder / "result.json").read_text())["multirate"] == report
    with (folder / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for one in report["rates"]:
        own = [
            float(row["mos"]) - float(row["mos_truth"]) for row in rows if int(row["sample_rate"]) == one["sample_rate"]
        ]
        assert one["bias"]["mos"] == pytest.approx(statistics.fmean(own), abs=1e-6)
        assert one["n_utterances"] == len(own)
    assert report["drift"]["mos"]["recordings"] == 2
    again = cli("run", *options, *place)
    assert "by sampling rate" in again.out
    assert "16000 -> 24000" in again.out
    assert cli("verify", folder).code == 0


def test_a_study_of_the_ablations_is_known(cli: Cli) -> None:
    outcome = cli("study", "sfissl-ablations", "--task", "multisr", "--rows", "no such row")
    assert outcome.code == 2
    assert "w/o BVCC" in outcome.err


@pytest.mark.slow
def test_a_study_distils_once_and_has_the_published_cells_beside_its_own(
    cli: Cli, track3: Path, tmp_path: Path, repository: Path
) -> None:
    """Two rows in miniature: the second one begins with the first one's distilled student."""
    recipe = {
        "distill.data": f"audio:{track3 / 'wav'}",
        "distill.settings.pretrained": "random",
        "distill.settings.fit_steps": 0,
        "distill.settings.student_rates": "[16000]",
        "distill.steps": 1,
        "distill.evaluate_steps": 1,
        "pretrain.data": "multisr/train",
        "pretrain.dev": "multisr/test",
        "pretrain.epochs": 1,
        "finetune.epochs": 1,
        "finetune.accumulate": 1,
        "folds.n": 2,
    }
    chosen = [part for name, value in recipe.items() for part in ("--set", f"train.{name}={value}")]
    output = tmp_path / "out"
    outcome = cli(
        *("study", "sfissl-ablations", "--task", "multisr", "--data-root", track3, "--device", "cpu"),
        *("--output", output, "--rows", "SFI-SSL,w/o BVCC", "--json", *TINY, *chosen),
        *("--published", repository / "leaderboards" / "published"),
    )
    assert outcome.code == 0, outcome.err
    stages = sorted(path.parent.name for path in output.rglob("done.json"))
    assert stages == ["distill", "finetune", "finetune", "pretrain"]
    rows = next(one["rows"] for one in outcome.json["tables"] if one["level"] == "system" and one["split"] == "test")
    assert rows["SFI-SSL"]["srcc"]["published"] == 0.914
    assert rows["w/o BVCC"]["srcc"]["published"] is None
    assert all(row["mse"]["value"] is not None for row in rows.values())
    (page,) = output.rglob("study.md")
    assert "two things at once" in " ".join(page.read_text().split())


# -- the report -------------------------------------------------------------------------------------------------------


def table(changes: dict[int, float]) -> tuple[list[dict[str, Any]], list[Scored]]:
    """Six sentences by two methods at three rates: labels rise by 0.1 per rate, predictions by ``changes``."""
    rows, scored = [], []
    for rate, change in changes.items():
        for method in ("nv", "tts"):
            for sentence in range(6):
                name, tag = f"{rate}_{method}_{sentence}", f"{rate // 1000}k"
                label = 2.0 + 0.3 * sentence + (0.5 if method == "nv" else 0.0)
                own = {"utterance_id": name, "system_id": f"{tag}_{method}", "subset": tag}
                rows.append({**own, "text": f"s{sentence}", "sample_rate": 0})
                truth = label + 0.1 * sorted(changes).index(rate)
                scored.append(Scored.of(name, own["system_id"], {"mos": label + change}, {"mos": truth}))
    return rows, scored


def test_the_drift_is_that_of_one_recording_beside_its_labels() -> None:
    report = plain(rate_report(*table({16_000: 0.0, 24_000: 0.5, 48_000: -0.25}), ("mos",)))
    assert [one["sample_rate"] for one in report["rates"]] == [16_000, 24_000, 48_000]
    assert [round(one["bias"]["mos"], 9) for one in report["rates"]] == [0.0, 0.4, -0.45]
    drift = report["drift"]["mos"]
    assert drift["recordings"] == 12
    assert drift["range"] == pytest.approx({"predicted": 0.75, "truth": 0.2})
    pairs = {(pair["low"], pair["high"]): pair for pair in drift["pairs"]}
    assert pairs[16_000, 48_000]["predicted"] == pytest.approx({"mean": -0.25, "sd": 0.0}, abs=1e-9)
    assert pairs[24_000, 48_000]["truth"]["mean"] == pytest.approx(0.1)
    assert all(one["metrics"]["utterance"]["mos"]["lcc"]["value"] == pytest.approx(1.0) for one in report["rates"])


def test_one_rate_gives_no_report_and_unrelated_clips_no_drift() -> None:
    rows, scored = table({16_000: 0.0})
    assert rate_report(rows, scored, ("mos",)) is None
    rows, scored = table({16_000: 0.0, 48_000: 0.1})
    report = plain(rate_report([{**row, "text": ""} for row in rows], scored, ("mos",)))
    assert report is not None
    assert report["drift"]["mos"] == {"recordings": 0, "reason": "no sentence of one method was scored at two rates"}


def test_files_at_unusual_rates_are_scored_natively(cli: Cli, track3: Path, tmp_path: Path) -> None:
    """22.05, 44.1, 8 and 48 kHz files through ``predict``."""
    import torch

    torch.manual_seed(0)
    made = SfiSsl({"backbone": "hubert-tiny", "features": 16, "widths": (24, 32)}, device="cpu")
    made.save_pretrained(tmp_path / "weights")
    for rate in (8_000, 22_050, 44_100, 48_000):
        samples = 0.1 * torch.randn(rate // 2).numpy()
        soundfile.write(tmp_path / f"clip{rate}.wav", samples, rate)
    outcome = cli(
        "predict",
        tmp_path,
        "--predictor",
        "sfissl",
        "--checkpoint",
        tmp_path / "weights",
        "-o",
        tmp_path / "out.csv",
        "--device",
        "cpu",
    )
    assert outcome.code == 0, outcome.err
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {int(row["sample_rate"]) for row in rows} == {8_000, 22_050, 44_100, 48_000}
    assert all(row["status"] != "failed" and 1.0 < float(row["mos"]) < 5.0 for row in rows)
