"""Products in surroundings that diffusion draws: each of twenty keeps its own pixels at every size.

Through the REST API, on a pool with tiny weights that draw around a mask, on the CPU. `-s` prints
a line of Markdown a size.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from imagerift_contract.values import EXPORT_LONG_EDGE, ExportSize
from PIL import Image

from tests.e2e.own_pool import OwnPool, own_pool
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest
from tests.support.products import PRODUCTS, file_of, product

pytestmark = pytest.mark.timeout(3600)


@dataclass(frozen=True)
class Kept:
    """What a delivered file says of its subject.

    `compared` is the share of its pixels that lie inside its edge, of which the proof is.
    """

    difference: str
    compared: float


@pytest.fixture(scope="module")
def pool(
    platform: PlatformUnderTest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OwnPool]:
    with own_pool(platform, tmp_path_factory.mktemp("products"), at_once=2) as pool:
        pool.block()
        yield pool


@pytest.fixture(scope="module")
def tenant(platform: PlatformUnderTest) -> Iterator[Tenant]:
    name = platform.admin("workspace", "create", "--name", "products", "--plan", "load")
    workspace = name["workspaceId"]
    key = platform.admin("key", "create", "--workspace", workspace, "--name", "products")
    with httpx.Client(base_url=platform.api_url, timeout=120, trust_env=False) as http:
        yield Tenant(platform, http, workspace, key["keyId"], key["token"])


@pytest.mark.parametrize("size", ["base", "2k", "4k"])
def test_every_product_keeps_its_own_pixels(
    pool: OwnPool, tenant: Tenant, size: ExportSize
) -> None:
    before, began = tenant.counters()["charged"], time.monotonic()
    found = [scene_of(tenant, number, size) for number in range(len(PRODUCTS))]
    seconds = (time.monotonic() - began) / len(found)
    differences = {one.difference for one in found}
    least = min(one.compared for one in found)
    sys.stdout.write(
        f"| {size} | {len(found)} | {', '.join(sorted(differences))} | {least:.2f} "
        f"| {seconds:.1f} |\n"
    )
    assert differences == {"0/255"}
    # Little of a thin one lies inside its edge, as of a tube at the smallest size.
    assert least > 0
    assert tenant.counters()["charged"] - before == len(PRODUCTS) == 20


def scene_of(tenant: Tenant, number: int, size: ExportSize) -> Kept:
    """What the delivered picture of a product says; each is of another size and seed."""
    photo = file_of(product(*PRODUCTS[number], height=420 + 23 * number, width=360 + 11 * number))
    ask = {"mode": "staged", "preset": "studio", "prompt": "on a quay", "outputAspect": "1:1"}
    job_id = tenant.submitted(photo, exportSize=size, seed=number, **ask)
    job = tenant.wait_for(job_id, seconds=600)
    assert job["status"] == "succeeded", (PRODUCTS[number], job["error"])
    assert "diffusers StableDiffusionInpaintPipeline" in {one["name"] for one in job["models"]}
    url = job["outputs"][0]["downloadUrl"]
    body = httpx.get(url, timeout=120, trust_env=False).raise_for_status().content
    picture = Image.open(io.BytesIO(body))
    assert picture.size == (EXPORT_LONG_EDGE[size],) * 2
    assert picture.info["imagerift:subject"] == "kept"
    return Kept(
        picture.info["imagerift:subjectDifference"],
        float(picture.info["imagerift:subjectCompared"]),
    )
