"""Careless files through the API and the real models: taken and finished, or refused at once."""

from __future__ import annotations

import ast
import io

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT
from tests.unit.vision.careless_sources import CarelessSource, careless_sources

SOURCES = careless_sources()
# The long edge of `base`, in pixels.
LONG_EDGE = 1024
# By how much the mean may differ, of 255, where two programs scale and a third writes a file.
SCALING = 3.0


def named(source: CarelessSource) -> str:
    return source.name


def paper_and_ink() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What `duotone` prints white and black as in `cold`, by seed 0: the example's own words."""
    model = ast.parse((CHECKOUT / "docs/examples/duotone/1/model.py").read_text())
    (inks,) = (
        ast.literal_eval(part.value)
        for part in model.body
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "INKS"
    )
    paper, ink = np.array(inks["cold"][0], float)
    return paper, ink


def brightness(print_: Image.Image) -> NDArray[np.float64]:
    """[h, w], 0 to 255: of the source that was printed."""
    paper, ink = paper_and_ink()
    along = paper - ink
    shares = (np.asarray(print_.convert("RGB"), float) - ink) @ along / (along @ along)
    return np.asarray(shares * 255, float)


def seen(source: CarelessSource, size: tuple[int, int]) -> NDArray[np.float64]:
    """[h, w], 0 to 255: how bright it looks on white."""
    assert source.colours is not None
    shown = source.colours.copy()
    if source.clear is not None:
        shown[source.clear] = 255
    scaled = Image.fromarray(shown).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(scaled.convert("L"), float)


def test_what_shows_a_picture_gives_that_picture(tenant: Tenant) -> None:
    sources = [source for source in SOURCES if source.accepted]
    jobs = [
        tenant.submitted(source.data, mode="duotone", preset="cold", seed=0, deadlineSeconds=600)
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
        off = np.abs(brightness(picture) - seen(source, picture.size)).mean()
        assert off <= source.off + SCALING, source.name


@pytest.mark.parametrize("source", [s for s in SOURCES if not s.accepted], ids=named)
def test_what_lacks_pixels_is_refused_before_anything_is_stored(
    tenant: Tenant, source: CarelessSource
) -> None:
    answer = tenant.submit(source.data, mode="enhance", prompt=None)
    assert (answer.status_code, answer.json()["code"]) == (422, "image_unreadable")
