"""Make the pictures of docs/gallery.md, and a small preview of every preset, by the real modes.

    MODELS_PYTHON triton_models/tools/gallery.py [--only style scene avatar enhance cutout previews]

Everything is made from the two sample photos in docs/images; `collection.py` makes the sheets of
other photographs.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "triton_models"))

from imagerift_contract.cutouts import CUTOUT_PRESETS, CutoutOptions  # noqa: E402
from imagerift_vision.avatar import PRESETS as AVATARS  # noqa: E402
from imagerift_vision.avatar import AvatarMode  # noqa: E402
from imagerift_vision.control import AttemptGuard, CancelFlags, Guard  # noqa: E402
from imagerift_vision.cutout import CutoutMode  # noqa: E402
from imagerift_vision.decoding import decode  # noqa: E402
from imagerift_vision.enhance import EnhanceMode  # noqa: E402
from imagerift_vision.mode_call import ModeAnswer, ModeCall  # noqa: E402
from imagerift_vision.presets import PRESETS as STYLES  # noqa: E402
from imagerift_vision.scene_mode import LOOKS as SCENES  # noqa: E402
from imagerift_vision.scene_mode import SceneMode  # noqa: E402
from imagerift_vision.sizes import output_size  # noqa: E402
from imagerift_vision.style import StyleMode  # noqa: E402

Pixels = NDArray[np.uint8]
Labelled = tuple[str, Pixels]

IMAGES = ROOT / "docs" / "images"
GALLERY = IMAGES / "gallery"
# Served by the API, so they lie where it is packaged from.
PREVIEWS = ROOT / "api" / "imagerift_api" / "pages" / "previews"
PRODUCT, PERSON = IMAGES / "sample.jpg", IMAGES / "portrait.jpg"
THREADS = 2
ROW = 300
GAP = 8
LABEL = 20
QUALITY = 84
PREVIEW_SIDE = 192
FIRST_SEED = 100
CHECK = 32
PREVIEW_SEED = 101


class Mode(Protocol):
    """A mode."""

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer: ...


@cache
def mode_of(name: str) -> Mode:
    """A mode's networks, loaded once."""
    modes = {
        "style": StyleMode,
        "scene": SceneMode,
        "avatar": AvatarMode,
        "enhance": EnhanceMode,
        "cutout": CutoutMode,
    }
    return modes[name](THREADS)


def answered(
    mode: str,
    photo: Path,
    preset: str | None,
    seeds: Sequence[int] = (FIRST_SEED,),
    *,
    aspect: str = "1:1",
    size: str = "base",
    cutout: CutoutOptions | None = None,
) -> ModeAnswer:
    """What a mode makes of a photo, one picture a seed.

    Raises VisionError: it makes none.
    """
    source = decode(photo.read_bytes(), 4096)
    width, height = output_size(size, aspect, source.width, source.height)
    guard = AttemptGuard.begun(CancelFlags(Path("/nonexistent")), "gallery", 3600)
    call = ModeCall(
        mode, source.rgba, "gallery", 3600, "", preset, tuple(seeds), width, height, cutout=cutout
    )
    return mode_of(mode).run(call, guard)


def made(
    mode: str,
    photo: Path,
    preset: str | None,
    seeds: Sequence[int] = (FIRST_SEED,),
    *,
    aspect: str = "1:1",
    size: str = "base",
    cutout: CutoutOptions | None = None,
) -> list[Pixels]:
    """The pictures alone, what is transparent in them on a checkerboard."""
    answer = answered(mode, photo, preset, seeds, aspect=aspect, size=size, cutout=cutout)
    return [on_checks(picture) for picture in answer.images]


def on_checks(picture: Pixels) -> Pixels:
    """[h, w, 3]: what is transparent on a checkerboard."""
    if picture.shape[2] == 3:
        return picture
    rows, columns = np.indices(picture.shape[:2]) // CHECK
    checks = np.where((rows + columns) % 2, 207, 255)[..., None]
    share = picture[..., 3:] / 255
    return (picture[..., :3] * share + checks * (1 - share) + 0.5).astype(np.uint8)


def original(photo: Path) -> Pixels:
    """The photo itself."""
    return decode(photo.read_bytes(), 4096).rgba[..., :3]


