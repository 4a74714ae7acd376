"""Starting the node from this machine: programs, groups, namespaces, the link; and ending it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
from imagerift_local.data_versions import DataVersions
from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.parts import guarded
from imagerift_local.provision.cache import Cache
from imagerift_local.provision.commands import tail_of
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import Debian
from imagerift_local.provision.programs import PROGRAMS
from imagerift_local.provision.programs import provision as provision_program
from imagerift_local.provision.routes import Provision
from imagerift_local.state import owned, read_state

from imagerift_node.cgroups import create_groups, remove_groups
from imagerift_node.container_runtime import provision_container_runtime
from imagerift_node.inside import Request, read_request
from imagerift_node.kubernetes import provision_node_kubernetes
from imagerift_node.layout import NodeAddresses, NodeFolder

START_SECONDS = 300.0
STOP_SECONDS = 60.0
LINK_SECONDS = 10.0
# Enters every group before the namespaces are made, so that the node sees its group as the root.
ENTER_GROUPS = 'for group in $GROUPS_OF_NODE; do echo $$ > "$group/cgroup.procs"; done; exec "$@"'
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")

PROVISIONERS: dict[str, Callable[[Workshop], Provision]] = {
    "kubernetes-node": provision_node_kubernetes,
    "container-runtime": provision_container_runtime,
    "etcd": partial(provision_program, PROGRAMS["etcd"]),
    "kubectl": partial(provision_program, PROGRAMS["kubectl"]),
}


def provision(
    cache: Cache, say: Callable[[str], None], data: DataVersions | None = None
) -> dict[str, Provision]:
    """Finds or makes every program of the node; with `data` only what can open them.

    Raises:
        PlatformError: a program cannot be had.
    """
    debian = Debian(cache.root)
    found = {}
    for name, provisioner in PROVISIONERS.items():

        def report(line: str, name: str = name) -> None:
            say(f"{name}: {line}")

        found[name] = provisioner(Workshop(cache, debian, report, data))
    return found


async def run(data: NodeFolder, cache: Cache, say: Callable[[str], None]) -> None:
    """Runs the node until SIGINT, SIGTERM or SIGHUP.

    Raises:
        PlatformError: it cannot be started, or it ended by itself.
    """
    data.create()
    with owned(data.control_plane, os.getpid()):
        versions = DataVersions(data.control_plane)
        found = await asyncio.to_thread(provision, cache, say, versions)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        data.control_plane.state.unlink(missing_ok=True)
        kubernetes, etcd = found["kubernetes-node"].version, found["etcd"].version
        versions.record({"kubernetes": kubernetes, "etcd": etcd})
        Request(data.root, found).write(data.request)
        groups = create_groups(data.cgroup)
        try:
            process = _spawn(data, found["container-runtime"].files["bin"], groups)
            try:
                first = await _first_process(process)
                write_private(data.inner_pid, f"{first.pid}\n")
                runtime = found["container-runtime"]
                await _free_address(data, NodeAddresses(), runtime)
                _link(data, NodeAddresses(), first.pid, runtime)
                await _wait_ready(data, process, stop, say)
                await _wait_ended(data, process, stop)
            finally:
                await asyncio.to_thread(_end, process)
                data.inner_pid.unlink(missing_ok=True)
        finally:
            remove_groups(data.cgroup)


def enter(data: NodeFolder, command: list[str]) -> list[str]:
    """The command line that runs `command` inside the running node.

    Raises:
        PlatformError: no node runs in the folder.
    """
    try:
        pid = int(data.inner_pid.read_text())
        programs = read_request(data.request).found["container-runtime"].files
    except (OSError, ValueError, KeyError):
        raise PlatformError(f"no node runs in {data.root}") from None
    environment = [
        f"PATH={programs['bin']}:{os.environ['PATH']}",
        f"LD_LIBRARY_PATH={programs['libraries']}",
    ]
    return ["nsenter", f"--target={pid}", "--all", "--", "env", *environment, *command]


def _spawn(data: NodeFolder, programs: Path, groups: list[Path]) -> subprocess.Popen[bytes]:
    inside = [sys.executable, "-m", "imagerift_node.inside", str(data.request)]
    isolated = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", "--"]
    command = [*isolated, str(programs / "tini-static"), "--", *guarded(inside)]
    # Killed when this program dies, however it dies; and then the kernel ends all of the node.
    with data.control_plane.log("node").open("ab") as log:
        return subprocess.Popen(
            guarded(["bash", "-c", ENTER_GROUPS, "bash", *command]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "GROUPS_OF_NODE": " ".join(map(str, groups))},
            start_new_session=True,
        )


async def _first_process(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The first process of the node's own process namespace."""
    with contextlib.suppress(psutil.NoSuchProcess, TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.poll() is None:
                for child in psutil.Process(process.pid).children():
                    if child.name() == "tini-static":
                        return child
                await asyncio.sleep(0.05)
    raise PlatformError("the node's namespaces cannot be made: see the log `node`")


async def _free_address(data: NodeFolder, addresses: NodeAddresses, runtime: Provision) -> None:
    """Takes away the link that a killed node of this folder left, and waits until it is gone.

    The kernel does so by itself, but on a busy machine some minutes later.

    Raises:
        PlatformError: another node has the address.
    """
    end = asyncio.get_running_loop().time() + LINK_SECONDS
    while True:
        taken = [
            name
            for name, known in psutil.net_if_addrs().items()
            if addresses.machine in {entry.address for entry in known}
        ]
        if not taken:
            return
        if data.link in taken:
            # It may go by itself at this moment: what counts is that it is gone.
            with contextlib.suppress(PlatformError):
                _ip(runtime, f"link delete {data.link}")
        elif asyncio.get_running_loop().time() > end:
            raise PlatformError(
                f"this machine has {addresses.machine} already, on {taken[0]}: another node runs"
            )
        await asyncio.sleep(0.1)


def _link(data: NodeFolder, addresses: NodeAddresses, pid: int, runtime: Provision) -> None:
    """Connects this machine with the node; the link goes when the node goes.

    Raises:
        PlatformError: the kernel refuses.
    """
    name = data.link
    for command in (
        f"link add {name} type veth peer name eth0 netns {pid}",
        f"address add {addresses.machine}/{addresses.prefix} dev {name}",
        f"link set {name} up",
    ):
        _ip(runtime, command)


def _ip(runtime: Provision, command: str) -> None:
    done = subprocess.run(
        [str(runtime.files["bin"] / "ip"), *command.split()],
        env={**os.environ, "LD_LIBRARY_PATH": str(runtime.files["libraries"])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PlatformError(f"ip {command}: {done.stderr.strip()}")


async def _wait_ready(
    data: NodeFolder,
    process: subprocess.Popen[bytes],
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    said: dict[str, str] = {}
    loop = asyncio.get_running_loop()
    end = loop.time() + START_SECONDS
    while not stop.is_set():
        state = read_state(data.control_plane) or {"parts": {}, "ready": False}
        for name, part in state["parts"].items():
            if said.get(name) != part["state"]:
                said[name] = part["state"]
                say(f"{name}: {part['state']}")
        if state["ready"]:
            say(f"the node is ready: export KUBECONFIG={data.kubeconfig}")
            return
        if process.poll() is not None or loop.time() > end:
            raise PlatformError(
                "the node does not start:\n" + tail_of(data.control_plane.log("node"), 20)
            )
        await asyncio.sleep(0.1)


async def _wait_ended(
    data: NodeFolder, process: subprocess.Popen[bytes], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        if process.poll() is not None:
            raise PlatformError(
                "the node has ended by itself:\n" + tail_of(data.control_plane.log("node"), 20)
            )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the node to stop, and kills what is left of it: no process outlives its namespace."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            child.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
