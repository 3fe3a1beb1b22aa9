"""Writing pages, and finding out that they are stale."""

from __future__ import annotations

import json

import pytest
import typer
from mosharness.harness.boards import build, check_boards, make_boards, plots, write_boards
from mosharness.harness.boards.published import BACKGROUND, NAMES, place, read_published
from mosharness.harness.cli import leaderboard
from mosharness.harness.core.errors import CheckFailed, DataError, UnknownName, UsageError
from mosharness.harness.core.files import read_csv
from mosharness.harness.results.schema import as_result
from mosharness.harness.results.store import write_result
from mosharness.tasks.benchmarks import ENTRIES
from typer.testing import CliRunner

OWN = ("bvcc", "somos", "somos_full", "musiceval", "aes_natural", "nisqa", "multisr", "demo", "folder")
TASKS = (*OWN, *ENTRIES)


@pytest.fixture
def made(samples, tmp_path):
    """Two results, their boards, and the folder they were written to."""
    pytest.importorskip("matplotlib")
    results = samples.store(tmp_path / "results", samples.result("a"), samples.result("b", error=0.5, seed=2))
    boards = make_boards(results, None, {"speech": samples.card(), "empty": samples.card("empty")})
    written = write_boards(boards, tmp_path / "out")
    return tmp_path, boards, written


def faults(boards, out):
    return [str(fault) for fault in check_boards(boards, out)]


def test_every_page_plot_and_the_index_are_written_and_fresh(made):
    folder, boards, written = made
    names = {str(path.relative_to(folder / "out")) for path in written}
    pages = {"README.md", "speech.md", "empty.md"}
    plots = {"plots/speech-test-a-mos.png", "plots/speech-test-b-mos.png"}
    assert names == pages | plots | {"systems/speech-test-a.csv", "systems/speech-test-b.csv"}
    assert faults(boards, folder / "out") == []


def test_the_same_results_give_the_same_bytes(made):
    folder, boards, _ = made
    write_boards(boards, folder / "again")
    for path in (folder / "out").rglob("*.*"):
        assert path.read_bytes() == (folder / "again" / path.relative_to(folder / "out")).read_bytes()
    assert write_boards(boards, folder / "out") == []


def test_a_changed_result_makes_page_plot_and_index_stale(made, samples):
    folder, _, _ = made
    write_result(folder / "results" / "speech" / "test" / "a", as_result(samples.result("a", error=0.3, seed=9)))
    boards = make_boards(folder / "results", None, {"speech": samples.card(), "empty": samples.card("empty")})
    assert faults(boards, folder / "out") == [
        "stale: README.md",
        "stale: plots/speech-test-a-mos.png",
        "stale: speech.md",
        "stale: systems/speech-test-a.csv",
    ]
    write_boards(boards, folder / "out")
    assert faults(boards, folder / "out") == []


def test_missing_and_extra_files_are_found_and_files_of_others_are_left_alone(made):
    folder, boards, _ = made
    out = folder / "out"
    (out / "empty.md").unlink()
    (out / "plots" / "speech-test-a-mos.png").rename(out / "plots" / "old.png")
    (out / "gone.md").write_bytes((out / "speech.md").read_bytes())
    (out / "notes.md").write_text("written by hand\n")
    (out / "plots" / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (out / "systems" / "speech-test-a.csv").rename(out / "systems" / "old.csv")
    (out / "systems" / "mine.csv").write_text("system,remark\n")
    assert faults(boards, out) == [
        "missing: empty.md",
        "extra: gone.md",
        "extra: plots/old.png",
        "missing: plots/speech-test-a-mos.png",
        "extra: systems/old.csv",
        "missing: systems/speech-test-a.csv",
    ]
    said = []
    write_boards(boards, out, say=said.append)
    assert faults(boards, out) == []
    assert len(said) == 3
    assert (out / "notes.md").is_file()
    assert (out / "systems" / "mine.csv").is_file()
    assert (out / "plots" / "photo.png").is_file()


def test_a_plot_drawn_by_another_matplotlib_is_not_stale(made):
    folder, boards, _ = made
    path = folder / "out" / "plots" / "speech-test-a-mos.png"
    data = path.read_bytes()
    end = data.index(b"IDAT") + 10
    path.write_bytes(data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :])
    assert faults(boards, folder / "out") == []