def page(rows: Sequence[Sequence[Labelled]], row: int = ROW) -> Image.Image:
    """Rows of labelled pictures of one height, on white."""
    scaled = [
        [(label, Image.fromarray(p).resize((round(p.shape[1] * row / p.shape[0]), row),
                                           Image.Resampling.LANCZOS)) for label, p in line]
        for line in rows
    ]  # fmt: skip
    width = max(sum(p.width + GAP for _, p in line) - GAP for line in scaled)
    sheet = Image.new("RGB", (width, len(rows) * (row + LABEL + GAP) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, line in enumerate(scaled):
        x, y = 0, index * (row + LABEL + GAP)
        for label, picture in line:
            draw.text((x + 2, y + 3), label, fill=(60, 60, 60))
            sheet.paste(picture, (x, y + LABEL))
            x += picture.width + GAP
    return sheet


def write(sheet: Image.Image, name: str) -> None:
    """Save a sheet of the gallery."""
    GALLERY.mkdir(parents=True, exist_ok=True)
    sheet.save(GALLERY / f"{name}.webp", quality=QUALITY, method=6)


def style() -> None:
    """All presets, and five variations of one product."""
    seeds = (FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 3)
    looks = {name: made("style", PRODUCT, name, seeds) for name in STYLES}
    names = list(looks)
    rows = [
        [(f"{name} {seed}", p) for name in pair for seed, p in zip(seeds, looks[name], strict=True)]
        for pair in zip(names[::2], names[1::2], strict=True)
    ]
    write(page(rows, 220), "style")
    five = range(FIRST_SEED, FIRST_SEED + 5)
    shown = made("style", PRODUCT, "studio", five)
    write(page([[(f"seed {s}", p) for s, p in zip(five, shown, strict=True)]], 260), "product")


def avatar() -> None:
    """Three avatars of one portrait, and what seeds change."""
    seeds = range(FIRST_SEED, FIRST_SEED + 4)
    looks = {name: made("avatar", PERSON, name, seeds) for name in AVATARS}
    first = [("the photo", original(PERSON)), *((name, looks[name][0]) for name in AVATARS)]
    write(page([first], 420), "avatar")
    rows = [
        [(f"{name} {seed}", p) for seed, p in zip(seeds, looks[name], strict=True)]
        for name in AVATARS
    ]
    write(page(rows, 240), "avatar-seeds")


def enhance() -> None:
    """Reframing of both photos, and a detail at four times the pixels."""
    rows = []
    for photo in (PERSON, PRODUCT):
        line = [("the photo", original(photo))]
        for aspect in ("16:9", "4:5", "9:16"):
            line.append((aspect, made("enhance", photo, None, aspect=aspect)[0]))
        rows.append(line)
    write(page(rows), "enhance")
    details = []
    for photo, (x, y, w, h) in (
        (PERSON, (0.33, 0.10, 0.24, 0.27)),
        (PRODUCT, (0.5, 0.5, 0.3, 0.4)),
    ):
        before, after = original(photo), made("enhance", photo, None, aspect="source", size="2k")[0]
        high, wide = after.shape[:2]
        plain = np.asarray(Image.fromarray(before).resize((wide, high), Image.Resampling.BICUBIC))
        part = (
            slice(round(y * high), round((y + h) * high)),
            slice(round(x * wide), round((x + w) * wide)),
        )
        details += [("enlarged plainly", plain[part]), ("enhance, 2k", after[part])]
    write(page([details], 380), "enhance-detail")


def cutout() -> None:
    """The product cut out, with each shadow, and as a marketplace's main image."""
    drop = CutoutOptions(shadow="drop")
    warm = CutoutOptions(background="#e9e4da", shadow="contact", padding=0.1, align="bottom")
    row = [
        ("the photo", original(PRODUCT)),
        ("transparent", made("cutout", PRODUCT, None, aspect="source")[0]),
        ("marketplace", made("cutout", PRODUCT, "marketplace")[0]),
        ("marketplace, drop", made("cutout", PRODUCT, "marketplace", cutout=drop)[0]),
        ("a colour, contact", made("cutout", PRODUCT, None, cutout=warm)[0]),
    ]
    write(page([row], 240), "cutout")


def scene() -> None:
    """The product in each look, its own pixels."""
    looks = [(name, made("scene", PRODUCT, name)[0]) for name in SCENES]
    write(page([looks[:5], looks[5:]], 240), "scene")


def previews() -> None:
    """One small square picture a preset."""
    PREVIEWS.mkdir(parents=True, exist_ok=True)
    shown = [("style", PRODUCT, name) for name in STYLES]
    shown += [("scene", PRODUCT, name) for name in SCENES]
    shown += [("avatar", PERSON, name) for name in AVATARS]
    for mode, photo, preset in shown:
        _preview(f"{mode}-{preset}", made(mode, photo, preset, (PREVIEW_SEED,))[0])
    _preview("enhance", made("enhance", PERSON, None)[0])
    for preset in CUTOUT_PRESETS:
        _preview(f"cutout-{preset}", made("cutout", PRODUCT, preset)[0])


def _preview(name: str, picture: Pixels) -> None:
    small = Image.fromarray(picture).resize((PREVIEW_SIDE,) * 2, Image.Resampling.LANCZOS)
    small.save(PREVIEWS / f"{name}.jpg", quality=85, optimize=True)


PARTS = {
    "style": style,
    "scene": scene,
    "avatar": avatar,
    "enhance": enhance,
    "cutout": cutout,
    "previews": previews,
}


def main() -> None:
    """Make all parts, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    for part in parser.parse_args().only:
        PARTS[part]()


if __name__ == "__main__":
    main()
