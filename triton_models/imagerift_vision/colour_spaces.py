"""Colour spaces that a file tells by numbers, as ICC profiles.

A PNG tells its colours in one of four ways, AVIF and HEIC in one of two (PNG Third Edition, section
4.3: cICP before iCCP before sRGB before gAMA and cHRM). Written as a profile, each goes through the
one conversion to sRGB. HDR is brought down to sRGB's range by the profile's curves.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from imagerift_contract.picture_files.opening import OpenedPicture
from imagerift_contract.picture_files.png_chunks import chunks_before_pixels
from imagerift_contract.picture_files.rules import Kind
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]
Chromaticities = tuple[float, ...]
"""x and y of red, green, blue and white."""


@dataclass(frozen=True)
class ColourSpace:
    """Where the colours lie, and what light (0 to 1) each sample (0 to 1) stands for."""

    primaries: Chromaticities
    curve: Curve

    def is_srgb(self) -> bool:
        return self.primaries is SRGB_PRIMARIES and self.curve is _srgb

    def eight_bits(self) -> NDArray[np.uint8]:
        """For each sample of 16 bits, the same light as 8 bits of sRGB's curve.

        Light itself, cut to 8 bits, would leave the shadows a few steps.
        """
        light = np.clip(self.curve(np.arange(65536) / 65535), 0, 1)
        low = light * 12.92
        signal = np.where(light <= 0.0031308, low, 1.055 * light ** (1 / 2.4) - 0.055)
        return np.round(signal * 255).astype(np.uint8)

    def with_srgb_curve(self) -> "ColourSpace":
        return ColourSpace(self.primaries, _srgb)

    def profile(self) -> bytes | None:
        """As an ICC profile; None where it is sRGB, or the primaries make no colour space."""
        return None if self.is_srgb() else _profile(self.primaries, self.curve)


D65 = (0.3127, 0.3290)
SRGB_PRIMARIES: Chromaticities = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65)
# ITU-T H.273, table 2; 12 is Display P3.
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_PRIMARIES,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *D65),
    7: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    11: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.314, 0.351),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *D65),
}
# What ITU-R BT.2408 shows as white, and HLG's nominal peak, in candelas a square metre.
HDR_WHITE, HLG_PEAK = 203.0, 1000.0
# From here up light is bent, so that four times white still differs from white.
SHOULDER = 0.6
# A gamma that differs from a screen's by less is a screen's.
SCREEN_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.05
CURVE_POINTS = 4096
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
D50 = np.array([0.9642, 1.0, 0.8249])


def space_of(opened: OpenedPicture) -> ColourSpace | bytes | None:
    """What a file tells of its colours: by numbers, by a profile, or nothing (they are sRGB)."""
    embedded: bytes | None = opened.image.info.get("icc_profile") or None
    if opened.kind in {Kind.AVIF, Kind.HEIC} and embedded is None:
        return _by_code_points(*(opened.code_points() or (0, 0)))
    if opened.kind is not Kind.PNG:
        return embedded
    chunks = chunks_before_pixels(opened.data)
    coded = chunks.get(b"cICP", b"")
    # Of a PNG: no matrix, full range. Of others, and of unknown numbers, nobody knows the colours.
    space = _by_code_points(coded[0], coded[1]) if coded[2:] == b"\0\1" else None
    if space is not None:
        return space
    if embedded is not None or b"sRGB" in chunks:
        return embedded
    return _by_gamma(chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b""))


def _by_code_points(primaries: int, transfer: int) -> ColourSpace | None:
    if primaries not in PRIMARIES or transfer not in TRANSFERS:
        return None
    return ColourSpace(PRIMARIES[primaries], TRANSFERS[transfer])


def _by_gamma(gamma_chunk: bytes, primaries_chunk: bytes) -> ColourSpace | None:
    gamma = int.from_bytes(gamma_chunk) / 100_000 if len(gamma_chunk) == 4 else 0.0
    curve: Curve = _srgb
    if gamma > 0 and abs(gamma / SCREEN_GAMMA - 1) > GAMMA_TOLERANCE:
        curve = lambda signal: signal ** (1 / gamma)  # noqa: E731 - one of several curves
    primaries = SRGB_PRIMARIES
    if len(primaries_chunk) == 32:
        white_x, white_y, *colours = (n / 100_000 for n in struct.unpack(">8I", primaries_chunk))
        told = np.array([*colours, white_x, white_y])
        if not np.allclose(told, SRGB_PRIMARIES, atol=0.002):
            primaries = tuple(told)
    return ColourSpace(primaries, curve)


def _srgb(signal: Floats) -> Floats:
    low = signal / 12.92
    return np.where(signal <= 0.04045, low, ((signal + 0.055) / 1.055) ** 2.4)


def _pq(signal: Floats) -> Floats:
    """SMPTE ST 2084: 1 is 10,000 candelas a square metre."""
    root = signal ** (1 / 78.84375)
    light = np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)
    return _bent(light ** (1 / 0.1593017578125) * 10_000 / HDR_WHITE)


def _hlg(signal: Floats) -> Floats:
    """ARIB STD-B67 with the nominal peak's system gamma."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return _bent(scene**1.2 * HLG_PEAK / HDR_WHITE)


