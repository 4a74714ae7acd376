"""Problem details (RFC 9457): what a refusal looks like, for every error there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from imagerift_core.clock import rfc3339
from imagerift_core.errors import (
    CapacityUnavailable,
    DomainError,
    IdempotencyInProgress,
    InsufficientScope,
    InvalidApiKey,
    InvalidRequest,
    OutcomeUnknown,
    QueueFull,
    QuotaExhausted,
    RateLimited,
    TooManyStreams,
    UploadsFull,
)

from imagerift_api.auth.administrators import MissingAdminToken
from imagerift_api.auth.keys import MissingApiKey

CONTENT_TYPE = "application/problem+json"
REALM = 'Bearer realm="imagerift"'
# Where this installation says what a code means; `type` is the address of its page there.
PAGES_PATH = "/problems"
_CAPACITY_RETRY_SECONDS = 5
_STREAM_RETRY_SECONDS = 10
_QUEUE_RETRY_SECONDS = 10
# Uploads that no job uses live for a day.
_UPLOADS_RETRY_SECONDS = 3600

# Code to status and title. A code means one thing wherever it appears.
KINDS: dict[str, tuple[int, str]] = {
    "invalid_request": (400, "The request is not valid"),
    "invalid_api_key": (401, "The API key is not valid"),
    "revoked_api_key": (401, "The API key was revoked"),
    "expired_api_key": (401, "The API key has expired"),
    "invalid_admin_token": (401, "The administrators' token is not valid"),
    "invalid_session": (401, "Nobody is signed in"),
    "sign_in_failed": (401, "The sign-in failed"),
    "account_suspended": (403, "The account or the workspace is suspended"),
    "no_workspace_left": (403, "This account is a member of no workspace"),
    "quota_exhausted": (402, "The quota is used up"),
    "insufficient_scope": (403, "The API key lacks a scope"),
    "api_access_locked": (403, "The plan has no API access"),
    "export_not_permitted": (403, "The plan does not permit this export size"),
    "cross_site_request": (403, "The request did not come from these pages"),
    "role_not_permitted": (403, "Your role does not permit this"),
    "not_found": (404, "There is nothing at this address"),
    "job_not_found": (404, "There is no such job"),
    "source_not_found": (404, "There is no such source"),
    "workspace_not_found": (404, "There is no such workspace"),
    "key_not_found": (404, "There is no such key"),
    "session_not_found": (404, "There is no such session"),
    "member_not_found": (404, "There is no such member"),
    "invitation_not_found": (404, "There is no such invitation"),
    "webhook_not_found": (404, "There is no such webhook"),
    "administrator_not_found": (404, "There is no such administrator"),
    "catalogue_entry_not_found": (404, "No such plan or mode was added"),
    "delivery_not_found": (404, "There is no such delivery"),
    "method_not_allowed": (405, "This method is not allowed here"),
    "request_timeout": (408, "The request took too long to arrive"),
    "batch_not_found": (404, "There is no such batch"),
    "idempotency_in_progress": (409, "A request with this key is being accepted"),
    "idempotency_key_reused": (422, "The idempotency key stands for another request"),
    "job_not_ended": (409, "The job has not ended"),
    "job_not_cancelable": (409, "The job has already ended"),
    "already_member": (409, "This person is a member already"),
    "last_owner": (409, "A workspace keeps at least one owner"),
    "catalogue_entry_used": (409, "The plan or mode is in use"),
    "key_not_rotatable": (409, "The key was revoked or has expired"),
    "payload_too_large": (413, "The request is too large"),
    "unsupported_image": (415, "The image is of a kind that is not taken"),
    "image_unreadable": (422, "The image cannot be read"),
    "image_too_large": (422, "The image has too many pixels"),
    "content_rejected": (422, "This installation refuses such content"),
    "rate_limited": (429, "Too many requests"),
    "queue_full": (429, "The queue of this workspace is full"),
    "uploads_full": (429, "The uploads of this workspace take as much as they may"),
    "too_many_streams": (429, "Too many streams are open"),
    "internal_error": (500, "Something went wrong here"),
    "capacity_unavailable": (503, "A part that is needed does not answer"),
    "outcome_unknown": (504, "It is not known whether the change was made"),
}
_CODES_OF_STATUS = {404: "not_found", 405: "method_not_allowed"}


class RequestTimedOut(DomainError):
    """The client did not send its body in time."""

    code = "request_timeout"
    retryable = True


@dataclass(frozen=True)
class Problem:
    """A refusal: the members of its body beyond those that every problem has, and its headers."""

    code: str
    detail: str
    status: int
    title: str
    param: str | None = None
    errors: list[dict[str, str]] = field(default_factory=list)
    retryable: bool = False
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False

    def body(self, *, instance: str, request_id: str, origin: str = "") -> dict[str, Any]:
        """The document; `origin` is the installation's, where it has a public address."""
        return {
            "type": f"{origin}{PAGES_PATH}/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "param": self.param,
            "errors": self.errors,
            "requestId": request_id,
            "retryable": self.retryable,
            **self.members,
        }


