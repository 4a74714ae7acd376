"""/api/v1/account/keys: create, list, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import Scope, ordered_scopes
from imagerift_core.errors import InvalidRequest, KeyNotFound, RoleNotPermitted
from imagerift_core.mongo.keys import ApiKey
from imagerift_core.roles import Role, scopes_of

from imagerift_api.account.schemas import KeyBody, KeyPath, RotationBody
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation, add_operations
from imagerift_api.http.shapes import AnswerBody, Time

_PATH = "/api/v1/account/keys"


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


class NewKeyObject(AnswerBody):
    """A key with its token, which is shown this once."""

    key: KeyObject
    token: str


class KeyList(AnswerBody):
    """The workspace's keys, oldest first."""

    data: list[KeyObject]


async def list_keys(call: Call) -> KeyList:
    stores, workspace = call.context.stores, call.signed_in.workspace.id
    keys = await stores.keys.all_of(workspace)
    members = await stores.members.all_of(workspace)
    roles = {member.person: member.role for member in members}
    return KeyList(data=[_key(key, roles.get(key.created_by or "")) for key in keys])


async def create_key(call: Call, body: KeyBody) -> NewKeyObject:
    signed_in = call.signed_in
    if body.expires_at is not None and body.expires_at <= clock.now():
        raise InvalidRequest("expiresAt must be in the future.", param="expiresAt")
    permitted = ordered_scopes(scopes_of(signed_in.member.role))
    beyond = [scope for scope in body.scopes or () if scope not in permitted]
    if beyond:
        raise RoleNotPermitted(
            f"The role '{signed_in.member.role}' does not have the scope '{beyond[0]}'.",
            param="scopes",
        )
    created = await call.context.key_creation.create(
        signed_in.workspace.id,
        body.name,
        scopes=body.scopes or permitted,
        expires_at=body.expires_at,
        created_by=signed_in.person.id,
        actor=signed_in.actor,
    )
    return NewKeyObject(key=_key(created.key, signed_in.member.role), token=created.token)


async def rotate_key(call: Call, path: KeyPath, body: RotationBody) -> NewKeyObject:
    signed_in = call.signed_in
    rotated = await call.context.key_creation.rotate(
        signed_in.workspace.id,
        path.key_id,
        person=signed_in.person.id,
        overlap=timedelta(days=body.overlap_days),
        actor=signed_in.actor,
    )
    return NewKeyObject(key=_key(rotated.key, signed_in.member.role), token=rotated.token)


async def revoke_key(call: Call, path: KeyPath) -> KeyObject:
    stores, signed_in = call.context.stores, call.signed_in
    key = await stores.keys.get(path.key_id)
    if key is None or key.workspace != signed_in.workspace.id:
        raise KeyNotFound("There is no such key.")
    signed_in.require("keys:own" if key.created_by == signed_in.person.id else "keys:any")
    revoked = await stores.keys.revoke(
        signed_in.workspace.id, path.key_id, actor=signed_in.actor, at=clock.now()
    )
    maker = await stores.members.get(key.workspace, key.created_by or "")
    return _key(revoked, maker.role if maker else None)


def _key(key: ApiKey, role: Role | None) -> KeyObject:
    """`role` is that of the member who made the key, None where there is none."""
    overlap = key.previous_until
    is_orphaned = key.created_by is not None and role is None
    return KeyObject(
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


OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        handler=list_keys,
        name="listKeys",
        tag="Account",
        summary="List API keys",
        access="session",
        private=True,
        replies={200: Reply("The keys.", KeyList)},
    ),
    Operation(
        method="POST",
        path=_PATH,
        handler=create_key,
        name="createKey",
        tag="Account",
        summary="Create an API key",
        access="session",
        permission="keys:own",
        private=True,
        replies={201: Reply("The key and its token, shown this once.", NewKeyObject)},
        errors=("api_access_locked", "role_not_permitted"),
    ),
    Operation(
        method="POST",
        path=_PATH + "/{key_id}/rotate",
        handler=rotate_key,
        name="rotateKey",
        tag="Account",
        summary="Give an API key of one's own a new token",
        access="session",
        permission="keys:own",
        private=True,
        replies={200: Reply("The key and its new token, shown this once.", NewKeyObject)},
        errors=(
            "api_access_locked",
            "key_not_found",
            "key_not_rotatable",
            "role_not_permitted",
        ),
    ),
    Operation(
        method="DELETE",
        path=_PATH + "/{key_id}",
        handler=revoke_key,
        name="revokeKey",
        tag="Account",
        summary="Revoke an API key; it stops on every replica within 5 seconds",
        access="session",
        private=True,
        replies={200: Reply("The revoked key.", KeyObject)},
        errors=("key_not_found", "role_not_permitted"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
