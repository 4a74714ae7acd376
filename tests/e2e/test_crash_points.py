"""A process is killed exactly between two writes; the job ends all the same, charged once."""

from __future__ import annotations

import os
import random

import httpx
import pytest

from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until

POINTS = {
    "api-source-stored": "api",
    "api-admitted": "api",
    "api-resource-created": "api",
    "operator-claimed": "operator",
    "operator-answered": "operator",
    "operator-settled": "operator",
    "operator-status-written": "operator",
    "operator-deleted": "operator",
}
SEED = 20261122
# `make reliability` has more of them.
ROUNDS = int(os.environ.get("IMAGERIFT_CRASH_ROUNDS", len(POINTS)))


def rounds() -> list[tuple[int, str]]:
    """Every point, the rest drawn; always the same ones."""
    drawn = random.Random(SEED)
    points = list(POINTS)
    points += [drawn.choice(list(POINTS)) for _ in range(ROUNDS - len(points))]
    drawn.shuffle(points)
    return list(enumerate(points))


@pytest.mark.parametrize(("number", "point"), rounds())
def test_a_job_ends_right_whatever_point_its_process_dies_at(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes, number: int, point: str
) -> None:
    part = POINTS[point]
    restarts = platform.part(part)["restarts"]
    (platform.crash_dir / point).touch()
    try:
        answer = tenant.submit(small_photo, mode="noop", seed=number)
        accepted = answer.status_code == 202
    except httpx.TransportError:
        accepted = False
    wait_until(
        lambda: (
            not (platform.crash_dir / point).exists() and platform.part(part)["restarts"] > restarts
        ),
        seconds=60,
        what=f"{part} was killed at {point}",
    )
    platform.wait_ready(part)
    assert accepted == (part == "operator")

    # What was committed is a job, whether its client heard of it or not; nothing else is.
    committed = point != "api-source-stored"
    listed = tenant.request("GET", "/api/v1/jobs").json()["data"]
    assert len(listed) == committed
    for job in listed:
        ended = tenant.wait_for(job["jobId"], seconds=90)
        assert ended["status"] == "succeeded"
        assert tenant.http.get(ended["downloadUrl"]).content == small_photo
    units = 1 if committed else 0
    assert tenant.counters() == {"charged": units, "reserved": 0, "ledger": units}
