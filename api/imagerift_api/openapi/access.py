"""What comes with each kind of access: its security, its refusals, its headers."""

from __future__ import annotations

from dataclasses import dataclass, field

from openapi_pydantic.v3.v3_1 import SecurityScheme

from imagerift_api.auth.callers import Access
from imagerift_api.http.operations import Operation

API_KEY = "apiKey"
SESSION = "session"
CSRF = "csrf"
ADMIN_TOKEN = "adminToken"  # noqa: S105 - the scheme's name

SECURITY_SCHEMES = {
    API_KEY: SecurityScheme(
        type="http",
        scheme="bearer",
        bearerFormat="ir_live_…",
        description="An API key of a workspace.",
    ),
    SESSION: SecurityScheme.model_validate(
        {
            "type": "apiKey",
            "in": "cookie",
            "name": "imagerift_session",
            "description": "The account session that a sign-in sets; over https the name is "
            "`__Host-imagerift_session`.",
        }
    ),
    CSRF: SecurityScheme.model_validate(
        {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "The session's token against forged requests; on unsafe methods.",
        }
    ),
    ADMIN_TOKEN: SecurityScheme(
        type="http",
        scheme="bearer",
        description="The installation's token for administrators, or an administrator's own "
        "(`ir_admin_…`). No API key is one.",
    ),
}
_KEY_ERRORS = (
    "invalid_api_key",
    "revoked_api_key",
    "expired_api_key",
    "account_suspended",
    "api_access_locked",
    "rate_limited",
)
_SESSION_ERRORS = ("invalid_session", "cross_site_request")
_RATE_HEADERS = {
    "RateLimit-Policy": "The policy: requests per window of a minute.",
    "RateLimit": "What is left in this window, and seconds until it resets.",
}


@dataclass(frozen=True)
class AccessRules:
    """The codes that any operation of this access may answer with, and headers of each answer."""

    errors: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


RULES: dict[Access, AccessRules] = {
    "key": AccessRules((*_KEY_ERRORS, "capacity_unavailable"), _RATE_HEADERS),
    "either": AccessRules((*_KEY_ERRORS, *_SESSION_ERRORS, "capacity_unavailable"), _RATE_HEADERS),
    "session": AccessRules((*_SESSION_ERRORS, "rate_limited", "capacity_unavailable")),
    "admin": AccessRules(("invalid_admin_token", "rate_limited", "capacity_unavailable")),
    "open": AccessRules(),
}


def security_of(operation: Operation) -> list[dict[str, list[str]]]:
    """The alternatives by which the operation can be called."""
    session: dict[str, list[str]] = {SESSION: []}
    if operation.method != "GET":
        session[CSRF] = []
    alternatives: dict[Access, list[dict[str, list[str]]]] = {
        "key": [{API_KEY: []}],
        "session": [session],
        "either": [{API_KEY: []}, session],
        "admin": [{ADMIN_TOKEN: []}],
        "open": [],
    }
    return alternatives[operation.access]
