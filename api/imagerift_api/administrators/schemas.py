"""What administrators may send about one another, and what they are answered."""

from __future__ import annotations

from typing import Self

from imagerift_core.mongo.administrators import Administrator
from pydantic import AwareDatetime, BaseModel, Field

from imagerift_api.api_keys.schemas import Name
from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.shapes import AnswerBody, Time


class AdministratorPath(BaseModel):
    """The path of an administrator."""

    administrator_id: str = Field(
        alias="administratorId", description="The administrator's id, `adm_…`."
    )


class AdministratorBody(RequestBody):
    """Somebody, or a program, with a token of their own. It never expires without `expiresAt`."""

    name: Name
    expires_at: AwareDatetime | None = None


class AdministratorObject(AnswerBody):
    """An administrator, without the token. `createdBy` is who made them."""

    administrator_id: str
    name: str
    last_four: str
    created_at: Time
    created_by: str
    expires_at: Time | None
    revoked_at: Time | None

    @classmethod
    def of(cls, administrator: Administrator) -> Self:
        return cls(
            administrator_id=administrator.id,
            name=administrator.name,
            last_four=administrator.last_four,
            created_at=administrator.created_at,
            created_by=administrator.created_by,
            expires_at=administrator.expires_at,
            revoked_at=administrator.revoked_at,
        )


class AdministratorList(AnswerBody):
    """Everybody who has, or had, a token of their own."""

    data: list[AdministratorObject]


class NewAdministrator(AnswerBody):
    """An administrator with the token, which is shown this once."""

    administrator: AdministratorObject
    token: str
