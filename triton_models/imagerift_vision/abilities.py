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


def abilities(settings: Settings, environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """By mode, `oneAspect`: whether another aspect is another picture of a seed.

    A mode of which any preset is so is so as a whole. A mode that wants a task which the pool's
    weights cannot do is not there.
    """
    found: dict[str, dict[str, Any]] = {}
    lacking = _lacking(settings, environment)
    for name, model in settings.mode_models.items():
        mode = name.partition("/")[0]
        if model == DIFFUSION and mode in lacking:
            continue
        one = model in ANOTHER_IN_EACH_ASPECT or found.get(mode, {}).get("oneAspect", False)
        found[mode] = {"oneAspect": one}
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
