"""What a handler costs that does nothing, or only the poll's one increment and one read.

`python -m bench.bare_server PORT JOB_ID`, with the platform's variables in the environment.
Three routes: `/bare` answers a fixed text, `/accept` reads a body first, `/store` counts and reads.
"""

from __future__ import annotations

import asyncio
import os
import sys

import orjson
import uvloop
from aiohttp import web
from imagerift_core.mongo import connect

ANSWER = orjson.dumps({"status": "queued", "padding": "x" * 1200})
BARE_WINDOW = "bench:bare"


async def bare(_request: web.Request) -> web.Response:
    return web.Response(body=ANSWER, content_type="application/json")


async def accept(request: web.Request) -> web.Response:
    orjson.loads(await request.read())
    return web.Response(status=202, body=ANSWER, content_type="application/json")


async def serve(port: int, job_id: str) -> None:
    url = os.environ["IMAGERIFT_MONGO_URL"]
    async with connect(url, os.environ["IMAGERIFT_MONGO_DATABASE"]) as database:

        async def store(_request: web.Request) -> web.Response:
            await database.rate_windows.find_one_and_update(
                {"_id": BARE_WINDOW}, {"$inc": {"count": 1}}, upsert=True, return_document=True
            )
            document = await database.jobs.find_one({"_id": job_id})
            return web.Response(body=orjson.dumps(document), content_type="application/json")

        application = web.Application(client_max_size=1 << 24)
        application.router.add_get("/bare", bare)
        application.router.add_post("/accept", accept)
        application.router.add_get("/store", store)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
