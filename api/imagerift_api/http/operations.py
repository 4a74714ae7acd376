"""What a route says of itself: what is enforced, served and described.

A module of routes lists its operations, and `app` serves them; nothing else has to be told:

    async def make_thing(call: Call, path: ThingPath, body: ThingBody) -> ThingObject: ...

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
            replies={201: Reply("The thing.", ThingObject, headers={"Location": "Its address."})},
            errors=("thing_not_found",),
        ),
    )

A handler runs for whom `access`, `scope` and `permission` let in, and with what it takes: its
parameters `path`, `query`, `headers` and `body` are validated by the models that they are
annotated with. Without `query` every query is refused; without `body` none is read. What it
returns is the `content` of a declared reply, an `http.shapes.AnswerBody`, or an `Answer` with
a status and headers of its own. `errors` names codes from `imagerift_api.http.problems`; those that
come with the access, with any query and with any body need not be named. `GET
/api/v1/openapi.json` then shows the route with all of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from aiohttp import web
from aiohttp.typedefs import Handler
from imagerift_core.api_keys import Scope
from imagerift_core.roles import Permission
from pydantic import BaseModel

from imagerift_api.auth.callers import Access, Count, authorize, count_request
from imagerift_api.http.answers import Reply, Result, respond
from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.body_reading import SMALL_BODY_BYTES, leave_continue_for_later
from imagerift_api.http.calls import Call, PendingBody
from imagerift_api.http.requests import (
    RequestHeaders,
    RequestQuery,
    parse_headers,
    parse_query,
    refuse_query,
)

_PARAMETERS = {
    "path": BaseModel,
    "query": RequestQuery,
    "headers": RequestHeaders,
    "body": RequestBody,
}


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method at one path; `path` is in the framework's form, with names in snake_case.

    `access` says who may call: an API key, an account session, either, the administrators' token,
    or anyone. `scope` is
    what a key, or the role behind a session in its place, must have; `permission` is what the
    role of a session must permit. `count` counts the calls of each caller against their limit;
    with None they are not counted. A body has at most `max_body_bytes`. `any_query` takes any
    query, and ignores it. No cache may keep the answers of a `private` operation.

    Raises `TypeError` for a handler that cannot be served by what is declared.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Callable[..., Awaitable[Result]]
    name: str
    tag: str
    summary: str
    access: Access
    replies: Mapping[int, Reply]
    description: str = ""
    scope: Scope | None = None
    permission: Permission | None = None
    count: Count | None = count_request
    any_query: bool = False
    private: bool = False
    body_example: Any = None
    body_examples: Mapping[str, Any] = field(default_factory=dict)
    max_body_bytes: int = SMALL_BODY_BYTES
    errors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.access not in get_args(Access):
            raise TypeError(f"{self.name} declares no access.")
        if self.scope is not None and self.access not in {"key", "either"}:
            raise TypeError(f"{self.name} declares a scope, but takes no key.")
        if self.permission is not None and self.access != "session":
            raise TypeError(f"{self.name} declares a permission, but not that a session is needed.")
        for name, model in self._models.items():
            if not (isinstance(model, type) and issubclass(model, _PARAMETERS.get(name, ()))):
                raise TypeError(f"{self.name}: nothing is known to give its handler as '{name}'.")

    @property
    def path_model(self) -> type[BaseModel] | None:
        return self._models.get("path")

    @property
    def query(self) -> type[RequestQuery] | None:
        return self._models.get("query")

    @property
    def headers(self) -> type[RequestHeaders] | None:
        return self._models.get("headers")

    @property
    def body(self) -> type[RequestBody] | None:
        return self._models.get("body")

    @cached_property
    def reads_body_itself(self) -> bool:
        return get_origin(self._hints.get("body")) is PendingBody

    @cached_property
    def _models(self) -> dict[str, Any]:
        """The models of the handler's parameters, after the call itself."""
        return {
            name: get_args(hint)[0] if get_origin(hint) is PendingBody else hint
            for name, hint in self._hints.items()
        }

    @cached_property
    def _hints(self) -> dict[str, Any]:
        hints = get_type_hints(self.handler)
        _call, *others = inspect.signature(self.handler).parameters
        return {name: hints.get(name) for name in others}


# What all operations of the admin REST API declare alike.
AdminOperation = partial(Operation, tag="Administration", access="admin", private=True)
OPERATIONS: web.AppKey[list[Operation]] = web.AppKey("operations", list)


def add_operations(application: web.Application, operations: tuple[Operation, ...]) -> None:
    """Serves the operations as they are declared, and has the document show them."""
    for operation in operations:
        # A GET answers HEAD too.
        methods = ["GET", "HEAD"] if operation.method == "GET" else [operation.method]
        handler = _enforced(operation)
        for method in methods:
            application.router.add_route(
                method, operation.path, handler, expect_handler=leave_continue_for_later
            )
        application.setdefault(OPERATIONS, []).append(operation)


def _enforced(operation: Operation) -> Handler:
    """The operation's handler behind everything that the operation declares."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await authorize(
            request,
            access=operation.access,
            scope=operation.scope,
            permission=operation.permission,
            count=operation.count,
        )
        given = _parameters(operation, request)
        call = Call(request, operation.access, operation.scope)
        result = await _result(operation, call, given)
        return respond(operation.replies, result, private=operation.private)

    return handle


async def _result(operation: Operation, call: Call, given: dict[str, Any]) -> Result:
    if operation.body is None:
        return await operation.handler(call, **given)
    body = PendingBody(call.request, operation.body, limit=operation.max_body_bytes)
    if operation.reads_body_itself:
        return await operation.handler(call, body=body, **given)
    async with body.read() as content:
        return await operation.handler(call, body=content, **given)


def _parameters(operation: Operation, request: web.Request) -> dict[str, Any]:
    """What the handler takes beside the body. Raises `InvalidRequest`, or what its path raises."""
    given: dict[str, Any] = {}
    if operation.query is not None:
        given["query"] = parse_query(operation.query, request.query)
    elif not operation.any_query:
        refuse_query(request.query)
    if operation.headers is not None:
        given["headers"] = parse_headers(operation.headers, request.headers)
    if operation.path_model is not None:
        given["path"] = operation.path_model.model_validate(request.match_info, by_name=True)
    return given
