"""tasks/lists.py: paths that stay inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from mosharness.harness.core.errors import DataError
from mosharness.tasks.lists import safe_join


@pytest.mark.parametrize("name", ["a.wav", "wav/a.wav", "./a.wav", "a b/ü.wav", "..a/b..wav", "not/there.wav"])
def test_a_relative_name_is_joined_whether_or_not_the_file_exists(tmp_path: Path, name: str) -> None:
    assert safe_join(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (".", "empty"),
        ("/etc/hostname", "absolute"),
        ("../a.wav", "leaves the data folder"),
        ("wav/../../a.wav", "leaves the data folder"),
        ("a\0.wav", "control character"),
        ("a\n.wav", "control character"),
        ("a\x7f.wav", "control character"),
    ],
)
def test_a_name_that_could_lead_outside_is_refused_and_the_list_is_named(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(DataError, match=f"list.csv: .*{reason}"):
        safe_join(tmp_path, name, "list.csv")


def test_links_that_stay_inside_are_followed_and_links_that_leave_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "wav").mkdir(parents=True)
    (root / "wav" / "a.wav").touch()
    (tmp_path / "secret.wav").touch()
    (root / "inside.wav").symlink_to("wav/a.wav")
    (root / "outside.wav").symlink_to(tmp_path / "secret.wav")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    assert safe_join(root, "inside.wav").is_file()
    for name in ("outside.wav", "out/secret.wav"):
        with pytest.raises(DataError, match="link that leads out of"):
            safe_join(root, name)
    with pytest.raises(DataError):
        safe_join(root, "loop/a.wav")


def test_a_root_that_is_itself_a_link_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert safe_join(tmp_path / "link", "a.wav") == tmp_path / "link" / "a.wav"
