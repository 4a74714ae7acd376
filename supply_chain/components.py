"""Everything of others that is shipped, in the version that it is shipped in.

Python packages are in the locks of `requirements/`; servers are where the charts and the embedded
platform declare them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from imagerift_local.provision import triton
from imagerift_local.provision.programs import PROGRAMS
from imagerift_local.provision.wheels import REQUIREMENTS, pinned_version

from charts.schema.values import Values

CHART, RELEASE, OTHERWISE = "chart", "embedded, release", "embedded, otherwise"
TRITON = "images, embedded"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
# What names a server in a database of advisories; NVIDIA Triton is in none of OSV's.
_DATABASES = {
    "MongoDB": ("Bitnami", "mongodb"),
    "SeaweedFS": ("Go", "github.com/seaweedfs/seaweedfs"),
    "Kubernetes": ("Go", "k8s.io/kubernetes"),
    "etcd": ("Go", "go.etcd.io/etcd/v3"),
}


@dataclass(frozen=True, order=True)
class Component:
    """Something of others in one version; `where` it is declared.

    `ecosystem` and `package` are its names at OSV; both empty for what OSV knows nothing of.
    """

    name: str
    version: str
    where: str
    ecosystem: str = ""
    package: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.where})"


def locks() -> list[Path]:
    """The locks, by name: what pins nothing by hash is none."""
    return sorted(path for path in REQUIREMENTS.glob("*.txt") if "--hash=" in path.read_text())


def packages(lock: Path) -> list[Component]:
    """The Python packages that a lock pins; an alternative for another machine is one too."""
    found = {
        Component(name, version, f"{lock.stem}.txt", "PyPI", name)
        for name, version in _PIN.findall(lock.read_text())
    }
    return sorted(found)


def servers() -> list[Component]:
    """The servers that the charts and the embedded platform run."""
    images = Values().images
    wheel = pinned_version(triton.LOCKS[1], "nvidia-pytriton")
    declared = [
        ("MongoDB", images.mongodb.tag, CHART),
        ("SeaweedFS", images.s3.tag, CHART),
        ("NVIDIA Triton", triton.WHEEL_SERVER[wheel], TRITON),
    ]
    for part, name in (
        ("mongod", "MongoDB"),
        ("seaweedfs", "SeaweedFS"),
        ("kubernetes", "Kubernetes"),
        ("etcd", "etcd"),
    ):
        program = PROGRAMS[part]
        if program.release is not None:
            declared.append((name, program.release.version, RELEASE))
        declared.append((name, program.registry.version, OTHERWISE))
    return [
        Component(name, version, where, *_DATABASES.get(name, ("", "")))
        for name, version, where in declared
    ]


def everything() -> list[Component]:
    """Servers and packages, each version of each once: the first place that declares it."""
    found: dict[tuple[str, str], Component] = {}
    for component in [*servers(), *(one for lock in locks() for one in packages(lock))]:
        found.setdefault((component.name, component.version), component)
    return list(found.values())
