"""The operator's ports tell no version of what serves them."""

from __future__ import annotations

import aiohttp
from aiohttp import web
from imagerift_operator.metrics import serve_metrics
from imagerift_operator.server_name import NAME, name_servers

from tests.support.server_processes import free_port


async def test_metrics_and_probes_name_the_product_alone() -> None:
    name_servers()
    # As Kopf serves its probes.
    runner = web.AppRunner(web.Application())
    await runner.setup()
    metrics, probes = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", probes).start()
    async with aiohttp.ClientSession() as http, serve_metrics("127.0.0.1", metrics):
        for address in (f"http://127.0.0.1:{metrics}/metrics", f"http://127.0.0.1:{probes}/"):
            async with http.get(address) as answer:
                assert answer.headers.getall("Server") == [NAME]
    await runner.cleanup()
