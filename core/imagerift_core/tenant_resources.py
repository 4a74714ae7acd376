"""The custom resources of tenants as models, and the ids of what is made from them."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, WithJsonSchema

from imagerift_core.api_keys import ALL_SCOPES, ID_LENGTH, MAX_NAME, Scope
from imagerift_core.egress import MAX_URL_CHARACTERS
from imagerift_core.ids import BASE62, ID_CHARACTERS
from imagerift_core.modes import Mode
from imagerift_core.plans import Plan
from imagerift_core.resources import GROUP, Condition, Moment, Part
from imagerift_core.webhooks import ALL_EVENTS, WebhookEvent

WORKSPACES = "workspaces"
API_KEYS = "apikeys"
WEBHOOKS = "webhookendpoints"
PLANS = "plans"
MODES = "modes"
# Keeps the resource until what it stands for is ended.
FINALIZER = f"{GROUP}/tenants"
# Under which keys Secrets hold the token of an ApiKey, and the secret of a WebhookEndpoint.
TOKEN_KEY = "token"  # noqa: S105 - its name
SECRET_KEY = "secret"  # noqa: S105 - its name

_NAME_PATTERN = r"^\S(.*\S)?$"
_WORKSPACE_CHARACTERS = 22
_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_ON_DRIFT = (
    "What becomes of changes made elsewhere, as by the admin REST API: shown as the condition "
    "Drifted, or undone."
)
OnDrift = Literal["Report", "Revert"]
Expiry = Annotated[AwareDatetime, WithJsonSchema({"type": "string", "format": "date-time"})]


class WorkspaceSpec(Part):
    """What the workspace is to be. It is made, or one that exists is taken over."""

    workspace_id: str | None = Field(
        None,
        pattern=r"^ws_[0-9A-Za-z]+$",
        max_length=64,
        description="A workspace that exists, to be managed from now on: its namespace has to be "
        "bound to it, by an administrator's annotation. Without it a workspace is made. Immutable.",
    )
    name: str = Field(
        pattern=_NAME_PATTERN, min_length=1, max_length=MAX_NAME, description="What people call it."
    )
    plan: str = Field(
        min_length=1, max_length=100, description="One of the installation's plans; it is charged."
    )
    suspended: bool = Field(
        False, description="Nothing is accepted from it while this is true; its jobs are finished."
    )
    on_drift: OnDrift = Field("Report", description=_ON_DRIFT)
    deletion_policy: Literal["Suspend", "Retain"] = Field(
        "Suspend",
        description="What becomes of the workspace when this is deleted: it is suspended, and this "
        "stays until its jobs have ended; or it goes on, managed by nobody.",
    )


class WorkspaceStatus(Part):
    """What the workspace is."""

    workspace_id: str | None = Field(
        None, max_length=64, description="Id of the workspace, as GenerationJobs name it."
    )
    plan: str | None = Field(None, max_length=100, description="The plan that it is on.")
    suspended: bool | None = Field(None, description="Whether it is suspended.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready: it is there, and managed by this. Drifted: it was changed elsewhere.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )
    applied_generation: int | None = Field(
        None, description="Generation of the spec that the workspace was last made to be as."
    )


class WorkspaceReference(Part):
    """A Workspace of this namespace."""

    name: str = Field(
        pattern=_SUBDOMAIN, max_length=253, description="Name of the Workspace resource."
    )


class ApiKeySpec(Part):
    """A key of a workspace's, whose token is written into a Secret once. Immutable."""

    workspace_ref: WorkspaceReference = Field(description="Whose key it is.")
    name: str | None = Field(
        None,
        pattern=_NAME_PATTERN,
        min_length=1,
        max_length=MAX_NAME,
        description="What the key is for; without it, the name of this resource.",
    )
    scopes: list[Scope] = Field(
        default_factory=list,
        max_length=len(ALL_SCOPES),
        description="What it may do; every scope where none is named.",
    )
    expires_at: Expiry | None = Field(
        None, description="When it expires; without it, as the workspace's plan has it."
    )
    secret_name: str | None = Field(
        None,
        pattern=_SUBDOMAIN,
        max_length=253,
        description="Secret of this namespace to make, which must not exist; it gets the token as "
        "`token`, and goes with this resource. Without it, the name of this resource.",
    )


