"""The file system as the node sees it: this machine's, with places of its own to write to.

Runs inside the node's mount namespace; nothing of it is seen outside or stays behind.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from imagerift_node.cgroups import ROOT as CGROUPS
from imagerift_node.cgroups import hierarchies
from imagerift_node.layout import NodeFolder

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_SHARED = 4096, 16384, 1 << 20
# Settings of the whole kernel that a kubelet changes for itself, and the values that it wants: it
# finds them here as they should be, and those of this machine stay as they are.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2).

    Raises:
        OSError: the kernel refuses.
    """
    arguments = (source.encode(), str(target).encode(), kind.encode(), flags, options.encode())
    if _libc.mount(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {kind or source} on {target}: {os.strerror(number)}")


def prepare_mounts(data: NodeFolder) -> None:
    """Gives the node its own /proc, /sys, /run and /var/log; a /var/lib that forgets at each start.

    Raises:
        OSError: the kernel refuses a mount.
    """
    groups = hierarchies(Path("/proc/mounts").read_text())
    mount("proc", Path("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    # Anew, so that it shows the network devices of this namespace.
    mount("sysfs", Path("/sys"), "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", CGROUPS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755")
    for name, (_, kind, options) in groups.items():
        (CGROUPS / name).mkdir()
        mount(kind, CGROUPS / name, kind, MS_NOSUID | MS_NODEV | MS_NOEXEC, options)
    mount("tmpfs", Path("/run"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    mount(str(data.machine_logs), Path("/var/log"), flags=MS_BIND)
    _mount_scratch_over(Path("/var/lib"))
    for name, value in KERNEL_SETTINGS.items():
        copy = Path("/run/kernel-settings") / name.replace("/", ".")
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(f"{value}\n")
        mount(str(copy), Path("/proc/sys") / name, flags=MS_BIND)
    # containerd hands mounts of volumes on to containers.
    mount("none", Path("/"), flags=MS_REC | MS_SHARED)


def _mount_scratch_over(folder: Path) -> None:
    scratch = Path("/run/scratch") / folder.name
    upper, work = scratch / "upper", scratch / "work"
    for entry in (upper, work):
        entry.mkdir(parents=True)
    mount("overlay", folder, "overlay", 0, f"lowerdir={folder},upperdir={upper},workdir={work}")
