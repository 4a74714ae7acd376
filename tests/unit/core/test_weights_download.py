"""Weights are there whole and verified, or not at all; against a real HTTP server."""

from __future__ import annotations

import datetime
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.weights_download.download import Download
from imagerift_core.weights_download.fetching import Patience
from imagerift_core.weights_download.formats import digest_of_all
from imagerift_core.weights_download.report import Downloaded, DownloadRequest, DownloadSettings

from tests.support.weights_hosts import Host, safetensors, serving, sha256

WEIGHTS = safetensors(50_000)
CONFIG = json.dumps({"a": 1}).encode()
IMPATIENT = Patience(tries=3, first_pause=0, longest_pause=0)


@dataclass(frozen=True)
class Certificate:
    """Of 127.0.0.1, signed by itself."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "host.pem"

    def make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "host")])
        day = datetime.timedelta(days=1)
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file)
        return context


@dataclass
class World:
    """A host and the volume that is downloaded to."""

    host: Host
    volume: Path
    certificate: Certificate
    secret: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.volume / "these"

    def spec(self, **more: Any) -> ModelWeightsSpec:
        given: dict[str, Any] = {
            "source": f"{self.host.url}/w/",
            "acceptLicence": "MIT",
            "storage": {"size": "1Mi"},
            "checksums": {
                path.removeprefix("/w/"): sha256(content)
                for path, content in self.host.files.items()
            },
        }
        return ModelWeightsSpec.model_validate(given | more)

    async def download(self, *, limit: int = 1 << 20, **more: Any) -> Downloaded:
        secret = self.volume.parent / "secret"
        secret.mkdir(exist_ok=True)
        for key, value in self.secret.items():
            (secret / key).write_text(value)
        settings = DownloadSettings(
            request=DownloadRequest(spec=self.spec(**more), folder="these", limit_bytes=limit),
            root=self.volume,
            secret=secret,
            ca_file=self.certificate.file,
        )
        return await Download(settings, IMPATIENT).run()

    def left(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.volume)) for path in self.volume.rglob("*") if path.is_file()
        )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    made = Certificate(tmp_path_factory.mktemp("tls"))
    made.make()
    return made


@pytest.fixture
async def world(tmp_path: Path, certificate: Certificate) -> AsyncIterator[World]:
    volume = tmp_path / "volume"
    volume.mkdir()
    files = {"/w/unet/model.safetensors": WEIGHTS, "/w/model_index.json": CONFIG}
    async with serving(Host(files), certificate.context()) as host:
        yield World(host, volume, certificate)


async def test_files_are_there_with_their_checksums(world: World) -> None:
    done = await world.download()
    assert done.error is None
    sums = {"unet/model.safetensors": sha256(WEIGHTS), "model_index.json": sha256(CONFIG)}
    assert done == Downloaded(
        digest=digest_of_all(sums),
        bytes=len(WEIGHTS) + len(CONFIG),
        files=2,
        licence="MIT",
    )
    assert (world.folder / "unet" / "model.safetensors").read_bytes() == WEIGHTS
    assert world.left() == ["these/model_index.json", "these/unet/model.safetensors"]


def test_one_digest_of_all_is_that_of_what_sha256sum_writes() -> None:
    # printf 'a' | sha256sum, of two files; their list's own sum was made by sha256sum too.
    sums = {"b": sha256(b"b"), "a": sha256(b"a")}
    listed = f"{sha256(b'a')}  a\n{sha256(b'b')}  b\n".encode()
    assert digest_of_all(sums) == f"sha256:{sha256(listed)}"


async def test_a_wrong_checksum_leaves_nothing_and_is_not_tried_again(world: World) -> None:
    wrong = {"model_index.json": sha256(CONFIG), "unet/model.safetensors": "0" * 64}
    done = await world.download(checksums=wrong)
    assert (done.error, done.again) == ("ChecksumMismatch", False)
    assert done.message is not None and "unet/model.safetensors" in done.message
    assert not world.folder.exists()
    assert not [path for path in world.left() if "model.safetensors" in path]


async def test_a_connection_that_is_cut_is_taken_up_where_it_was(world: World) -> None:
    world.host.cuts = [20_000, 15_000]
    done = await world.download(checksums={"unet/model.safetensors": sha256(WEIGHTS)})
    assert done.error is None
    ranges = [asked for _, asked, _ in world.host.seen]
    assert ranges[0] is None and len(ranges) == 3
    # What was sent before a cut has arrived, but for what was still on its way.
    starts = [int(str(asked).removeprefix("bytes=").removesuffix("-")) for asked in ranges[1:]]
    assert 0 < starts[0] <= 20_000 and starts[0] < starts[1] <= starts[0] + 15_000


async def test_a_host_without_ranges_is_begun_anew(world: World) -> None:
    world.host.takes_ranges = False
    world.host.cuts = [20_000]
    assert (await world.download()).error is None


async def test_what_an_earlier_run_has_left_is_gone_on_with(world: World) -> None:
    part = world.volume / "these.partial" / "unet" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:30_000])
    assert (await world.download()).error is None
    assert ("/w/unet/model.safetensors", "bytes=30000-", None) in world.host.seen


async def test_what_an_earlier_run_has_left_of_another_file_is_thrown_away(world: World) -> None:
    part = world.volume / "these.partial" / "unet" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 30_000)
    (world.volume / "others.partial").mkdir()
    (world.volume / "others.partial" / "old.safetensors").write_bytes(b"x")
    assert (await world.download()).error is None
    assert world.left() == ["these/model_index.json", "these/unet/model.safetensors"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_more_than_the_volume_is_for_is_refused(world: World, *, chunked: bool) -> None:
    world.host.chunked = chunked
    done = await world.download(limit=40_000)
    assert (done.error, done.again) == ("TooLarge", False)
    assert sum((world.volume / path).stat().st_size for path in world.left()) <= 40_000


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("model.safetensors", b"\x80\x04\x95" + b"x" * 100),
        ("model.safetensors", b"PK\x03\x04" + b"x" * 100),
        ("model.safetensors", (10**9).to_bytes(8, "little") + b"{}"),
        ("model.onnx", b"\x80\x02}q\x00."),
        ("model.onnx", b"PK\x03\x04data.pkl"),
        ("model.gguf", b"\x80\x04\x95."),
        ("config.json", b"\x80\x04\x95."),
    ],
)
async def test_a_pickle_under_another_name_is_refused(
    world: World, path: str, content: bytes
) -> None:
    world.host.files = {f"/w/{path}": content}
    done = await world.download()
    assert (done.error, done.again) == ("WrongFormat", False)
    assert not world.folder.exists()


async def test_a_token_goes_to_its_own_host_alone(world: World, certificate: Certificate) -> None:
    world.secret = {"token": "of-the-first-host"}
    async with serving(Host({"/elsewhere": WEIGHTS}), certificate.context()) as other:
        world.host.redirects["/w/unet/model.safetensors"] = f"{other.url}/elsewhere"
        assert (await world.download()).error is None
        assert {token for *_, token in world.host.seen} == {"Bearer of-the-first-host"}
        assert [token for *_, token in other.seen] == [None]


async def test_nothing_leads_from_https_to_http(world: World) -> None:
    async with serving(Host({"/elsewhere": WEIGHTS})) as other:
        world.host.redirects["/w/unet/model.safetensors"] = f"{other.url}/elsewhere"
        done = await world.download()
        assert done.error == "RedirectRefused"
        assert other.seen == []


async def test_redirects_end(world: World) -> None:
    world.host.redirects["/w/model_index.json"] = "/w/model_index.json"
    assert (await world.download()).error == "RedirectRefused"


@pytest.mark.parametrize(
    ("status", "reason", "again"),
    [
        (503, "Unavailable", True),
        (429, "Unavailable", True),
        (403, "AccessDenied", True),
        (404, "NotFound", False),
        (410, "Refused", False),
    ],
)
async def test_a_refusal_says_whether_it_may_end_otherwise_later(
    world: World, status: int, reason: str, *, again: bool
) -> None:
    world.host.status = status
    done = await world.download()
    assert (done.error, done.again) == (reason, again)
    assert len(world.host.seen) == (IMPATIENT.tries if reason == "Unavailable" else 1)


async def test_what_is_whole_is_verified_and_not_fetched_again(world: World) -> None:
    first = await world.download()
    world.host.seen.clear()
    assert await world.download() == first
    assert world.host.seen == []
    (world.folder / "unet" / "model.safetensors").write_bytes(b"spoiled")
    assert await world.download() == first
    assert [path for path, *_ in world.host.seen] == ["/w/unet/model.safetensors"]


async def test_a_certificate_of_nobody_is_refused(world: World, tmp_path: Path) -> None:
    other = Certificate(tmp_path)
    other.make()
    world.certificate = other
    done = await world.download()
    assert (done.error, done.again) == ("Unavailable", True)
    assert world.host.seen == []


class TestGivenClaim:
    """A volume that exists is looked through, and nothing in it is changed."""

    @pytest.fixture
    def given(self, world: World) -> World:
        folder = world.volume / "these"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(WEIGHTS)
        (folder / "config.json").write_bytes(CONFIG)
        (folder / "lost+found").mkdir()
        return world

    async def look(self, given: World, **more: Any) -> Downloaded:
        claim: dict[str, Any] = {"source": "pvc://weights/these", "storage": None, "checksums": {}}
        return await given.download(**(claim | more))

    async def test_it_is_told_what_it_holds(self, given: World) -> None:
        done = await self.look(given, checksums={"model.safetensors": sha256(WEIGHTS)})
        assert (done.error, done.files) == (None, 2)
        assert done.bytes == len(WEIGHTS) + len(CONFIG)
        assert given.host.seen == []

    async def test_a_pickle_in_it_is_refused(self, given: World) -> None:
        (given.folder / "old.ckpt").write_bytes(b"\x80\x04.")
        assert (await self.look(given)).error == "WrongFormat"

    async def test_a_way_out_of_it_is_refused(self, given: World, tmp_path: Path) -> None:
        (tmp_path / "other.json").write_bytes(CONFIG)
        (given.folder / "config2.json").symlink_to(tmp_path / "other.json")
        assert (await self.look(given)).error == "WrongFormat"

    async def test_another_checksum_is_refused(self, given: World) -> None:
        done = await self.look(given, checksums={"model.safetensors": "0" * 64})
        assert (done.error, done.again) == ("ChecksumMismatch", False)

    async def test_a_folder_that_is_not_there_is_said(self, given: World) -> None:
        for path in given.folder.glob("*.*"):
            path.unlink()
        assert (await self.look(given)).error == "NothingWanted"
