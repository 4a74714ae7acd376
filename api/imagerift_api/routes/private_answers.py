"""Answers that no cache may keep."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from imagerift_api.routes.answers import json_answer


def private_answer(content: Any, *, status: int = 200) -> web.Response:
    response = json_answer(content, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def no_content() -> web.Response:
    return web.Response(status=204, headers={"Cache-Control": "no-store"})
