"""What becomes of a `Plan` or a `Mode`: it is offered as it says, and goes once it is unused."""

from __future__ import annotations

from typing import Any

from imagerift_core import catalogue
from imagerift_core.catalogue import MODELS, Catalogue, check_name, content_of
from imagerift_core.clock import now
from imagerift_core.mongo.account_log import Actor
from imagerift_core.mongo.catalogue import CatalogueStore, Entry, Kind
from imagerift_core.tenant_resources import ModeSpec, PlanSpec

from imagerift_operator.pool_status import condition
from imagerift_operator.tenants.objects import (
    Body,
    TenantObjects,
    actor_of,
    checked_spec,
    holder_of,
    uid_of,
)
from imagerift_operator.tenants.status import (
    ManagedElsewhere,
    Outcome,
    changed_elsewhere,
    not_ready,
    ready,
)


class OfferKeeper:
    """Keeps plans, or modes, as their resources say; each has the name of its resource.

    One that somebody else has added is taken over, unless another resource holds it. One that is
    taken away elsewhere comes back for as long as its resource is there.
    """

    def __init__(
        self,
        kind: Kind,
        plural: str,
        store: CatalogueStore,
        offers: Catalogue,
        objects: TenantObjects,
    ) -> None:
        self._kind: Kind = kind
        self._plural = plural
        self._store = store
        self._catalogue = offers
        self._objects = objects
        self._spec: type[PlanSpec | ModeSpec] = PlanSpec if kind == "plan" else ModeSpec

    async def keep(self, body: Body) -> Outcome:
        """Offers it as the spec says where that is new; else says what differs."""
        spec = checked_spec(self._spec, body)
        check_name(str(body["metadata"]["name"]))
        return await self._as_said(spec, await self._held(spec, body), body)

    async def let_go(self, body: Body) -> Outcome | None:
        """Ends what the deleted resource holds. None once it is gone."""
        name = str(body["metadata"]["name"])
        entry = await self._store.get(self._kind, name)
        if entry is None or entry.managed_by is None or entry.managed_by.uid != uid_of(body):
            return None
        waits_for = await self._catalogue.take_away(self._kind, name, actor=self._actor(body))
        if waits_for is None:
            return None
        return Outcome([not_ready("InUse", waits_for)], settled=False)

    async def _held(self, spec: PlanSpec | ModeSpec, body: Body) -> Entry:
        """The entry, which the resource holds from now on. Raises `ManagedElsewhere`."""
        name, holder = str(body["metadata"]["name"]), holder_of(body)
        known = await self._store.get(self._kind, name)
        if known is None:
            await self._put(spec, body)
        others = self._objects.uids(self._plural) - {holder.uid}
        held = await self._store.claim(self._kind, name, holder, others=others)
        if held is None:
            whom = f"by {known.managed_by}" if known else "by another resource"
            raise ManagedElsewhere(f"The {self._kind} '{name}' is managed {whom}.")
        return held

    async def _as_said(self, spec: PlanSpec | ModeSpec, entry: Entry, body: Body) -> Outcome:
        generation = body["metadata"].get("generation", 1)
        applied = (body.get("status") or {}).get("appliedGeneration")
        differs = _differences(spec, entry)
        is_new = applied != generation or spec.on_drift == "Revert"
        if entry.retired_at is not None or (differs and is_new):
            entry = await self._put(spec, body)
            differs = {}
        known = applied is not None or now() >= entry.changed_at + catalogue.KNOWN_AFTER
        return Outcome(
            [
                ready("Offered", f"Every process offers the {self._kind}.")
                if known
                else not_ready("NotKnownYet", "It is added; every process learns it in seconds."),
                self._overrides(entry.name),
                changed_elsewhere(differs),
            ],
            {"appliedGeneration": generation if known else None},
            settled=known,
        )

    async def _put(self, spec: PlanSpec | ModeSpec, body: Body) -> Entry:
        content = MODELS[self._kind].model_validate(_content(spec))
        name = str(body["metadata"]["name"])
        return await self._catalogue.put(self._kind, name, content, actor=self._actor(body))

    def _overrides(self, name: str) -> dict[str, Any]:
        """Whether one of the installation's files is hidden by it."""
        if self._catalogue.is_of_files(self._kind, name):
            words = f"It stands in the place of the {self._kind} of that name in the files."
            return condition("OverridesFile", "True", "NameInFiles", words)
        words = f"The files have no {self._kind} of that name."
        return condition("OverridesFile", "False", "NameNotInFiles", words)

    def _actor(self, body: Body) -> Actor:
        return actor_of(self._kind.capitalize(), body)


def _content(spec: PlanSpec | ModeSpec) -> dict[str, Any]:
    return spec.model_dump(mode="json", by_alias=True, exclude={"on_drift"})


def _differences(spec: PlanSpec | ModeSpec, entry: Entry) -> dict[str, tuple[object, object]]:
    """Fields of which the entry says something else, as (wished, present)."""
    content = content_of(entry)
    present = content.model_dump(mode="json", by_alias=True) if content else {}
    return {
        field: (wished, present.get(field))
        for field, wished in _content(spec).items()
        if wished != present.get(field)
    }
