"""The committed leaderboards are what the committed results make, and the results hold."""

from __future__ import annotations

from pathlib import Path

from mosharness.harness.boards import check_boards, make_boards
from mosharness.harness.results.store import find_results
from mosharness.harness.results.verify import verify_result


def test_the_committed_pages_are_fresh(repository: Path) -> None:
    folder = repository / "leaderboards"
    boards = make_boards(folder / "results", folder / "published")
    assert [f"{fault.kind}: {fault.path}" for fault in check_boards(boards, folder)] == []


def test_every_committed_result_holds_and_names_a_clean_commit(repository: Path) -> None:
    found = list(find_results(repository / "leaderboards" / "results"))
    assert found
    for path, result in found:
        assert verify_result(path).differences == ()
        assert result.provenance.commit and result.provenance.dirty is False
