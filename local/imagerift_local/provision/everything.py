"""Provisioning all parts that a start needs, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from imagerift_local.data_versions import DataVersions
from imagerift_local.errors import PlatformError
from imagerift_local.pool import read_pool
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.diffusion import provision_diffusion
from imagerift_local.provision.programs import PROGRAMS, provision
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.triton import provision_triton
from imagerift_local.provision.weights import provision_weights
from imagerift_local.settings import PACKAGED, PlatformSettings, started_parts

# Those that take the longest first.
PROVISIONERS: Mapping[str, Callable[[Workshop], Provision]] = {
    "triton": provision_triton,
    "diffusion": provision_diffusion,
    **{part: partial(provision, program) for part, program in PROGRAMS.items()},
}

# What a part runs from where that has another name; the rest run from this environment.
PROVISION_OF_PART = {"kube-apiserver": "kubernetes", "kube-controller-manager": "kubernetes"}


async def provision_everything(
    settings: PlatformSettings,
    report: Callable[[str, str], None],
    data: DataVersions | None = None,
) -> dict[str, Provision]:
    """Finds or makes what this start runs from, by name; with `data` only what can open them.

    `report` takes one of those names and a line about its progress.

    Raises:
        PlatformError: a part cannot be had.
    """
    cache = Cache(settings.cache_dir.absolute())
    debian = Debian(cache.root)
    parts = started_parts(settings)
    wanted = {PROVISION_OF_PART.get(part, part) for part in parts}
    if "triton" in parts:
        wanted |= read_pool(settings.pool).provisions

    async def make(name: str) -> Provision:
        workshop = Workshop(cache, debian, partial(report, name), data)
        return await asyncio.to_thread(PROVISIONERS[name], workshop)

    try:
        async with asyncio.TaskGroup() as group:
            names = [name for name in PROVISIONERS if name in wanted]
            tasks = {name: group.create_task(make(name)) for name in names}
    except* PlatformError as failed:
        raise PlatformError("\n".join(map(str, failed.exceptions))) from None
    found = {name: task.result() for name, task in tasks.items()}
    if "kubernetes" in found:
        # After the control plane, whose archive may hold it.
        found["kubectl"] = await make("kubectl")
    if "triton" in found and settings.weights != PACKAGED:
        # With the models' own Python, in which a network has to run.
        try_better = partial(provision_weights, settings, found["triton"])
        found["networks"] = await asyncio.to_thread(try_better, partial(report, "networks"))
    return found
