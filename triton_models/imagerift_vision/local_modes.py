"""The shipped modes without a server: their models are loaded in this process."""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from imagerift_vision.control import AttemptGuard, CancelFlags, Guard
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import ModeAnswer, ModeCall
from imagerift_vision.settings import Settings

_MODES = {
    "style": ("imagerift_vision.style", "StyleMode"),
    "avatar": ("imagerift_vision.avatar", "AvatarMode"),
    "enhance": ("imagerift_vision.enhance", "EnhanceMode"),
    "cutout": ("imagerift_vision.cutout", "CutoutMode"),
    # Without a server there is no diffusion model: the studio's sets are around the product.
    "scene": ("imagerift_vision.scene_mode", "SceneMode"),
}


class Mode(Protocol):
    """One way to make pictures."""

    def run(self, call: ModeCall, guard: Guard) -> ModeAnswer:
        """Make one picture a seed. May raise anything; a VisionError's code is the client's."""


class LocalModes:
    """The shipped modes' models, loaded in this process when they are first called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._flags = CancelFlags(settings.control_dir)
        self._loaded: dict[str, Mode] = {}

    def call(self, call: ModeCall) -> ModeAnswer:
        """Run the mode's model.

        Raises VisionError `invalid_request` for a model that only a server can run.
        """
        if call.model not in self._loaded:
            if call.model not in _MODES:
                raise VisionError("invalid_request", "job pods cannot run this mode's model")
            module, name = _MODES[call.model]
            make: Callable[[int], Mode] = getattr(import_module(module), name)
            self._loaded[call.model] = make(self._settings.threads)
        guard = AttemptGuard.begun(self._flags, call.attempt_id, call.seconds_left)
        return self._loaded[call.model].run(call, guard)
