"""The resources of tenants as they were last seen, and what is read of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from imagerift_core.errors import InvalidRequest
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import Actor
from imagerift_core.tenant_resources import FINALIZER
from pydantic import BaseModel, ValidationError

Spec = TypeVar("Spec", bound=BaseModel)
Body = dict[str, Any]


class TenantObjects:
    """Objects by their uids, and those by name that exist now."""

    def __init__(self) -> None:
        self._by_uid: dict[str, tuple[str, Body]] = {}

    def put(self, plural: str, body: Body) -> None:
        self._by_uid[uid_of(body)] = (plural, body)

    def drop(self, uid: str) -> None:
        self._by_uid.pop(uid, None)

    def get(self, uid: str) -> tuple[str, Body] | None:
        return self._by_uid.get(uid)

    def uids(self, plural: str) -> set[str]:
        return {uid for uid, (kind, _) in self._by_uid.items() if kind == plural}

    def named(self, plural: str, name: str) -> Body | None:
        return next((body for body in self.of(plural) if body["metadata"]["name"] == name), None)

    def of(self, plural: str) -> Iterator[Body]:
        return (body for kind, body in list(self._by_uid.values()) if kind == plural)


def uid_of(body: Body) -> str:
    return str(body["metadata"]["uid"])


def is_going(body: Body) -> bool:
    """Whether it was deleted, and stays for its finalizers alone."""
    return "deletionTimestamp" in body["metadata"]


def is_held(body: Body) -> bool:
    """Whether it has our finalizer."""
    return FINALIZER in finalizers_of(body)


def finalizers_of(body: Body) -> list[str]:
    return list(body["metadata"].get("finalizers") or [])


def holder_of(body: Body) -> ManagedBy:
    metadata = body["metadata"]
    return ManagedBy(namespace=metadata["namespace"], name=metadata["name"], uid=metadata["uid"])


def actor_of(kind: str, body: Body) -> Actor:
    """Who acts, for the account's log, where the resource says so."""
    return Actor(kind="operator", id=uid_of(body), name=f"{kind} {holder_of(body)}")


def checked_spec(model: type[Spec], body: Body) -> Spec:
    """The spec, checked in full: servers before 1.25 know none of the schema's rules.

    Raises `InvalidRequest`.
    """
    try:
        return model.model_validate(body.get("spec") or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(["spec", *(str(part) for part in first["loc"])])
        raise InvalidRequest(f"{field}: {first['msg']}", param=field) from None
