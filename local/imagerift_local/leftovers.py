"""Deleting what servers that were killed leave outside their data folders."""

from __future__ import annotations

from pathlib import Path

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
