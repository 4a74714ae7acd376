"""The `Idempotency-Key` header: which request it stands for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated

import orjson
from imagerift_core.errors import IdempotencyKeyReused, InvalidRequest
from imagerift_core.mongo.idempotency import (
    LIFETIME,
    AcceptedKey,
    IdempotencyKeyStore,
    KeyClaim,
    row_id,
)
from pydantic import BaseModel, Field, ValidatorFunctionWrapHandler, WrapValidator

from imagerift_api.http.requests import RequestHeaders

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
Key = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]([ -~]*[!-~])?$")]


def _sent_once(values: list[str], validate: ValidatorFunctionWrapHandler) -> str:
    try:
        (text,) = values
        key: str = validate(text)
    except ValueError:
        raise InvalidRequest(
            f"{HEADER} must come once and have 1 to 255 visible ASCII characters.", param=HEADER
        ) from None
    return key


class IdempotencyHeaders(RequestHeaders):
    """The headers of a request that may be sent again."""

    idempotency_key: Annotated[Key, WrapValidator(_sent_once)] | None = Field(
        None,
        alias=HEADER,
        description="A text of the client's choice that stands for this very request for 24 hours: "
        "sent again, it is answered with what was accepted the first time.",
    )


@dataclass(frozen=True)
class RequestKey:
    """A workspace's key and a digest of what was asked under it."""

    row: str
    fingerprint: str

    def claim(self, result: str, *, at: datetime) -> KeyClaim:
        """The claim that an admitting transaction makes; `result` is what it accepts."""
        accepted = AcceptedKey(
            _id=self.row,
            fingerprint=self.fingerprint,
            result=result,
            expires_at=at + LIFETIME,
        )
        return KeyClaim(accepted, at=at)

    def result_of(self, accepted: AcceptedKey) -> str:
        """What was accepted under the key. Raises `IdempotencyKeyReused` for another request."""
        if accepted.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused(
                f"This {HEADER} was accepted with another request; use a new key for this one.",
                param=HEADER,
            )
        return accepted.result

    async def accepted_before(self, keys: IdempotencyKeyStore, *, at: datetime) -> str | None:
        """What was accepted under the key, None where nothing was.

        Raises `IdempotencyKeyReused` or `CapacityUnavailable`.
        """
        accepted = await keys.find(self.row, at=at)
        return self.result_of(accepted) if accepted else None


async def request_key(
    headers: IdempotencyHeaders, *, workspace: str, operation: str, body: BaseModel
) -> RequestKey | None:
    """The key of a request, None where it has none.

    Two requests are the same where operation and the fields that came are, however they were
    written: in whatever order, 5 or 5.0, null or absent.
    """
    key = headers.idempotency_key
    if key is None:
        return None
    digest = await asyncio.to_thread(_digest, operation, body)
    return RequestKey(row=row_id(workspace, key), fingerprint=digest)


def _digest(operation: str, body: BaseModel) -> str:
    content = body.model_dump(by_alias=True, exclude_unset=True)
    canonical = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return sha256(operation.encode() + b"\n" + canonical).hexdigest()
