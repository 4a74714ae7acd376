"""GET /api/v1/modes."""

from __future__ import annotations

from typing import Annotated, get_args

from aiohttp import web
from imagerift_contract.values import ExportSize, OutputAspect
from imagerift_core.modes import Mode
from imagerift_core.plans import Plan
from pydantic import Field
from typing_extensions import TypedDict

from imagerift_api import app_keys
from imagerift_api.openapi.operations import Operation, Reply, add_operations
from imagerift_api.openapi.shapes import closed
from imagerift_api.pages.previews import Previews
from imagerift_api.requests import refuse_query
from imagerift_api.routes.answers import json_answer
from imagerift_api.routes.callers import admit_caller


@closed
class ModeExportSize(TypedDict):
    """A size that a mode makes, and whether the caller's plan permits it."""

    exportSize: ExportSize
    permitted: bool


@closed
class ModeObject(TypedDict):
    """A way to make a picture."""

    mode: str
    promptRequired: bool
    presetRequired: bool
    presets: list[str]
    previewUrl: Annotated[
        str | None, Field(description="Path of a small JPEG; null for a mode that has none.")
    ]
    presetPreviewUrls: Annotated[
        dict[str, str | None], Field(description="The same for each preset, by its name.")
    ]
    exportSizes: list[ModeExportSize]
    outputAspects: list[str]
    maxVariations: int


@closed
class ModeList(TypedDict):
    """Every mode that is offered here."""

    data: list[ModeObject]


async def list_modes(request: web.Request) -> web.Response:
    caller = await admit_caller(request, None)
    refuse_query(request.query)
    modes = request.app[app_keys.CONTEXT].modes
    previews = request.app[app_keys.PREVIEWS]
    return json_answer(
        {"data": [_described(name, mode, caller.plan, previews) for name, mode in modes.items()]}
    )


def _described(name: str, mode: Mode, plan: Plan, previews: Previews) -> ModeObject:
    return {
        "mode": name,
        "promptRequired": mode.prompt_required,
        "presetRequired": mode.preset_required,
        "presets": mode.presets,
        "previewUrl": previews.of_mode(name, mode.presets),
        "presetPreviewUrls": {preset: previews.of_preset(name, preset) for preset in mode.presets},
        "exportSizes": [
            {"exportSize": size, "permitted": plan.permits_export(size)}
            for size in mode.export_sizes
        ],
        "outputAspects": list(get_args(OutputAspect)),
        "maxVariations": mode.max_variations,
    }


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/modes",
        handler=list_modes,
        name="listModes",
        tag="Modes",
        summary="List modes, presets and sizes, and what the plan permits",
        replies={200: Reply("The modes.", ModeList)},
    ),
)


def add_routes(application: web.Application) -> None:
    add_operations(application, OPERATIONS)
