"""Which port each part listens on, and whether those ports are free."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import psutil
from pydantic_settings import BaseSettings, SettingsConfigDict

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """One TCP port on loopback for each listener of the platform."""

    api: int = 8080
    api_metrics: int = 9090
    operator_metrics: int = 9091
    operator_health: int = 9092
    kube_apiserver: int = 16443
    kube_controller_manager: int = 16444
    etcd: int = 12379
    etcd_peer: int = 12380
    mongod: int = 27117
    s3: int = 18333
    s3_grpc: int = 18334
    seaweedfs_master: int = 18335
    seaweedfs_master_grpc: int = 18336
    seaweedfs_volume: int = 18337
    seaweedfs_volume_grpc: int = 18338
    seaweedfs_filer: int = 18339
    seaweedfs_filer_grpc: int = 18340
    triton: int = 18000


NAMES = tuple(field.name for field in fields(Ports))

PART_OF_PORT: Mapping[str, str] = {
    "api": "api",
    "api_metrics": "api",
    "operator_metrics": "operator",
    "operator_health": "operator",
    "kube_apiserver": "kube-apiserver",
    "kube_controller_manager": "kube-controller-manager",
    "etcd": "etcd",
    "etcd_peer": "etcd",
    "mongod": "mongod",
    "s3": "seaweedfs",
    "s3_grpc": "seaweedfs",
    "seaweedfs_master": "seaweedfs",
    "seaweedfs_master_grpc": "seaweedfs",
    "seaweedfs_volume": "seaweedfs",
    "seaweedfs_volume_grpc": "seaweedfs",
    "seaweedfs_filer": "seaweedfs",
    "seaweedfs_filer_grpc": "seaweedfs",
    "triton": "triton",
}


class PortSettings(BaseSettings):
    """`IMAGERIFT_LOCAL_PORT_<NAME>` moves one port; it wins over the port base."""

    model_config = SettingsConfigDict(
        env_prefix="IMAGERIFT_LOCAL_PORT_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    api: int | None = None
    api_metrics: int | None = None
    operator_metrics: int | None = None
    operator_health: int | None = None
    kube_apiserver: int | None = None
    kube_controller_manager: int | None = None
    etcd: int | None = None
    etcd_peer: int | None = None
    mongod: int | None = None
    s3: int | None = None
    s3_grpc: int | None = None
    seaweedfs_master: int | None = None
    seaweedfs_master_grpc: int | None = None
    seaweedfs_volume: int | None = None
    seaweedfs_volume_grpc: int | None = None
    seaweedfs_filer: int | None = None
    seaweedfs_filer_grpc: int | None = None
    triton: int | None = None

    def chosen(self) -> dict[str, int]:
        """The ports that the environment names."""
        return {name: port for name in NAMES if (port := getattr(self, name)) is not None}


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
