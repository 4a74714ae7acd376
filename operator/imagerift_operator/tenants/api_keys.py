"""What becomes of an `ApiKey`: the key is made, its token handed over once, and it is revoked."""

from __future__ import annotations

from typing import Any

from imagerift_core.api_keys import ALL_SCOPES, MAX_NAME, ordered_scopes
from imagerift_core.clock import now, rfc3339
from imagerift_core.kube_tenants import TenantCalls
from imagerift_core.mongo.keys import ApiKey, KeyStore
from imagerift_core.sealing import Sealer
from imagerift_core.tenant_resources import (
    TOKEN_KEY,
    ApiKeySpec,
    is_same_moment,
    key_id_of_resource,
)
from imagerift_core.tenants import KeyMaker, KeyOfResource

from imagerift_operator.tenants.handover import check_name_is_free, hand_over, secret_name
from imagerift_operator.tenants.objects import Body, actor_of, checked_spec, holder_of, uid_of
from imagerift_operator.tenants.status import Outcome, as_applied, drifted, not_ready, ready
from imagerift_operator.tenants.workspaces import WorkspaceKeeper

_KIND = "ApiKey"


class KeyKeeper:
    """Keeps keys as their resources say.

    A key's workspace is that of a Workspace resource of the same namespace, which holds it at this
    moment. Its token is sealed in the record until the Secret is there, so that whoever dies in
    between leaves nothing undone; from then on it is in the Secret alone, which is never read.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        maker: KeyMaker,
        sealer: Sealer,
        kube: TenantCalls,
        workspaces: WorkspaceKeeper,
    ) -> None:
        self._keys = keys
        self._maker = maker
        self._sealer = sealer
        self._kube = kube
        self._workspaces = workspaces

    async def keep(self, body: Body) -> Outcome:
        """Makes the key and its Secret where they are not there yet; else says what differs."""
        spec = checked_spec(ApiKeySpec, body)
        key = await self._keys.get(key_id_of_resource(uid_of(body)))
        if key is None:
            key = await self._made(spec, body)
        if key.sealed_token is not None and key.revoked_at is None:
            data = {TOKEN_KEY: self._sealer.open(key.sealed_token, context=key.id)}
            await hand_over(self._kube, _KIND, body, data, made=key, store=self._keys)
        return _outcome(key, body, self._differs(key, spec, body))

    def _differs(self, key: ApiKey, spec: ApiKeySpec, body: Body) -> list[str]:
        """Fields by which the key was made otherwise: of a Workspace that was made anew meanwhile,
        or on a server that lets the spec change."""
        is_same = {
            "workspaceRef": not self._workspaces.is_another(spec.workspace_ref.name, key.workspace),
            "name": key.name == _name(spec, body),
            "scopes": ordered_scopes(key.scopes) == _scopes(spec),
            "expiresAt": spec.expires_at is None or is_same_moment(spec.expires_at, key.expires_at),
        }
        return [field for field, same in is_same.items() if not same]

    async def let_go(self, body: Body) -> Outcome | None:
        """Revokes the key of the deleted resource."""
        key = await self._keys.get(key_id_of_resource(uid_of(body)))
        if key is not None and key.revoked_at is None:
            actor = actor_of(_KIND, body)
            await self._keys.revoke(key.workspace, key.id, actor=actor, at=now())
        return None

    async def _made(self, spec: ApiKeySpec, body: Body) -> ApiKey:
        """Raises `WorkspaceNotFound`, `ApiAccessLocked`, `SecretExists` and others."""
        workspace = await self._workspaces.of_reference(spec.workspace_ref.name)
        await check_name_is_free(self._kube, _KIND, body)
        of = KeyOfResource(key_id_of_resource(uid_of(body)), holder_of(body), self._sealer)
        created = await self._maker.create(
            workspace.id,
            _name(spec, body),
            actor=actor_of(_KIND, body),
            scopes=_scopes(spec),
            expires_at=spec.expires_at,
            of=of,
        )
        return created.key


def _outcome(key: ApiKey, body: Body, differs: list[str]) -> Outcome:
    status = {
        "keyId": key.id,
        "workspaceId": key.workspace,
        "prefix": key.prefix,
        "lastFour": key.last_four,
        "secretName": secret_name(body),
        "expiresAt": rfc3339(key.expires_at) if key.expires_at else None,
        "lastUsedAt": _hour(key),
    }
    if key.revoked_at is not None:
        words = f"The key was revoked at {rfc3339(key.revoked_at)}; make another ApiKey."
        return Outcome([not_ready("Revoked", words), drifted("Revoked", words)], status)
    if key.expires_at is not None and key.expires_at <= now():
        words = f"The key expired at {rfc3339(key.expires_at)}; make another ApiKey."
        return Outcome([not_ready("Expired", words), as_applied()], status)
    if differs:
        words = f"The key was made with another {', '.join(differs)}; make another ApiKey."
        return Outcome([not_ready("SpecChanged", words), drifted("SpecChanged", words)], status)
    words = f"The token was written into the Secret '{secret_name(body)}'."
    return Outcome([ready("TokenWritten", words), as_applied()], status)


def _name(spec: ApiKeySpec, body: Body) -> str:
    return spec.name or str(body["metadata"]["name"])[:MAX_NAME]


def _scopes(spec: ApiKeySpec) -> list[Any]:
    return ordered_scopes(spec.scopes or ALL_SCOPES)


def _hour(key: ApiKey) -> str | None:
    """The hour in which the key was last used: finer, the status would be written all the time."""
    used = key.last_used_at
    return rfc3339(used.replace(minute=0, second=0, microsecond=0)) if used else None
