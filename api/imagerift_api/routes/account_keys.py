"""/api/v1/account/keys: create, list, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from imagerift_core import clock
from imagerift_core.clock import rfc3339
from imagerift_core.errors import InvalidRequest, KeyNotFound
from imagerift_core.mongo import accounts, key_changes
from imagerift_core.roles import may
from typing_extensions import TypedDict

from imagerift_api import app_keys
from imagerift_api.account_requests import KeyBody, KeyPath, RotationBody
from imagerift_api.body_reading import read_json
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import Time, closed
from imagerift_api.requests import parse_body, refuse_query
from imagerift_api.routes.private_answers import private_answer
from imagerift_api.routes.signed_in import admit_signed_in
from imagerift_api.sign_in.sessions import SignedIn

_PATH = "/api/v1/account/keys"


@closed
class KeyObject(TypedDict):
    """A key, without its token. `createdBy` is the member it depends on."""

    keyId: str
    name: str
    prefix: str
    lastFour: str
    scopes: list[str]
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


async def list_keys(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    refuse_query(request.query)
    database = request.app[app_keys.CONTEXT].database
    keys = await accounts.list_keys(database, signed_in.workspace.id)
    answer: KeyList = {"data": [_key(key) for key in keys]}
    return private_answer(answer)


async def create_key(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    signed_in.require("keys:own")
    refuse_query(request.query)
    body = parse_body(KeyBody, await read_json(request))
    if body.expires_at is not None and body.expires_at <= clock.now():
        raise InvalidRequest("expiresAt must be in the future.", param="expiresAt")
    created = await request.app[app_keys.CONTEXT].key_creation.create(
        signed_in.workspace.id,
        body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        created_by=signed_in.person.id,
        actor=signed_in.actor,
    )
    answer: NewKeyObject = {"key": _key(created.key), "token": created.token}
    return private_answer(answer, status=201)


async def rotate_key(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    refuse_query(request.query)
    body = parse_body(RotationBody, await read_json(request))
    key_id = await _own_key(request, signed_in)
    rotated = await request.app[app_keys.CONTEXT].key_creation.rotate(
        signed_in.workspace.id,
        key_id,
        overlap=timedelta(days=body.overlap_days),
        actor=signed_in.actor,
    )
    answer: NewKeyObject = {"key": _key(rotated.key), "token": rotated.token}
    return private_answer(answer)


async def revoke_key(request: web.Request) -> web.Response:
    signed_in = await admit_signed_in(request)
    refuse_query(request.query)
    key_id = await _own_key(request, signed_in)
    revoked = await key_changes.revoke(
        request.app[app_keys.CONTEXT].database,
        signed_in.workspace.id,
        key_id,
        actor=signed_in.actor,
        at=clock.now(),
    )
    return private_answer(_key(revoked))


async def _own_key(request: web.Request, signed_in: SignedIn) -> str:
    """The id in the path, of a key that this member may change. Raises `KeyNotFound` or
    `RoleNotPermitted`."""
    key_id = request.match_info["key_id"]
    key = await accounts.get_key(request.app[app_keys.CONTEXT].database, key_id)
    if key is None or key.workspace != signed_in.workspace.id:
        raise KeyNotFound("There is no such key.")
    if key.created_by != signed_in.person.id or not may(signed_in.member.role, "keys:own"):
        signed_in.require("keys:any")
    return key_id


def _key(key: accounts.ApiKey) -> KeyObject:
    overlap = key.previous_until
    return {
        "keyId": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "lastFour": key.last_four,
        "scopes": key.scopes,
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
        body=KeyBody,
        replies={201: Reply("The key and its token, shown this once.", NewKeyObject)},
        errors=("api_access_locked",),
    ),
    Operation(
        method="POST",
        path=_PATH + "/{key_id}/rotate",
        handler=rotate_key,
        name="rotateKey",
        tag="Account",
        summary="Give an API key a new token",
        access="session",
        path_model=KeyPath,
        body=RotationBody,
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
        path_model=KeyPath,
        replies={200: Reply("The revoked key.", KeyObject)},
        errors=("key_not_found", "role_not_permitted"),
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
