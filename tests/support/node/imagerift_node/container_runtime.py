"""containerd, runc, the CNI plugins and the network tools of a node: Debian's packages, unpacked.

Nothing is installed: the installed packages would start a containerd and change the machine's
iptables. The libraries that the tools need are unpacked beside them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from imagerift_local.provision.context import Workshop
from imagerift_local.provision.routes import Provision

PACKAGES = (
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "debian-archive-keyring",
    "debootstrap",
    "gpgv",
    "iproute2",
    "iptables",
    "libbpf1",
    "libbsd0",
    "libcap2",
    "libelf1",
    "libgcrypt20",
    "libgpg-error0",
    "libip4tc2",
    "libip6tc2",
    "libmd0",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftnl11",
    "libseccomp2",
    "libxtables12",
    "runc",
    "tini",
    "zlib1g",
)
VERSION = "1.6"
KEY = f"{VERSION}-debian12-keyring"
NAMES = ("bin", "cni", "libraries", "xtables", "debootstrap", "debootstrap-data", "keyring")
IPTABLES = ("iptables", "iptables-save", "iptables-restore")
PROGRAMS = (
    "bin/ip",
    "usr/bin/containerd",
    "usr/bin/containerd-shim-runc-v2",
    "usr/bin/ctr",
    "usr/bin/gpgv",
    "usr/bin/tini-static",
    "usr/sbin/conntrack",
    "usr/sbin/runc",
)


def provision_container_runtime(workshop: Workshop) -> Provision:
    """Finds or unpacks what a node runs containers with.

    The result's files are folders: programs, CNI plugins, their libraries, iptables' extensions;
    and the program debootstrap with its folder of data and the keyring of Debian's archive.
    """
    unpacked = workshop.built_route(
        "Debian packages",
        part="container-runtime",
        key=KEY,
        version=VERSION,
        names=NAMES,
        build=lambda target: _from_debian(workshop, target),
    )
    return workshop.first_found("container-runtime", [unpacked])


def debootstrap(
    workshop: Workshop, suite: str, packages: Sequence[str], root: Path, *options: str
) -> tuple[list[str], dict[str, str]]:
    """The command that makes a minimal Debian root file system, and the environment it wants."""
    tools = provision_container_runtime(workshop).files
    command = [
        # What it mounts in the root goes with it, also when it is interrupted.
        *("unshare", "--mount", "--", str(tools["debootstrap"]), "--variant=minbase"),
        *(f"--include={','.join(packages)}", f"--keyring={tools['keyring']}", *options),
        *(suite, str(root), workshop.debian.archive().main),
    ]
    environment = {
        "DEBOOTSTRAP_DIR": str(tools["debootstrap-data"]),
        "LD_LIBRARY_PATH": str(tools["libraries"]),
        "PATH": f"{os.environ['PATH']}:{tools['bin']}:/usr/sbin:/sbin",
    }
    return command, {**os.environ, **environment}


def _from_debian(workshop: Workshop, target: Path) -> None:
    workshop.report("unpacking Debian's containerd, runc, CNI plugins and iptables")
    root = target / "root"
    root.mkdir()
    workshop.debian.unpack(PACKAGES, root)
    programs = target / "bin"
    programs.mkdir()
    for program in PROGRAMS:
        _link(programs / Path(program).name, root / program)
    # Through nftables, as Debian's own default is: rules of a namespace need no legacy modules.
    for flavour in ("iptables", "ip6tables"):
        for name in IPTABLES:
            alias = name.replace("iptables", flavour)
            _link(programs / alias, root / "usr" / "sbin" / "xtables-nft-multi")
    libraries = root / "usr" / "lib" / "x86_64-linux-gnu"
    for path in sorted((root / "lib" / "x86_64-linux-gnu").glob("*")):
        _link(libraries / path.name, path)
    for name, path in (
        ("cni", root / "usr" / "lib" / "cni"),
        ("libraries", libraries),
        ("xtables", libraries / "xtables"),
        ("debootstrap", root / "usr" / "sbin" / "debootstrap"),
        ("debootstrap-data", root / "usr" / "share" / "debootstrap"),
        ("keyring", root / "usr" / "share" / "keyrings" / "debian-archive-keyring.gpg"),
    ):
        _link(target / name, path)


def _link(link: Path, path: Path) -> None:
    # Relative, so that they still lead there when the folder is moved into the cache.
    link.symlink_to(os.path.relpath(path, link.parent))
