"""Networks are fetched whole and right or not at all, and what cannot be had costs nothing."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from imagerift_vision.weights.catalogue import Entry, read_catalogue
from imagerift_vision.weights.download import Patience, UnavailableError, fetch
from imagerift_vision.weights.families import SLOTS
from imagerift_vision.weights.shelf import PACKAGED, Shelf
from tiny_networks import written

TOOL = Path(__file__).resolve().parents[3] / "triton_models" / "tools" / "weights.py"
# Licences that let anybody do anything with a network.
FREE = {"Apache-2.0", "BSD-3-Clause", "MIT"}
HASTY = Patience(silence=0.3)


@pytest.fixture(scope="module")
def tool() -> Any:
    """tools/weights.py as a module."""
    spec = util.spec_from_file_location("weights_tool", TOOL)
    assert spec and spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Host:
    """What the server does with its one file."""

    body: bytes = b""
    cuts: list[int] = field(default_factory=list)
    """After so many bytes of the answer the connection is cut, once each."""
    ranges: bool = True
    silent: bool = False
    asked: list[str | None] = field(default_factory=list)
    """The ranges that were asked for."""
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers as its server's `host` says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host: Host = self.server.host  # type: ignore[attr-defined]
        wanted = self.headers["Range"]
        host.asked.append(wanted)
        offset = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and host.ranges else 0
        part = host.body[offset:]
        self.send_response(206 if offset else 200)
        if offset:
            end = f"{len(host.body) - 1}/{len(host.body)}"
            self.send_header("Content-Range", f"bytes {offset}-{end}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if host.silent:
            self.rfile.read(1)
            return
        self.wfile.write(part[: host.cuts.pop(0)] if host.cuts else part)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def host(server: ThreadingHTTPServer, tmp_path: Path) -> Host:
    """A server with a network of the upscaling family."""
    body = written(tmp_path / "offered.onnx", "realesrgan").read_bytes()
    host = Host(body, url=f"http://127.0.0.1:{server.server_port}/network.onnx")
    server.host = host  # type: ignore[attr-defined]
    return host


@pytest.fixture
def closed() -> str:
    """An address that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}/network.onnx"


def entry(host: Host, *addresses: str, **changes: Any) -> Entry:
    digest = hashlib.sha256(host.body).hexdigest()
    made = Entry(
        name="offered",
        slot="upscaling",
        family="realesrgan",
        licence="MIT",
        addresses=addresses or (host.url,),
        sha256=digest,
        size=len(host.body),
        tried=True,
    )
    return replace(made, **changes)


def test_the_catalogue_holds_what_can_be_checked() -> None:
    catalogue = read_catalogue()
    assert {one.slot for one in catalogue.values()} == SLOTS.keys()
    tried = [one for one in catalogue.values() if one.tried]
    assert len({one.slot for one in tried}) == len(tried) > 0
    for one in catalogue.values():
        assert one.licence in FREE or (one.terms and not one.tried), one.name
        assert all(address.startswith("https://") for address in one.addresses), one.name
        assert one.name not in {slot.packaged for slot in SLOTS.values()}


def test_what_is_fetched_is_in_use(host: Host, tmp_path: Path, tool: Any) -> None:
    shelf = Shelf(tmp_path / "shelf")
    tool.pull(shelf, entry(host), HASTY, {})
    used = shelf.used("upscaling")
    assert used is not None and used.name == "offered"
    assert used.path.read_bytes() == host.body
    used.check()
    # What is there is not fetched again.
    shelf.use("upscaling", PACKAGED)
    tool.pull(shelf, entry(host), HASTY, {})
    assert host.asked == [None]
    assert shelf.choices() == {"upscaling": "offered"}


