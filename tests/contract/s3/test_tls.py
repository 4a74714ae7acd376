"""An object store with a CA of its own, in front of which nothing speaks plain HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import trustme
from imagerift_core.s3 import open_store

from tests.contract.s3.conftest import settings_for
from tests.support.forward_proxy import pump
from tests.support.server_processes import S3Address

CHECKOUT = Path(__file__).resolve().parents[3]
CLIENTS = {"writes", "lists", "model servers", "probe"}


@asynccontextmanager
async def behind_tls(address: S3Address, authority: trustme.CA) -> AsyncIterator[S3Address]:
    """The same store at an address that takes TLS alone."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    port = urlsplit(address.internal_url).port

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield replace(address, internal_url=url, public_url=url)


async def met(url: str, variables: dict[str, str]) -> dict[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.s3.reaching", url),
        stdout=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "triton_models"), **variables},
    )
    output, _ = await process.communicate()
    found: dict[str, str] = json.loads(output)
    return found


async def test_a_store_of_an_own_ca_is_reached_by_every_client_that_knows_the_ca_and_no_other(
    s3_address: S3Address, bucket: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    async with behind_tls(s3_address, authority) as address:
        settings = settings_for(address, bucket)
        async with open_store(settings_for(s3_address, bucket)) as plain:
            await plain.put("of-tls", b"bytes", content_type="text/plain")
        async with open_store(settings) as store:
            url = store.presign_get("of-tls", seconds=600)
        variables = {
            "IMAGERIFT_MONGO_URL": "mongodb://127.0.0.1/",
            "IMAGERIFT_S3_INTERNAL_URL": address.internal_url,
            "IMAGERIFT_S3_PUBLIC_URL": address.public_url,
            "IMAGERIFT_S3_BUCKET": bucket,
            "IMAGERIFT_S3_ACCESS_KEY": address.access_key,
            "IMAGERIFT_S3_SECRET_KEY": address.secret_key,
        }
        # As the chart's `trust` sets them.
        own = str(tmp_path / "ca.crt")
        trusting = variables | {"SSL_CERT_FILE": own, "AWS_CA_BUNDLE": own}
        knowing, strange = await asyncio.gather(met(url, trusting), met(url, variables))
    assert knowing == dict.fromkeys(CLIENTS, "reached")
    assert strange.keys() == CLIENTS
    assert "reached" not in strange.values()
