"""Which port each part listens on, and whether those ports are free."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import psutil
from pydantic import create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private

LOOPBACK = "127.0.0.1"


def _of(part: str, port: int) -> int:
    """A port of `part`, with its default."""
    return field(default=port, metadata={"part": part})


@dataclass(frozen=True)
class Ports:
    """One TCP port on loopback for each listener of the platform."""

    api: int = _of("api", 8080)
    api_metrics: int = _of("api", 9090)
    operator_metrics: int = _of("operator", 9091)
    operator_health: int = _of("operator", 9092)
    kube_apiserver: int = _of("kube-apiserver", 16443)
    kube_controller_manager: int = _of("kube-controller-manager", 16444)
    etcd: int = _of("etcd", 12379)
    etcd_peer: int = _of("etcd", 12380)
    mongod: int = _of("mongod", 27117)
    s3: int = _of("seaweedfs", 18333)
    s3_grpc: int = _of("seaweedfs", 18334)
    seaweedfs_master: int = _of("seaweedfs", 18335)
    seaweedfs_master_grpc: int = _of("seaweedfs", 18336)
    seaweedfs_volume: int = _of("seaweedfs", 18337)
    seaweedfs_volume_grpc: int = _of("seaweedfs", 18338)
    seaweedfs_filer: int = _of("seaweedfs", 18339)
    seaweedfs_filer_grpc: int = _of("seaweedfs", 18340)
    triton: int = _of("triton", 18000)


PART_OF_PORT: Mapping[str, str] = {entry.name: entry.metadata["part"] for entry in fields(Ports)}
NAMES = tuple(PART_OF_PORT)


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="IMAGERIFT_LOCAL_PORT_", frozen=True, extra="ignore", env_ignore_empty=True
    )


# `IMAGERIFT_LOCAL_PORT_<NAME>` moves one port; it wins over the port base.
_FIELDS: dict[str, Any] = dict.fromkeys(NAMES, (int, 0))
_PortSettings = create_model("_PortSettings", __base__=_Environment, **_FIELDS)


def chosen_ports() -> dict[str, int]:
    """The ports that the environment names."""
    return _PortSettings().model_dump(exclude_unset=True)


def setting_of(name: str) -> str:
    """The environment variable that moves the port `name`."""
    return f"IMAGERIFT_LOCAL_PORT_{name.upper()}"


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of loopback (or of all addresses)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections of an earlier run in TIME_WAIT must not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different ports that are free now, from the system's own range."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for entry in sockets:
            entry.bind((LOOPBACK, 0))
        return [int(entry.getsockname()[1]) for entry in sockets]
    finally:
        for entry in sockets:
            entry.close()


def choose_ports(port_base: str, chosen: Mapping[str, int], saved: Path) -> Ports:
    """The ports of this start.

    `port_base`: empty for the defaults, a number for consecutive ports from it, `auto` for free
    ones. Automatic ports are kept in the file `saved` and used again while they are free, so that
    addresses survive a restart. `chosen` (name to port) wins over all of it.
    """
    if port_base == "auto":
        plan = _saved_ports(saved)
        if plan is None or not all(is_free(port) for port in plan.values()):
            plan = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
        write_private(saved, json.dumps(plan, indent=2))
    elif port_base:
        plan = {name: int(port_base) + offset for offset, name in enumerate(NAMES)}
    else:
        plan = {}
    return Ports(**{**plan, **chosen})


def _saved_ports(saved: Path) -> dict[str, int] | None:
    try:
        plan = json.loads(saved.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(plan, dict) or set(plan) != set(NAMES):
        return None
    return {name: int(port) for name, port in plan.items()}


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
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or connection.pid is None:
                continue
            if connection.laddr and connection.laddr.port == port:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        return ""
    return ""
