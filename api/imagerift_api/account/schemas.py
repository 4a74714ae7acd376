"""What clients may send about the account, and what they are answered."""

from __future__ import annotations

from typing import Annotated, Self

from imagerift_contract.values import ExportSize
from imagerift_core.api_keys import Scope
from imagerift_core.mongo.account_log import Action, ActorKind, LogEntry
from imagerift_core.mongo.sessions import AccountSession
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.plans import Plan
from imagerift_core.roles import Role
from imagerift_core.stored import SHOWN
from pydantic import BaseModel, Field

from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.requests import RequestQuery
from imagerift_api.http.shapes import AnswerBody, Time


class WorkspaceChoice(RequestBody):
    """The workspace to go on in."""

    workspace_id: str = Field(max_length=64)


class LogQuery(RequestQuery):
    """The query of the account log."""

    cursor: str | None = Field(None, max_length=128)
    limit: int = Field(50, ge=1, le=100)


class PersonObject(AnswerBody):
    """Who is signed in. Name and e-mail are as the issuer told them."""

    person_id: str
    name: str
    email: str | None


class PlanObject(AnswerBody):
    """What the workspace's plan permits."""

    name: str
    api_access: bool
    requests_per_minute: int
    units_per_month: int
    max_export: ExportSize
    retention_days: int

    @classmethod
    def of(cls, name: str, plan: Plan) -> Self:
        return cls(
            name=name,
            api_access=plan.api_access,
            requests_per_minute=plan.requests_per_minute,
            units_per_month=plan.units_per_month,
            max_export=plan.max_export,
            retention_days=plan.retention_days,
        )


class WorkspaceObject(AnswerBody):
    """A workspace that the person is a member of."""

    workspace_id: str
    name: str
    plan: str
    role: Annotated[Role, SHOWN]

    @classmethod
    def of(cls, workspace: Workspace, role: Role) -> Self:
        return cls(workspace_id=workspace.id, name=workspace.name, plan=workspace.plan, role=role)


class PermissionsObject(AnswerBody):
    """What the person's role permits in the workspace; `keyScopes` are those for keys."""

    manage_keys: bool
    manage_members: bool
    manage_webhooks: bool
    read_log: bool
    key_scopes: list[Scope]


class AccountObject(AnswerBody):
    """The account, as of this request. `csrfToken` goes into `X-CSRF-Token` of changes."""

    person: PersonObject
    workspace: WorkspaceObject
    plan: PlanObject | None
    permissions: PermissionsObject
    workspaces: list[WorkspaceObject]
    csrf_token: str
    session_expires_at: Time


class SessionPath(BaseModel):
    """The path of a session."""

    session_id: str = Field(alias="sessionId", description="The session's id, `ses_…`.")


class SessionObject(AnswerBody):
    """One of the person's open sessions; `address` and `userAgent` are of its sign-in.

    `lastUsedAt` is exact to five minutes.
    """

    session_id: str
    current: bool
    created_at: Time
    last_used_at: Time
    expires_at: Time
    address: str | None
    user_agent: str | None

    @classmethod
    def of(cls, session: AccountSession, *, current: str) -> Self:
        return cls(
            session_id=session.id,
            current=session.id == current,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
            address=session.address,
            user_agent=session.user_agent,
        )


class SessionList(AnswerBody):
    """The person's open sessions."""

    data: list[SessionObject]


class LogActor(AnswerBody):
    """Who acted, and from which network address."""

    kind: Annotated[ActorKind, SHOWN]
    id: str
    name: str
    address: str | None


class LogEntryObject(AnswerBody):
    """One action."""

    id: str
    at: Time
    actor: LogActor
    action: Annotated[Action, SHOWN]
    target: str | None
    details: dict[str, str]

    @classmethod
    def of(cls, entry: LogEntry) -> Self:
        actor = entry.actor
        return cls(
            id=entry.id,
            at=entry.at,
            actor=LogActor(kind=actor.kind, id=actor.id, name=actor.name, address=actor.address),
            action=entry.action,
            target=entry.target,
            details=entry.details,
        )


class LogPage(AnswerBody):
    """A page of the log, newest first."""

    data: list[LogEntryObject]
    next_cursor: str | None
