"""Whether this machine is one that the embedded platform can be built on."""

from __future__ import annotations

import platform

from imagerift_local.errors import PlatformError

# What the model server is built for; the packages of the pinned Debian need no later one.
OLDEST_GLIBC = (2, 35)
PROCESSORS = ("x86_64", "amd64")
ELSEWHERE = (
    "On any other machine install ImageRift on a Kubernetes cluster with Helm: see docs/install.md"
)


def check_machine() -> None:
    """Refuses every machine but a Linux on x86-64 with a C library that is new enough.

    Raises:
        PlatformError: says what is missing, and where to go instead.
    """
    problem = machine_problem(
        system=platform.system(),
        processor=platform.machine(),
        library=platform.libc_ver(),
    )
    if problem:
        oldest = ".".join(map(str, OLDEST_GLIBC))
        raise PlatformError(
            f"The embedded platform needs Linux on x86-64 with glibc {oldest} or later; "
            f"{problem}.\n{ELSEWHERE}"
        )


def machine_problem(*, system: str, processor: str, library: tuple[str, str]) -> str:
    """What is wrong with a machine, or nothing; `library` is the C library's name and version."""
    if system != "Linux":
        return f"this is {system or 'an unknown system'}"
    if processor not in PROCESSORS:
        return f"this processor is {processor}"
    name, version = library
    if name != "glibc":
        return f"this machine's C library is {name or 'another one'}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GLIBC:
        return f"this machine has glibc {version}"
    return ""
