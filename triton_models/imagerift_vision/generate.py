"""The pipeline of one attempt: fetch, decode, the mode's model, encode, upload."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from imagerift_contract.values import (
    CONTENT_TYPES,
    EXPORT_LONG_EDGE,
    THUMBNAIL_TYPE,
)
from numpy.typing import NDArray

from imagerift_vision.analysis import common
from imagerift_vision.control import Guard
from imagerift_vision.decoding import Source
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.encoding import encode
from imagerift_vision.entry_model import timed
from imagerift_vision.errors import ERROR_CODES, JOB_ENDING, VisionError, from_exception
from imagerift_vision.masks import masked
from imagerift_vision.mode_call import ModeAnswer, ModeCall, ModeModels
from imagerift_vision.moderation import Gate, Look, check_gate, opaque
from imagerift_vision.provenance import Provenance
from imagerift_vision.requests import (
    GenerateRequest,
    Output,
    Result,
    Target,
    WantedOutput,
)
from imagerift_vision.settings import ANOTHER_IN_EACH_ASPECT
from imagerift_vision.sizes import output_size
from imagerift_vision.storage import OriginClient
from imagerift_vision.subject_proof import SubjectProof
from imagerift_vision.thumbnails import thumbnail

log = logging.getLogger(__name__)

# Rendered pixels that may stand in memory between the mode's model and the encoder.
PIXELS_PER_CALL = 8 * 1024 * 1024
# A subject is placed at up to this share of the output's long edge, so more pixels of the source
# would be thrown away.
SOURCE_OVERSAMPLING = 1.5
MAX_SOURCE_EDGE = 4096
# What is looked at and not shown needs no more pixels.
REFERENCE_EDGE = 1536


@dataclass
class Pipeline:
    """Runs attempts, one at a time."""

    client: OriginClient
    modes: ModeModels
    mode_models: Mapping[str, str]
    gate: Gate | None = None
    decoding: DecodingProcess = field(default_factory=DecodingProcess)
    at_once: Mapping[str, int] = field(default_factory=dict)
    """How many pictures a model is asked for at once, so that the first are finished before the
    last is drawn; others for as many as fit."""

    def close(self) -> None:
        """Close the connection to storage; end the processes that decode."""
        self.client.close()
        self.decoding.close()

    def run(self, request: GenerateRequest, guard: Guard, result: Result) -> None:
        """Fill `result`. Outputs are uploaded as soon as each is encoded.

        Raises VisionError when the whole attempt fails; a picture that fails alone is omitted. All
        calls of the mode's model have the same source: what it found in that it has kept.
        """
        model = self._model_of(request)
        guard.tell(pictures=len(request.targets))
        drawn = 0
        source = self._source(request, guard, result)
        references = self._references(request, guard, result)
        for picture in (source, *references):
            self._screen(request, picture, guard, result)
        source = self._masked(source, request, guard, result)
        shown = tuple(one.rgba for one in references)
        first_failure: VisionError | None = None
        for (width, height), targets in _calls(request, source, self.at_once.get(model)):
            guard.check()
            variation = targets[0].index // len(request.shapes)
            guard.tell(stage="model", model=model, variation=variation, drawn=drawn)
            call = self._call(model, request, source, targets, (width, height), guard=guard)
            answer = self._answer(replace(call, references=shown), guard, result)
            if answer.error is not None:
                if not result.outputs or answer.error.code in JOB_ENDING:
                    raise answer.error
                result.omitted += [(target.index, answer.error.code) for target in targets]
                drawn += len(targets)
                continue
            _check(answer, len(targets), width, height)
            result.preset = answer.preset
            result.analysis = common(result.analysis, answer.analysis)
            result.models = list(dict.fromkeys([*result.models, *answer.models]))
            lost = dict(answer.omitted)
            made = [position for position in range(len(targets)) if position not in lost]
            drawn += len(targets)
            guard.tell(drawn=drawn)
            pictures = dict(zip(made, answer.images, strict=True))
            for index in self._blocked(request, answer, guard, result):
                lost[made[index]] = "content_filtered"
            proofs = dict(zip(made, answer.proofs, strict=False))
            for position, target in enumerate(targets):
                if position in lost:
                    result.omitted.append((target.index, lost[position]))
                    continue
                proof = proofs.get(position)
                if proof is not None and not proof.holds:
                    result.omitted.append((target.index, "model_error"))
                    continue
                try:
                    self._deliver(
                        request, target, pictures[position], proof, guard=guard, result=result
                    )
                except Exception as failure:  # noqa: BLE001 - one variation fails alone
                    reason = from_exception(failure)
                    if reason.code in JOB_ENDING:
                        raise reason from None
                    first_failure = first_failure or reason
                    result.omitted.append((target.index, reason.code))
        if not result.outputs:
            raise first_failure or _nothing_left(result.omitted)

    def _model_of(self, request: GenerateRequest) -> str:
        """The mode's model. Raises VisionError for what is refused before anything is fetched."""
        check_gate(request.gate, self.gate)
        model = model_of(self.mode_models, request.mode, request.preset)
        _check_shapes(request, model)
        return model

    def _screen(
        self, request: GenerateRequest, source: Source, guard: Guard, result: Result
    ) -> None:
        """Have the gate screen prompt and picture. Raises VisionError where it refuses them."""
        look = Look("input", source.rgba[None], request, request.preset, guard.seconds_left())
        if self._judged(look, guard, result):
            raise VisionError("content_filtered", "the prompt or the source image was blocked")

    def _blocked(
        self, request: GenerateRequest, answer: ModeAnswer, guard: Guard, result: Result
    ) -> frozenset[int]:
        """The indices of the pictures that the gate refuses."""
        if self.gate is None or not len(answer.images):
            return frozenset()
        look = Look("output", opaque(answer.images), request, answer.preset, guard.seconds_left())
        return self._judged(look, guard, result)

    def _judged(self, look: Look, guard: Guard, result: Result) -> frozenset[int]:
        if self.gate is None:
            return frozenset()
        guard.check()
        guard.tell(stage="moderate")
        with timed(result.metrics, "moderationMs"):
            verdict = self.gate.look(look)
        result.models = list(dict.fromkeys([*result.models, *verdict.models]))
        return verdict.blocked

    def _source(self, request: GenerateRequest, guard: Guard, result: Result) -> Source:
        wanted = max(EXPORT_LONG_EDGE[shape.size] for shape in request.shapes)
        edge = min(MAX_SOURCE_EDGE, round(wanted * SOURCE_OVERSAMPLING))
        return self._picture(request.source_url, edge, guard, result)

    def _masked(
        self, source: Source, request: GenerateRequest, guard: Guard, result: Result
    ) -> Source:
        """The source, under the caller's own matte where there is one.

        The gate has seen what lies beyond it: the whole picture may be shown.
        """
        if request.mask_url is None:
            return source
        edge = max(source.rgba.shape)
        return masked(source, self._picture(request.mask_url, edge, guard, result))

    def _references(
        self, request: GenerateRequest, guard: Guard, result: Result
    ) -> tuple[Source, ...]:
        """The pictures that are looked at beside the source."""
        return tuple(
            self._picture(url, REFERENCE_EDGE, guard, result) for url in request.reference_urls
        )

    def _picture(self, url: str, edge: int, guard: Guard, result: Result) -> Source:
        guard.tell(stage="fetch")
        with timed(result.metrics, "fetchMs"):
            data = self.client.fetch(url, guard)
        guard.check()
        guard.tell(stage="decode")
        with timed(result.metrics, "decodeMs"):
            return self.decoding.decode(data, edge, guard)

    def _call(
        self,
        model: str,
        request: GenerateRequest,
        source: Source,
        targets: Sequence[Target],
        size: tuple[int, int],
        *,
        guard: Guard,
    ) -> ModeCall:
        return ModeCall(
            model=model,
            image=source.rgba,
            attempt_id=request.attempt_id,
            seconds_left=guard.seconds_left(),
            spare=guard.spare,
            prompt=request.prompt,
            preset=request.preset,
            seeds=tuple(request.seed_of(target.index) for target in targets),
            width=size[0],
            height=size[1],
            on_unclear_subject=request.on_unclear_subject,
            masked=request.mask_url is not None,
            cutout=request.cutout,
            mode=request.mode,
            negative_prompt=request.negative_prompt,
            keep_subject=request.keep_subject,
        )

    def _answer(self, call: ModeCall, guard: Guard, result: Result) -> ModeAnswer:
        """Ask the mode's model. What it waits there for others is none of the attempt's time."""
        with timed(result.metrics, "modelMs"):
            answer = self.modes.call(call)
        guard.waited(answer.waited)
        result.metrics.modelMs -= answer.waited * 1000
        result.metrics.waitMs += answer.waited * 1000
        return answer

    def _deliver(
        self,
        request: GenerateRequest,
        target: Target,
        pixels: NDArray[np.uint8],
        proof: SubjectProof | None,
        *,
        guard: Guard,
        result: Result,
    ) -> None:
        guard.check()
        guard.tell(
            stage="encode",
            variation=target.index // len(request.shapes),
            finished=len(result.outputs) + len(result.omitted),
        )
        seed = request.seed_of(target.index)
        file_format = request.shape_of(target.index).format
        provenance = Provenance(request.mode, result.preset, seed, tuple(result.models), proof)
        with timed(result.metrics, "encodeMs"):
            body = encode(pixels, file_format, provenance)
        content_type = CONTENT_TYPES[file_format]
        if target.content_type != content_type:
            raise VisionError("invalid_request", "a target's contentType is not outputFormat's")
        guard.check()
        guard.tell(stage="upload")
        with timed(result.metrics, "uploadMs"):
            self.client.put(target.url, body, content_type, guard)
        height, width = pixels.shape[:2]
        result.outputs.append(
            Output(
                index=target.index,
                seed=seed,
                width=width,
                height=height,
                content_type=content_type,
                size_bytes=len(body),
                sha256=hashlib.sha256(body).hexdigest(),
                thumbnail=self._put_thumbnail(target, pixels, provenance, guard, result),
            )
        )
        guard.tell(
            finished=len(result.outputs) + len(result.omitted),
            shown=sum(1 << output.index for output in result.outputs if output.thumbnail),
        )

    def _put_thumbnail(
        self,
        target: Target,
        pixels: NDArray[np.uint8],
        provenance: Provenance,
        guard: Guard,
        result: Result,
    ) -> bool:
        """Put the thumbnail, where one is wanted; an output is never lost for want of it.

        Raises VisionError `canceled` or `timeout`.
        """
        if target.thumbnail_url is None:
            return False
        try:
            with timed(result.metrics, "encodeMs"):
                # Made smaller, it proves nothing.
                body = thumbnail(pixels, replace(provenance, proof=None))
            with timed(result.metrics, "uploadMs"):
                self.client.put(target.thumbnail_url, body, THUMBNAIL_TYPE, guard)
        except Exception as failure:  # noqa: BLE001 - the output itself was delivered
            reason = from_exception(failure)
            if reason.code in JOB_ENDING:
                raise reason from None
            log.warning("a thumbnail was left out: %s", reason.code)
            return False
        return True


