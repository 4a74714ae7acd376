"""/admin/v1/plans and /admin/v1/modes: what an installation has beside those of its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from imagerift_core.catalogue import MODELS, Offer
from pydantic import BaseModel

from imagerift_api.catalogue.schemas import (
    AdminMode,
    AdminModeList,
    AdminPlan,
    AdminPlanList,
    ModeBody,
    OfferEnded,
    OfferPath,
    PlanBody,
    mode_of,
    plan_of,
)
from imagerift_api.catalogue.service import CATALOGUE
from imagerift_api.http.answers import Reply
from imagerift_api.http.bodies import RequestBody
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import AdminOperation, Operation


@dataclass(frozen=True)
class _Shapes:
    """What is sent and answered of one kind."""

    body: type[RequestBody]
    answer: type[BaseModel]
    list: type[BaseModel]
    of: Callable[[Offer], BaseModel]


def _operations(kind: Literal["plan", "mode"], shapes: _Shapes) -> tuple[Operation, ...]:
    async def list_all(call: Call) -> BaseModel:
        offers = await call.app[CATALOGUE].offers(kind)
        return shapes.list.model_validate({"data": [shapes.of(offer) for offer in offers]})

    async def put(call: Call, path: OfferPath, body: Any) -> BaseModel:
        content = MODELS[kind].model_validate(body.model_dump(by_alias=True))
        await call.app[CATALOGUE].put(kind, path.name, content, actor=call.administrator)
        return shapes.of(await call.app[CATALOGUE].offer(kind, path.name))

    put.__annotations__["body"] = shapes.body

    async def end(call: Call, path: OfferPath) -> OfferEnded:
        catalogue = call.app[CATALOGUE]
        await catalogue.check_unused(kind, path.name)
        waits_for = await catalogue.take_away(kind, path.name, actor=call.administrator)
        return OfferEnded(name=path.name, waits_for=waits_for)

    async def release(call: Call, path: OfferPath) -> BaseModel:
        await call.app[CATALOGUE].release(kind, path.name)
        return shapes.of(await call.app[CATALOGUE].offer(kind, path.name))

    path, title = f"/admin/v1/{kind}s", kind.capitalize()
    return (
        AdminOperation(
            method="GET",
            path=path,
            handler=list_all,
            name=f"adminList{title}s",
            summary=f"List the {kind}s of the files, and those that were added",
            replies={200: Reply(f"The {kind}s.", shapes.list)},
        ),
        AdminOperation(
            method="PUT",
            path=path + "/{name}",
            handler=put,
            name=f"adminPut{title}",
            summary=f"Add a {kind}, change it, or put one in the place of the files' own",
            description="Every replica, and the operator, follow within 5 seconds.",
            replies={200: Reply(f"The {kind} as it is now.", shapes.answer)},
        ),
        AdminOperation(
            method="DELETE",
            path=path + "/{name}",
            handler=end,
            name=f"adminEnd{title}",
            summary=f"Take away a {kind} that was added",
            description="One that stands in the place of the files' own goes at once. Of any "
            "other, nothing new begins on it from now on, and within half a minute it goes.",
            replies={200: Reply("What is waited for.", OfferEnded)},
            errors=("catalogue_entry_not_found", "catalogue_entry_used"),
        ),
        AdminOperation(
            method="DELETE",
            path=path + "/{name}/manager",
            handler=release,
            name=f"adminRelease{title}",
            summary=f"Take a {kind} from the resource that manages it, as when that was lost",
            replies={200: Reply(f"The {kind}.", shapes.answer)},
            errors=("catalogue_entry_not_found",),
        ),
    )


OPERATIONS = (
    *_operations("plan", _Shapes(PlanBody, AdminPlan, AdminPlanList, plan_of)),
    *_operations("mode", _Shapes(ModeBody, AdminMode, AdminModeList, mode_of)),
)
