"""Colours by name and number: CSS's names, hex, and the shades that words make of them."""

import math
import re
import tomllib
from functools import cache
from pathlib import Path

Colour = tuple[float, float, float]
"""sRGB, 0 to 1."""

CSS = Path(__file__).resolve().parent / "words" / "css_colours.toml"
# What "light blue" and the like make of a colour: towards white or black, and its saturation.
SHADES: dict[str, tuple[float, float]] = {
    "light": (0.45, 0.9),
    "dark": (-0.45, 1.0),
    "pastel": (0.55, 0.8),
    "muted": (0.08, 0.5),
    "vivid": (0.0, 1.25),
}

_HEX = re.compile(r"#(?:[0-9a-f]{6}|[0-9a-f]{3})")


@cache
def css_colours() -> dict[str, str]:
    """CSS's named colours as they are written in the list, with hyphens, and their hex."""
    names: dict[str, str] = tomllib.loads(CSS.read_text("utf-8"))
    return names


def colour_of(name: str) -> Colour:
    """The colour of a name of `css_colours`, or of `#rgb` or `#rrggbb` in lower case.

    Raises KeyError where it is neither.
    """
    digits = (name if _HEX.fullmatch(name) else css_colours()[name])[1:]
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    return red, green, blue


def hex_of(colour: Colour) -> str:
    """`#rrggbb`."""
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, part))):02x}" for part in colour)


def shaded(colour: Colour, shade: str) -> Colour:
    """A colour's shade of `SHADES`."""
    towards, saturation = SHADES[shade]
    grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    end = 1.0 if towards > 0 else 0.0
    red, green, blue = (
        min(1.0, max(0.0, part + (end - part) * abs(towards)))
        for part in (grey + (part - grey) * saturation for part in colour)
    )
    return red, green, blue


def is_grey(colour: Colour) -> bool:
    """Whether it has next to no colour, so that a picture in black and white can show it."""
    return max(colour) - min(colour) < 0.04


def difference(one: Colour, other: Colour) -> float:
    """How far apart two colours look: CIE76, the distance in L*a*b*. 2 is just noticed."""
    return math.dist(_lab(one), _lab(other))


def _lab(colour: Colour) -> tuple[float, float, float]:
    """CIE L*a*b* under D65, by IEC 61966-2-1 and CIE 15."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour
    )
    x, y, z = (
        share / (6 / 29) ** 2 / 3 + 4 / 29 if share <= (6 / 29) ** 3 else share ** (1 / 3)
        for share in (
            (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047,
            0.2126729 * red + 0.7151522 * green + 0.0721750 * blue,
            (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