def model_of(mode_models: Mapping[str, str], mode: str, preset: str | None) -> str:
    """The Triton model for a mode, or for that preset of it where one is named.

    Raises VisionError `invalid_request` when there is none.
    """
    for key in (f"{mode}/{preset}", mode):
        if key in mode_models:
            return mode_models[key]
    raise VisionError("invalid_request", "this model server does not have the mode")


def _check_shapes(request: GenerateRequest, model: str) -> None:
    """Raises VisionError `invalid_request` where the model would make other pictures of a shape."""
    if model in ANOTHER_IN_EACH_ASPECT and len({shape.aspect for shape in request.shapes}) > 1:
        raise VisionError(
            "invalid_request",
            "this mode's model makes pictures of one aspect a job",
        )


def _nothing_left(omitted: Sequence[tuple[int, str]]) -> VisionError:
    """Why a job without any output failed: the one reason of all, where there is one."""
    if {code for _, code in omitted} == {"content_filtered"}:
        return VisionError("content_filtered", "every output was blocked")
    return VisionError("model_error", "no variation could be made")


def _calls(
    request: GenerateRequest, source: Source, at_once: int | None
) -> Iterator[tuple[tuple[int, int], tuple[Target, ...]]]:
    """The calls of the mode's model: width and height in pixels, and the pictures of that size."""
    shapes = request.shapes
    for place, shape in enumerate(shapes):
        size = _size(request, shape, source)
        targets = tuple(each for each in request.targets if each.index % len(shapes) == place)
        for batch in _batches(targets, size[0] * size[1], at_once):
            yield size, batch


