"""What administrators may send about workspaces, keys and people, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Any, Self

from imagerift_core.api_keys import Scope
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.mongo.people import Person
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.roles import Role
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from imagerift_api.api_keys.schemas import Name
from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.requests import RequestQuery
from imagerift_api.http.shapes import AnswerBody, Time

Identity = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
PlanName = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class PageQuery(RequestQuery):
    """A page of a list of the whole installation."""

    cursor: str | None = Field(None, max_length=128)
    limit: int = Field(100, ge=1, le=500)


class WorkspacePath(BaseModel):
    """The path of a workspace."""

    workspace_id: str = Field(alias="workspaceId", description="The workspace's id, `ws_…`.")


class AdminKeyPath(BaseModel):
    """The path of any workspace's key."""

    key_id: str = Field(alias="keyId", description="The key's id, `key_…`.")


class PersonPath(BaseModel):
    """The path of a person."""

    person_id: str = Field(alias="personId", description="The person's id, `usr_…`.")


class NewWorkspaceBody(RequestBody):
    """A new workspace. `plan` is one of the installation's plans."""

    name: Name
    plan: PlanName


class WorkspaceBody(RequestBody):
    """What is to change; what is left out stays as it is.

    `released: true` takes the workspace from the resource that manages it, as when its namespace
    was lost.
    """

    name: Name | None = None
    plan: PlanName | None = None
    suspended: bool | None = Field(None, strict=True)
    released: bool | None = Field(None, strict=True)

    @classmethod
    def faults_between_fields(cls, content: dict[str, Any]) -> list[dict[str, str]]:
        if content.get("released") is False:
            return [{"param": "released", "message": "A resource claims a workspace by itself."}]
        return []


class AdminKeyBody(RequestBody):
    """A new key of a workspace's, which depends on no member. Without `scopes` it has all."""

    name: Name
    scopes: list[Scope] | None = Field(None, min_length=1)
    expires_at: AwareDatetime | None = None


class NewMemberBody(RequestBody):
    """A person, whether or not they have signed in yet: by who vouches for them, and as whom."""

    issuer: Identity
    subject: Identity
    role: Role = "member"


class PersonBody(RequestBody):
    """Whether the person is put out."""

    suspended: bool = Field(strict=True)


class AdminWorkspace(AnswerBody):
    """A workspace. `managedBy` is the resource, `namespace/name`, that says what it is to be."""

    workspace_id: str
    name: str
    plan: str
    created_at: Time
    suspended_at: Time | None
    managed_by: str | None

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        return cls(
            workspace_id=workspace.id,
            name=workspace.name,
            plan=workspace.plan,
            created_at=workspace.created_at,
            suspended_at=workspace.suspended_at,
            managed_by=str(workspace.managed_by) if workspace.managed_by else None,
        )


class AdminWorkspaceList(AnswerBody):
    """A page of all workspaces, in the order of their ids."""

    data: list[AdminWorkspace]
    next_cursor: str | None


class AdminKey(AnswerBody):
    """A key, without its token."""

    key_id: str
    workspace_id: str
    name: str
    prefix: str
    last_four: str
    scopes: list[str]
    created_at: Time
    last_used_at: Time | None
    expires_at: Time | None
    revoked_at: Time | None
    managed_by: str | None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        return cls(
            key_id=key.id,
            workspace_id=key.workspace,
            name=key.name,
            prefix=key.prefix,
            last_four=key.last_four,
            scopes=list(key.scopes),
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            managed_by=str(key.managed_by) if key.managed_by else None,
        )


class AdminKeyList(AnswerBody):
    """A workspace's keys, oldest first."""

    data: list[AdminKey]


class NewAdminKey(AnswerBody):
    """A key with its token, which is shown this once."""

    key: AdminKey
    token: str


class AdminMember(AnswerBody):
    """A membership."""

    workspace_id: str
    person_id: str
    role: Role


class AdminPerson(AnswerBody):
    """A person, as their issuer names them."""

    person_id: str
    name: str
    email: str | None
    issuer: str
    subject: str
    created_at: Time
    suspended_at: Time | None

    @classmethod
    def of(cls, person: Person) -> Self:
        return cls(
            person_id=person.id,
            name=person.name,
            email=person.email,
            issuer=person.issuer,
            subject=person.subject,
            created_at=person.created_at,
            suspended_at=person.suspended_at,
        )


class AdminPersonList(AnswerBody):
    """A page of everybody who ever signed in or was added, in the order of their ids."""

    data: list[AdminPerson]
    next_cursor: str | None


class SessionsEnded(AnswerBody):
    """How many sessions a person had open."""

    person_id: str
    sessions_ended: int
