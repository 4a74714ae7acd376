"""Probes: alive, and ready for requests."""

from __future__ import annotations

from aiohttp import web

from imagerift_api import app_keys
from imagerift_api.routes.answers import json_answer


async def healthz(_request: web.Request) -> web.Response:
    return json_answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    parts = await request.app[app_keys.CONTEXT].readiness.check()
    ready = all(parts.values())
    return json_answer(
        {"status": "ready" if ready else "not_ready", "parts": parts}, status=200 if ready else 503
    )


def add_routes(application: web.Application) -> None:
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