def test_a_plot_whose_digest_was_edited_is_stale(made):
    folder, boards, _ = made
    path = folder / "out" / "plots" / "speech-test-a-mos.png"
    data = path.read_bytes()
    at = data.index(b"sha256:") + 8
    path.write_bytes(data[:at] + b"!" + data[at + 1 :])
    assert faults(boards, folder / "out") == ["stale: plots/speech-test-a-mos.png"]


def test_without_matplotlib_the_page_says_so_and_is_fresh(made, monkeypatch):
    folder, boards, _ = made
    monkeypatch.setattr(build, "can_draw", lambda: False)
    said = []
    write_boards(boards, folder / "plain", say=said.append)
    assert "Plots are not drawn" in (folder / "plain" / "speech.md").read_text()
    assert not (folder / "plain" / "plots").exists()
    assert faults(boards, folder / "plain") == []
    assert len(said) == 1
    # Where the plots are right already, no matplotlib is needed.
    assert write_boards(boards, folder / "out") == []


def test_a_plot_carries_the_digest_of_its_data(made):
    folder, boards, _ = made
    row = boards[1].splits[0].rows[0]
    plot = plots.scatter_of(row, "mos")
    assert plots.png_digest(folder / "out" / plot.path) == plot.digest
    assert plots.png_digest(folder / "out" / "speech.md") is None
    assert plots.png_digest(folder / "nothing.png") is None


def test_only_the_named_tasks_are_written(made, samples):
    folder, boards, _ = made
    written = write_boards(boards, folder / "one", ["empty"])
    assert {path.name for path in written} == {"README.md", "empty.md"}
    with pytest.raises(UnknownName, match="speech"):
        write_boards(boards, folder / "one", ["speach"])


def test_a_task_of_another_package_gets_a_page_from_its_results(samples, tmp_path):
    results = samples.store(tmp_path / "results", samples.result("a", task__name="theirs"))
    (board,) = make_boards(results, None, {})
    assert (board.task, board.title, board.ours) == ("theirs", "An invented listening test", False)


def test_every_metric_row_of_the_published_files_is_on_a_board_or_named_as_background(repository):
    folder = repository / "leaderboards" / "published"
    rows = read_published(folder, TASKS)
    shown = {
        (row.source, row.predictor, row.variant, row.task, row.split, row.dimension, level, metric): value
        for row in rows
        for (level, metric), value in row.figures.items()
    }
    background = 0
    records = [record for path in folder.glob("*.csv") for record in read_csv(path)]
    for record in records:
        if record["kind"] != "metric":
            continue
        placed = place(record["task"], TASKS)
        if placed is None:
            assert record["task"] in BACKGROUND
            background += 1
            continue
        task, split, dimension, _ = placed
        key = (record["paper"], record["predictor"], record["variant"], task, split, dimension, record["level"])
        assert shown.pop((*key, record["metric"])) == record["value"]
    assert not shown
    assert background == 70 - 28  # VoiceMOS 2024 track 1 is a task
    assert len(records) == 524 + 9 * 56


def test_published_files_are_copied_unchanged(repository, shared):
    theirs = shared / "data" / "published"
    for path in theirs.glob("*.csv"):
        assert (repository / "leaderboards" / "published" / path.name).read_bytes() == path.read_bytes()


def test_the_benchmark_page_of_urgent_2026_is_on_the_boards_of_its_sets(repository):
    rows = read_published(repository / "leaderboards" / "published", TASKS)
    urgent = [row for row in rows if row.source.startswith("URGENT 2026")]
    sets = {"urgent2024_mos", "chime7_udase", "bc19", "tmhint_qi", "bvcc", "somos", "nisqa"}
    assert {row.task for row in urgent} == sets and len({(row.predictor, row.variant) for row in urgent}) == 7
    assert all("does not state the split" in row.note for row in urgent if not row.split)
    assert {(row.predictor, row.task) for row in rows if row.slip} == {("nisqa", "somos"), ("nisqa", "chime7_udase")}
    zoomed = [row for row in rows if row.task == "vmc24_zoomed"]
    assert len(zoomed) == 7 and {row.split for row in zoomed} == {"test_12"}


