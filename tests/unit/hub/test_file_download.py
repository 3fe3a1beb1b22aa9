"""``fetch_file`` against a local server, behaving and misbehaving."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mosharness.harness.core.errors import HubError
from mosharness.harness.hub import hub
from mosharness.harness.hub.hub import Download, fetch_file

from .server import LocalHub

BODY = bytes(range(256)) * 4000


def wanted(local_hub: LocalHub, name: str = "weights.bin", **fields: object) -> Download:
    local_hub.plain.setdefault(name, BODY)
    options: dict[str, object] = {"sha256": hashlib.sha256(BODY).hexdigest(), "size": len(BODY), "what": "test weights"}
    return Download(f"{local_hub.url}/plain/{name}", **(options | fields))  # type: ignore[arg-type]


def sentence(call: Callable[[], object]) -> str:
    """The message of the HubError that ``call`` raises within 10 s; it must be one sentence on one line."""
    start = time.monotonic()
    with pytest.raises(HubError) as caught:
        call()
    assert time.monotonic() - start < 20  # 10 on a machine that has nothing else to do
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".") and not re.search(r"[.!?] [A-Z]", message), message
    return message


def leftovers(download: Download) -> list[Path]:
    return list(download.path.parent.glob(".*"))


def test_a_file_arrives_in_the_cache_with_its_content(local_hub: LocalHub) -> None:
    download = wanted(local_hub)
    path = fetch_file(download)
    assert path == download.path and path.read_bytes() == BODY
    assert leftovers(download) == []


def test_a_second_call_asks_the_network_for_nothing(local_hub: LocalHub) -> None:
    download = wanted(local_hub)
    fetch_file(download)
    asked = list(local_hub.asked)
    hub.set_offline(True)
    assert fetch_file(download).read_bytes() == BODY
    assert local_hub.asked == asked


def test_a_file_placed_by_hand_is_taken_without_network(local_hub: LocalHub) -> None:
    download = wanted(local_hub)
    download.path.parent.mkdir(parents=True)
    download.path.write_bytes(BODY)
    assert fetch_file(download) == download.path and local_hub.asked == []


def test_a_damaged_cached_file_is_fetched_anew_and_said_so(
    local_hub: LocalHub, capsys: pytest.CaptureFixture[str]
) -> None:
    download = wanted(local_hub)
    fetch_file(download).write_bytes(b"x" + BODY[1:])
    assert fetch_file(download).read_bytes() == BODY
    assert "fetching it again" in capsys.readouterr().err


def test_a_damaged_cached_file_is_refused_and_kept_when_offline(local_hub: LocalHub) -> None:
    download = wanted(local_hub)
    fetch_file(download).write_bytes(b"other")
    hub.set_offline(True)
    assert re.search(
        r"has sha256 \w{12}… instead of \w{12}… and downloads are off", sentence(lambda: fetch_file(download))
    )
    assert download.path.read_bytes() == b"other"


def test_the_licence_is_shown_once(local_hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    download = wanted(local_hub, license="CC BY-NC-SA 4.0")
    fetch_file(download)
    assert "test weights: licence CC BY-NC-SA 4.0" in capsys.readouterr().err
    fetch_file(download)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("403", r"forbids it \(403\)"),
        ("404", r"no such file \(404\)"),
        ("429", r"how often it may be asked \(429\); wait"),
        ("500", r"fault of its own \(500\)"),
        ("cut", r"broke off after 512000 of 1024000 bytes"),
        ("flip", r"has sha256 \w{12}… instead of \w{12}…"),
        ("long", r"offers 1024004 bytes where 1024000 are expected"),
    ],
)
def test_a_misbehaving_server_gives_one_sentence(local_hub: LocalHub, mode: str, words: str) -> None:
    download = wanted(local_hub)
    local_hub.fault = ("plain", mode)
    message = sentence(lambda: fetch_file(download))
    assert re.search(words, message), message
    assert message.startswith("test weights (http://127.0.0.1:") and f"place the file at {download.path}." in message
    assert "pass --checkpoint PATH" in message
    assert not download.path.exists() and leftovers(download) == []


def test_a_file_shorter_than_expected_is_refused(local_hub: LocalHub) -> None:
    download = wanted(local_hub, size=len(BODY) + 5)
    assert "sent 1024000 bytes where 1024005 are expected" in sentence(lambda: fetch_file(download))


def test_a_redirect_is_followed_on_the_loopback_host_and_refused_to_another_plain_http_host(
    local_hub: LocalHub,
) -> None:
    local_hub.redirects = {"near": f"{local_hub.url}/plain/weights.bin", "far": "http://example.org/weights.bin"}
    wanted(local_hub)
    assert fetch_file(wanted(local_hub, "near")).read_bytes() == BODY
    message = sentence(lambda: fetch_file(wanted(local_hub, "far")))
    assert "redirects to http://example.org/weights.bin, which is not https" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "words"), [("hang", "did not answer within 5 s"), ("stall", "did not answer within 5 s")]
)
def test_a_server_that_falls_silent_is_given_up_within_ten_seconds(local_hub: LocalHub, mode: str, words: str) -> None:
    download = wanted(local_hub)
    local_hub.fault = ("plain", mode)
    assert words in sentence(lambda: fetch_file(download))
    assert leftovers(download) == []


def test_a_refused_connection_gives_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        download = Download(f"http://127.0.0.1:{taken.getsockname()[1]}/x.bin", sha256="0" * 64)
        assert "127.0.0.1 refused the connection; check" in sentence(lambda: fetch_file(download))


def test_a_name_that_cannot_be_resolved_gives_one_sentence() -> None:
    download = Download("https://mosharness.invalid/x.bin", sha256="0" * 64)
    message = sentence(lambda: fetch_file(download))
    assert re.search("the name mosharness.invalid cannot be resolved|nothing arrived for 7 s", message), message


@pytest.mark.parametrize("switch", ["option", "MOSHARNESS_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_refuses_at_once_and_names_the_switch(
    local_hub: LocalHub, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    if switch == "option":
        hub.set_offline(True)
    else:
        monkeypatch.setenv(switch, "1")
    assert hub.is_offline()
    message = sentence(lambda: fetch_file(wanted(local_hub)))
    assert f"({'--offline' if switch == 'option' else switch + '=1'})" in message and local_hub.asked == []


def test_an_unwritable_cache_gives_one_sentence(
    local_hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MOSHARNESS_CACHE", str(tmp_path / "file"))
    assert re.search("the cache .* cannot be written", sentence(lambda: fetch_file(wanted(local_hub))))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "http://example.org/a"}, "needs an https address"),
        ({"url": "https://example.org/"}, "will not do as a file name"),
        ({"filename": "../a"}, "will not do as a file name"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_a_download_that_is_not_pinned_or_not_safe_cannot_be_written_down(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Download(**({"url": "https://example.org/a", "sha256": "0" * 64} | fields))


def test_an_unknown_digest_is_recorded_and_demanded(local_hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    download = wanted(local_hub, sha256="", size=None)
    path = fetch_file(download)
    digest = hashlib.sha256(BODY).hexdigest()
    assert download.record.read_text().strip() == digest and digest in capsys.readouterr().err
    path.write_bytes(b"something else")
    hub.set_offline(True)
    assert digest[:12] in sentence(lambda: fetch_file(download))
    hub.set_offline(False)
    local_hub.plain["weights.bin"] = BODY[::-1]  # the place hands out another file now
    assert "try again" in sentence(lambda: fetch_file(download))
    demanded = wanted(local_hub, sha256="1" * 64)
    assert "111111111111" in sentence(lambda: fetch_file(demanded))


def test_a_mirror_is_tried(local_hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    download = wanted(local_hub, mirrors=(f"{local_hub.url}/plain/weights.bin",))
    object.__setattr__(download, "url", f"{local_hub.url}/plain/absent.bin")
    assert fetch_file(download).read_bytes() == BODY
    assert "trying another place" in capsys.readouterr().err
    with pytest.raises(ValueError, match="https"):
        wanted(local_hub, mirrors=("http://example.org/x",))
