"""The list in ``docs/weights.md`` against the code and the pages: no file that loads is missing from it."""

from __future__ import annotations

import hashlib
import re
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
from mosharness.predictors import PREDICTORS

NAME = re.compile(r"[A-Za-z0-9_.*-]*[A-Za-z0-9_*]\.(?:pt|pth|tar|ckpt|bin|pkl|safetensors|onnx)\b")
NOT_WEIGHTS = {
    *("main.tar", "track3_obf.tar", "track3_post_eval_distro.tar", "caches.tar", "phase1-main.tar"),  # data, caches
    *("state.safetensors", "last.safetensors", "step-*.safetensors"),  # of an unfinished training
    *("model.onnx", "model.bin", "model.pt", "weights.pt", "FILE.ckpt", "mine.tar", "FILE.pt"),  # made up in an example
}


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "weights.md").read_text("utf-8")


@pytest.fixture(scope="module")
def rows(page: str) -> list[list[str]]:
    table = page.partition("## The list")[2]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")][
        1:
    ]


def test_every_row_is_complete(rows: list[list[str]]) -> None:
    assert len(rows) > 30
    for row in rows:
        assert len(row) == 7 and all(row), row
        assert re.match(r"[PNOSX]\b", row[1]), row
        assert "real" in row[6] or "fixture" in row[6], row


def test_every_file_that_a_page_names_is_listed(repository: Path, page: str) -> None:
    pages = [*sorted((repository / "docs").rglob("*.md")), repository / "README.md"]
    listed = set(NAME.findall(page))
    missing = {
        (path.name, name)
        for path in pages
        for name in NAME.findall(path.read_text("utf-8"))
        if name not in listed | NOT_WEIGHTS and "/" not in name
    }
    assert not missing


def test_every_file_that_the_code_fetches_is_listed_with_its_digest(rows: list[list[str]]) -> None:
    from mosharness.predictors.audiobox import convert as audiobox
    from mosharness.predictors.layers.clap import pretrained as clap
    from mosharness.predictors.layers.ssl import pretrained as ssl
    from mosharness.predictors.nisqa import convert as nisqa
    from mosharness.predictors.utmosv2 import convert as utmosv2
    from mosharness.predictors.utmosv2 import starts

    wanted: list[tuple[str, str | None]] = [(one.filename, one.sha256) for one in nisqa.PUBLISHED.values()]
    wanted += [(utmosv2.filename(fold), digest) for fold, digest in enumerate(utmosv2.SHA256)]
    wanted += [("model.safetensors", audiobox.SHA256["model.safetensors"][0])]
    wanted += [(name, one.sha256) for name, one in ssl.PUBLISHED.items()]
    wanted += [(one.filename, one.sha256) for one in clap.PUBLISHED.values()]
    wanted += [(starts.IMAGENET, None)]
    for name, digest in wanted:
        found = [row for row in rows if name in row[0] and (digest is None or digest in row[5])]
        assert found, (name, digest)


def test_every_default_download_is_listed(rows: list[list[str]]) -> None:
    for name in PREDICTORS:
        cls = PREDICTORS[name]
        download = cls.default_weights({})
        if download is not None:
            assert any(download.filename in row[0] and f"`{name}`" in row[2] for row in rows), name


def test_every_predictor_with_files_of_others_is_listed(rows: list[list[str]]) -> None:
    from mosharness.predictors.base import Predictor

    readers = " ".join(row[2] for row in rows)
    ours = [name for name in PREDICTORS if PREDICTORS[name].__module__.startswith("mosharness.")]
    assert len(ours) >= 15
    for name in ours:
        if PREDICTORS[name].from_official.__func__ is not Predictor.from_official.__func__:  # type: ignore[attr-defined]
            assert f"`{name}`" in readers, name


def test_digests_that_were_computed_here_are_those_of_the_files(rows: list[list[str]]) -> None:
    checked = 0
    for row in rows:
        digest = re.search(r"\*\*`([0-9a-f]{64})`\*\*", row[5])
        package = re.match(r"package (\w+)", row[3])
        if digest is None or package is None:
            continue
        spec = PathFinder.find_spec(package[1])
        if spec is None or not spec.submodule_search_locations:
            continue
        name = NAME.findall(row[0])[0]
        folder = re.search(r"\(`(\w+)`\)", row[0])
        paths = Path(spec.submodule_search_locations[0]).rglob(f"{folder[1]}/{name}" if folder else name)
        assert hashlib.sha256(next(paths).read_bytes()).hexdigest() == digest[1], row[0]
        checked += 1
    if not checked:
        pytest.skip("the packages of the extra open are not installed")
