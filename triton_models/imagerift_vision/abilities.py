"""What a server can do of each of its modes, as `control` tells whoever sends it jobs."""

import json
from collections.abc import Mapping
from typing import Any

from imagerift_vision.diffusion_modes import MODE_TASKS, served
from imagerift_vision.diffusion_settings import DiffusionSettings
from imagerift_vision.entry_model import log_failure
from imagerift_vision.settings import ANOTHER_IN_EACH_ASPECT, DIFFUSION, Settings


def is_question(raw: bytes) -> bool:
    """Whether a COMMAND asks for this."""
    try:
        document = json.loads(raw)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("describe") is True


def abilities(
    settings: Settings, environment: Mapping[str, str]
) -> dict[str, dict[str, Any] | None]:
    """By mode of `generate`, `oneAspect`: whether another aspect is another picture of a seed.

    A mode of which any preset is so is so as a whole. None: one that wants a task which no model
    here can do. Modes with entry models of their own are not told of.
    """
    drawn = {
        name.partition("/")[0]
        for name, model in settings.mode_models.items()
        if model in ANOTHER_IN_EACH_ASPECT
    }
    modes = {name.partition("/")[0] for name in settings.mode_models}
    found: dict[str, dict[str, Any] | None] = {
        mode: {"oneAspect": mode in drawn} for mode in sorted(modes)
    }
    lacking = _lacking(settings, environment)
    for mode in MODE_TASKS:
        by_diffusion = settings.mode_models.get(mode) == DIFFUSION
        if mode not in modes or (by_diffusion and mode in lacking):
            found[mode] = None
    return found


def _lacking(settings: Settings, environment: Mapping[str, str]) -> frozenset[str]:
    """The modes that the pool's weights cannot draw, of those that want a task of them."""
    if DIFFUSION not in settings.mode_models.values():
        return frozenset()
    try:
        return (
            frozenset(MODE_TASKS) - served(DiffusionSettings.from_environment(environment)).keys()
        )
    except (OSError, ValueError) as failure:
        # The model itself does not load then, and says why.
        log_failure(failure)
        return frozenset()
