"""What a route says of itself: enough to serve it and to describe it.

A module of routes lists its operations and adds them; nothing else has to be told:

    OPERATIONS = (
        Operation(
            method="POST",
            path="/api/v1/things/{thing_id}",
            handler=make_thing,
            name="makeThing",
            tag="Things",
            summary="Make a thing",
            access="either",
            scope="jobs:write",
            path_model=ThingPath,
            body=ThingBody,
            replies={201: Reply("The thing.", ThingObject, headers={"Location": "Its address."})},
            errors=("thing_not_found",),
        ),
    )

    def add_routes(application: web.Application) -> None:
        add_operations(application, OPERATIONS)

`body`, `query`, `headers` and `path_model` are the pydantic models that the handler validates
with; a reply's `content` is a pydantic model, or a `typing_extensions.TypedDict` marked with
`openapi.shapes.closed` (which costs nothing at run time, and lets mypy hold the handler to the
document). `errors` names codes from `imagerift_api.problems`; those that come with the access,
with any query and with any body need not be named. `GET /api/v1/openapi.json` then shows the
route with all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from aiohttp.typedefs import Handler
from imagerift_core.api_keys import Scope
from pydantic import BaseModel

from imagerift_api.body_reading import leave_continue_for_later

Access = Literal["key", "session", "either", "open"]


@dataclass(frozen=True)
class Reply:
    """A success. `content` is None where the answer has no body; `headers` name to meaning."""

    description: str
    content: Any = None
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True)
class Operation:
    """One method at one path; `path` is in the framework's form, with names in snake_case.

    `access` says who may call: an API key, an account session, either, or anyone.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Handler
    name: str
    tag: str
    summary: str
    replies: Mapping[int, Reply]
    description: str = ""
    access: Access = "either"
    scope: Scope | None = None
    path_model: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_example: Any = None
    errors: tuple[str, ...] = ()


OPERATIONS: web.AppKey[list[Operation]] = web.AppKey("operations", list)


def add_operations(application: web.Application, operations: tuple[Operation, ...]) -> None:
    """Serves the operations, and has the document show them."""
    for operation in operations:
        # A GET answers HEAD too.
        methods = ["GET", "HEAD"] if operation.method == "GET" else [operation.method]
        for method in methods:
            application.router.add_route(
                method, operation.path, operation.handler, expect_handler=leave_continue_for_later
            )
        application.setdefault(OPERATIONS, []).append(operation)
