"""What docs/kubectl.md says to wait with ends with the job, however that ends, and says how."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.resources import BINDING, manifest, phase_reached
from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, wait_until
from tests.support.puppet_jobs import submit

PAGE = (CHECKOUT / "docs" / "kubectl.md").read_text()
CHAPTER = PAGE.partition("\n## Wait\n")[2].partition("\n## ")[0]
BY_FIELD, BY_CONDITIONS = re.findall(r"```bash\n(.*?)```", CHAPTER, re.DOTALL)
END = re.compile(r"^(?:Succeeded|Failed|Canceled): .*$", re.MULTILINE)
# Of kubectl, for a field of any value.
FIRST_BY_FIELD = (1, 31)
# Long enough for kubectl to be waiting when it ends.
HOLD = 3


@pytest.fixture
def waits(platform: PlatformUnderTest) -> list[str]:
    """The page's ways that this machine's kubectl can go."""
    told = json.loads(platform.run("kubectl", "version", "--client", "-o", "json").stdout)
    found = re.match(r"v(\d+)\.(\d+)", told["clientVersion"]["gitVersion"])
    assert found is not None, told
    version = (int(found[1]), int(found[2]))
    return [BY_FIELD, BY_CONDITIONS] if version >= FIRST_BY_FIELD else [BY_CONDITIONS]


@pytest.fixture
def waited(
    platform: PlatformUnderTest, waits: list[str], tmp_path: Path
) -> Callable[[str, Callable[[], Any]], list[tuple[str, int]]]:
    """(what it says of the end, exit status) of each way, gone while `then` has the job end."""

    def wait(job: str, then: Callable[[], Any]) -> list[tuple[str, int]]:
        running = []
        for number, block in enumerate(waits):
            printed = tmp_path / f"{job}-{number}.txt"
            command = ("bash", "-c", block.replace("JOB_ID", job))
            running.append((printed, platform.start(*command, into=printed)))
        then()
        # Far less than the page's ten minutes, at the end of which it would stop by itself.
        statuses = [process.wait(timeout=120) for _, process in running]
        return [
            (END.findall(printed.read_text())[-1], status)
            for (printed, _), status in zip(running, statuses, strict=True)
        ]

    return wait


def test_a_wait_ends_with_a_job_that_succeeds_fails_or_is_canceled(
    platform: PlatformUnderTest,
    tenant: Tenant,
    small_photo: bytes,
    waited: Callable[[str, Callable[[], Any]], list[tuple[str, int]]],
) -> None:
    def running(**told: Any) -> str:
        job_id = submit(tenant, small_photo, **told)
        phase_reached(platform, job_id, "Running")
        return job_id

    well = running(hold=HOLD)
    for line, status in waited(well, lambda: None):
        assert line == "Succeeded: OutputsDelivered: 1 output(s) delivered and charged."
        assert status == 0
    badly = running(hold=HOLD, fail="no_face_found")
    for line, status in waited(badly, lambda: None):
        assert line == "Failed: NoFaceFound: told to fail"
        assert status != 0
    canceled = running(hold=50)
    for line, status in waited(canceled, lambda: tenant.cancel(canceled)):
        assert line.startswith("Canceled: Canceled: ")
        assert status != 0


def test_a_wait_ends_with_a_job_that_is_refused(
    platform: PlatformUnderTest,
    tenant: Tenant,
    source: str,
    waited: Callable[[str, Callable[[], Any]], list[tuple[str, int]]],
) -> None:
    platform.kubectl("apply", "-f", "-", stdin=manifest("refused", tenant, source))
    for line, status in waited("refused", lambda: None):
        assert line.startswith("Failed: WorkspaceNotBound: ")
        assert BINDING in line
        assert status != 0
    platform.kubectl("delete", "gj", "refused")
    wait_until(
        lambda: "refused" not in platform.kubectl("get", "gj", "-o", "name").stdout,
        seconds=30,
        what="the refused job is gone",
    )
