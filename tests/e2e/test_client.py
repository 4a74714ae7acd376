"""The Python clients on the real platform: a photo in, its picture out."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from imagerift import AsyncImageRift, ConflictError, ImageRift, NotFoundError

from tests.e2e.tenant import Tenant
from tests.support.parts import install_client_alone

CLIENT_PAGE = Path(__file__).resolve().parents[2] / "docs/client.md"


def test_the_client_goes_the_whole_way(tenant: Tenant, small_photo: bytes) -> None:
    with ImageRift(tenant.platform.api_url, tenant.token) as api:
        assert "noop" in [mode["mode"] for mode in api.list_modes()]
        job = api.wait(api.generate(mode="noop", image=small_photo), timeout_seconds=60)
        assert api.download(job.outputs[0]) == small_photo
        assert [listed.job_id for listed in api.list_jobs(mode="noop").jobs] == [job.job_id]
        assert usage_of(api.get_usage()) == 1
        with pytest.raises(ConflictError):
            api.cancel(job.job_id)
        api.delete(job.job_id)
        with pytest.raises(NotFoundError):
            api.get_job(job.job_id)


async def test_the_async_client_goes_the_whole_way_many_times_at_once(
    tenant: Tenant, small_photo: bytes
) -> None:
    async def one(api: AsyncImageRift, seed: int) -> str:
        job = await api.generate(mode="noop", image=small_photo, seed=seed)
        ended = await api.wait(job, timeout_seconds=60)
        assert await api.download(ended.outputs[0]) == small_photo
        return ended.job_id

    async with AsyncImageRift(tenant.platform.api_url, tenant.token) as api:
        made = await asyncio.gather(*(one(api, seed) for seed in range(5)))
        page = await api.list_jobs(status="succeeded")
        assert {job.job_id for job in page.jobs} == set(made)
        assert usage_of(await api.get_usage()) == 5
        again = [await api.generate(mode="noop", image=small_photo, idempotency_key="same")]
        again += [await api.generate(mode="noop", image=small_photo, idempotency_key="same")]
        assert len({job.job_id for job in again}) == 1
        await asyncio.gather(*(api.delete(job_id) for job_id in made))
        with pytest.raises(NotFoundError):
            await api.get_job(made[0])


@pytest.mark.parametrize("number", [0, 1])
def test_the_documented_examples_run_as_they_are_printed(
    tenant: Tenant, small_photo: bytes, tmp_path: Path, number: int
) -> None:
    examples = re.findall(
        r"^```python\n(.*?)^```", CLIENT_PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(examples) == 2
    (tmp_path / "photo.jpg").write_bytes(small_photo)
    variables = {"IMAGERIFT_API_URL": tenant.platform.api_url, "IMAGERIFT_API_KEY": tenant.token}
    subprocess.run(
        [sys.executable, "-c", examples[number]],
        cwd=tmp_path,
        env={**os.environ, **variables},
        check=True,
        timeout=240,
    )
    made = {path.name for path in tmp_path.glob("*.png")}
    assert made == [{f"{index}.png" for index in range(5)}, {"photo.png"}][number]


def test_the_command_installed_alone_goes_the_whole_way(
    tenant: Tenant, small_photo: bytes, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(small_photo)
    program = install_client_alone(tmp_path) / "imagerift"
    subprocess.run(
        [program, "generate", "photo.jpg", "--mode", "noop", "--wait", "-o", "pictures"],
        cwd=tmp_path,
        # Nothing of this environment: neither its packages nor its settings.
        env={
            "IMAGERIFT_API_URL": tenant.platform.api_url,
            "IMAGERIFT_API_KEY": tenant.token,
            "NO_PROXY": "127.0.0.1",
        },
        check=True,
        timeout=240,
    )
    (picture,) = (tmp_path / "pictures").iterdir()
    assert picture.read_bytes() == small_photo


def usage_of(usage: dict[str, Any]) -> int:
    charged: int = usage["quota"]["charged"]
    return charged
