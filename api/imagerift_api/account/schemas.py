"""What the account pages may send."""

from __future__ import annotations

from typing import Annotated

from imagerift_core.api_keys import Scope
from imagerift_core.roles import Role
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from imagerift_api.api_keys.service import MAX_OVERLAP_DAYS
from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.requests import RequestQuery

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class SignInBody(RequestBody):
    """A name and password of the built-in issuer."""

    name: str = Field(max_length=100)
    password: str = Field(max_length=1024)


class WorkspaceChoice(RequestBody):
    """The workspace to go on in."""

    workspace_id: str = Field(max_length=64)


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


class InvitationBody(RequestBody):
    """The role that whoever accepts will have."""

    role: Role = "member"


class AcceptanceBody(RequestBody):
    """The token of an invitation."""

    token: str = Field(max_length=128)


class RoleBody(RequestBody):
    """A member's new role."""

    role: Role


class KeyPath(BaseModel):
    """The path of a key."""

    key_id: str = Field(alias="keyId", description="The key's id, `key_…`.")


class MemberPath(BaseModel):
    """The path of a member."""

    person_id: str = Field(alias="personId", description="The person's id, `usr_…`.")


class InvitationPath(BaseModel):
    """The path of an invitation."""

    invitation_id: str = Field(alias="invitationId", description="The invitation's id, `inv_…`.")


class LogQuery(RequestQuery):
    """The query of the account log."""

    cursor: str | None = Field(None, max_length=128)
    limit: int = Field(50, ge=1, le=100)
