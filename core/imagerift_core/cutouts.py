"""What a cut-out is to look like, as it is asked for and stored."""

from __future__ import annotations

from typing import Annotated, Any

from imagerift_contract import cutouts
from imagerift_contract.cutouts import (
    BACKGROUND_PATTERN,
    CUTOUT_PRESETS,
    MAX_FILL,
    MAX_PADDING,
    MAX_SIDE,
    MIN_FILL,
    MIN_SIDE,
    CutoutAlign,
    CutoutShadow,
)
from imagerift_contract.values import EXPORT_LONG_EDGE
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from imagerift_core.errors import InvalidRequest
from imagerift_core.requested_outputs import RequestedOutput
from imagerift_core.stored import KEPT, known_members


def _whole(value: Any) -> Any:
    """JSON knows no integers: 800.0 is 800."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE), BeforeValidator(_whole)]


class CutoutOptions(BaseModel):
    """What a cut-out is to look like; what is left out is the preset's to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    background: str | None = Field(
        None,
        pattern=BACKGROUND_PATTERN,
        max_length=11,
        description="transparent, or a colour as #rrggbb.",
    )
    padding: float | None = Field(
        None,
        ge=0,
        le=MAX_PADDING,
        description="Empty space on every side, as a share of the canvas' shorter side.",
    )
    fill: float | None = Field(
        None,
        ge=MIN_FILL,
        le=MAX_FILL,
        description="Share of the canvas' width or height that the subject takes.",
    )
    align: Annotated[CutoutAlign, KEPT] | None = Field(
        None, description="Where on the canvas the subject is placed."
    )
    shadow: Annotated[CutoutShadow, KEPT] | None = Field(
        None, description="Beneath the subject: none, one where it stands, or one that it throws."
    )
    width: Side | None = Field(
        None, description="Exact width in pixels, with height; in place of the aspect."
    )
    height: Side | None = Field(
        None, description="Exact height in pixels, with width; in place of the aspect."
    )

    @model_validator(mode="before")
    @classmethod
    def _pass_over_unknown(cls, content: Any, info: ValidationInfo) -> Any:
        return known_members(cls, content, info)


def check_cutout(
    options: CutoutOptions | None, preset: str | None, shape: RequestedOutput, *, at: str | None
) -> None:
    """Whether these options of a cut-out can be kept together in that shape.

    `at` is the shape's place among the requested outputs, None where there are none. Raises
    `InvalidRequest`, with `param`.
    """
    given = cutouts.CutoutOptions(**({} if options is None else options.model_dump()))
    if (given.width is None) != (given.height is None):
        missing = "width" if given.width is None else "height"
        raise InvalidRequest(
            "cutout.width and cutout.height come together.", param=f"cutout.{missing}"
        )
    if given.width is not None and at is not None:
        raise InvalidRequest(
            "cutout.width and cutout.height must be left out where outputs are given.",
            param="cutout.width",
        )
    limit = EXPORT_LONG_EDGE[shape.size]
    for name, side in (("width", given.width), ("height", given.height)):
        if side is not None and side > limit:
            raise InvalidRequest(
                f"cutout.{name} must be at most {limit} with exportSize '{shape.size}'.",
                param=f"cutout.{name}",
            )
    if given.width is not None and shape.aspect != "source":
        raise InvalidRequest(
            "outputAspect must be left out where cutout.width and cutout.height say the size.",
            param="outputAspect",
        )
    # A preset of the installation's own chooses what nobody here knows.
    if preset not in (None, *CUTOUT_PRESETS):
        return
    if cutouts.chosen(given, preset).transparent and shape.format == "jpeg":
        name = "outputFormat" if at is None else f"{at}.format"
        raise InvalidRequest(
            f"{name} 'jpeg' cannot be transparent: choose png, webp or avif, or a colour as "
            "cutout.background.",
            param=name,
        )
