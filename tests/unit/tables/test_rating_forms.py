"""Every form in which people keep single ratings gives the same systems, in the report and in a folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mosharness.harness.core.errors import DataError, UsageError
from mosharness.harness.results.listening import report_ratings
from mosharness.tasks import load_task
from scipy import stats


def rows(seed: int = 0, systems: int = 4, clips: int = 6, listeners: int = 6) -> list[tuple[str, str, str, int]]:
    """Clip, system, listener, rating; l5 answers at random."""
    generator = np.random.default_rng(seed)
    found = []
    for system in range(systems):
        for clip in range(clips):
            true = 1.2 + 0.9 * system + generator.normal(0, 0.3)
            for who in range(listeners):
                value = generator.integers(1, 6) if who == 5 else np.clip(round(true + generator.normal(0, 0.4)), 1, 5)
                found.append((f"s{system}-u{clip}", f"s{system}", f"l{who}", int(value)))
    return found


def long_form(header: str = "wav,model,rater,score") -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in rows()), ""])


def wide_form(header: Callable[[int], str], counts: bool = False, joined: str = "") -> str:
    by: dict[tuple[str, str], list[int]] = defaultdict(list)
    for clip, system, _, value in rows():
        by[clip, system].append(value)
    if joined:
        body = [f'{clip},{system},"[{joined.join(map(str, given))}]"' for (clip, system), given in by.items()]
        return "\n".join(["wav,system,raw_ratings", *body, ""])
    table = {key: [given.count(g) for g in range(1, 6)] if counts else given for key, given in by.items()}
    width = len(next(iter(table.values())))
    names = ",".join(header(at) for at in range(1, width + 1))
    return "\n".join([f"wav,system,{names}", *(f"{c},{s},{','.join(map(str, v))}" for (c, s), v in table.items()), ""])


FORMS = {
    "a row a rating": long_form(),
    "without listeners": "\n".join(["wav,system,score", *(f"{c},{s},{v}" for c, s, _, v in rows()), ""]),
    "numbered rows": "\n".join(
        ["id,wav,system,user,mos", *(f"{at},{c},{s},{w},{v}" for at, (c, s, w, v) in enumerate(rows()))]
    ),
    "a column a rating": wide_form(lambda at: f"rating{at}"),
    "counts": wide_form(lambda at: f"n{at}", counts=True),
    "lists": wide_form(str, joined=", "),
    "lists with semicolons": wide_form(str, joined=";"),
    "json lines": "\n".join(json.dumps({"file": c, "system": s, "listener": w, "mos": v}) for c, s, w, v in rows()),
    "sentences of every system": "\n".join(
        ["sample,system,annotator,rating", *(f"{c[3:]},{s},{w},{v}" for c, s, w, v in rows())]
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_systems(tmp_path: Path, form: str) -> None:
    (tmp_path / "r.csv").write_text(FORMS[form])
    (one,) = report_ratings(tmp_path / "r.csv").dimensions
    by: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for clip, system, _, value in rows():
        by[system][clip].append(value)
    assert (one.clips, one.ratings) == (24, 144)
    for row in one.systems:
        means = [float(np.mean(given)) for given in by[row.system].values()]
        assert row.mean == pytest.approx(np.mean(means), abs=1e-12)
        assert row.by_clip == pytest.approx(stats.t.interval(0.95, len(means) - 1, row.mean, stats.sem(means)))


def test_systems_are_found_in_ids(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("\n".join(["wav,rater,score", *(f"{c},{w},{v}" for c, _, w, v in rows()), ""]))
    (one,) = report_ratings(tmp_path / "r.csv", system_pattern="s[0-9]+").dimensions
    (grouped,) = report_ratings(tmp_path / "r.csv", system_pattern="(s[0-9]+)-u").dimensions
    assert [row.system for row in grouped.systems] == [row.system for row in one.systems] == ["s3", "s2", "s1", "s0"]
    with pytest.raises(DataError, match="finds nothing in 's0-u0'"):
        report_ratings(tmp_path / "r.csv", system_pattern="model[0-9]")
    with pytest.raises(UsageError, match="no regular expression"):
        report_ratings(tmp_path / "r.csv", system_pattern="(")


@pytest.mark.parametrize("form", ["a row a rating", "a column a rating", "counts", "lists"])
def test_a_folder_takes_every_form(tmp_path: Path, form: str) -> None:
    (tmp_path / "metadata.csv").write_text(FORMS[form].replace("\ns", "\nwav/s"))
    (tmp_path / "wav").mkdir()
    for clip, _, _, _ in rows():
        (tmp_path / "wav" / f"{clip}.wav").write_bytes(b"")
    loaded = load_task("folder", tmp_path).open("test", audio=False)
    given: dict[str, list[int]] = defaultdict(list)
    for clip, _, _, value in rows():
        given[f"wav/{clip}"].append(value)
    assert {row["utterance_id"]: row["mos"] for row in loaded.rows} == pytest.approx(
        {clip: float(np.mean(values)) for clip, values in given.items()}
    )
    assert all(row["n_ratings"] == 6 == len(row["ratings"]) for row in loaded.rows)
    assert [sorted(row["ratings"]) for row in loaded.rows] == [
        sorted(given[row["utterance_id"]]) for row in loaded.rows
    ]
