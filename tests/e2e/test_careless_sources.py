"""Careless files through the API and the real models: taken and finished, or refused at once."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image

from tests.e2e.tenant import Tenant
from tests.unit.vision.careless_sources import CarelessSource, careless_sources

SOURCES = careless_sources()
# The long edge of `base`, in pixels.
LONG_EDGE = 1024


def named(source: CarelessSource) -> str:
    return source.name


def test_what_shows_a_picture_gives_one(tenant: Tenant) -> None:
    sources = [source for source in SOURCES if source.accepted]
    jobs = [
        tenant.submitted(source.data, mode="duotone", preset="cold", deadlineSeconds=600)
        for source in sources
    ]
    for source, job_id in zip(sources, jobs, strict=True):
        job = tenant.wait_for(job_id, seconds=300)
        assert job["status"] == "succeeded", (source.name, job["error"])
        assert source.colours is not None
        height, width = source.colours.shape[:2]
        picture = Image.open(io.BytesIO(httpx.get(job["downloadUrl"], trust_env=False).content))
        share = LONG_EDGE / max(width, height)
        assert picture.size == pytest.approx((width * share, height * share), abs=2), source.name


@pytest.mark.parametrize("source", [s for s in SOURCES if not s.accepted], ids=named)
def test_what_lacks_pixels_is_refused_before_anything_is_stored(
    tenant: Tenant, source: CarelessSource
) -> None:
    answer = tenant.submit(source.data, mode="enhance", prompt=None)
    assert (answer.status_code, answer.json()["code"]) == (422, "image_unreadable")