def _bent(light: Floats) -> Floats:
    """Light with white at 1 and more beyond it, brought below 1 by a smooth shoulder."""
    room = 1 - SHOULDER
    over = np.maximum(light - SHOULDER, 0)
    return np.where(light <= SHOULDER, light, SHOULDER + room * (1 - np.exp(-over / room)))


# ITU-T H.273, table 3. The curves of television (1, 6, 14, 15) are shown like sRGB's.
TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 13, 14, 15), _srgb),
    4: lambda x: x**2.2,
    5: lambda x: x**2.8,
    8: lambda x: x,
    16: _pq,
    18: _hlg,
}


def _profile(primaries: Chromaticities, curve: Curve) -> bytes | None:
    """A matrix and curve profile (ICC.1:2001-04); None where the primaries make no colour space."""
    columns = _to_d50(primaries)
    if columns is None:
        return None
    light = curve(np.linspace(0, 1, CURVE_POINTS))
    points = np.round(np.clip(light, 0, 1) * 65535).astype(">u2").tobytes()
    table = b"curv" + bytes(4) + struct.pack(">I", CURVE_POINTS) + points
    blocks = [_xyz(D50), *(_xyz(columns[:, i]) for i in range(3)), table]
    names = [b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"]
    directory = struct.pack(">I", len(names))
    at = 128 + 4 + 12 * len(names)
    places = []
    for block in blocks:
        places.append((at, len(block)))
        at += len(block)
    for name, place in zip(names, [*places, places[-1], places[-1]], strict=True):
        directory += name + struct.pack(">II", *place)
    header = struct.pack(
        ">I4sI4s4s4s12x4s28x3i48x",
        at,
        b"",
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        b"acsp",
        *_fixed(D50),
    )
    return header + directory + b"".join(blocks)


def _to_d50(primaries: Chromaticities) -> Floats | None:
    """Columns XYZ of red, green and blue, adapted to D50 by Bradford's matrix."""
    xy = np.array(primaries).reshape(4, 2)
    if np.any(xy[:, 1] <= 0) or np.any(xy > 1):
        return None
    xyz = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(1)) / xy[:, 1]])
    colours, white = xyz[:, :3], xyz[:, 3]
    if abs(np.linalg.det(colours)) < 1e-3:
        return None
    columns = colours * np.linalg.solve(colours, white)
    ratio = (BRADFORD @ D50) / (BRADFORD @ white)
    adapted: Floats = np.linalg.inv(BRADFORD) @ (ratio[:, None] * (BRADFORD @ columns))
    return adapted if np.all(np.abs(adapted) < 4) else None


def _xyz(values: Floats) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *_fixed(values))


def _fixed(values: Floats) -> list[int]:
    return [round(float(value) * 65536) for value in values]
