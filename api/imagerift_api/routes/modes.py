"""GET /api/v1/modes."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from imagerift_core.modes import Mode
from imagerift_core.plans import Plan

from imagerift_api import app_keys
from imagerift_api.requests import refuse_query
from imagerift_api.routes.answers import json_answer
from imagerift_api.routes.callers import admit_caller


async def list_modes(request: web.Request) -> web.Response:
    caller = await admit_caller(request, None)
    refuse_query(request.query)
    modes = request.app[app_keys.CONTEXT].modes
    return json_answer(
        {"data": [_described(name, mode, caller.plan) for name, mode in modes.items()]}
    )


def _described(name: str, mode: Mode, plan: Plan) -> dict[str, Any]:
    return {
        "mode": name,
        "promptRequired": mode.prompt_required,
        "presetRequired": mode.preset_required,
        "presets": mode.presets,
        "exportSizes": [
            {"exportSize": size, "permitted": plan.permits_export(size)}
            for size in mode.export_sizes
        ],
        "maxVariations": mode.max_variations,
    }


def add_routes(application: web.Application) -> None:
    application.router.add_get("/api/v1/modes", list_modes)