def _size(request: GenerateRequest, shape: WantedOutput, source: Source) -> tuple[int, int]:
    """Width and height of the pictures of a shape, in pixels."""
    asked = request.cutout
    if asked is not None and asked.width is not None and asked.height is not None:
        return asked.width, asked.height
    return output_size(shape.size, shape.aspect, source.width, source.height)


def _check(answer: ModeAnswer, asked: int, width: int, height: int) -> None:
    """Check a mode's answer against the contract: anyone may write a model.

    Raises VisionError `model_error`.
    """
    lost = {position for position, _ in answer.omitted}
    expected = (asked - len(lost), height, width)
    known = all(code in ERROR_CODES for _, code in answer.omitted)
    proven = len(answer.proofs) in (0, expected[0])
    if not (known and proven and lost <= set(range(asked))) or answer.images.dtype != np.uint8:
        raise VisionError("model_error", "the mode's model broke its contract")
    fits = answer.images.shape[:3] == expected and answer.images.shape[3:] in ((3,), (4,))
    if not fits and (expected[0] or len(answer.images)):
        raise VisionError("model_error", "the mode's model gave pictures of another size")


def _batches(
    targets: tuple[Target, ...], pixels_each: int, at_once: int | None
) -> Iterator[tuple[Target, ...]]:
    """Cut pictures of one size into calls that fit the memory bound together."""
    step = max(1, min(PIXELS_PER_CALL // pixels_each, at_once or len(targets)))
    for start in range(0, len(targets), step):
        yield targets[start : start + step]
