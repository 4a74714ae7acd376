"""The node's group in every cgroup hierarchy of this machine."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

from imagerift_local.errors import PlatformError

ROOT = Path("/sys/fs/cgroup")
LAST_PROCESS_SECONDS = 30.0
# Eight times that of a process that is in no group.
CPU_SHARES = 8192
# Without these the kubelet does not start.
NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "pids")


def hierarchies(mounts: str) -> dict[str, tuple[Path, str, str]]:
    """Every cgroup hierarchy in the text of /proc/mounts: name to (place, type, options)."""
    found = {}
    for line in mounts.splitlines():
        _, place, kind, options, *_ = line.split()
        if kind in {"cgroup", "cgroup2"} and Path(place).parent == ROOT:
            wanted = [
                option
                for option in options.split(",")
                if option.startswith("name=")
                or option in {*NEEDED, "devices", "freezer", "blkio", "net_cls", "net_prio"}
                or option in {"perf_event", "hugetlb", "rdma", "misc"}
            ]
            found[Path(place).name] = (Path(place), kind, ",".join(wanted))
    return found


def has_version_1(mounts: str) -> bool:
    """Whether processes get their memory by version 1, in the text of /proc/mounts."""
    return any("memory" in options.split(",") for _, _, options in hierarchies(mounts).values())


def create_groups(name: str) -> list[Path]:
    """Makes the group in every hierarchy.

    Raises:
        PlatformError: this machine has not the controllers of version 1, or processes
            of an earlier node do not end.
    """
    found = hierarchies(Path("/proc/mounts").read_text())
    controllers = {option for _, _, options in found.values() for option in options.split(",")}
    missing = [controller for controller in NEEDED if controller not in controllers]
    if missing:
        raise PlatformError(
            f"the node needs cgroup v1 with the controllers {', '.join(missing)}: boot this machine"
            " with systemd.unified_cgroup_hierarchy=0"
        )
    groups = []
    for place, _, options in found.values():
        group = place / name
        group.mkdir(exist_ok=True)
        _wait_empty(group)
        if "cpuset" in options.split(","):
            # Empty at first, and then no process may enter.
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((place / setting).read_text())
        if "cpu" in options.split(","):
            # Its dozens of processes would together get what one process of this machine gets.
            (group / "cpu.shares").write_text(f"{CPU_SHARES}\n")
        groups.append(group)
    return groups


def remove_groups(name: str) -> None:
    """Removes the group and all below it; its processes are gone."""
    for place, _, _ in hierarchies(Path("/proc/mounts").read_text()).values():
        group = place / name
        if not group.is_dir():
            continue
        for folder, _, _ in os.walk(group, topdown=False):
            _remove(Path(folder))


def _wait_empty(group: Path) -> None:
    """Returns when the processes of a node that was killed are gone: they hold its data."""
    end = time.monotonic() + LAST_PROCESS_SECONDS
    while any((Path(folder) / "cgroup.procs").read_text() for folder, _, _ in os.walk(group)):
        if time.monotonic() > end:
            raise PlatformError(f"processes of an earlier node still run in {group}")
        time.sleep(0.05)


def _remove(folder: Path) -> None:
    end = time.monotonic() + LAST_PROCESS_SECONDS
    while True:
        try:
            folder.rmdir()
        except OSError as error:
            # A process that was killed belongs to its group until the kernel has buried it.
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
