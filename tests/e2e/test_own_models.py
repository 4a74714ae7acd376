"""A model of one's own, by the steps of docs/models.md, through the REST API.

The platform under test is started with them: a repository, a pool's file, a file of modes.
"""

from __future__ import annotations

import io

import httpx
import numpy as np
from PIL import Image

from tests.e2e.tenant import Tenant


def shown(url: str) -> np.ndarray:
    body = httpx.get(url, timeout=120, trust_env=False).raise_for_status().content
    return np.asarray(Image.open(io.BytesIO(body)))


def test_the_documented_model_of_one_s_own_is_a_mode(tenant: Tenant, photo: bytes) -> None:
    listed = tenant.request("GET", "/api/v1/modes").json()["data"]
    assert [mode["presets"] for mode in listed if mode["mode"] == "duotone"] == [["warm", "cold"]]
    ask = {"mode": "duotone", "preset": "cold", "variations": 2, "outputAspect": "4:5"}
    job = tenant.wait_for(tenant.submitted(photo, **ask))
    assert job["status"] == "succeeded", job
    assert job["models"] == [{"name": "duotone", "version": "1"}]
    first, second = (shown(output["downloadUrl"]) for output in job["outputs"])
    assert first.shape == second.shape == (1024, 819, 3)
    # Two inks, cold ones: no pixel is redder than it is blue.
    assert (first[..., 2].astype(int) - first[..., 0]).min() >= 0
    assert not np.array_equal(first, second)
