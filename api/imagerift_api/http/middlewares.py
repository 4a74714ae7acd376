"""What happens around every request: its id, its log line and metrics, and its refusal."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import orjson
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from imagerift_core import telemetry
from imagerift_core.errors import CapacityUnavailable, DomainError, OutcomeUnknown
from imagerift_core.ids import new_request_id
from opentelemetry.trace import INVALID_SPAN, Span

from imagerift_api.auth.callers import RATE_WINDOW
from imagerift_api.http.bodies import plain_id
from imagerift_api.http.calls import REQUEST_ID
from imagerift_api.http.problems import (
    CONTENT_TYPE,
    Problem,
    internal_problem,
    problem_of,
    problem_of_http,
)
from imagerift_api.http.rate_headers import rate_headers
from imagerift_api.http.request_log import log_refusal, route_of, workspace_of
from imagerift_api.http.requests_in_flight import REQUESTS_IN_FLIGHT
from imagerift_api.metrics import METRICS
from imagerift_api.settings import SETTINGS

# The page that a person sees instead of a problem document; None for every other client.
ErrorPage = Callable[[web.Request, Problem], web.Response | None]
REFUSED_AS = web.RequestKey("refused_as", str)
_log = structlog.get_logger()
_PROBES = frozenset({"/healthz", "/readyz"})
_CLIENT_GONE = 499
_READS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id, and leaves one log line and its metrics behind."""
    request_id = request[REQUEST_ID] = new_request_id()
    started = time.perf_counter()
    status = 500
    in_flight = request.app[REQUESTS_IN_FLIGHT]
    try:
        with (
            in_flight.track(),
            structlog.contextvars.bound_contextvars(request_id=request_id),
            _traced(request) as span,
        ):
            response = await handler(request)
            span.set_attribute("http.response.status_code", response.status)
        status = response.status
        if in_flight.draining:
            response.force_close()
    except ConnectionError:
        # Nobody is left to answer.
        status = _CLIENT_GONE
        raise
    finally:
        seconds = time.perf_counter() - started
        route = route_of(request)
        request.app[METRICS].request_answered(route, request.method, status, seconds)
        write = _log.debug if route in _PROBES else _log.info
        write(
            "request",
            method=request.method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=request_id,
            workspace=workspace_of(request),
            **({"code": request[REFUSED_AS]} if REFUSED_AS in request else {}),
        )
    return response


def answer_problems(error_page: ErrorPage) -> Middleware:
    """The middleware that turns every error into a problem document (RFC 9457), or into the page
    that `error_page` makes of it for a person. The only place that does."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except DomainError as error:
            if isinstance(error, CapacityUnavailable):
                _log.warning(error.code, exc_info=error.__cause__ or error)
            if isinstance(error, OutcomeUnknown) and request.method in _READS:
                # What a read writes besides is nothing that its author has to know of.
                error = CapacityUnavailable("The job store does not answer.")
            problem = problem_of(error)
        except web.HTTPException as error:
            problem = problem_of_http(error)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - the last resort of every request
            _log.error("unexpected_error", exc_info=error)
            problem = internal_problem()
        request[REFUSED_AS] = problem.code
        log_refusal(request, problem.code, problem.status)
        response = error_page(request, problem) or _document(request, problem)
        if problem.closes:
            response.force_close()
        return response

    return answer


@web.middleware
async def take_ids_in_any_case(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handlers see the UUIDs of a path in lower case, as they are stored."""
    for name, value in request.match_info.items():
        request.match_info[name] = plain_id(value)
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Puts the request id on every answer, and the rate window on every keyed one."""
    request_id = request.get(REQUEST_ID)
    if request_id is not None:
        response.headers["X-Request-Id"] = request_id
    window = request.get(RATE_WINDOW)
    if window is not None:
        response.headers.update(rate_headers(window))


def _traced(request: web.Request) -> AbstractContextManager[Span]:
    """The request's span: of the caller's trace where it has one. No path, no query, no body."""
    route = route_of(request)
    if route in _PROBES:
        return nullcontext(INVALID_SPAN)
    method = request.method if request.method in hdrs.METH_ALL else "_OTHER"
    return telemetry.span(
        f"{method} {route}",
        kind=telemetry.SpanKind.SERVER,
        parent=request.headers.get("traceparent"),
        attributes={
            "http.request.method": method,
            "http.route": route,
            "imagerift.request_id": request[REQUEST_ID],
        },
    )


def _document(request: web.Request, problem: Problem) -> web.Response:
    origin = request.app[SETTINGS].public_url or ""
    body = problem.body(instance=request.path, request_id=request[REQUEST_ID], origin=origin)
    return web.Response(
        status=problem.status,
        body=orjson.dumps(body),
        headers={hdrs.CONTENT_TYPE: CONTENT_TYPE, **problem.headers},
    )