def test_a_wrong_file_is_thrown_away_and_the_next_address_asked(
    host: Host, tmp_path: Path, tool: Any, closed: str
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    other = entry(host, host.url, closed, sha256="0" * 64)
    with pytest.raises(UnavailableError, match=r"the checksum does not match: .*; .*refused"):
        tool.pull(shelf, other, HASTY, {})
    assert shelf.networks() == {} and shelf.choices() == {}
    assert not list(shelf.root.glob("*.part"))


def test_a_cut_download_goes_on_where_it_was_cut(host: Host, tmp_path: Path) -> None:
    host.cuts = [100, 50]
    part = fetch(entry(host), tmp_path / "part", HASTY)
    assert part.read_bytes() == host.body
    assert host.asked == [None, "bytes=100-", "bytes=150-"]


def test_a_later_download_goes_on_where_an_earlier_one_ended(host: Host, tmp_path: Path) -> None:
    host.cuts = [100]
    impatient = replace(HASTY, resumptions=0)
    with pytest.raises(UnavailableError, match=f"cut at 100 of {len(host.body)} bytes"):
        fetch(entry(host), tmp_path / "part", impatient)
    fetch(entry(host), tmp_path / "part", impatient)
    assert host.asked == [None, "bytes=100-"]


def test_a_server_without_ranges_is_taken_from_the_start(host: Host, tmp_path: Path) -> None:
    host.cuts, host.ranges = [100], False
    assert fetch(entry(host), tmp_path / "part", HASTY).read_bytes() == host.body
    # One that is cut at the same place again and again is given up.
    (tmp_path / "part").unlink()
    host.cuts = [100] * 20
    with pytest.raises(UnavailableError, match="it ends after 100 of"):
        fetch(entry(host), tmp_path / "part", HASTY)


def test_a_file_that_is_longer_than_it_should_be_is_not_kept(host: Host, tmp_path: Path) -> None:
    part = tmp_path / "part"
    with pytest.raises(UnavailableError, match="it is longer than 64 bytes"):
        fetch(entry(host, size=64), part, HASTY)
    assert part.stat().st_size == 0


def test_a_server_that_says_nothing_is_given_up(host: Host, tmp_path: Path) -> None:
    host.silent = True
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="it ends after 0 of"):
        fetch(entry(host), tmp_path / "part", HASTY)
    assert time.monotonic() - began < 20