def problem_of(error: DomainError) -> Problem:
    """The answer to a domain error."""
    status, title = KINDS.get(error.code, KINDS["internal_error"])
    return Problem(
        code=error.code,
        detail=error.message,
        status=status,
        title=title,
        param=error.param,
        errors=_listed(error),
        retryable=error.retryable,
        members=_members(error),
        headers=_headers(error),
        # The rest of a body that nobody will read must not be taken for the next request.
        closes=status in {408, 413},
    )


def problem_of_http(error: web.HTTPException) -> Problem:
    """The answer to a refusal by the web framework itself, such as an unknown path."""
    code = _CODES_OF_STATUS.get(error.status, "invalid_request")
    status, title = KINDS[code]
    if error.status not in _CODES_OF_STATUS and 400 <= error.status < 500:
        status, title = error.status, error.reason
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    detail = {404: "No resource has this path.", 405: f"Allowed: {headers.get('Allow', '')}."}
    return Problem(
        code=code,
        detail=detail.get(error.status, error.reason),
        status=status,
        title=title,
        headers=headers,
    )


def parser_problem(status: int, detail: str) -> Problem:
    """The answer to what could not be read as HTTP at all; the connection is closed."""
    code = "invalid_request" if status < 500 else "internal_error"
    return Problem(
        code=code, detail=detail, status=status, title=KINDS[code][1], retryable=status >= 500
    )


def internal_problem() -> Problem:
    status, title = KINDS["internal_error"]
    return Problem(
        code="internal_error",
        detail="The error is logged under this requestId.",
        status=status,
        title=title,
        retryable=True,
    )


def _listed(error: DomainError) -> list[dict[str, str]]:
    if isinstance(error, InvalidRequest) and error.errors:
        return error.errors
    if error.param is not None:
        return [{"param": error.param, "message": error.message}]
    return []


def _members(error: DomainError) -> dict[str, Any]:
    if isinstance(error, QuotaExhausted):
        return {
            "units": error.units,
            "limit": error.limit,
            "charged": error.charged,
            "reserved": error.reserved,
            "resetsAt": rfc3339(error.resets_at),
        }
    if isinstance(error, QueueFull):
        return {"units": error.units, "limit": error.limit, "reserved": error.reserved}
    if isinstance(error, UploadsFull):
        return {"limit": error.limit}
    if isinstance(error, RateLimited):
        return {"limit": error.limit}
    if isinstance(error, OutcomeUnknown) and error.settled_by is not None:
        return {**error.ids, "settledBy": rfc3339(error.settled_by)}
    return {}


def _headers(error: DomainError) -> dict[str, str]:
    if isinstance(error, MissingApiKey | MissingAdminToken):
        return {"WWW-Authenticate": REALM}
    if isinstance(error, InvalidApiKey):
        return {
            "WWW-Authenticate": f'{REALM}, error="invalid_token", '
            f'error_description="{error.message}"'
        }
    if isinstance(error, InsufficientScope):
        return {"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{error.scope}"'}
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, IdempotencyInProgress):
        return {"Retry-After": "1"}
    if isinstance(error, QueueFull):
        return {"Retry-After": str(_QUEUE_RETRY_SECONDS)}
    if isinstance(error, UploadsFull):
        return {"Retry-After": str(_UPLOADS_RETRY_SECONDS)}
    if isinstance(error, TooManyStreams):
        return {"Retry-After": str(_STREAM_RETRY_SECONDS)}
    if isinstance(error, CapacityUnavailable):
        return {"Retry-After": str(_CAPACITY_RETRY_SECONDS)}
    return {}
