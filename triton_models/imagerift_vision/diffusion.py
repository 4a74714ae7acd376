"""The mode behind GPU pools: a source redrawn by a diffusion model, one picture a seed.

What is made of the source depends on the recipe's task: it is drawn over (`img2img`), changed by
instruction (`edit`), given other surroundings (`inpaint`), or not looked at (`generate`).
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis
from imagerift_vision.control import Guard
from imagerift_vision.diffusion_drawing import Drawing, Network
from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_modes import MODE_TASKS, recipe_for
from imagerift_vision.diffusion_settings import Recipe, Recipes
from imagerift_vision.encoding import on_white
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import JOB_ENDING, VisionError, from_exception
from imagerift_vision.faces import FaceFinder
from imagerift_vision.framing import Framed, Framer
from imagerift_vision.matting import Matting
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.photo_enlarging import PhotoEnlarger
from imagerift_vision.portrait import portray
from imagerift_vision.presets import PRESETS
from imagerift_vision.requests import ModelVersion
from imagerift_vision.superres import SuperResolver

Pixels = NDArray[np.uint8]

# Latents have an eighth of the pixels a side, and the network halves them once more at least.
GRID = 16
RESOLVE_FROM_SCALE = 1.25
MOST_PIXELS_TO_RESOLVE = 2_000_000


# So many pixels around the subject stay as well, where it is drawn: the network mixes what touches.
MARGIN = 4
SCENE = "scene"
SUBJECT_FROM = 0.5


class DiffusionMode:
    """Frames the source, has it redrawn, and brings it to the size wanted."""

    def __init__(self, settings: Recipes, network: Network, threads: int) -> None:
        """Load the networks around the diffusion model."""
        self._settings = settings
        self._network = network
        self._matting = Matting(threads)
        self._faces = FaceFinder()
        self._framer = Framer(self._matting, self._faces)
        self._resolver = SuperResolver(threads)
        self._photos = PhotoEnlarger(threads)

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """One picture a seed, [N, height, width, 3]; what fails or is refused alone is omitted.

        Raises VisionError: `invalid_request` (unknown preset), `no_face_found`, `canceled`,
        `timeout`, or the code of the first failure when no picture could be made.
        """
        guard.check()
        recipe = self._recipe_of(call)
        drawing, framed = self._drawing(call, recipe, guard)
        images: list[Pixels] = []
        omitted: list[tuple[int, str]] = []
        first: VisionError | None = None
        enlarged_by: dict[ModelVersion, None] = {}
        start, batch = 0, self._settings.batch
        while start < len(call.seeds):
            seeds = call.seeds[start : start + batch]
            guard.check()
            guard.tell(first=start, together=len(seeds))
            try:
                drawn = self._network.draw(drawing, recipe, seeds, guard)
                ready = [
                    one if isinstance(one, VisionError) else self._sized(one, call, guard)
                    for one in drawn
                ]
                for one in drawn:
                    if not isinstance(one, VisionError):
                        enlarged_by |= dict.fromkeys(self._enlarged_by(one, call))
            except Exception as failure:  # noqa: BLE001 - one batch fails alone
                reason = from_exception(failure)
                if reason.code in JOB_ENDING:
                    raise reason from None
                if reason.code == "out_of_memory" and len(seeds) > 1:
                    batch = len(seeds) // 2
                    continue
                log_failure(failure)
                ready = [reason] * len(seeds)
            for position, one in enumerate(ready, start):
                if not isinstance(one, VisionError):
                    images.append(one)
                    continue
                omitted.append((position, one.code))
                if one.code != "content_filtered":
                    first = first or one
            start += len(seeds)
        if first is not None and not images:
            raise first
        models = () if framed is None else framed.models
        models = (*models, *enlarged_by)
        return ModeAnswer(
            images=np.stack(images) if images else np.zeros((0, 1, 1, 3), np.uint8),
            preset=call.preset,
            models=(*self._network.versions(recipe), *models),
            omitted=tuple(omitted),
            analysis=None if framed is None else Analysis(framing=framed.how, people=framed.people),
        )

    def _drawing(
        self, call: ModeCall, recipe: Recipe, guard: Guard
    ) -> tuple[Drawing, Framed | None]:
        """What to draw, and how the source was framed; None where it is not looked at."""
        task = self._network.task_of(recipe)
        prompt = ", ".join(text for text in (call.prompt.strip(), recipe.prompt) if text)
        wide, high = _drawing_size(call, recipe.edge)
        if task == "generate" and recipe.controlnet is None:
            return Drawing(task, prompt, wide, high), None
        framed = self._framed(call, task, guard)
        picture = cv2.resize(framed.rgb, (wide, high), interpolation=cv2.INTER_AREA)
        mask = None
        if task == "inpaint":
            subject = cv2.resize(self._subject(call, framed), (wide, high)) >= SUBJECT_FROM
            kept = subject.astype(np.uint8)
            if call.mode == SCENE:
                # The product is laid over it: what is drawn goes on under its edge.
                kept = cv2.erode(kept, np.ones((3, 3), np.uint8))
            else:
                kept = cv2.dilate(kept, np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8))
            mask = np.where(kept > 0, 0, 255).astype(np.uint8)
        looked_at = tuple(_no_larger(on_white(one), recipe.edge) for one in call.references)
        shown = np.asarray(picture, np.uint8)
        held_to = recipe.controlnet and recipe.controlnet.sees(shown, mask)
        return Drawing(task, prompt, wide, high, shown, mask, looked_at, held_to), framed

    def _subject(self, call: ModeCall, framed: Framed) -> NDArray[np.float32]:
        """[h, w] of the framed source, 0 to 1: what `inpaint` leaves as it is.

        Raises VisionError `subject_unclear`.
        """
        alpha = call.image[..., 3]
        if int(alpha.min()) < 255 and call.preset not in self._settings.face_presets:
            return windowed(alpha, framed.window).astype(np.float32) / 255
        matte = self._matting.matte(framed.rgb)
        if not matte.separable and call.on_unclear_subject != "cut":
            why = "the subject cannot be told from its surroundings"
            raise VisionError("subject_unclear", f"{why}; a mask of your own says what it is")
        return matte.alpha

    def _recipe_of(self, call: ModeCall) -> Recipe:
        recipe = self._recipe(call.preset)
        if call.mode is not None and call.mode in MODE_TASKS:
            wanted = recipe_for(call.mode, self._settings, self._network.tasks_of)
            if wanted is None:
                reason = f"the pool's weights cannot do mode {call.mode}"
                raise VisionError("invalid_request", reason)
            words = [text for text in (wanted.prompt, recipe.prompt) if text]
            recipe = wanted.saying(", ".join(dict.fromkeys(words)))
        if call.negative_prompt:
            away = [text for text in (call.negative_prompt, recipe.negative_prompt) if text]
            recipe = replace(recipe, negative_prompt=", ".join(away))
        return recipe

    def _recipe(self, preset: str | None) -> Recipe:
        settings = self._settings
        if preset is None:
            return settings.base
        shipped = PRESETS.get(preset)
        if preset not in settings.presets and shipped is None:
            raise VisionError("invalid_request", "the diffusion model does not have this preset")
        recipe = settings.presets.get(preset, settings.base)
        if recipe.prompt or shipped is None:
            return recipe
        return recipe.saying(shipped.meaning)

    def _framed(self, call: ModeCall, task: Task, guard: Guard) -> Framed:
        if call.preset in self._settings.face_presets:
            portrait = portray(
                call.image,
                call.width,
                call.height,
                self._faces,
                self._matting,
                masked=call.masked,
            )
            return Framed(portrait.rgb, "cropped", portrait.people, (self._faces.version,))
        if call.masked and task != "inpaint":
            raise VisionError("invalid_request", "the diffusion model cuts nothing out: no mask")
        # Beyond the caller's own matte the picture goes on.
        rgb = np.ascontiguousarray(call.image[..., :3]) if call.masked else on_white(call.image)
        return self._framer.framed(rgb, call.width / call.height, guard)

    def _is_drawing(self, call: ModeCall) -> bool:
        """Whether the preset's pictures are drawings; all others are photographs."""
        shipped = PRESETS.get(call.preset or "")
        painted = shipped is not None and shipped.brush != "none"
        return painted or call.preset in self._settings.face_presets

    def _enlarged_by(self, drawn: Pixels, call: ModeCall) -> tuple[ModelVersion, ...]:
        high, wide = drawn.shape[:2]
        if self._is_drawing(call):
            return (self._resolver.version,) if _resolves(high, wide, call) else ()
        network = self._photos.network_for((wide, high), (call.width, call.height))
        return () if network is None else (network,)

    def _sized(self, drawn: Pixels, call: ModeCall, guard: Guard) -> Pixels:
        if not self._is_drawing(call):
            return self._photos.sized(drawn, (call.width, call.height), guard)
        if _resolves(*drawn.shape[:2], call):
            drawn = self._resolver.enlarge_pixels(drawn, guard)
        if drawn.shape[:2] == (call.height, call.width):
            return drawn
        way = cv2.INTER_AREA if drawn.shape[1] > call.width else cv2.INTER_LANCZOS4
        return np.asarray(cv2.resize(drawn, (call.width, call.height), interpolation=way), np.uint8)


