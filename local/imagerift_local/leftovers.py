"""Deleting what servers that were killed leave outside their data folders."""

from __future__ import annotations

import shutil
from pathlib import Path

from imagerift_local.layout import DataFolder
from imagerift_local.ports import Ports


def sweep_shared_memory(prefix: str) -> None:
    """Deletes the shared memory that a killed Triton left."""
    for leftover in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108
        leftover.unlink(missing_ok=True)


def sweep_sockets(ports: Ports) -> None:
    """Deletes the sockets of a killed SeaweedFS; their place cannot be set."""
    roles = {
        "master": ports.seaweedfs_master_grpc,
        "volume": ports.seaweedfs_volume_grpc,
        "filer": ports.seaweedfs_filer_grpc,
        "s3": ports.s3_grpc,
    }
    for role, port in roles.items():
        Path(f"/tmp/seaweedfs-{role}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108


def sweep_control_flags(data: DataFolder) -> None:
    """Throws the cancel flags of an earlier run away."""
    shutil.rmtree(data.control, ignore_errors=True)
    data.control.mkdir(parents=True, exist_ok=True, mode=0o700)
