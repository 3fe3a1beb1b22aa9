"""tasks/lists.py: paths that stay inside."""

from __future__ import annotations

from pathlib import Path

import pytest
from mosharness.harness.core.errors import DataError
from mosharness.tasks.lists import AudioFiles, disagreement, find_layout, read_columns, read_rows, safe_join


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
    assert safe_join(root, "inside.wav").is_file()
    for name in ("outside.wav", "out/secret.wav"):
        with pytest.raises(DataError, match="link that leads out of"):
            safe_join(root, name)
    with pytest.raises(DataError, match="link that leads out of"):
        AudioFiles(root).names("")


def test_a_root_that_is_itself_a_link_is_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert safe_join(tmp_path / "link", "a.wav") == tmp_path / "link" / "a.wav"


def test_audio_is_found_by_one_listing_and_only_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "wav" / "inner").mkdir(parents=True)
    for name in ("a.wav", ".hidden.wav", "inner/b.wav"):
        (tmp_path / "wav" / name).touch()
    (tmp_path / "wav" / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "wav" / "link.wav").symlink_to("a.wav")
    (tmp_path / "wav" / "dangling.wav").symlink_to("nothing.wav")
    files = AudioFiles(tmp_path)
    assert files.find("wav", "a.wav") == str(tmp_path / "wav" / "a.wav")
    assert files.find("wav", "inner/b.wav") == files.find("", "wav/inner/b.wav") == str(tmp_path / "wav/inner/b.wav")
    assert files.names("wav") == {"a.wav", "link.wav"}
    assert files.find("wav", "c.wav") == files.find("none", "a.wav") == ""
    with pytest.raises(DataError, match=r"list\.txt: .*leaves the data folder"):
        files.find("wav", "../a.wav", "list.txt")
    (tmp_path / "wav" / "c.wav").touch()
    assert files.find("wav", "c.wav") == "", "a folder is listed once"


def test_a_layout_is_found_from_outside_itself_and_inside_and_its_absence_is_explained(tmp_path: Path) -> None:
    home = tmp_path / "outer" / "DATA"
    (home / "sets").mkdir(parents=True)
    for place in (tmp_path / "outer", home, home / "sets"):
        assert find_layout(place, ("", "DATA"), ("sets",), "DATA/sets") == home
    with pytest.raises(DataError, match=r"not the expected layout \(DATA/sets\); .* holds outer/"):
        find_layout(tmp_path, ("", "DATA"), ("sets",), "DATA/sets", climb=0)


def test_rows_without_a_header_keep_leading_zeros_and_name_the_row_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("015, 1\r\n\n016,2\n")
    assert read_rows(path, 2) == [["015", "1"], ["016", "2"]]
    path.write_text("015,1\n016\n")
    with pytest.raises(DataError, match="row 2 has 1 fields, 2 expected"):
        read_rows(path, 2)
    path.write_text("\n")
    with pytest.raises(DataError, match="empty"):
        read_rows(path, 2)


def test_disagreement_names_the_first_cases_and_is_silent_within_the_tolerance() -> None:
    assert disagreement({"a": 1.0}, {"a": 1.0 + 9e-7}, ("one", "two")) == ""
    text = disagreement({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.5, "b": 2.0, "d": 1.0}, ("one", "two"))
    assert "1 of 3 means differ by more than 1e-06 (a: 1 and 1.5)" in text
    assert "1 ids only in one (c)" in text and "1 ids only in two (d)" in text


def test_columns_are_taken_by_name_and_an_absent_optional_one_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('\ufeffa, b ,c\r\n015,"x, y ",3\r\n\r\n016,z,4\r\n', "utf-8", newline="")
    assert read_columns(path, ("b", "a"), ("d", "c")) == [("x, y", "015", "", "3"), ("z", "016", "", "4")]
    with pytest.raises(DataError, match="no column d, e; the header is 'a,b,c'"):
        read_columns(path, ("a", "d", "e"))
    path.write_text("a,b\n1\n")
    with pytest.raises(DataError, match="line 2 has 1 fields, the header has 2"):
        read_columns(path, ("a",))
    path.write_text("")
    with pytest.raises(DataError, match="no column a"):
        read_columns(path, ("a",))
