"""The program inside the node's namespaces: prepares them, and runs the node's parts in them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from imagerift_local.errors import PlatformError
from imagerift_local.files import write_private
from imagerift_local.provision.routes import Provision
from imagerift_local.state import write_state
from imagerift_local.supervisor import Status, Supervisor

from imagerift_node.layout import (
    CONTAINERD_SOCKET,
    NODE_NAME,
    SERVICE_RANGE,
    NodeAddresses,
    NodeFolder,
)
from imagerift_node.mounts import prepare_mounts
from imagerift_node.stack import NodeStack

LINK_SECONDS = 90.0
DEVICE = "eth0"


@dataclass(frozen=True)
class Request:
    """What the node is made of: its data folder and the programs that were found for it."""

    root: Path
    found: dict[str, Provision]

    def write(self, path: Path) -> None:
        """Leaves the request for the program inside."""
        found = {name: asdict(provision) for name, provision in self.found.items()}
        write_private(path, json.dumps({"root": self.root, "found": found}, default=str))


def read_request(path: Path) -> Request:
    """The request that the program outside wrote."""
    content = json.loads(path.read_text())
    found = {
        name: Provision(
            {key: Path(entry) for key, entry in provision["files"].items()},
            provision["version"],
            provision["source"],
        )
        for name, provision in content["found"].items()
    }
    return Request(Path(content["root"]), found)


async def run(request: Request) -> None:
    """Runs the node until SIGTERM.

    Raises:
        PlatformError: it cannot be started, or a part was given up.
    """
    data, addresses = NodeFolder(request.root), NodeAddresses()
    programs = request.found["container-runtime"].files
    os.environ["PATH"] = f"{programs['bin']}:{os.environ['PATH']}"
    os.environ["LD_LIBRARY_PATH"] = str(programs["libraries"])
    os.environ["XTABLES_LIBDIR"] = str(programs["xtables"])
    prepare_mounts(data)
    socket.sethostname(NODE_NAME)
    await _wait_link()
    await asyncio.to_thread(_prepare_network, addresses)
    stack = NodeStack(data, addresses, request.found)
    CONTAINERD_SOCKET.parent.mkdir(parents=True, exist_ok=True)

    def show(status: Status) -> None:
        sys.stdout.write(f"{status.name}: {status.state} {status.note}".rstrip() + "\n")
        sys.stdout.flush()
        write_state(data.control_plane, supervisor.statuses, ready=supervisor.settled)

    supervisor = Supervisor(stack.build_parts(), show, start_timeout=180.0)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    stopped = asyncio.create_task(stop.wait())
    working = asyncio.create_task(_work(supervisor, data))
    try:
        await asyncio.wait({stopped, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (stopped, working):
            task.cancel()
        await asyncio.gather(stopped, working, return_exceptions=True)
        await supervisor.stop()
        write_state(data.control_plane, supervisor.statuses, ready=False)


async def _work(supervisor: Supervisor, data: NodeFolder) -> None:
    await supervisor.start()
    supervisor.settled = True
    write_state(data.control_plane, supervisor.statuses, ready=True)
    await supervisor.wait_failed()


async def _wait_link() -> None:
    """Waits for the link that the program outside makes.

    Raises:
        PlatformError: it does not come.
    """
    try:
        async with asyncio.timeout(LINK_SECONDS):
            while DEVICE not in {name for _, name in socket.if_nameindex()}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise PlatformError("the link between this machine and the node does not come") from None


def _prepare_network(addresses: NodeAddresses) -> None:
    for command in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{addresses.node}/{addresses.prefix}", "dev", DEVICE),
        ("link", "set", DEVICE, "up"),
        # A packet to a Service needs a route before it is sent elsewhere. There is no other route:
        # nothing in the node reaches more than this machine.
        ("route", "add", SERVICE_RANGE, "dev", DEVICE),
    ):
        subprocess.run(["ip", *command], check=True, capture_output=True, text=True)
    for setting in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        path = Path("/proc/sys/net") / setting
        if path.exists():
            path.write_text("1\n")


def main() -> None:
    """The program `python -m imagerift_node.inside REQUEST`."""
    try:
        asyncio.run(run(read_request(Path(sys.argv[1]))))
    except (PlatformError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
