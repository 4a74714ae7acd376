"""Which resource of Kubernetes manages a workspace or a key, where one does."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ManagedBy(BaseModel):
    """A resource: its namespace and name, and its uid, which no other ever has."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"
