"""Contact sheets: every picture with its cut-out, and every group with the frames around it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from imagerift_vision.matting import estimate_foreground
from imagerift_vision.reframing import Window
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from bench.vision.framing import Reframed, Scene
from bench.vision.mattes import Result

Float = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Cell = tuple[Result, Image.Image, Image.Image]

PANE, GAP, TEXT = 112, 6, 13
COLUMNS = 6
WORST_PANE, WORST_COLUMNS = 240, 2
QUALITY = 62
PAPER, INK = (250, 250, 250), (30, 30, 30)
# What the cut-outs lie on: nothing in the pictures has this colour.
BEHIND = (214, 120, 214)
GOOD, FLAWED, BAD, UNKNOWN = (40, 150, 70), (225, 160, 20), (205, 40, 40), (140, 140, 140)
GOOD_FROM = 0.92
SCENE_HEIGHT, SCENE_COLUMNS = 200, 4
FRAMES = {"9:16": (235, 60, 60), "1:1": (40, 130, 235), "16:9": (30, 160, 60)}


def cut_out(rgb: Pixels, alpha: Float) -> Pixels:
    """What the matte leaves of a picture, on the sheet's colour."""
    share = alpha[..., None]
    shown = estimate_foreground(rgb, alpha) * 255 * share + np.array(BEHIND, np.float32) * (
        1 - share
    )
    return (shown + 0.5).clip(0, 255).astype(np.uint8)


def pane(rgb: Pixels) -> Image.Image:
    """A picture as small as a sheet shows it at most."""
    image = Image.fromarray(rgb)
    image.thumbnail((WORST_PANE, WORST_PANE), Image.Resampling.LANCZOS)
    return image


def mattes(path: Path, cells: Sequence[Cell], side: int = PANE, columns: int = COLUMNS) -> None:
    """Picture and cut-out of each, with a bar that says how good it is."""
    wide, high = 2 * side + GAP, side + 2 * TEXT + GAP
    rows = -(-len(cells) // columns)
    size = (columns * (wide + GAP) + GAP, rows * (high + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(10)
    for index, (result, *pictures) in enumerate(cells):
        x = GAP + index % columns * (wide + GAP)
        y = GAP + index // columns * (high + GAP)
        for place, picture in enumerate(pictures):
            shown = ImageOps.contain(picture, (side, side), Image.Resampling.LANCZOS)
            sheet.paste(shown, (x + place * side, y))
        draw.rectangle((x, y + side + 1, x + 2 * side, y + side + 3), fill=_colour(result))
        draw.text((x, y + side + 4), f"{result.kind}: {result.name}"[:44], fill=INK, font=font)
        draw.text((x, y + side + 3 + TEXT), _figures(result), fill=INK, font=font)
    sheet.save(path, quality=QUALITY, method=6)


def worst(path: Path, cells: Sequence[Cell]) -> None:
    """The same, large."""
    mattes(path, cells, WORST_PANE, WORST_COLUMNS)


def frames(path: Path, cells: Sequence[tuple[Scene, Sequence[tuple[Reframed, Window]]]]) -> None:
    """Each scene with its faces and the frames of all proportions."""
    width = 340
    rows = -(-len(cells) // SCENE_COLUMNS)
    size = (SCENE_COLUMNS * (width + GAP) + GAP, rows * (SCENE_HEIGHT + TEXT + GAP) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(10)
    for index, (scene, done) in enumerate(cells):
        x = GAP + index % SCENE_COLUMNS * (width + GAP)
        y = GAP + index // SCENE_COLUMNS * (SCENE_HEIGHT + TEXT + GAP)
        shown = Image.fromarray(_framed(scene, done))
        shown.thumbnail((width, SCENE_HEIGHT), Image.Resampling.LANCZOS)
        sheet.paste(shown, (x, y))
        said = ", ".join(
            f"{one.aspect} {one.how}" + f" CUT {one.cut}" * bool(one.cut) for one, _ in done
        )
        draw.text((x, y + SCENE_HEIGHT + 1), f"{scene.name}: {said}", fill=INK, font=font)
    sheet.save(path, quality=QUALITY, method=6)


def _framed(scene: Scene, done: Sequence[tuple[Reframed, Window]]) -> Pixels:
    """The scene on a margin wide enough for the frames that reach beyond it."""
    height, width = scene.rgb.shape[:2]
    beyond = np.array([window.beyond(width, height) for _, window in done]).max(axis=0)
    left, top, right, bottom = (int(side) + 4 for side in beyond)
    canvas = cv2.copyMakeBorder(
        scene.rgb, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(225, 225, 225)
    )
    line = max(2, max(canvas.shape) // 160)
    for face in scene.faces:
        near, upper, far, lower = (round(edge) for edge in face)
        cv2.rectangle(
            canvas, (near + left, upper + top), (far + left, lower + top), (255, 230, 0), line
        )
    for one, window in done:
        corner = (window.left + left, window.top + top)
        opposite = (corner[0] + window.width, corner[1] + window.height)
        cv2.rectangle(canvas, corner, opposite, FRAMES[one.aspect], line)
    return np.asarray(canvas, np.uint8)


def _colour(result: Result) -> tuple[int, int, int]:
    if result.subject is None:
        return UNKNOWN
    if result.warned:
        return GOOD if result.bad else FLAWED
    if result.bad:
        return BAD
    return GOOD if (result.iou or 0) >= GOOD_FROM else FLAWED


def _figures(result: Result) -> str:
    said = []
    if result.iou is not None and result.extent is not None:
        said.append(f"IoU {result.iou:.2f}, extent {result.extent:.2f}")
    said.append(f"sure {result.confidence:.2f}")
    if result.warned:
        said.append("not cut out")
    elif result.bad:
        said.append("DESTROYED" if result.subject else "CUT OUT OF NOTHING")
    return ", ".join(said)
