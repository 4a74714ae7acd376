"""Weights below a prefix of a real bucket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.s3 import ObjectStore
from imagerift_core.weights_download.download import Download
from imagerift_core.weights_download.fetching import Patience
from imagerift_core.weights_download.report import Downloaded, DownloadRequest, DownloadSettings

from tests.support.server_processes import S3Address
from tests.support.weights_hosts import safetensors, sha256

WEIGHTS, CONFIG = safetensors(100_000), b"{}"
SUMS = {"unet/model.safetensors": sha256(WEIGHTS), "model_index.json": sha256(CONFIG)}


@pytest.fixture
async def folder(store: ObjectStore, bucket: str, prefix: str) -> str:
    """A source with a pipeline's folder, a pickle and something beside it."""
    where = f"{prefix}weights/"
    for path, content in (
        ("unet/model.safetensors", WEIGHTS),
        ("model_index.json", CONFIG),
        ("unet/model.bin", b"\x80\x04."),
    ):
        await store.put(where + path, content, content_type="application/octet-stream")
    await store.put(f"{prefix}weights-of-others/a.json", b"{}", content_type="application/json")
    return f"s3://{bucket}/{where}"


async def download(address: S3Address, source: str, tmp_path: Path, **more: Any) -> Downloaded:
    secret = tmp_path / "secret"
    secret.mkdir(exist_ok=True)
    (secret / "s3-access-key").write_text(address.access_key)
    (secret / "s3-secret-key").write_text(address.secret_key)
    given: dict[str, Any] = {
        "source": source,
        "acceptLicence": "MIT",
        "storage": {"size": "1Mi"},
        "checksums": SUMS,
        "s3": {"endpoint": address.internal_url, "region": address.region},
    }
    settings = DownloadSettings(
        request=DownloadRequest(
            spec=ModelWeightsSpec.model_validate(given | more), folder="these", limit_bytes=1 << 20
        ),
        root=tmp_path,
        secret=secret,
    )
    return await Download(settings, Patience(tries=2, first_pause=0)).run()


async def test_what_is_below_a_prefix_is_taken(
    s3_address: S3Address, folder: str, tmp_path: Path
) -> None:
    done = await download(s3_address, folder, tmp_path)
    assert (done.error, done.files, done.bytes) == (None, 2, len(WEIGHTS) + len(CONFIG))
    assert (tmp_path / "these" / "unet" / "model.safetensors").read_bytes() == WEIGHTS
    assert not (tmp_path / "these" / "unet" / "model.bin").exists()


async def test_what_was_cut_is_gone_on_with(
    s3_address: S3Address, folder: str, tmp_path: Path
) -> None:
    part = tmp_path / "these.partial" / "unet" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WEIGHTS[:60_000])
    assert (await download(s3_address, folder, tmp_path)).error is None
    assert (tmp_path / "these" / "unet" / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"checksums": {}, "files": ["*.safetensors"]}, "NoChecksum"),
        ({"checksums": SUMS | {"model_index.json": "0" * 64}}, "ChecksumMismatch"),
        ({"checksums": SUMS | {"vae/model.safetensors": "0" * 64}}, "FileMissing"),
        ({"files": ["vae/*"], "checksums": {}}, "NothingWanted"),
    ],
)
async def test_nothing_is_taken_that_is_not_known_by_its_checksum(
    s3_address: S3Address,
    folder: str,
    tmp_path: Path,
    more: dict[str, Any],
    reason: str,
) -> None:
    done = await download(s3_address, folder, tmp_path, **more)
    assert (done.error, done.again) == (reason, False)
    assert not (tmp_path / "these").exists()


async def test_a_bucket_that_there_is_not_is_said(s3_address: S3Address, tmp_path: Path) -> None:
    done = await download(s3_address, "s3://there-is-no-such-bucket/w/", tmp_path)
    assert done.error in {"NotFound", "AccessDenied"}
    assert done.message is not None and s3_address.secret_key not in done.message


async def test_a_wrong_key_is_denied(s3_address: S3Address, folder: str, tmp_path: Path) -> None:
    wrong = replace(s3_address, secret_key="wrong-key-wrong-key-wrong-key")
    done = await download(wrong, folder, tmp_path)
    assert (done.error, done.again) == ("AccessDenied", True)
