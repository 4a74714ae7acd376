"""Fixtures of the end-to-end tests: one platform a run, workspaces and clients of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.e2e.resources import BINDING
from tests.e2e.tenant import Tenant, new_tenant
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, attach, started


@pytest.fixture(scope="session")
def platform() -> Iterator[PlatformUnderTest]:
    """The platform that IMAGERIFT_TEST_ENV names, else one started for this run."""
    given = os.environ.get("IMAGERIFT_TEST_ENV")
    if given:
        yield attach(Path(given))
        return
    with started() as platform:
        yield platform


@pytest.fixture(scope="session")
def make_tenant(platform: PlatformUnderTest) -> Iterator[Callable[[str], Tenant]]:
    """Makes workspaces, each with a key, on the plan that is named."""
    with httpx.Client(base_url=platform.api_url, timeout=120, trust_env=False) as http:
        yield partial(new_tenant, platform, http)


@pytest.fixture
def tenant(make_tenant: Callable[[str], Tenant]) -> Tenant:
    """A workspace whose limits no test reaches by accident."""
    return make_tenant("load")


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (CHECKOUT / "docs/images/sample.jpg").read_bytes()


@pytest.fixture
def small_photo() -> bytes:
    return (CHECKOUT / "tests/data/small.jpg").read_bytes()


@pytest.fixture
def bound(platform: PlatformUnderTest, tenant: Tenant) -> Tenant:
    """A workspace that the platform's namespace is bound to."""
    namespace = platform.environment["IMAGERIFT_NAMESPACE"]
    platform.kubectl("annotate", "ns", namespace, f"{BINDING}{tenant.workspace}=true")
    return tenant


@pytest.fixture
def source(tenant: Tenant, small_photo: bytes) -> str:
    """The key of a source that is recorded for the workspace."""
    job_id = tenant.submitted(small_photo, mode="noop")
    tenant.wait_for(job_id, "succeeded")
    return f"workspaces/{tenant.workspace}/jobs/{job_id}/source"
