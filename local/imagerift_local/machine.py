"""Whether this machine is one that the embedded platform can be built on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from imagerift_local.errors import PlatformError

OS_RELEASE = Path("/etc/os-release")


def check_machine() -> None:
    """Refuses every machine but Debian 12 on x86-64 as root.

    Raises:
        PlatformError: says what is missing, and where to go instead.
    """
    release = parse_os_release(OS_RELEASE.read_text()) if OS_RELEASE.exists() else {}
    problem = machine_problem(
        system=release.get("ID", platform.system().lower()),
        version=release.get("VERSION_ID", ""),
        processor=platform.machine(),
        user=os.geteuid(),
    )
    if problem:
        raise PlatformError(
            f"The embedded platform needs Debian 12 on x86-64 and root; {problem}.\n"
            "On any other machine install ImageRift on a Kubernetes cluster with Helm: "
            "see docs/install.md"
        )


def machine_problem(*, system: str, version: str, processor: str, user: int) -> str:
    """What is wrong with a machine, or nothing."""
    if system != "debian" or version.split(".", maxsplit=1)[0] != "12":
        return f"this is {system or 'an unknown system'} {version}".rstrip()
    if processor not in {"x86_64", "amd64"}:
        return f"this processor is {processor}"
    return "" if user == 0 else "you are not root"


def parse_os_release(text: str) -> dict[str, str]:
    """The fields of an os-release file."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: value.strip().strip("\"'") for name, value in pairs}
