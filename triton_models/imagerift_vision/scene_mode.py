"""The `scene` mode: a product in new surroundings, its own pixels in it, and the proof of that."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imagerift_vision.analysis import Analysis, Ignored
from imagerift_vision.compositing.contact import grounded
from imagerift_vision.compositing.harmony import harmonised
from imagerift_vision.compositing.pasting import Product, View, pasted
from imagerift_vision.compositing.proving import proven
from imagerift_vision.control import Guard
from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import JOB_ENDING, VisionError, from_exception
from imagerift_vision.matting import Matting
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.photo_enlarging import PhotoEnlarger
from imagerift_vision.presets import PRESETS, Preset
from imagerift_vision.prompt_read import PromptRead
from imagerift_vision.prompts import DEFAULT_PRESET, PromptReader
from imagerift_vision.requests import ModelVersion
from imagerift_vision.scene.composition import composed
from imagerift_vision.scene.direction import can_show, direct
from imagerift_vision.scene.placement import Subject, warp
from imagerift_vision.scene.render import lamp_of, placed, posed, render
from imagerift_vision.scene_backgrounds import Backgrounds
from imagerift_vision.study import Studied, Study, digest_of, unclear
from imagerift_vision.subject_proof import SubjectProof

Pixels = NDArray[np.uint8]

COMPOSITOR = ModelVersion("imagerift-scene", "1")
# A painted product would be another one.
LOOKS = {name: preset for name, preset in PRESETS.items() if preset.brush == "none"}
# Long edge that a background is drawn at; diffusion weights are trained on about as much.
DRAWN_EDGE = 1024


@dataclass(frozen=True)
class Made:
    """One picture, what is proven of its subject, and what drew what is around it."""

    pixels: Pixels
    proof: SubjectProof | None
    models: tuple[ModelVersion, ...] = ()


class SceneMode:
    """All networks of the mode, loaded once; the last source's analysis is kept."""

    def __init__(self, threads: int, backgrounds: Backgrounds | None = None) -> None:
        """Load the networks. Without `backgrounds` the studio's own sets are what is around."""
        self._study = Study(Matting(threads))
        self._reader = PromptReader(threads, LOOKS)
        self._enlarger = PhotoEnlarger(threads)
        self._backgrounds = backgrounds

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """One picture a seed, [N, height, width, 3], with its proof; what fails it is omitted.

        Raises VisionError: `invalid_request` (unknown preset), `subject_unclear`, `canceled`,
        `timeout`, or the code of the first failure when no picture could be made.
        """
        guard.check()
        base, read = self._read(call)
        guard.check()
        digest = digest_of(call.image, masked=call.masked)
        in_doubt = call.on_unclear_subject == "cut"
        studied = self._study.of(call.image, digest, masked=call.masked, even_in_doubt=in_doubt)
        subject = studied.subject
        if subject is None or studied.original is None:
            raise unclear(studied)
        read = read.showing(lambda item: can_show(item, base, subject))
        if self._backgrounds is not None:
            # What the studio has no word for is drawn all the same.
            known = tuple(item for item in read.ignored if item.reason != "unknown")
            read = replace(read, ignored=known)
        preset = direct(base, read.scene, subject)
        product = Product.of(subject, studied.original)
        made: list[Made] = []
        omitted: list[tuple[int, str]] = []
        first: VisionError | None = None
        for position, seed in enumerate(call.seeds):
            guard.check()
            try:
                made.append(self._made(subject, product, preset, seed, call, guard=guard))
            except Exception as failure:  # noqa: BLE001 - one variation fails alone
                reason = from_exception(failure)
                if reason.code in JOB_ENDING:
                    raise reason from None
                log_failure(failure)
                first = first or reason
                omitted.append((position, reason.code))
        if not made:
            raise first or VisionError("invalid_request", "no seed was given")
        return ModeAnswer(
            images=np.stack([one.pixels for one in made]),
            preset=preset.name,
            models=self._models(studied, read, made),
            omitted=tuple(omitted),
            analysis=Analysis(
                read.why,
                read.words or None,
                read.refused,
                prompt_read=read.understood,
                subject=studied.found,
            ),
            proofs=tuple(one.proof for one in made),
        )

    def _read(self, call: ModeCall) -> tuple[Preset, PromptRead]:
        if call.preset not in (None, *LOOKS):
            raise VisionError("invalid_request", "the scene mode does not have this preset")
        away = [text.strip() for text in call.negative_prompt.split(",") if text.strip()]
        prompt = ", ".join([call.prompt, *(f"no {text}" for text in away)])
        read = self._reader.read(prompt, call.preset)
        if read.preset not in LOOKS:
            plain = self._reader.read(prompt, DEFAULT_PRESET)
            lost = (Ignored(read.words, "impossible"),) if read.words else ()
            ignored = (*lost, *plain.ignored)
            read = replace(plain, why="default", ignored=ignored, embedded=read.embedded)
        return LOOKS[read.preset], read

    def _made(
        self,
        subject: Subject,
        product: Product,
        preset: Preset,
        seed: int,
        call: ModeCall,
        *,
        guard: Guard,
    ) -> Made:
        """Raises VisionError `model_error` where the proof fails."""
        preset = composed(preset, seed)
        subject = posed(subject, preset)
        size = (call.width, call.height)
        if not call.keep_subject:
            return Made(render(subject, preset, seed, size, guard), None)
        view = View(product, placed(subject, preset, size), call.width)
        background, models = self._background(subject, product, preset, seed, call, guard=guard)
        picture = pasted(background, view, guard)
        proof = proven(picture, view, guard)
        if not proof.holds:
            raise VisionError("model_error", "the product's own pixels are not in the picture")
        return Made(picture, proof, models)

    def _background(
        self,
        subject: Subject,
        product: Product,
        preset: Preset,
        seed: int,
        call: ModeCall,
        *,
        guard: Guard,
    ) -> tuple[Pixels, tuple[ModelVersion, ...]]:
        """[height, width, 3] with the product's shadow, but not the product; and what drew it."""
        size = (call.width, call.height)
        if self._backgrounds is None:
            return render(subject, preset, seed, size, guard, empty=True), ()
        shrink = min(1.0, DRAWN_EDGE / max(size))
        small = (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
        stage = render(subject, preset, seed, small, guard, empty=True)
        spot = placed(subject, preset, small)
        init = pasted(stage, View(product, spot, small[0]), guard)
        _, alpha = warp(subject, spot, *small)
        light = "light from the left" if lamp_of(preset, seed).side < 0 else "light from the right"
        prompt = ", ".join(text for text in (call.prompt.strip(), light) if text)
        left = guard.seconds_left()
        asked = replace(call, prompt=prompt, preset=preset.name, seconds_left=left)
        drawn, models = self._backgrounds.draw(asked, seed, stage, init, alpha)
        guard.check()
        if preset.shadow > 0:
            drawn = grounded(drawn, alpha, subject.grounding)
        guard.check()
        lit = harmonised(drawn, stage, alpha)
        network = self._enlarger.network_for(small, size)
        enlarged = self._enlarger.sized(lit, size, guard)
        return enlarged, (*models, *([network] if network else []))

    def _models(
        self, studied: Studied, read: PromptRead, made: list[Made]
    ) -> tuple[ModelVersion, ...]:
        network = self._reader.version if read.embedded else None
        around = [model for one in made for model in one.models]
        all_of_them = (COMPOSITOR, studied.matted_by, network, *around)
        return tuple(dict.fromkeys(model for model in all_of_them if model is not None))
