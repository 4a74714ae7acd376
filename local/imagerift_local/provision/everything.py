"""Provisioning all parts that a start needs, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from imagerift_local.data_versions import DataVersions
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.diffusion import provision_diffusion
from imagerift_local.provision.programs import (
    ETCD,
    KUBECTL,
    KUBERNETES,
    MONGOD,
    SEAWEEDFS,
    provision,
)
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.triton import provision_triton

PartReport = Callable[[str, str], None]
"""Takes the name of a provision and one line about its progress."""

PROVISIONERS: Mapping[str, Callable[[Workshop], Provision]] = {
    # The slowest first.
    "kubernetes": partial(provision, KUBERNETES),
    "triton": provision_triton,
    "diffusion": provision_diffusion,
    "etcd": partial(provision, ETCD),
    "mongod": partial(provision, MONGOD),
    "seaweedfs": partial(provision, SEAWEEDFS),
}

# Which provision a part runs from; parts that are not named run from this environment.
PROVISION_OF_PART: Mapping[str, str] = {
    "etcd": "etcd",
    "kube-apiserver": "kubernetes",
    "kube-controller-manager": "kubernetes",
    "mongod": "mongod",
    "seaweedfs": "seaweedfs",
    "triton": "triton",
}


@dataclass(frozen=True)
class Provisions:
    """What was found or made, by name."""

    found: Mapping[str, Provision] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Provision:
        return self.found[name]


async def provision_parts(
    parts: frozenset[str],
    cache: Cache,
    report: PartReport,
    *,
    more: frozenset[str] = frozenset(),
    data: DataVersions | None = None,
) -> Provisions:
    """Finds or makes everything that `parts` run from; kubectl comes with the API server.

    `more` names provisions that no part has by itself; `data` is what they will be started on.

    Raises:
        PlatformError: a part cannot be had.
    """
    debian = Debian(cache.root)
    wanted = {PROVISION_OF_PART[part] for part in parts if part in PROVISION_OF_PART} | more
    names = [name for name in PROVISIONERS if name in wanted]

    async def make(name: str) -> Provision:
        workshop = Workshop(cache, debian, lambda line: report(name, line), data)
        return await asyncio.to_thread(PROVISIONERS[name], workshop)

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(make(name)) for name in names}
    found = {name: task.result() for name, task in tasks.items()}
    if "kubernetes" in found:
        # After the control plane, whose archive may hold it.
        workshop = Workshop(cache, debian, lambda line: report("kubectl", line))
        found["kubectl"] = await asyncio.to_thread(provision, KUBECTL, workshop)
    return Provisions(found)
