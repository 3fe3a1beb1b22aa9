"""Files of other tools, in the layouts that those tools write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mosharness.harness.core.errors import DataError, PredictionError, UnknownName
from mosharness.harness.results.outside import read_predictions_of
from mosharness.harness.tables.peers import PEERS

SCORES = {f"sys{at // 3}-utt{at}": 1.5 + 0.25 * at for at in range(12)}


def lines(header: str, row: Callable[[int, str, float], str]) -> str:
    return "\n".join([header, *(row(at, *pair) for at, pair in enumerate(SCORES.items()))]) + "\n"


def nisqa_csv(at: int, name: str, score: float) -> str:
    return f"NISQA_TEST,{at},{name}.wav,3.0,2.5,2.5,2.5,2.5,T/deg/{name}.wav,{score},3,3,3,3,NISQAv2"


LAYOUTS: dict[str, tuple[str, str, str]] = {
    "utmosv2": ("out.csv", "utmosv2", lines("file_path,predicted_mos", lambda _, name, one: f"/in/{name}.wav,{one}")),
    "utmosv2 list": (
        "out.json",
        "utmosv2",
        json.dumps([{"file_path": f"in/{name}.wav", "predicted_mos": one} for name, one in SCORES.items()]),
    ),
    "nisqa": (
        "NISQA_results.csv",
        "nisqa",
        lines(
            "deg,mos_pred,noi_pred,dis_pred,col_pred,loud_pred,model",
            lambda _, name, one: f"{name}.wav,{one},3,3,3,3,NISQAv2",
        ),
    ),
    "nisqa_tts": ("r.csv", "nisqa", lines("deg,mos_pred,model", lambda _, name, one: f"{name}.wav,{one},NISQA-TTS")),
    "nisqa predict_csv": (
        "NISQA_results.csv",
        "nisqa",
        lines(
            "db,con,filename_deg,mos,noi,col,dis,loud,filepath_deg,mos_pred,noi_pred,dis_pred,col_pred,loud_pred,model",
            nisqa_csv,
        ),
    ),
    "versa": (
        "utt_result.txt",
        "versa",
        "".join(
            json.dumps({"key": f"{name}.wav", "sheet_ssqa": one, "pesq": 2.0, "sir": float("inf")}) + "\n"
            for name, one in SCORES.items()
        ),
    ),
    "versa printed": (
        "utt_result.txt",
        "versa",
        "".join(f"{{'key': '{name}', 'mcd': nan, 'utmos': np.float64({one})}}\n" for name, one in SCORES.items()),
    ),
    "sheet": (
        "results.csv",
        "sheet",
        lines(
            "wav_path,system_id,sample_id,avg_score,phoneme,answer",
            lambda _, name, one: f'downloads/{name}.wav,{name[:4]},{name},3.0,"HH AH, L OW",{one}',
        ),
    ),
    "sheet, a row a rating": (
        "results.csv",
        "sheet",
        lines(
            "wav_path,system_id,sample_id,listener_id,score,answer",
            lambda _, name, one: "\n".join(
                f"downloads/{name}.wav,{name[:4]},{name},l{who},{3 + who},{one}" for who in range(2)
            ),
        ),
    ),
    "dnsmos": (
        "dns.csv",
        "dnsmos",
        lines(
            ",filename,len_in_sec,sr,num_hops,OVRL_raw,SIG_raw,BAK_raw,OVRL,SIG,BAK,P808_MOS",
            lambda at, name, one: f"{at},/d/{name}.wav,5.1,16000,1,1,1,1,{one},4,4,1",
        ),
    ),
    "speechmos": (
        "dns.jsonl",
        "dnsmos",
        "".join(
            json.dumps({"filename": f"{name}.wav", "ovrl_mos": one, "sig_mos": 4, "bak_mos": 4, "p808_mos": 1}) + "\n"
            for name, one in SCORES.items()
        ),
    ),
    "distillmos": (
        "distillmos_inference.csv",
        "distillmos",
        lines("filename, DistillMOS", lambda _, name, one: f"wav/{name}.wav, {one}"),
    ),
    "plain": ("p.csv", "plain", lines("utterance_id,mos", lambda _, name, one: f"{name},{one}")),
    "nested metrics": (
        "results.jsonl",
        "plain",
        "".join(json.dumps({"sample_id": name, "metrics": {"mos": one}}) + "\n" for name, one in SCORES.items()),
    ),
}


def read(path: Path, form: str = "auto", columns: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
    found = read_predictions_of(path, ("mos",), columns, list(SCORES), form)
    from mosharness.harness.results.outside import match_ids

    matched, extra = match_ids(SCORES, found.values)
    assert not extra
    return {name: values["mos"] for name, values in matched.items()}, found.understood


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_reads_by_itself_and_by_name(tmp_path: Path, layout: str) -> None:
    name, form, content = LAYOUTS[layout]
    path = tmp_path / name
    path.write_text(content)
    values, understood = read(path)
    assert values == SCORES
    assert (form == "plain") == ("taken for" not in understood)
    assert form == "plain" or PEERS[form].title in understood
    assert read(path, form)[0] == SCORES


def test_what_a_layout_leaves_open_is_asked(tmp_path: Path) -> None:
    several = tmp_path / "v.jsonl"
    several.write_text(
        "".join(json.dumps({"key": name, "utmos": one, "dns_overall": 2}) + "\n" for name, one in SCORES.items())
    )
    with pytest.raises(
        DataError, match="could be the column 'utmos' or 'dns_overall'; say which with --column mos=utmos"
    ):
        read(several)
    assert read(several, columns={"": "utmos"})[0] == SCORES
    assert read(several, "versa", {"mos": "utmos"})[0] == SCORES
    plain = tmp_path / "p.csv"
    plain.write_text(LAYOUTS["plain"][2])
    with pytest.raises(DataError, match="--from nisqa: NISQA results have the columns"):
        read(plain, "nisqa")
    with pytest.raises(UnknownName, match='Did you mean "nisqa"'):
        read(plain, "nisqua")
    other = tmp_path / "s.csv"
    other.write_text(LAYOUTS["sheet, a row a rating"][2] + "downloads/sys0-utt0.wav,sys0,sys0-utt0,l9,3,4.9\n")
    with pytest.raises(PredictionError, match="occurs twice"):
        read(other)
