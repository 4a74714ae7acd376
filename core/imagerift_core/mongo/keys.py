"""API keys of workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from imagerift_core.errors import (
    KeyNotFound,
    KeyNotRotatable,
    MemberNotFound,
    RoleNotPermitted,
)
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import Actor, LogEntry, Logged, logged
from imagerift_core.mongo.members import member_id
from imagerift_core.mongo.moments import set_once
from imagerift_core.mongo.store import Store
from imagerift_core.mongo.transactions import Session
from imagerift_core.roles import Role, scopes_of
from imagerift_core.stored import all_readable, read


class ApiKey(BaseModel):
    """A key as stored: its keyed hash, never the token.

    After a rotation the token before lives on under `previous_hash` until `previous_until`.
    `created_by` is the person on whose membership and role the key depends, None for the
    operator's. `managed_by` is the resource whose key it is: until that one's Secret holds the
    token, it is kept as `sealed_token`, and `secret_tried` says that the Secret may be there.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(alias="_id")
    workspace: str
    name: str
    token_hash: str
    prefix: str
    last_four: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    created_by: str | None = None
    previous_hash: str | None = None
    previous_until: datetime | None = None
    rotated_at: datetime | None = None
    managed_by: ManagedBy | None = None
    sealed_token: bytes | None = None
    secret_tried: bool = False

    def scopes_under(self, role: Role | None) -> frozenset[str]:
        """What the key may do while its person has `role`; all of its scopes where it has none."""
        scopes = frozenset(self.scopes)
        return scopes if role is None else scopes & scopes_of(role)


@dataclass(frozen=True)
class NewSecret:
    """What a rotation puts in the place of the old secret."""

    token_hash: str
    last_four: str


class KeyStore(Store):
    """API keys. Each change is one transaction with its entry in the account log."""

    async def get(self, key_id: str) -> ApiKey | None:
        document = await self._database.api_keys.find_one({"_id": key_id})
        return read(ApiKey, document) if document else None

    async def all_of(self, workspace: str) -> list[ApiKey]:
        cursor = self._database.api_keys.find({"workspace": workspace}).sort("created_at", 1)
        return await all_readable(ApiKey, cursor)

    async def mark_used(self, key_ids: Sequence[str], *, at: datetime) -> None:
        """Called for many requests at once."""
        await self._database.api_keys.update_many(
            {"_id": {"$in": list(key_ids)}}, {"$max": {"last_used_at": at}}
        )

    async def create(self, key: ApiKey, *, actor: Actor) -> None:
        """Raises `MemberNotFound` where the person behind the key is no member any more."""

        async def body(session: Session) -> Logged[None]:
            if key.created_by is not None:
                # A write, so that a removal of the member at the same time conflicts with it.
                membership = await self._database.members.update_one(
                    {"_id": member_id(key.workspace, key.created_by)},
                    {"$inc": {"keys_made": 1}},
                    session=session,
                )
                if not membership.matched_count:
                    raise MemberNotFound("There is no such member.")
            await self._database.api_keys.insert_one(key.model_dump(by_alias=True), session=session)
            return None, LogEntry(
                workspace=key.workspace,
                actor=actor,
                action="key.created",
                at=key.created_at,
                target=key.id,
                details={"name": key.name, "scopes": " ".join(key.scopes)},
            )

        await logged(self._database, body)

    async def mark_secret_tried(self, key_id: str) -> None:
        """Notes that the Secret of a managed key is about to be made."""
        await self._database.api_keys.update_one({"_id": key_id}, {"$set": {"secret_tried": True}})

    async def mark_secret_written(self, key_id: str) -> None:
        """Forgets a managed key's token, which its Secret holds from now on alone."""
        await self._database.api_keys.update_one({"_id": key_id}, {"$set": {"sealed_token": None}})

    async def rotate(
        self,
        workspace: str,
        key_id: str,
        new: NewSecret,
        *,
        person: str,
        overlap_until: datetime,
        actor: Actor,
        at: datetime,
    ) -> ApiKey:
        """The key of `person` with its new secret; the old one lives until `overlap_until`.

        A secret that was still in an earlier overlap ends now: one old secret lives at a time.
        Raises `KeyNotFound`, `KeyNotRotatable` for a revoked or expired key, or `RoleNotPermitted`
        for a key of somebody else's or the operator's: nobody may learn the token of a key that is
        not tied to their own membership.
        """

        async def body(session: Session) -> Logged[ApiKey]:
            document = await self._database.api_keys.find_one_and_update(
                {
                    "_id": key_id,
                    "workspace": workspace,
                    "created_by": person,
                    "revoked_at": None,
                    "$or": [{"expires_at": None}, {"expires_at": {"$gt": at}}],
                },
                [
                    {
                        "$set": {
                            "previous_hash": "$token_hash",
                            "previous_until": overlap_until,
                            "token_hash": new.token_hash,
                            "last_four": new.last_four,
                            "rotated_at": at,
                        }
                    }
                ],
                return_document=True,
                session=session,
            )
            if document is None:
                known = {"_id": key_id, "workspace": workspace}
                found = await self._database.api_keys.find_one(known, session=session)
                if found is None:
                    raise KeyNotFound("There is no such key.")
                if found.get("created_by") != person:
                    raise RoleNotPermitted("Only whoever made a key can give it a new token.")
                raise KeyNotRotatable("A revoked or expired key cannot be rotated.")
            return read(ApiKey, document), LogEntry(
                workspace=workspace,
                actor=actor,
                action="key.rotated",
                at=at,
                target=key_id,
                details={"oldSecretUntil": overlap_until.isoformat()},
            )

        return await logged(self._database, body)

    async def revoke(
        self, workspace: str | None, key_id: str, *, actor: Actor, at: datetime
    ) -> ApiKey:
        """Revokes the key, of `workspace` unless None; the first time stays on record.

        Raises `KeyNotFound`.
        """
        known = {"_id": key_id} | ({} if workspace is None else {"workspace": workspace})

        async def body(session: Session) -> Logged[ApiKey]:
            keys = self._database.api_keys
            document, changed = await set_once(keys, known, "revoked_at", at, session)
            if document is None:
                raise KeyNotFound("There is no such key.")
            key = read(ApiKey, document)
            entry = LogEntry(
                workspace=key.workspace,
                actor=actor,
                action="key.revoked",
                at=at,
                target=key_id,
                details={"name": key.name},
            )
            return key, entry if changed else None

        return await logged(self._database, body)
