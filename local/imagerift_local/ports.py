"""Which port each part listens on, and whether those ports are free."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import psutil
from pydantic_settings import BaseSettings, SettingsConfigDict

from imagerift_local.errors import PlatformError
from imagerift_local.files import read_json, write_json

LOOPBACK = "127.0.0.1"
PREFIX = "IMAGERIFT_LOCAL_PORT_"


class Ports(BaseSettings):
    """One TCP port on loopback for each listener of the platform, with the part that listens."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True
    )

    api: Annotated[int, "api"] = 8080
    api_metrics: Annotated[int, "api"] = 9090
    operator_metrics: Annotated[int, "operator"] = 9091
    operator_health: Annotated[int, "operator"] = 9092
    kube_apiserver: Annotated[int, "kube-apiserver"] = 16443
    kube_controller_manager: Annotated[int, "kube-controller-manager"] = 16444
    etcd: Annotated[int, "etcd"] = 12379
    etcd_peer: Annotated[int, "etcd"] = 12380
    mongod: Annotated[int, "mongod"] = 27117
    s3: Annotated[int, "seaweedfs"] = 18333
    s3_grpc: Annotated[int, "seaweedfs"] = 18334
    seaweedfs_master: Annotated[int, "seaweedfs"] = 18335
    seaweedfs_master_grpc: Annotated[int, "seaweedfs"] = 18336
    seaweedfs_volume: Annotated[int, "seaweedfs"] = 18337
    seaweedfs_volume_grpc: Annotated[int, "seaweedfs"] = 18338
    seaweedfs_filer: Annotated[int, "seaweedfs"] = 18339
    seaweedfs_filer_grpc: Annotated[int, "seaweedfs"] = 18340
    triton: Annotated[int, "triton"] = 18000


PART_OF_PORT = {name: str(field.metadata[0]) for name, field in Ports.model_fields.items()}
NAMES = tuple(PART_OF_PORT)


def chosen_ports() -> dict[str, int]:
    """The ports that the environment names; they win over the port base."""
    return Ports().model_dump(exclude_unset=True)


def setting_of(name: str) -> str:
    """The environment variable that moves the port `name`."""
    return f"{PREFIX}{name.upper()}"


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of loopback (or of all addresses)."""
    with socket.socket() as probe:
        # Connections of an earlier run in TIME_WAIT must not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different ports that are free now, from the system's own range."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for entry in sockets:
            entry.bind((LOOPBACK, 0))
        return [int(entry.getsockname()[1]) for entry in sockets]


def choose_ports(port_base: str, chosen: Mapping[str, int], saved: Path) -> Ports:
    """The ports of this start.

    `port_base`: empty for the defaults, a number for consecutive ports from it, `auto` for free
    ones. Automatic ports are kept in the file `saved` and used again while they are free, so that
    addresses survive a restart. `chosen` (name to port) wins over all of it.
    """
    if port_base == "auto":
        plan = read_json(saved)
        numbers = all(isinstance(port, int) for port in plan.values())
        if set(plan) != set(NAMES) or not numbers or not all(map(is_free, plan.values())):
            plan = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        write_json(saved, plan)
    elif port_base:
        plan = {name: int(port_base) + offset for offset, name in enumerate(NAMES)}
    else:
        plan = {}
    return Ports.model_validate({**plan, **chosen})


def check_ports(ports: Ports, parts: frozenset[str]) -> None:
    """Refuses to start when a port is taken or given twice.

    Raises:
        PlatformError: names the port, the part that needs it, who has it and how to move it.
    """
    owners: dict[int, str] = {}
    problems = []
    for name in NAMES:
        if PART_OF_PORT[name] not in parts:
            continue
        port = getattr(ports, name)
        if port in owners:
            problems.append(f"port {port} is given to both {owners[port]} and {name}")
        owners[port] = name
        if not is_free(port):
            problems.append(
                f"port {port} ({name} of {PART_OF_PORT[name]}) is taken{_taker(port)}: "
                f"set {setting_of(name)} to another port, or move all with --port-base"
            )
    if problems:
        raise PlatformError("\n".join(problems))


def _taker(port: int) -> str:
    with suppress(psutil.Error):
        for found in psutil.net_connections("tcp"):
            listens = found.status == psutil.CONN_LISTEN and found.laddr[1:] == (port,)
            if listens and found.pid is not None:
                return f" by {psutil.Process(found.pid).name()} (pid {found.pid})"
    return ""
