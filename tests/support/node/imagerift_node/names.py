"""A small DNS server for the names of Services and of the pods behind headless ones.

It answers A queries from what the API server lists, at most a second old. It knows no other names:
pods of this node reach nothing outside it.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aiohttp
from imagerift_local.kubeconfig import ClusterAccess, read_kubeconfig

from imagerift_node.layout import CLUSTER_DOMAIN

PORT = 53
MAX_AGE = 1.0
TTL_SECONDS = 2
TYPE_A = 1
CLASS_INTERNET = 1
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
ANSWER_FLAGS = 0x8400  # an answer, and an authoritative one
RECURSION_DESIRED = 0x0100

Addresses = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Question:
    """One query: its id and flags, the name in lower case, the type, and the question's bytes."""

    identifier: int
    flags: int
    name: str
    kind: int
    encoded: bytes


def parse_question(packet: bytes) -> Question:
    """The first question of a query.

    Raises:
        ValueError: this is no query.
    """
    try:
        identifier, flags, count = struct.unpack_from("!HHH", packet)
        if flags & 0x8000 or count < 1:
            raise ValueError("no query")
        labels, position = [], 12
        while length := packet[position]:
            if length > 63:
                raise ValueError("a question with a pointer")
            labels.append(packet[position + 1 : position + 1 + length].decode("ascii").lower())
            position += 1 + length
        kind, _ = struct.unpack_from("!HH", packet, position + 1)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("a damaged query") from error
    return Question(identifier, flags, ".".join(labels), kind, packet[12 : position + 5])


def build_answer(question: Question, code: int, addresses: Iterable[str] = ()) -> bytes:
    """The packet that answers the question; other types than A have no records."""
    records = [
        struct.pack("!HHHIH", 0xC00C, TYPE_A, CLASS_INTERNET, TTL_SECONDS, 4)
        + ipaddress.IPv4Address(address).packed
        for address in addresses
        if question.kind == TYPE_A
    ]
    flags = ANSWER_FLAGS | (question.flags & RECURSION_DESIRED) | code
    header = struct.pack("!HHHHHH", question.identifier, flags, 1, len(records), 0, 0)
    return header + question.encoded + b"".join(records)


def known_names(services: Iterable[Any], endpoints: Iterable[Any]) -> Addresses:
    """Every name of the cluster with its addresses; a headless Service's are its pods'."""
    names: dict[str, tuple[str, ...]] = {}
    headless = set()
    for service in services:
        metadata = service["metadata"]
        name = f"{metadata['name']}.{metadata['namespace']}.svc.{CLUSTER_DOMAIN}"
        address = service["spec"].get("clusterIP")
        if address == "None":
            headless.add(name)
            names[name] = ()
        elif address:
            names[name] = (address,)
    for endpoint in endpoints:
        metadata = endpoint["metadata"]
        name = f"{metadata['name']}.{metadata['namespace']}.svc.{CLUSTER_DOMAIN}"
        if name not in headless:
            continue
        found = [
            address
            for subset in endpoint.get("subsets") or ()
            for address in subset.get("addresses") or ()
        ]
        names[name] = tuple(dict.fromkeys(address["ip"] for address in found))
        for address in found:
            if address.get("hostname"):
                names[f"{address['hostname']}.{name}"] = (address["ip"],)
    return names


class ClusterNames:
    """The cluster's names, listed again when they are asked for and older than a second."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._names: Addresses = {}
        self._listed = -MAX_AGE
        self._lock = asyncio.Lock()

    async def get(self) -> Addresses:
        """Every name with its addresses.

        Raises:
            aiohttp.ClientError, TimeoutError: the API server does not answer.
        """
        async with self._lock:
            if time.monotonic() - self._listed >= MAX_AGE:
                async with aiohttp.ClientSession(
                    base_url=self._access.server,
                    headers=self._access.headers,
                    timeout=aiohttp.ClientTimeout(total=3.0),
                    raise_for_status=True,
                ) as session:
                    services = await self._list(session, "services")
                    endpoints = await self._list(session, "endpoints")
                self._names = known_names(services, endpoints)
                self._listed = time.monotonic()
        return self._names

    async def _list(self, session: aiohttp.ClientSession, kind: str) -> list[Any]:
        async with session.get(f"/api/v1/{kind}", ssl=self._access.tls or True) as response:
            listed: list[Any] = (await response.json())["items"]
        return listed


class NameServer(asyncio.DatagramProtocol):
    """Answers each query in a task of its own."""

    def __init__(self, names: ClusterNames) -> None:
        self._names = names
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the socket to answer on."""
        # asyncio's own datagram transport is no subclass of DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answers, or drops what is no query."""
        task = asyncio.create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, caller: tuple[str, int]) -> None:
        try:
            question = parse_question(data)
        except ValueError:
            return
        try:
            names = await self._names.get()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            sys.stderr.write(f"the API server: {error!r}\n")
            answer = build_answer(question, SERVER_FAILURE)
        else:
            code = NO_ERROR if question.name in names else NO_SUCH_NAME
            answer = build_answer(question, code, names.get(question.name, ()))
        if self._transport is not None:
            self._transport.sendto(answer, caller)


def ask(address: str, name: str) -> bool:
    """Whether the server at the address knows the name; blocks for two seconds at most."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack("!HHHHHH", 1, RECURSION_DESIRED, 1, 0, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.settimeout(2.0)
        try:
            caller.sendto(
                header + labels + b"\0" + struct.pack("!HH", TYPE_A, CLASS_INTERNET),
                (address, PORT),
            )
            answer = caller.recv(512)
        except OSError:
            return False
    _, flags, _, records = struct.unpack_from("!HHHH", answer)
    return bool(flags & 0xF == NO_ERROR and records > 0)


async def serve(address: str, kubeconfig: Path) -> None:
    """Answers until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    names = ClusterNames(read_kubeconfig(kubeconfig))
    transport, _ = await loop.create_datagram_endpoint(
        lambda: NameServer(names), local_addr=(address, PORT)
    )
    await stop.wait()
    transport.close()


def main() -> None:
    """The program `python -m imagerift_node.names`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--kubeconfig", required=True, type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.address, arguments.kubeconfig))


if __name__ == "__main__":
    main()
