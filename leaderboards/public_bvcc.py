"""Measure the public BVCC predictions and write their rows into ``leaderboards/results``.

    python leaderboards/public_bvcc.py --from FOLDER

``FOLDER`` holds ``bvcc_test/test.csv`` and ``bvcc_dev/{dev,ratings,mydata_system}.csv``: labels of the official
package and predictions that the authors published (sources below). Only figures are written, never other people's
predictions or labels of single clips. The labels are laid out as the official package has them, and read by the task's
own loader, so the rows carry the same checks and label digest as any other run on BVCC.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mosharness.harness.results.evaluate import evaluate_predictions
from mosharness.harness.results.store import result_folder, write_result
from mosharness.harness.run import RunOptions
from mosharness.tasks import load_task

RESULTS = Path(__file__).parent / "results"
SHEET = "SHEET toolkit (github.com/unilight/sheet, commit 7ea80cc), assets/example_results.csv"
UTMOS = (
    "UTMOS22 strong learner (github.com/sarulab-speech/UTMOS22, commit 2d6d612), stacking/strong_learner_result/main1"
)
SSLMOS = "SSL-MOS (github.com/nii-yamagishilab/mos-finetune-ssl, commit 01fbe24), answer.txt"


@dataclass(frozen=True)
class Row:
    """One published prediction column."""

    split: str
    column: str
    name: str
    source: str
    system_truth: str = "split-mean"


ROWS = (
    Row("test", "pred_sheet_sslmos", "sslmos-sheet", SHEET),
    Row("test", "pred_utmos_strong_f0", "utmos-strong-fold0", f"{UTMOS}, fold 0"),
    Row("test", "pred_utmos_strong_f1", "utmos-strong-fold1", f"{UTMOS}, fold 1"),
    Row("dev", "pred_sslmos_w2vsmall", "sslmos-w2v-small", SSLMOS),
    Row("dev", "pred_utmos_strong_f0", "utmos-strong-fold0", f"{UTMOS}, fold 0"),
    Row("dev", "pred_sslmos_w2vsmall", "sslmos-w2v-small-official-truth", SSLMOS, "official"),
    Row("dev", "pred_utmos_strong_f0", "utmos-strong-fold0-official-truth", f"{UTMOS}, fold 0", "official"),
)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def lay_out(source: Path, root: Path) -> None:
    """Write the labels as ``main/DATA`` of the official package has them."""
    data = root / "main" / "DATA"
    (data / "sets").mkdir(parents=True)
    (data / "wav").mkdir()
    for split, name in (("dev", "val"), ("test", "test")):
        rows = read(source / f"bvcc_{split}" / f"{split}.csv")
        lines = [f"{row['utt_id']}.wav,{row['mos']}\n" for row in rows]
        (data / "sets" / f"{name}_mos_list.txt").write_text("".join(lines), "utf-8")
    listener = "{{}}_0-0_{}_Unknown_Valid_0_No"
    ratings = [
        f"{row['utt_id'].split('-')[0]},{row['utt_id']}.wav,{row['rating']},x,{listener.format(row['listener'])}\n"
        for row in read(source / "bvcc_dev" / "ratings.csv")
    ]
    (data / "sets" / "DEVSET").write_text("".join(ratings), "utf-8")
    shutil.copy(source / "bvcc_dev" / "mydata_system.csv", data / "mydata_system.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, required=True, help="folder with bvcc_test and bvcc_dev")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        lay_out(arguments.source, Path(place))
        task = load_task("bvcc", place)
        for row in ROWS:
            table = Path(place) / "predictions.csv"
            rows = read(arguments.source / f"bvcc_{row.split}" / f"{row.split}.csv")
            table.write_text("".join(f"{one['utt_id']},{one[row.column]}\n" for one in rows), "utf-8")
            result = evaluate_predictions(
                table,
                task=task,
                split=row.split,
                name=row.name,
                trained_on=["bvcc/train"],
                note=f"Predictions published by their authors: {row.source}.",
                options=RunOptions(system_truth=row.system_truth),
            )
            folder = result_folder(arguments.output, "bvcc", row.split, row.name)
            srcc = result.estimate("system", "mos", "srcc")
            print(f"{write_result(folder, result)}: system SRCC {srcc.value:.6f} {srcc.ci}")


if __name__ == "__main__":
    main()
