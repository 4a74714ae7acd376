"""Whether a job pod could run its jobs: its models, their weights, its safety gate. No GPU needed.

The operator asks this of a pod without devices before it makes one that holds a GPU.
"""

import json
from collections.abc import Callable, Iterable
from typing import Literal

from imagerift_vision.entry_model import log_failure
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import model_of
from imagerift_vision.python_models import NotHereError, PythonModels
from imagerift_vision.requests import GenerateRequest
from imagerift_vision.settings import Settings

Reason = Literal["GateMissing", "ModelMissing", "ModelNotReady", "SettingsWrong"]

# Calls the model that draws backgrounds.
SCENE = "scene"
# A termination message holds 4,096 bytes.
MAX_WORDS = 1000


class UnfitError(Exception):
    """Why jobs could not be run: a reason in CamelCase, and words for an administrator."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason


def check_all(kind: str) -> None:
    """Look at the safety gate and at the models behind all modes.

    Raises UnfitError; ValueError where a variable is wrong.
    """
    settings = Settings.from_environment()
    models = PythonModels.from_environment(kind)
    models.install()
    gate = settings.moderation_model
    if gate is not None:
        _look_at(models, gate, "GateMissing", f"the safety gate {gate}")
    for name in sorted(set(settings.mode_models.values())):
        modes = sorted(mode for mode, model in settings.mode_models.items() if model == name)
        _look_at(models, name, "ModelMissing", f"the model {name} of {', '.join(modes)}")
    behind = settings.background_model
    if behind is not None:
        _look_at(models, behind, "ModelMissing", f"the model {behind} of backgrounds")


def models_of(settings: Settings, request: GenerateRequest) -> list[str]:
    """The models that a job is run by, and judged by.

    Raises VisionError `invalid_request` where none is behind its mode.
    """
    model = model_of(settings.mode_models, request.mode, request.preset)
    behind = settings.background_model if model == SCENE else None
    return [name for name in (model, behind, settings.moderation_model) if name is not None]


def _look_at(models: PythonModels, name: str, missing: Reason, what: str) -> None:
    try:
        models.check(name)
    except NotHereError as error:
        raise UnfitError(missing, f"{what}: {error}") from error
    except Exception as error:
        # Weights, packages and settings alike: an administrator's words, nothing of a job's.
        words = f"{what}: {type(error).__name__}: {error}"
        raise UnfitError("ModelNotReady", words) from error


def check_models(models: PythonModels, names: Iterable[str]) -> None:
    """Raises VisionError `model_error` where a job's models are not here, or cannot be loaded.

    What is missing is not tried again; weights that are not whole yet may be at the next attempt.
    """
    for name in names:
        try:
            models.check(name)
        except NotHereError:
            raise VisionError("model_error", "job pods do not have the job's models") from None
        except Exception as failure:  # noqa: BLE001 - a model of anyone's
            log_failure(failure)
            reason = "the job's models are not ready in job pods"
            raise VisionError("model_error", reason, retryable=True) from None


def check_result(check: Callable[[], None]) -> bytes:
    """What `check` finds, for a termination message: `{"problem": null | {reason, message}}`."""
    problem = None
    try:
        check()
    except UnfitError as error:
        problem = {"reason": error.reason, "message": str(error)[:MAX_WORDS]}
    except (OSError, ValueError) as error:
        problem = {"reason": "SettingsWrong", "message": str(error)[:MAX_WORDS]}
    return json.dumps({"problem": problem}).encode()
