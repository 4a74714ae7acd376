"""How far a job is, from the model to whoever asks: reads, events, the command."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from tests.e2e.tenant import Tenant
from tests.platform_under_test import BIN, CHECKOUT, wait_until

# Thirty steps of a third of a second, by a model that does what it is told.
STEPS = 30
SLOW = {"mode": "puppet", "prompt": json.dumps({"hold": 10, "steps": STEPS})}


def test_a_read_shows_a_jobs_steps_while_it_runs(tenant: Tenant, small_photo: bytes) -> None:
    job_id = tenant.submitted(small_photo, **SLOW)
    seen: list[dict[str, Any]] = []

    def further() -> bool:
        job = tenant.job(job_id)
        told = job["progress"]
        if told is not None and told["step"] is not None and told not in seen:
            seen.append(told)
        return len(seen) >= 3 or job["status"] == "succeeded"

    wait_until(further, seconds=60, what="its steps are told")
    assert len(seen) >= 3
    steps = [told["step"] for told in seen]
    assert steps == sorted(set(steps))
    shares = [told["share"] for told in seen]
    assert shares == sorted(set(shares))
    for told in seen:
        assert (told["stage"], told["steps"], told["variations"]) == ("model", STEPS, 1)
        # By the measured time of a step, whatever others make it take.
        assert told["etaSeconds"] > 0
    ended = tenant.wait_for(job_id, "succeeded")
    assert ended["progress"] is None
    row = record_of(tenant, job_id)
    assert "progress" not in json.dumps(row, default=str)


def record_of(tenant: Tenant, job_id: str) -> dict[str, Any]:
    """What MongoDB keeps of a job."""
    environment = tenant.platform.environment
    with MongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as client:
        row = client[environment["IMAGERIFT_MONGO_DATABASE"]].jobs.find_one({"_id": job_id})
    assert row is not None
    return row


def test_events_tell_each_second_how_far_a_job_is(tenant: Tenant, small_photo: bytes) -> None:
    events = tenant.events(tenant.submitted(small_photo, **SLOW))
    told = [data for name, data in events if name == "progress"]
    jobs = [data for name, data in events if name == "job"]
    assert len(told) >= 3
    steps = [one["step"] for one in told if one["step"] is not None]
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]
    assert jobs[-1]["status"] == "succeeded"
    assert "processing" in [job["status"] for job in jobs]


def test_the_command_says_how_far_it_is(tenant: Tenant, tmp_path: Path) -> None:
    assert_command_tells(tenant, tmp_path, "--mode", SLOW["mode"], "--prompt", SLOW["prompt"])


def assert_command_tells(tenant: Tenant, folder: Path, *asked: str) -> None:
    """Makes a picture in thirty steps by `imagerift generate --wait`, which tells of them."""
    photo = CHECKOUT / "tests/data/small.jpg"
    variables = {"IMAGERIFT_API_URL": tenant.platform.api_url, "IMAGERIFT_API_KEY": tenant.token}
    done = subprocess.run(
        [str(BIN / "imagerift"), "generate", str(photo), *asked, "--wait", "-o", str(folder)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    said = re.findall(
        r"^processing, step (\d+) of 30, about \d+ s left$", done.stderr, re.MULTILINE
    )
    assert len(said) >= 2
    assert [int(step) for step in said] == sorted(int(step) for step in said)
    assert len(list(folder.iterdir())) == 1
