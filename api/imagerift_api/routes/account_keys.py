"""/api/v1/account/keys: create, list, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from imagerift_core import clock
from imagerift_core.api_keys import Scope, ordered_scopes
from imagerift_core.clock import rfc3339
from imagerift_core.errors import InvalidRequest, KeyNotFound, RoleNotPermitted
from imagerift_core.mongo import accounts, key_changes, people
from imagerift_core.roles import Role, scopes_of
from typing_extensions import TypedDict

from imagerift_api.account_requests import KeyBody, KeyPath, RotationBody
from imagerift_api.openapi.calls import Call
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, closed
from imagerift_api.routes.private_answers import private_answer

_PATH = "/api/v1/account/keys"


@closed
class KeyObject(TypedDict):
    """A key, without its token. `createdBy` is the member it depends on; `effectiveScopes` are
    those of its `scopes` that this member's present role has."""

    keyId: str
    name: str
    prefix: str
    lastFour: str
    scopes: list[str]
    effectiveScopes: list[Scope]
    createdAt: Time
    createdBy: str | None
    lastUsedAt: Time | None
    expiresAt: Time | None
    revokedAt: Time | None
    rotatedAt: Time | None
    oldSecretUntil: Time | None


@closed
class NewKeyObject(TypedDict):
    """A key with its token, which is shown this once."""

    key: KeyObject
    token: str


@closed
class KeyList(TypedDict):
    """The workspace's keys, oldest first."""

    data: list[KeyObject]


async def list_keys(call: Call) -> web.Response:
    database = call.context.database
    keys = await accounts.list_keys(database, call.signed_in.workspace.id)
    members = await people.members_of(database, call.signed_in.workspace.id)
    roles = {member.person: member.role for member in members}
    answer: KeyList = {"data": [_key(key, roles.get(key.created_by or "")) for key in keys]}
    return private_answer(answer)


async def create_key(call: Call, body: KeyBody) -> web.Response:
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
    answer: NewKeyObject = {
        "key": _key(created.key, signed_in.member.role),
        "token": created.token,
    }
    return private_answer(answer, status=201)


async def rotate_key(call: Call, path: KeyPath, body: RotationBody) -> web.Response:
    signed_in = call.signed_in
    rotated = await call.context.key_creation.rotate(
        signed_in.workspace.id,
        path.key_id,
        person=signed_in.person.id,
        overlap=timedelta(days=body.overlap_days),
        actor=signed_in.actor,
    )
    answer: NewKeyObject = {
        "key": _key(rotated.key, signed_in.member.role),
        "token": rotated.token,
    }
    return private_answer(answer)


async def revoke_key(call: Call, path: KeyPath) -> web.Response:
    database, signed_in = call.context.database, call.signed_in
    key = await accounts.get_key(database, path.key_id)
    if key is None or key.workspace != signed_in.workspace.id:
        raise KeyNotFound("There is no such key.")
    signed_in.require("keys:own" if key.created_by == signed_in.person.id else "keys:any")
    revoked = await key_changes.revoke(
        database, signed_in.workspace.id, path.key_id, actor=signed_in.actor, at=clock.now()
    )
    maker = await people.get_member(database, key.workspace, key.created_by or "")
    return private_answer(_key(revoked, maker.role if maker else None))


def _key(key: accounts.ApiKey, role: Role | None) -> KeyObject:
    """`role` is that of the member who made the key, None where there is none."""
    overlap = key.previous_until
    is_orphaned = key.created_by is not None and role is None
    return {
        "keyId": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "lastFour": key.last_four,
        "scopes": key.scopes,
        "effectiveScopes": [] if is_orphaned else ordered_scopes(key.scopes_under(role)),
        "createdAt": rfc3339(key.created_at),
        "createdBy": key.created_by,
        "lastUsedAt": rfc3339(key.last_used_at) if key.last_used_at else None,
        "expiresAt": rfc3339(key.expires_at) if key.expires_at else None,
        "revokedAt": rfc3339(key.revoked_at) if key.revoked_at else None,
        "rotatedAt": rfc3339(key.rotated_at) if key.rotated_at else None,
        "oldSecretUntil": rfc3339(overlap) if overlap and overlap > clock.now() else None,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path=_PATH,
        handler=list_keys,
        name="listKeys",
        tag="Account",
        summary="List API keys",
        access="session",
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
        replies={200: Reply("The revoked key.", KeyObject)},
        errors=("key_not_found", "role_not_permitted"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
