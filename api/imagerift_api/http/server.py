"""The HTTP server under the application: what it cannot even parse is refused as a problem too."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import LineTooLong
from imagerift_core.ids import new_request_id

from imagerift_api.http.problems import CONTENT_TYPE, parser_problem
from imagerift_api.http.security_headers import ALWAYS, DATA

_log = structlog.get_logger()


class ProblemHandler(web.RequestHandler):
    """One connection. Its own refusals never reach the application's middlewares."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A problem document. The framework's words may repeat what was sent; these do not."""
        if isinstance(exc, UnicodeError):
            # The framework itself reads `Expect` on a path that nobody serves.
            status = HTTPStatus.BAD_REQUEST
        super().handle_error(request, status, exc, message)
        request_id = new_request_id()
        # Whoever tries the parser's limits, or to have two servers read a message differently.
        _log.warning(
            "refused",
            code="not_http",
            status=status,
            address=request.remote,
            request_id=request_id,
        )
        body = parser_problem(status, _detail(status, exc)).body(
            instance=request.path, request_id=request_id
        )
        response = web.Response(
            status=status,
            body=orjson.dumps(body),
            headers={
                **ALWAYS,
                **DATA,
                hdrs.CONTENT_TYPE: CONTENT_TYPE,
                "X-Request-Id": request_id,
            },
        )
        response.force_close()
        return response


class ProblemServer(web.Server):
    """Makes a `ProblemHandler` for each connection."""

    def __init__(self, server: web.Server, **arguments: Any) -> None:
        super().__init__(
            server.request_handler, request_factory=server.request_factory, **arguments
        )
        self._arguments = arguments

    def __call__(self) -> web.RequestHandler:
        return ProblemHandler(self, loop=self._loop, **self._arguments)


class ProblemRunner(web.AppRunner):
    """Runs an application on a `ProblemServer`."""

    __slots__ = ()

    async def _make_server(self) -> web.Server:
        return ProblemServer(await super()._make_server(), **self._kwargs)


def _detail(status: int, exc: BaseException | None) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "The error is logged under this requestId."
    if isinstance(exc, LineTooLong):
        return "The address or a header is longer than 8,190 bytes."
    return "The request is not valid HTTP/1.1: look at its first line, its headers and its framing."
