"""A member's disk that is full, on a small file system of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.chaos.disturbance import Deed, Moment
from tests.support.replica_set import Member, ReplicaSet

_MIB = 1024 * 1024
_DISK_MIB = 600
_OWN_MOUNTS = "IMAGERIFT_CHAOS_OWN_MOUNTS"


def has_own_mounts() -> bool:
    """Whether what is mounted here is seen by this program and its children alone."""
    return _OWN_MOUNTS in os.environ


def with_own_mounts(command: Sequence[str]) -> tuple[list[str], dict[str, str]] | None:
    """The command and environment by which a program has its own mounts, which end with it.

    None where this user or machine cannot have it.
    """
    apart = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return None
    if subprocess.run([*apart, "true"], check=False).returncode != 0:
        return None
    return [*apart, *command], {**os.environ, _OWN_MOUNTS: "1"}


@contextmanager
def small_disks(folders: Sequence[Path]) -> Iterator[None]:
    """Each folder is a file system of its own meanwhile."""
    with contextlib.ExitStack() as stack:
        for folder in folders:
            folder.mkdir(parents=True)
            size = f"size={_DISK_MIB}m"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "chaos", str(folder)], check=True)
            stack.callback(_unmount, folder)
        yield


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def disk_deeds(store: ReplicaSet) -> list[Deed]:
    members = [member for member in store.members if not member.arbiter]
    return [Deed(f"disk of {m.name}", 1, partial(_fill, m)) for m in members]


def _fill(member: Member, moment: Moment) -> str:
    """The member ends when it has to write, and cannot start until there is room."""
    ballast = member.folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            try:
                for _ in range(_DISK_MIB):
                    file.write(bytes(_MIB))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        moment.pause(moment.seconds)
    finally:
        ballast.unlink(missing_ok=True)
    return "filled the disk of a mongod"
