"""Weights of the Hugging Face Hub, against a stand-in that answers as the Hub does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from imagerift_core.model_weights import ModelWeightsSpec
from imagerift_core.weights_download.download import Download
from imagerift_core.weights_download.fetching import Patience
from imagerift_core.weights_download.report import Downloaded, DownloadRequest, DownloadSettings

from tests.support.server_processes import free_port
from tests.support.weights_hosts import COMMIT, TOKEN, Hub, hub_serving, safetensors

WEIGHTS, CONFIG = safetensors(), b'{"_class_name": "StableDiffusionXLPipeline"}'
IMPATIENT = Patience(tries=2, first_pause=0, longest_pause=0)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    made.put("model_index.json", CONFIG)
    made.put("unet/diffusion_pytorch_model.safetensors", WEIGHTS)
    made.put("unet/diffusion_pytorch_model.fp16.safetensors", safetensors(5000))
    made.put("unet/diffusion_pytorch_model.bin", b"\x80\x04.")
    made.put(".gitattributes", b"*.bin filter=lfs")
    made.put("run.py", b"print()")
    async with hub_serving(made):
        yield made


def settings(hub: Hub, tmp_path: Path, **more: Any) -> DownloadSettings:
    given: dict[str, Any] = {
        "source": f"hf://{hub.repository}@main",
        "acceptLicence": "openrail++",
        "storage": {"size": "1Mi"},
    }
    spec = ModelWeightsSpec.model_validate(given | more)
    return DownloadSettings(
        request=DownloadRequest(spec=spec, folder="these", limit_bytes=1 << 20),
        root=tmp_path,
        secret=tmp_path / "secret",
        hf_endpoint=hub.url,
    )


async def download(hub: Hub, tmp_path: Path, **more: Any) -> Downloaded:
    return await Download(settings(hub, tmp_path, **more), IMPATIENT).run()


def taken(tmp_path: Path) -> list[str]:
    folder = tmp_path / "these"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


async def test_a_repository_is_taken_without_what_would_run(hub: Hub, tmp_path: Path) -> None:
    done = await download(hub, tmp_path)
    assert (done.error, done.licence, done.revision) == (None, "openrail++", COMMIT)
    assert taken(tmp_path) == [
        "model_index.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
    ]
    # Of a branch everything is taken at the one commit that it was.
    paths = [path for path, *_ in hub.seen]
    assert not [path for path in paths[1:] if "/main" in path]


async def test_patterns_choose(hub: Hub, tmp_path: Path) -> None:
    done = await download(hub, tmp_path, files=["*.json", "*.fp16.safetensors"])
    assert done.files == 2
    assert taken(tmp_path) == [
        "model_index.json",
        "unet/diffusion_pytorch_model.fp16.safetensors",
    ]


async def test_the_licence_that_is_stated_has_to_be_accepted_by_its_name(
    hub: Hub, tmp_path: Path
) -> None:
    hub.licence = {"license": "other", "license_name": "flux-1-dev-non-commercial-license"}
    done = await download(hub, tmp_path)
    assert (done.error, done.again) == ("LicenceNotAccepted", False)
    assert done.message is not None and "flux-1-dev-non-commercial-license" in done.message
    assert not hub.cdn.seen and taken(tmp_path) == []
    accepted = {"acceptLicence": "flux-1-dev-non-commercial-license"}
    assert (await download(hub, tmp_path, **accepted)).error is None


async def test_a_gated_repository_wants_its_token_and_shows_it_to_the_hub_alone(
    hub: Hub, tmp_path: Path
) -> None:
    hub.gated = True
    done = await download(hub, tmp_path)
    assert (done.error, done.again) == ("AccessDenied", True)
    assert done.message is not None and "accept the terms" in done.message
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "token").write_text(f"{TOKEN}\n")
    assert (await download(hub, tmp_path, secretName="hub")).error is None
    assert hub.cdn.seen and {token for *_, token in hub.cdn.seen} == {None}


@pytest.mark.parametrize("path", ["model_index.json", "unet/diffusion_pytorch_model.safetensors"])
async def test_other_bytes_than_the_tree_states_are_refused(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    hub.page = 100
    original = hub._entry
    wrong = {"oid": "0" * 64, "size": len(hub.files[path]), "pointerSize": 135}

    def entry(of: str) -> dict[str, Any]:
        told = original(of)
        if of != path:
            return told
        return told | ({"lfs": wrong} if "lfs" in told else {"oid": "0" * 40})

    monkeypatch.setattr(hub, "_entry", entry)
    done = await download(hub, tmp_path)
    assert (done.error, done.again) == ("ChecksumMismatch", False)


@pytest.mark.parametrize(
    ("source", "reason", "word"),
    [
        ("hf://acme/sdxl@gone", "NotFound", "RevisionNotFound"),
        ("hf://acme/other@main", "AccessDenied", "RepoNotFound"),
    ],
)
async def test_the_hubs_word_for_what_is_missing_is_passed_on(
    hub: Hub, tmp_path: Path, source: str, reason: str, word: str
) -> None:
    done = await download(hub, tmp_path, source=source)
    assert done.error == reason
    assert done.message is not None and word in done.message


async def test_the_program_downloads_reports_and_tells_its_progress(
    hub: Hub, tmp_path: Path
) -> None:
    given = settings(hub, tmp_path)
    port, report = free_port(), tmp_path / "report"
    hub.cdn.cuts = [1000]
    environment = os.environ | {
        "IMAGERIFT_WEIGHTS_REQUEST": given.request.model_dump_json(
            by_alias=True, exclude_none=True
        ),
        "IMAGERIFT_WEIGHTS_ROOT": str(tmp_path / "volume"),
        "IMAGERIFT_WEIGHTS_REPORT": str(report),
        "IMAGERIFT_WEIGHTS_HOST": "127.0.0.1",
        "IMAGERIFT_WEIGHTS_PORT": str(port),
        "HF_ENDPOINT": hub.url,
    }
    (tmp_path / "volume").mkdir()
    report.touch()
    program = [sys.executable, "-m", "imagerift_core.weights_download"]
    process = await asyncio.create_subprocess_exec(*program, env=environment)
    told: list[dict[str, Any]] = []
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while process.returncode is None:
                try:
                    async with http.get(f"http://127.0.0.1:{port}/") as answer:
                        told.append(json.loads(await answer.read()))
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.02)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    assert process.returncode == 0
    done = Downloaded.model_validate_json(report.read_text())
    assert (done.error, done.files, done.revision) == (None, 3, COMMIT)
    assert told and told[-1].keys() == {"done", "total"}
    assert {one["total"] for one in told} <= {None, done.bytes}
