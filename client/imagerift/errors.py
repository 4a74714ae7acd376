"""What can go wrong, as the API names it (problem details, RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class ImageRiftError(Exception):
    """Base of every error of this package."""


class ConfigurationError(ImageRiftError):
    """The address or the API key is not one; nothing was sent."""


class Unreachable(ImageRiftError):
    """The API did not answer, or not with what the API would say."""


class WaitTimeout(ImageRiftError):
    """The job did not end within the time one was willing to wait. It goes on."""


@dataclass
class ApiError(ImageRiftError):
    """The API refused. `code` is stable, `detail` is for people, `problem` is all it said."""

    status: int
    code: str
    detail: str
    request_id: str | None = None
    retryable: bool = False
    retry_after_seconds: float | None = None
    problem: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(f"{self.code}: {self.detail}")

    @property
    def errors(self) -> list[dict[str, str]]:
        """Every field at fault, as `{"param", "message"}`."""
        found: list[dict[str, str]] = self.problem.get("errors") or []
        return found


class InvalidRequestError(ApiError):
    """400, 413, 415, 422: the request or its image has to change."""


class AuthenticationError(ApiError):
    """401: the key is missing, wrong, revoked or expired."""


class QuotaExhaustedError(ApiError):
    """402: the period's units are used or reserved; `problem["resetsAt"]` says until when."""


class PermissionDeniedError(ApiError):
    """403: the plan or the key's scopes do not permit it."""


class NotFoundError(ApiError):
    """404: no such job or source in this workspace."""


class ConflictError(ApiError):
    """409: the job's state does not permit it."""


class RateLimitError(ApiError):
    """429: too many requests; the client waits and retries before it raises this."""


class ServerError(ApiError):
    """5xx: not the request's fault."""


_KINDS: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: QuotaExhaustedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitError,
}


def error_of(status: int, problem: dict[str, Any], retry_after: float | None) -> ApiError:
    """The typed error of a problem document."""
    kind = _KINDS.get(status, ServerError if status >= 500 else ApiError)
    return kind(
        status=status,
        code=str(problem.get("code") or f"http_{status}"),
        detail=str(problem.get("detail") or problem.get("title") or f"HTTP status {status}"),
        request_id=problem.get("requestId"),
        retryable=bool(problem.get("retryable")),
        retry_after_seconds=retry_after,
        problem=problem,
    )
