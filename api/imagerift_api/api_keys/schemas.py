"""What clients may send about API keys, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Self

from imagerift_core import clock
from imagerift_core.api_keys import MAX_NAME, Scope, ordered_scopes
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.roles import Role
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody, Time

MAX_OVERLAP_DAYS = 7
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME)]


class KeyBody(RequestBody):
    """A new API key. It never expires unless `expiresAt` says when."""

    name: Name
    scopes: list[Scope] | None = Field(
        None, min_length=1, description="Within those of the member's role; default: all of them."
    )
    expires_at: AwareDatetime | None = None


class RotationBody(RequestBody):
    """For how many days the old secret lives on."""

    overlap_days: float = Field(0, ge=0, le=MAX_OVERLAP_DAYS, allow_inf_nan=False, strict=True)


class KeyPath(BaseModel):
    """The path of a key."""

    key_id: str = Field(alias="keyId", description="The key's id, `key_…`.")


class KeyObject(AnswerBody):
    """A key, without its token. `createdBy` is the member it depends on; `effectiveScopes` are
    those of its `scopes` that this member's present role has."""

    key_id: str
    name: str
    prefix: str
    last_four: str
    scopes: list[str]
    effective_scopes: list[Scope]
    created_at: Time
    created_by: str | None
    last_used_at: Time | None
    expires_at: Time | None
    revoked_at: Time | None
    rotated_at: Time | None
    old_secret_until: Time | None

    @classmethod
    def of(cls, key: ApiKey, role: Role | None) -> Self:
        """`role` is that of the member who made the key, None where there is none."""
        overlap = key.previous_until
        is_orphaned = key.created_by is not None and role is None
        return cls(
            key_id=key.id,
            name=key.name,
            prefix=key.prefix,
            last_four=key.last_four,
            scopes=list(key.scopes),
            effective_scopes=[] if is_orphaned else ordered_scopes(key.scopes_under(role)),
            created_at=key.created_at,
            created_by=key.created_by,
            last_used_at=key.last_used_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            rotated_at=key.rotated_at,
            old_secret_until=overlap if overlap and overlap > clock.now() else None,
        )


class NewKeyObject(AnswerBody):
    """A key with its token, which is shown this once."""

    key: KeyObject
    token: str


class KeyList(AnswerBody):
    """The workspace's keys, oldest first."""

    data: list[KeyObject]
