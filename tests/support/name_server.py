"""A name server on loopback, which answers as it is told or not at all."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Self

import dns.asyncresolver
from dnslib import QTYPE, RCODE, RR, DNSRecord

FAILING = "SERVFAIL"
_KINDS = {"A": 4, "AAAA": 6}


class NameServer(asyncio.DatagramProtocol):
    """`names` holds answers by absolute name: addresses between spaces, or several such answers,
    of which each look-up takes the next, the last for good. A name without any has no address, one
    that is not there does not exist. `silent` answers nothing.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.silent = False
        self.asked: list[str] = []
        self._kinds: Counter[tuple[str, str]] = Counter()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._transport.close()

    def says(self, name: str, *answers: str) -> None:
        """From now on, whatever was asked before."""
        self.names[name] = list(answers)
        self._kinds.clear()
        self.asked.clear()

    def resolver(self) -> dns.asyncresolver.Resolver:
        """In place of the system's."""
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self.port
        made.search = [dns.name.from_text("cluster.local")]
        return made

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = DNSRecord.parse(data)
        name, kind = str(question.q.qname).lower(), QTYPE[question.q.qtype]
        if kind == "A":
            self.asked.append(name)
        if not self.silent:
            self._transport.sendto(self._answer(question, name, kind).pack(), addr)

    def _answer(self, question: DNSRecord, name: str, kind: str) -> DNSRecord:
        reply = question.reply()
        answers = self.names.get(name)
        if answers is None:
            reply.header.rcode = RCODE.NXDOMAIN
            return reply
        text = answers[min(self._kinds[name, kind], len(answers) - 1)] if answers else ""
        self._kinds[name, kind] += 1
        if text == FAILING:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        for address in text.split():
            if (":" in address) == (kind == "AAAA"):
                reply.add_answer(*RR.fromZone(f"{name} 60 {kind} {address}"))
        return reply
