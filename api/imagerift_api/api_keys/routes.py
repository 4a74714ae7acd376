"""/api/v1/account/keys: create, list, rotate, revoke."""

from __future__ import annotations

from datetime import timedelta

from imagerift_api.api_keys.schemas import (
    KeyBody,
    KeyList,
    KeyObject,
    KeyPath,
    NewKeyObject,
    RotationBody,
)
from imagerift_api.api_keys.service import API_KEYS
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation

_PATH = "/api/v1/account/keys"


async def list_keys(call: Call) -> KeyList:
    found = await call.app[API_KEYS].all_of(call.signed_in.workspace.id)
    return KeyList(data=[KeyObject.of(key, role) for key, role in found])


async def create_key(call: Call, body: KeyBody) -> NewKeyObject:
    created = await call.app[API_KEYS].create_own(
        call.signed_in, body.name, scopes=body.scopes, expires_at=body.expires_at
    )
    role = call.signed_in.member.role
    return NewKeyObject(key=KeyObject.of(created.key, role), token=created.token)


async def rotate_key(call: Call, path: KeyPath, body: RotationBody) -> NewKeyObject:
    rotated = await call.app[API_KEYS].rotate(
        call.signed_in, path.key_id, overlap=timedelta(days=body.overlap_days)
    )
    role = call.signed_in.member.role
    return NewKeyObject(key=KeyObject.of(rotated.key, role), token=rotated.token)


async def revoke_key(call: Call, path: KeyPath) -> KeyObject:
    return KeyObject.of(*await call.app[API_KEYS].revoke(call.signed_in, path.key_id))


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