def test_a_benchmark_of_which_nothing_is_known_has_no_page(repository, tmp_path):
    (tmp_path / "results").mkdir()
    names = {board.task for board in make_boards(tmp_path / "results", repository / "leaderboards" / "published")}
    assert {"bc19", "vmc24_zoomed", "folder"} <= names and not names & {"hablamos", "tencent"}


def test_the_exceptional_names_map_as_the_readme_says(repository):
    readme = (repository / "leaderboards" / "published" / "README.md").read_text()
    assert place("musiceval:mi", TASKS) == ("musiceval", "", "mi", "")
    assert place("amc2025_track3_eval", TASKS)[:2] == ("multisr", "test")
    assert "not stated" in place("nisqa_sim", TASKS)[3]
    for name in (*NAMES, *BACKGROUND):
        assert f"`{name}`" in readme


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("P,x,,bvc,system,srcc,0.9,metric", "no registered task"),
        (",x,,bvcc,system,srcc,0.9,metric", "no source"),
        ("P,x,,bvcc,system,srrc,0.9,metric", "no level and metric"),
        ("P,x,,bvcc,system,srcc,high,metric", "row 2"),
        ("P,x,,bvcc,system,srcc,0.9,figure", "expected metric or other"),
        ("P,x,,bvcc,system,srcc,0.9,metric\nP,x,,bvcc,system,srcc,0.8,metric", "same figure"),
    ],
)
def test_a_published_row_that_cannot_be_placed_is_an_error(tmp_path, line, message):
    header = "paper,predictor,variant,task,level,metric,value,kind"
    (tmp_path / "x.csv").write_text(f"{header}\n{line}\n")
    with pytest.raises(DataError, match=message):
        read_published(tmp_path, TASKS)


@pytest.fixture
def command(made, monkeypatch, samples):
    """The verb on the two results, with the invented cards."""
    folder, _, _ = made
    cards = {"speech": samples.card(), "empty": samples.card("empty")}
    monkeypatch.setattr(build, "our_cards", lambda: cards)
    (folder / "published").mkdir()
    app = typer.Typer()
    leaderboard.register(app)

    def run(*options):
        paths = ["--results", str(folder / "results"), "--output", str(folder / "out")]
        return CliRunner().invoke(app, [*paths, *options])

    return folder, run


def test_the_verb_writes_pages_and_keeps_stdout_empty(command):
    folder, run = command
    (folder / "out" / "speech.md").unlink()
    found = run()
    assert (found.exit_code, found.stdout) == (0, "")
    assert (folder / "out" / "speech.md").is_file()


def test_check_passes_on_fresh_pages_and_fails_on_stale_ones(command):
    folder, run = command
    assert run("--check").exit_code == 0
    (folder / "out" / "speech.md").write_text("old")
    found = run("--check")
    assert isinstance(found.exception, CheckFailed)
    assert "stale: speech.md" in str(found.exception)
    listed = run("--check", "--json")
    assert json.loads(listed.stdout)["faults"] == [{"kind": "stale", "path": "speech.md"}]
    assert isinstance(listed.exception, CheckFailed)
    assert (folder / "out" / "speech.md").read_text() == "old"


def test_machine_formats_go_to_stdout_and_write_nothing(command):
    folder, run = command
    before = sorted(path.stat().st_mtime_ns for path in (folder / "out").rglob("*"))
    assert json.loads(run("--json").stdout) == json.loads(run("--format", "json").stdout)
    assert [task["task"] for task in json.loads(run("--json", "--task", "speech").stdout)["tasks"]] == ["speech"]
    assert run("--format", "csv").stdout.startswith('"task","split"')
    assert "\\begin{table}" in run("--format", "latex").stdout
    assert sorted(path.stat().st_mtime_ns for path in (folder / "out").rglob("*")) == before


def test_options_that_contradict_each_other_are_refused(command):
    _, run = command
    assert isinstance(run("--check", "--format", "csv").exception, UsageError)
    assert isinstance(run("--json", "--format", "csv").exception, UsageError)
    wrong = run("--format", "html")
    said = " ".join(wrong.stderr.replace("│", " ").split())
    assert wrong.exit_code == 2 and "one of 'md', 'csv', 'json', 'latex'" in said
