"""Which parts a start has, and which of them it runs itself."""

from __future__ import annotations

from imagerift_local.errors import PlatformError
from imagerift_local.settings import PlatformSettings

ALL_PARTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "mongod",
    "seaweedfs",
    "triton",
    "operator",
    "api",
)
CONTROL_PLANE = frozenset({"etcd", "kube-apiserver", "kube-controller-manager"})


def wanted_parts(settings: PlatformSettings) -> frozenset[str]:
    """The parts of this start, those that exist already among them.

    Raises:
        PlatformError: `only` names a part that does not exist.
    """
    unknown = settings.only - set(ALL_PARTS)
    if unknown:
        raise PlatformError(
            f"no such part: {', '.join(sorted(unknown))} (there are {', '.join(ALL_PARTS)})"
        )
    return settings.only or frozenset(ALL_PARTS)


def started_parts(settings: PlatformSettings) -> frozenset[str]:
    """The parts that this start runs itself: those without an address in the settings."""
    started = set(wanted_parts(settings))
    if settings.kubeconfig is not None:
        started -= CONTROL_PLANE
    if settings.mongo_url is not None:
        started.discard("mongod")
    if settings.s3_url is not None:
        started.discard("seaweedfs")
    if settings.triton_url is not None:
        started.discard("triton")
    return frozenset(started)
