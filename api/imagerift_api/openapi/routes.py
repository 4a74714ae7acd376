"""GET /api/v1/openapi.json and the reference page at /docs."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from pydantic import RootModel

from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.openapi.published import PUBLISHED
from imagerift_api.openapi.reference import CONTENT_SECURITY_POLICY


class OpenApiDocument(RootModel[dict[str, Any]]):
    """An OpenAPI 3.1 description."""


class ReferencePage(RootModel[str]):
    """HTML."""


async def openapi_json(call: Call) -> web.Response:
    return web.Response(
        body=call.request.app[PUBLISHED].json,
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": "no-cache"},
    )


async def docs(call: Call) -> web.Response:
    return web.Response(
        text=call.request.app[PUBLISHED].page,
        content_type="text/html",
        headers={
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Cache-Control": "no-cache",
        },
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/openapi.json",
        handler=openapi_json,
        name="openapi",
        tag="Operation",
        summary="This description",
        access="open",
        any_query=True,
        replies={200: Reply("The document.", OpenApiDocument)},
    ),
    Operation(
        method="GET",
        path="/docs",
        handler=docs,
        name="docs",
        tag="Operation",
        summary="The reference page",
        access="open",
        any_query=True,
        replies={200: Reply("The page.", ReferencePage, media_type="text/html")},
    ),
)
