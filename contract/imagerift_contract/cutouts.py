"""The options of a cut-out: their words and limits, and what the presets choose.

Nothing here needs more than the standard library: both sides import it.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

CutoutShadow = Literal["none", "contact", "drop"]
CutoutAlign = Literal[
    "center", "top", "bottom", "left", "right",
    "top-left", "top-right", "bottom-left", "bottom-right",
]  # fmt: skip

TRANSPARENT = "transparent"
BACKGROUND_PATTERN = r"^(transparent|#[0-9a-fA-F]{6})$"
# Empty space on every side, in shares of the canvas' shorter side.
MAX_PADDING = 0.45
# How much of the canvas' width or height the subject's box may take.
MIN_FILL, MAX_FILL = 0.1, 1.0
MIN_SIDE, MAX_SIDE = 16, 4096


@dataclass(frozen=True)
class CutoutOptions:
    """What a cut-out is to look like. None leaves the choice to the preset."""

    background: str | None = None
    """`transparent`, or a colour as `#rrggbb`."""
    padding: float | None = None
    fill: float | None = None
    align: CutoutAlign | None = None
    shadow: CutoutShadow | None = None
    width: int | None = None
    """Of the canvas, in pixels; with the height, in place of export size and aspect."""
    height: int | None = None

    @property
    def transparent(self) -> bool:
        """Whether the canvas shows through: the background of no preset and no colour."""
        return self.background in (None, TRANSPARENT)

    @property
    def placed(self) -> bool:
        """Whether the subject is placed anew; else it stays where the source has it."""
        return any(value is not None for value in (self.padding, self.fill, self.align))


CUTOUT_PRESETS: dict[str, CutoutOptions] = {
    "transparent": CutoutOptions(background=TRANSPARENT),
    # What marketplaces ask of a main image: pure white, and 85 % of the frame filled.
    "marketplace": CutoutOptions(background="#ffffff", fill=0.85, align="center"),
}
DEFAULT_CUTOUT_PRESET = "transparent"


def chosen(options: CutoutOptions, preset: str | None) -> CutoutOptions:
    """The options with the preset's choice where they leave one.

    Raises KeyError where there is no such preset.
    """
    whole = CUTOUT_PRESETS[preset or DEFAULT_CUTOUT_PRESET]
    given = {
        field.name: getattr(options, field.name)
        for field in fields(options)
        if getattr(options, field.name) is not None
    }
    return replace(whole, **given)
