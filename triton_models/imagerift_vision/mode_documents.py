"""PARAMETERS and INFO: what `generate` asks of a mode's model, and what that answers.

Anyone may write a mode's model; their schemas are in `contract/`. Both run on one machine, so the
deadline is a time of its clock. What a call waits for a free instance counts for a model that reads
the deadline alone; one that reads more gives it back, as far as the attempt may wait.
"""

import json
import time

import numpy as np
from imagerift_contract.values import DEFAULT_ON_UNCLEAR_SUBJECT
from numpy.typing import NDArray

from imagerift_vision.analysis import read_analysis
from imagerift_vision.cutout_options import cutout_document, read_cutout
from imagerift_vision.errors import ERROR_CODES, VisionError
from imagerift_vision.mode_call import ModeAnswer, ModeCall
from imagerift_vision.requests import ModelVersion
from imagerift_vision.subject_proof import read_proof


def parameters_of(call: ModeCall) -> str:
    """The PARAMETERS document of a call."""
    return json.dumps(
        {
            "attemptId": call.attempt_id,
            "deadline": time.time() + call.seconds_left,
            "secondsLeft": call.seconds_left,
            "waitSeconds": call.spare,
            "prompt": call.prompt,
            "preset": call.preset,
            "seeds": list(call.seeds),
            "width": call.width,
            "height": call.height,
            "onUnclearSubject": call.on_unclear_subject,
            "masked": call.masked,
            "cutout": cutout_document(call.cutout),
            "mode": call.mode,
            "negativePrompt": call.negative_prompt,
            "keepSubject": call.keep_subject,
        }
    )


def read_parameters(raw: bytes | str, model: str, image: NDArray[np.uint8]) -> ModeCall:
    """The call of that model with that picture.

    Raises ValueError or KeyError where it is no PARAMETERS document.
    """
    parameters = json.loads(raw)
    left, spare = parameters["deadline"] - time.time(), parameters.get("waitSeconds", 0.0)
    waited = min(max(0.0, parameters.get("secondsLeft", left) - left), spare)
    return ModeCall(
        model=model,
        image=image,
        attempt_id=parameters["attemptId"],
        seconds_left=left + waited,
        spare=spare - waited,
        waited=waited,
        prompt=parameters["prompt"],
        preset=parameters["preset"],
        seeds=tuple(parameters["seeds"]),
        width=parameters["width"],
        height=parameters["height"],
        on_unclear_subject=parameters.get("onUnclearSubject", DEFAULT_ON_UNCLEAR_SUBJECT),
        masked=parameters.get("masked", False),
        cutout=read_cutout(parameters.get("cutout")),
        mode=parameters.get("mode"),
        negative_prompt=parameters.get("negativePrompt") or "",
        keep_subject=parameters.get("keepSubject", True),
    )


def info_of(answer: ModeAnswer) -> str:
    """The INFO document of an answer."""
    return json.dumps(
        {
            "preset": answer.preset,
            "models": [{"name": model.name, "version": model.version} for model in answer.models],
            "omitted": [{"index": index, "code": code} for index, code in answer.omitted],
            "error": None if answer.error is None else answer.error.as_dict(),
            "analysis": None if answer.analysis is None else answer.analysis.as_dict(),
            "proofs": [None if one is None else one.as_dict() for one in answer.proofs],
            "waitedSeconds": answer.waited,
        }
    )


def read_info(raw: bytes | str, images: NDArray[np.uint8]) -> ModeAnswer:
    """The answer with those pictures; an error's unknown code becomes `model_error`.

    Raises ValueError or KeyError where it is no INFO document.
    """
    info = json.loads(raw)
    error = info.get("error")
    return ModeAnswer(
        images=images,
        preset=info.get("preset"),
        models=tuple(ModelVersion(m["name"], m["version"]) for m in info.get("models") or ()),
        omitted=tuple((item["index"], item["code"]) for item in info.get("omitted") or ()),
        error=None if error is None else _known(error),
        analysis=read_analysis(info.get("analysis")),
        proofs=tuple(read_proof(one) for one in info.get("proofs") or ()),
        waited=max(0.0, float(info.get("waitedSeconds") or 0.0)),
    )


def _known(error: dict[str, object]) -> VisionError:
    for code in ERROR_CODES:
        if error.get("code") == code:
            return VisionError(code, str(error.get("message")), bool(error.get("retryable")))
    return VisionError("model_error", "the mode's model failed")
