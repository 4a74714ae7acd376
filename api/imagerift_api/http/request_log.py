"""What the log tells of requests, beside their ids, times and statuses: whose they are, and what
was refused. Never what was sent: no header, no query, no body, no name that somebody typed."""

from __future__ import annotations

from typing import Any

import structlog
from aiohttp import web

from imagerift_api.auth.keys import CALLER
from imagerift_api.auth.sessions import SESSIONS, SIGNED_IN
from imagerift_api.metrics import UNKNOWN_ROUTE

# Who may, how much, how slowly: what whoever tries things runs into.
_WATCHED = frozenset({401, 403, 408, 413, 429})
_log = structlog.get_logger()


def route_of(request: web.Request) -> str:
    """The path's template, such as `/api/v1/jobs/{job_id}`."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNKNOWN_ROUTE


def workspace_of(request: web.Request) -> str | None:
    """The workspace that the request works in, as far as it is known."""
    caller = request.get(CALLER)
    signed_in = request.get(SIGNED_IN)
    workspace: str | None = None
    if caller is not None:
        workspace = caller.workspace
    elif signed_in is not None:
        workspace = signed_in.workspace.id
    return workspace


def log_refusal(request: web.Request, code: str, status: int) -> None:
    """An event `refused` where somebody was not let in, may not, or has used up what they may."""
    if status not in _WATCHED:
        return
    known: dict[str, Any] = {}
    caller, signed_in = request.get(CALLER), request.get(SIGNED_IN)
    if caller is not None:
        known = {"key": caller.key_id, "person": caller.person}
    elif signed_in is not None:
        known = {"person": signed_in.person.id}
    _log.warning(
        "refused",
        code=code,
        status=status,
        method=request.method,
        route=route_of(request),
        address=request.app[SESSIONS].address_of(request),
        workspace=workspace_of(request),
        **known,
    )