def test_a_refusal_costs_nothing_and_is_not_asked_for_again(
    host: Host, tmp_path: Path, tool: Any, closed: str
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    wanted = {"offered": entry(host, closed, closed)}
    began = time.monotonic()
    lines = list(tool.try_all(shelf, wanted))
    assert time.monotonic() - began < 0.5
    assert lines[0].startswith("trying offered")
    assert "refused" in lines[1] and lines[1].endswith("realesr-animevideov3-x4 stays")
    with pytest.raises(ValueError, match="there is no folder"):
        tool.told(Shelf(tmp_path / "elsewhere"))
    assert tool.told(shelf).startswith(f"0 of 4 networks from {shelf.root}: matting u2netp")

    # It is there now, but was refused today.
    wanted = {"offered": entry(host)}
    assert [line.split(";")[0] for line in tool.try_all(shelf, wanted)] == [
        "offered was not to be had"
    ]
    assert host.asked == []
    next(shelf.root.glob("*.refused")).unlink()
    assert len(list(tool.try_all(shelf, wanted))) == 1
    assert "1 of 4 networks" in tool.told(shelf) and "upscaling offered" in tool.told(shelf)


def test_nothing_is_tried_where_something_was_chosen(host: Host, tmp_path: Path, tool: Any) -> None:
    shelf = Shelf(tmp_path / "shelf")
    shelf.use("upscaling", PACKAGED)
    assert list(tool.try_all(shelf, {"offered": entry(host)})) == []
    assert list(tool.try_all(Shelf(tmp_path / "other"), {"a": entry(host, tried=False)})) == []
    assert host.asked == []


def test_a_right_file_that_is_of_another_family_is_not_used(
    host: Host, tmp_path: Path, tool: Any
) -> None:
    shelf = Shelf(tmp_path / "shelf")
    (told,) = list(tool.try_all(shelf, {"offered": entry(host, slot="matting", family="isnet")}))[
        1:
    ]
    assert "no network of the family isnet: output 0 is 1 x 3 x h4 x w4" in told
    assert "cannot be had" in told and shelf.choices() == {}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_file_of_ones_own_is_taken_in_by_its_family(tmp_path: Path, tool: Any) -> None:
    shelf = Shelf(tmp_path / "shelf")
    file = written(tmp_path / "Mine.onnx", "animegan")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    to = ("--folder", shelf.root)
    added = run(*to, "add", file, "--slot", "anime", "--family", "animegan")
    assert added.returncode == 0, added.stderr
    assert added.stdout.splitlines() == [
        f"mine: sha256 {digest}, licence not known",
        "anime: mine from the models' next start on",
    ]
    assert shelf.used("anime").family == "animegan"
    listed = "\n".join(tool.show(shelf, read_catalogue())).splitlines()
    (own,) = [line.split() for line in listed if line.startswith("mine ")]
    assert own[:2] == ["mine", "anime"] and own[-2:] == ["here", "yes"]
    assert [line.split()[0] for line in listed if line.endswith("yes")] == [
        "u2netp", "realesr-animevideov3-x4", "mine",
    ]  # fmt: skip

    # What has the checksum of the catalogue's is that network.
    known = {"face": entry(Host(file.read_bytes()), name="face", slot="anime", family="animegan")}
    kept = tool.add(shelf, known, file, ("anime", "animegan"), None)
    assert (kept.name, kept.licence) == ("face", "MIT")


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("own.onnx", ("matting", "isnet"), "input is 1 x 3 x 512 x 512"),
        ("own.onnx", ("anime", "gfpgan"), "the slot anime takes no gfpgan: realesrgan, animegan"),
        ("own.pth", ("anime", "animegan"), "only ONNX is taken"),
        ("none.onnx", ("anime", "animegan"), "No such file"),
    ],
)
def test_what_does_not_run_in_the_slot_is_not_taken_in(
    tmp_path: Path, tool: Any, name: str, place: tuple[str, str], reason: str
) -> None:
    for made in ("own.onnx", "own.pth"):
        written(tmp_path / made, "animegan")
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises((ValueError, OSError), match=reason):
        tool.add(shelf, {}, tmp_path / name, place, None)
    assert shelf.networks() == {} and shelf.choices() == {}


def test_terms_are_accepted_or_nothing_is_fetched(tmp_path: Path) -> None:
    refused = run("--folder", tmp_path / "shelf", "pull", "gfpgan-v1.4")
    assert refused.returncode == 1
    assert "--accept-terms" in refused.stderr and "Nvidia" in refused.stderr


def test_networks_that_a_cluster_mounts_are_used_the_better_one_first(tmp_path: Path) -> None:
    for name in ("birefnet-general-lite", "isnet-general-use", "of-nobody"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.onnx").write_bytes(b"")
    shelf = Shelf(tmp_path)
    assert shelf.choices() == {"matting": "isnet-general-use"}
    used = shelf.used("matting")
    assert used is not None and used.path == tmp_path / used.name / f"{used.name}.onnx"
    # Which file it is says the catalogue alone.
    with pytest.raises(ValueError, match="another checksum"):
        used.check()
    shelf.use("matting", "birefnet-general-lite")
    assert shelf.choices() == {"matting": "birefnet-general-lite"}


def test_a_network_of_the_catalogue_has_its_manifest(tmp_path: Path) -> None:
    made = run("--folder", tmp_path / "shelf", "manifest", "isnet-general-use")
    assert made.returncode == 0, made.stderr
    spec = json.loads(made.stdout)["spec"]
    known = read_catalogue()["isnet-general-use"]
    assert spec == {
        "source": known.addresses[0],
        "checksums": {"isnet-general-use.onnx": known.sha256},
        "acceptLicence": "Apache-2.0",
        "storage": {"size": "208Mi"},
    }
    assert not (tmp_path / "shelf").exists()
    refused = run("--folder", tmp_path / "shelf", "manifest", "gfpgan-v1.4")
    assert refused.returncode == 1 and "--accept-terms" in refused.stderr