class ApiKeyStatus(Part):
    """How the key stands. Its token is in the Secret alone."""

    key_id: str | None = Field(None, max_length=64, description="Id of the key.")
    workspace_id: str | None = Field(None, max_length=64, description="Id of its workspace.")
    prefix: str | None = Field(None, max_length=64, description="How its token begins.")
    last_four: str | None = Field(None, max_length=4, description="How its token ends.")
    secret_name: str | None = Field(
        None, max_length=253, description="Secret that the token was written into."
    )
    expires_at: Moment | None = Field(None, description="When it expires.")
    last_used_at: Moment | None = Field(None, description="When it was last used.")
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready: the key works and its Secret was written. Drifted: it was revoked "
        "elsewhere.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )


class WebhookEndpointSpec(Part):
    """An address that hears of a workspace's jobs. Immutable."""

    workspace_ref: WorkspaceReference = Field(description="Whose jobs it hears of.")
    url: str = Field(
        pattern=r"^https?://", max_length=MAX_URL_CHARACTERS, description="An https address."
    )
    events: list[WebhookEvent] = Field(
        default_factory=list,
        max_length=len(ALL_EVENTS),
        description="What it hears of; every event where none is named.",
    )
    secret_name: str | None = Field(
        None,
        pattern=_SUBDOMAIN,
        max_length=253,
        description="Secret of this namespace to make, which must not exist; it gets what messages "
        "are signed with as `secret`, and goes with this resource. Without it, the name of this "
        "resource.",
    )


class WebhookEndpointStatus(Part):
    """How the webhook stands. What its messages are signed with is in the Secret alone."""

    webhook_id: str | None = Field(None, max_length=64, description="Id of the webhook.")
    workspace_id: str | None = Field(None, max_length=64, description="Id of its workspace.")
    secret_name: str | None = Field(
        None, max_length=253, description="Secret that the signing secret was written into."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready: messages are sent to it and its Secret was written. Drifted: it was "
        "deleted elsewhere.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )


class PlanSpec(Plan):
    """The whole plan, as the installation's plans are written in the chart's values."""

    on_drift: OnDrift = Field("Report", description=_ON_DRIFT)


class ModeSpec(Mode):
    """The whole mode, as the installation's modes are written in the chart's values."""

    on_drift: OnDrift = Field("Report", description=_ON_DRIFT)


class OfferStatus(Part):
    """Whether the plan or mode is offered as the spec says."""

    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready: it is offered, and managed by this. OverridesFile: it stands in the "
        "place of one of the installation's files. Drifted: it was changed elsewhere.",
    )
    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is of."
    )
    applied_generation: int | None = Field(
        None, description="Generation of the spec that it was last made to be as."
    )


def workspace_id_of(uid: str) -> str:
    """Id of the workspace that is made for the Workspace of this uid, always the same one."""
    return "ws_" + _base62(uuid.UUID(uid).int, _WORKSPACE_CHARACTERS)


def key_id_of_resource(uid: str) -> str:
    """Id of the key that is made for the ApiKey of this uid, always the same one."""
    return "key_" + _digest(API_KEYS, uid, ID_LENGTH)


def webhook_id_of_resource(uid: str) -> str:
    """Id of the webhook that is made for the WebhookEndpoint of this uid, always the same one."""
    return "whk_" + _digest(WEBHOOKS, uid, ID_CHARACTERS)


def is_same_moment(one: datetime | None, other: datetime | None) -> bool:
    """Whether two times are the same to the millisecond, as the store keeps them."""
    if one is None or other is None:
        return one is other
    return abs((one - other).total_seconds()) < 0.001


def _digest(plural: str, uid: str, length: int) -> str:
    digest = hashlib.sha256(f"{GROUP}/{plural}/{uid}".encode()).digest()
    return _base62(int.from_bytes(digest, "big"), length)


def _base62(number: int, length: int) -> str:
    """The last `length` digits of a number in base 62."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(BASE62))
        digits.append(BASE62[digit])
    return "".join(reversed(digits))