def _no_larger(rgb: Pixels, edge: int) -> Pixels:
    """[h, w, 3] whose long edge is `edge` at most."""
    scale = edge / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _drawing_size(call: ModeCall, edge: int) -> tuple[int, int]:
    """Width and height that the network draws at.

    On its grid, so the picture is stretched by a hair; bringing it to the output's size undoes it.
    """
    scale = edge / max(call.width, call.height)
    wide, high = (
        max(GRID, round(side * scale / GRID) * GRID) for side in (call.width, call.height)
    )
    return wide, high


def _resolves(height: int, width: int, call: ModeCall) -> bool:
    large = call.width >= width * RESOLVE_FROM_SCALE
    return large and height * width <= MOST_PIXELS_TO_RESOLVE


def windowed(alpha: Pixels, window: tuple[int, int, int, int] | None) -> Pixels:
    """The part of [h, w] in a window (left, top, width, height); 0 beyond its borders."""
    if window is None:
        return alpha
    left, top, width, height = window
    canvas = np.zeros((height, width), np.uint8)
    high, wide = alpha.shape
    rows = slice(max(0, top), min(high, top + height))
    columns = slice(max(0, left), min(wide, left + width))
    part = alpha[rows, columns]
    canvas[
        rows.start - top : rows.start - top + part.shape[0],
        columns.start - left : columns.start - left + part.shape[1],
    ] = part
    return canvas
