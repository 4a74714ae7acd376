"""The commands of docs/kubectl.md, run in their order: each does what the page shows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, wait_until
from tests.support.puppet_jobs import submit

PAGE = CHECKOUT / "docs/kubectl.md"
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
WORKSPACE = re.compile(r"\bws_\w+|\bWORKSPACE\b")
HEADER = re.compile(r"^[A-Z]+( +[A-Z]+)+ *$")
EVENTS = "kubectl -n imagerift get events --field-selector involvedObject.kind=GenerationJob"
FIELD = re.compile(r"^ *([A-Z]\w*( [A-Z]\w*)*): ", re.MULTILINE)


def shown() -> list[tuple[str, list[str]]]:
    """Every command of the page with the lines that are printed below it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return [(command, "\n".join(lines).strip("\n").splitlines()) for command, lines in found]


def manifest() -> str:
    """The resource that the page makes by hand."""
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(text)


def masked(line: str) -> str:
    """A line without what differs from run to run."""
    line = WORKSPACE.sub("WORKSPACE", UUID.sub("ID", line))
    return " ".join(re.sub(r"\d+(\.\d+)?", "0", line).split())


class Reader:
    """Somebody who types the page's commands, with jobs of their own in the place of its ids."""

    def __init__(self, tenant: Tenant, photo: bytes) -> None:
        self.tenant, self.photo = tenant, photo
        self.last = self.done()

    def done(self) -> str:
        """A job whose resource has just ended; it stays for some seconds."""
        job_id = submit(self.tenant, self.photo)
        self.tenant.wait_for(job_id, "succeeded")
        return job_id

    def typed(self, command: str) -> str:
        """The command for a job that is as the page's is: running where it is to be ended."""
        if UUID.search(command) or "JOB_ID" in command:
            if " delete " in command or " patch " in command:
                self.last = submit(self.tenant, self.photo, hold=50)
                self.tenant.wait_for(self.last, "processing")
            elif not command.startswith("imagerift "):
                self.last = self.done()
        command = UUID.sub(self.last, command).replace("JOB_ID", self.last)
        return WORKSPACE.sub(self.tenant.workspace, command)


@pytest.fixture
def run(platform: PlatformUnderTest, tenant: Tenant) -> Callable[[str], str]:
    def run(command: str) -> str:
        exported = f"export IMAGERIFT_API_KEY={tenant.token}; {command}"
        done: subprocess.CompletedProcess[str] = platform.run("bash", "-ec", exported, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


def test_every_command_of_the_page_prints_what_the_page_shows(
    platform: PlatformUnderTest, tenant: Tenant, small_photo: bytes, run: Callable[[str], str]
) -> None:
    reader = Reader(tenant, small_photo)
    commands = shown()
    failed = submit(tenant, small_photo, fail="no_face_found")
    wait_until(lambda: failed in run(EVENTS), seconds=30, what="an Event of the failed job")
    assert len(commands) > 10
    for command, expected in commands:
        if "by-hand" in command and " wait " in command:
            source = f"workspaces/{tenant.workspace}/jobs/{reader.done()}/source"
            made = re.sub(r"key: .*", f"key: {source}", manifest())
            made = WORKSPACE.sub(tenant.workspace, made).replace("mode: style", "mode: noop")
            platform.run("kubectl", "apply", "-f", "-", stdin=made)
        printed = run(reader.typed(command)).splitlines()
        same_form(command, expected, printed)
        if " delete " in command or " patch " in command:
            assert tenant.wait_for(reader.last)["status"] == "canceled"


def same_form(command: str, expected: list[str], printed: list[str]) -> None:
    """Columns of tables, fields of descriptions, and every other line but for its numbers."""
    if not expected:
        return
    if HEADER.match(expected[0]):
        assert printed[0].split() == expected[0].split(), command
        return
    fields = {name for name, _ in FIELD.findall("\n".join(expected) + "\n")}
    if " describe " in command or " explain " in command:
        assert fields
        actual = {name for name, _ in FIELD.findall("\n".join(printed) + "\n")}
        assert fields <= actual, (command, fields - actual)
        return
    for line, actual_line in zip(expected, printed, strict=True):
        # Newer versions of kubectl add where something was deleted.
        assert masked(actual_line).startswith(masked(line)), command
