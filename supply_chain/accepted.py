"""Holes that are known in what is shipped, and are lived with for a while: until when, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from supply_chain.components import Component
from supply_chain.osv import Advisory

PATH = Path(__file__).with_name("accepted.toml")
LONGEST = timedelta(days=190)


class Accepted(BaseModel):
    """Holes in one version of one component. `ids` names them, `*` any that there are.

    After `until` the version is refused, whether OSV knows of the holes or not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    component: str
    version: str
    ids: tuple[str, ...] = Field(min_length=1)
    reason: str = Field(min_length=40)
    looked_at: date
    until: date

    @model_validator(mode="after")
    def _is_for_a_while(self) -> Accepted:
        if not self.looked_at < self.until <= self.looked_at + LONGEST:
            raise ValueError(f"`until` must be within {LONGEST.days} days after `looked_at`")
        return self

    def is_of(self, component: Component) -> bool:
        return (self.component, self.version) == (component.name, component.version)

    def covers(self, component: Component, advisory: Advisory, *, on: date) -> bool:
        named = "*" in self.ids or bool(set(self.ids) & set(advisory.ids))
        return self.is_of(component) and named and on <= self.until


def read(path: Path = PATH) -> list[Accepted]:
    """The list. Raises `ValueError` for an entry that is not whole."""
    entries = tomllib.loads(path.read_text()).get("accepted", [])
    return TypeAdapter(list[Accepted]).validate_python(entries)


def expired(accepted: Iterable[Accepted], *, on: date) -> list[Accepted]:
    return [entry for entry in accepted if entry.until < on]
