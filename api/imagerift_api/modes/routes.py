"""GET /api/v1/modes."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from imagerift_contract.cutouts import CUTOUT_PRESETS
from imagerift_contract.values import ExportSize, OutputAspect, OutputFormat
from imagerift_core.cutouts import CutoutOptions
from imagerift_core.modes import Mode
from imagerift_core.plans import Plan
from pydantic import Field

from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import Operation
from imagerift_api.http.shapes import AnswerBody
from imagerift_api.jobs.offers import OFFERS
from imagerift_api.pages.previews import PREVIEWS, Previews


class ModeExportSize(AnswerBody):
    """A size that a mode makes, and whether the caller's plan permits it."""

    export_size: ExportSize
    permitted: bool


class ModeObject(AnswerBody):
    """A way to make a picture."""

    mode: str
    prompt_required: bool
    preset_required: bool
    presets: list[str]
    preview_url: Annotated[
        str | None, Field(description="Path of a small JPEG; null for a mode that has none.")
    ]
    preset_preview_urls: Annotated[
        dict[str, str | None], Field(description="The same for each preset, by its name.")
    ]
    export_sizes: list[ModeExportSize]
    output_aspects: list[str]
    output_formats: list[str]
    transparent_presets: Annotated[
        list[str],
        Field(
            description="Presets of cut-outs that are transparent, as those without a preset are, "
            "where `cutout` names no background: JPEG cannot be."
        ),
    ]
    max_variations: int
    max_outputs: Annotated[
        int, Field(description="Entries of `outputs` at most; 0 for a mode that takes none.")
    ]
    max_pictures: Annotated[
        int, Field(description="Variations times outputs at most; the plan's queue may be shorter.")
    ]
    keeps_subject: Annotated[
        bool, Field(description="Whether it takes `keepSubject`, and `cut` of `onUnclearSubject`.")
    ]
    takes_negative_prompt: Annotated[bool, Field(description="Whether it takes `negativePrompt`.")]
    takes_source: Annotated[
        bool, Field(description="Whether it is made of a picture: one must be sent, or none.")
    ]
    one_aspect: Annotated[
        bool,
        Field(
            description="Whether all `outputs` have to have one aspect: here, a seed is another "
            "picture in each."
        ),
    ]
    max_references: Annotated[
        int,
        Field(description="`referenceKeys` at most: as many as a model here looks at."),
    ]
    cutout_options: Annotated[
        dict[str, Any] | None,
        Field(
            description="The JSON schema of `cutout` in a submit; null for a mode that makes no "
            "cut-outs."
        ),
    ]


class ModeList(AnswerBody):
    """Every mode that is offered here."""

    data: list[ModeObject]


async def list_modes(call: Call) -> ModeList:
    plan, previews, offers = call.caller.plan, call.app[PREVIEWS], call.app[OFFERS]
    described = []
    for name, mode in (await offers.modes()).items():
        one_aspect = await offers.one_aspect(name)
        described.append(
            _described(name, mode, plan, previews).model_copy(
                update={"one_aspect": one_aspect, "max_references": await offers.references(name)}
            )
        )
    return ModeList(data=described)


def _described(name: str, mode: Mode, plan: Plan, previews: Previews) -> ModeObject:
    """The mode as the file has it."""
    return ModeObject(
        mode=name,
        prompt_required=mode.prompt_required,
        preset_required=mode.preset_required,
        presets=mode.presets,
        preview_url=previews.of_mode(name, mode.presets),
        preset_preview_urls={preset: previews.of_preset(name, preset) for preset in mode.presets},
        export_sizes=[
            ModeExportSize(export_size=size, permitted=plan.permits_export(size))
            for size in mode.export_sizes
        ],
        output_aspects=list(get_args(OutputAspect)),
        output_formats=list(get_args(OutputFormat)),
        transparent_presets=[
            preset
            for preset in mode.presets
            if mode.takes_cutout and preset in CUTOUT_PRESETS and CUTOUT_PRESETS[preset].transparent
        ],
        max_variations=mode.max_variations,
        max_outputs=mode.max_outputs,
        max_pictures=mode.max_pictures,
        takes_source=mode.takes_source,
        one_aspect=False,
        max_references=mode.max_references,
        keeps_subject=mode.keeps_subject,
        takes_negative_prompt=mode.takes_negative_prompt,
        cutout_options=CutoutOptions.model_json_schema() if mode.takes_cutout else None,
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/v1/modes",
        handler=list_modes,
        name="listModes",
        tag="Modes",
        summary="List modes, presets and sizes, and what the plan permits",
        access="either",
        replies={200: Reply("The modes.", ModeList)},
    ),
)
