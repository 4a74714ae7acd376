"""A small DNS server for the names of Services and of the pods behind headless ones.

It answers A queries from what the API server lists, at most a second old. It knows no other names:
pods of this node reach nothing outside it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from imagerift_node.layout import CLUSTER_DOMAIN

PORT = 53
MAX_AGE = 1.0
TTL_SECONDS = 2
LIST_SECONDS = 3
ASK_SECONDS = 2

Addresses = Mapping[str, tuple[str, ...]]


def known_names(services: Iterable[Any], endpoints: Iterable[Any]) -> Addresses:
    """Every name of the cluster with its addresses; a headless Service's are its pods'."""
    names: dict[str, tuple[str, ...]] = {}
    headless = set()
    for service in services:
        name = _name_of(service)
        address = service.spec.cluster_ip
        if address == "None":
            headless.add(name)
            names[name] = ()
        elif address:
            names[name] = (address,)
    for endpoint in endpoints:
        name = _name_of(endpoint)
        if name not in headless:
            continue
        found = [address for subset in endpoint.subsets or () for address in subset.addresses or ()]
        names[name] = tuple(dict.fromkeys(address.ip for address in found))
        for address in found:
            if address.hostname:
                names[f"{address.hostname}.{name}"] = (address.ip,)
    return names


def _name_of(entry: Any) -> str:
    return f"{entry.metadata.name}.{entry.metadata.namespace}.svc.{CLUSTER_DOMAIN}"


class ClusterNames:
    """The cluster's names, listed again when they are asked for and older than a second."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._names: Addresses = {}
        self._listed = -MAX_AGE
        self._lock = threading.Lock()

    def get(self) -> Addresses:
        """Every name with its addresses.

        Raises:
            ApiException, HTTPError: the API server does not answer.
        """
        with self._lock:
            if time.monotonic() - self._listed >= MAX_AGE:
                services, endpoints = (
                    listing(_request_timeout=LIST_SECONDS).items
                    for listing in (
                        self._api.list_service_for_all_namespaces,
                        self._api.list_endpoints_for_all_namespaces,
                    )
                )
                self._names = known_names(services, endpoints)
                self._listed = time.monotonic()
            return self._names


class ClusterResolver(BaseResolver):  # type: ignore[misc]
    """Answers each query from the cluster's names."""

    def __init__(self, names: ClusterNames) -> None:
        self._names = names

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        """The answer; other types than A have no records."""
        del handler
        reply = request.reply(ra=0)
        name = str(request.q.qname).rstrip(".").lower()
        try:
            names = self._names.get()
        except (ApiException, HTTPError) as error:
            sys.stderr.write(f"the API server: {error}\n")
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        if name not in names:
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype == QTYPE.A:
            for address in names[name]:
                reply.add_answer(RR(request.q.qname, QTYPE.A, ttl=TTL_SECONDS, rdata=A(address)))
        return reply


def ask(address: str, name: str) -> bool:
    """Whether the server at the address knows the name; blocks for two seconds at most."""
    try:
        answer = DNSRecord.parse(DNSRecord.question(name).send(address, PORT, timeout=ASK_SECONDS))
    except (OSError, DNSError):
        return False
    return bool(answer.header.rcode == RCODE.NOERROR and answer.rr)


def serve(address: str, kubeconfig: str) -> None:
    """Answers until SIGTERM."""
    api = client.CoreV1Api(config.new_client_from_config(config_file=kubeconfig))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    quiet = DNSLogger("error", logf=lambda line: print(line, file=sys.stderr))
    server = DNSServer(ClusterResolver(ClusterNames(api)), address=address, port=PORT, logger=quiet)
    server.start_thread()
    stop.wait()
    server.stop()


def main() -> None:
    """The program `python -m imagerift_node.names`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--kubeconfig", required=True)
    arguments = parser.parse_args()
    serve(arguments.address, arguments.kubeconfig)


if __name__ == "__main__":
    main()
