"""What a server can do of each of its modes, as `control` tells whoever sends it jobs."""

import json
from collections.abc import Mapping
from typing import Any

from imagerift_vision.diffusion_modes import MODE_TASKS, Served, served
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
    """By mode of `generate`, `oneAspect`: whether another aspect is another picture of a seed, and
    `references`: how many pictures beside the source are looked at.

    A mode of which any preset is drawn anew is so as a whole. None: one that wants a task which no
    model here can do. Modes with entry models of their own are not told of.
    """
    models = settings.mode_models
    drawn = {_mode(name) for name, model in models.items() if model in ANOTHER_IN_EACH_ASPECT}
    found: dict[str, dict[str, Any] | None] = {
        mode: {"oneAspect": mode in drawn, "references": 0}
        for mode in sorted({*map(_mode, models), *MODE_TASKS})
    }
    ways = _ways(settings, environment)
    for mode in MODE_TASKS:
        behind = settings.background_model if mode == "scene" else models.get(mode)
        if mode not in models:
            found[mode] = None
        elif behind == DIFFUSION and ways is not None:
            way = ways.get(mode)
            # Without a background that is drawn a scene has the studio's.
            lacks = way is None and mode != "scene"
            looks = 0 if way is None else way.references
            found[mode] = None if lacks else {"oneAspect": mode in drawn, "references": looks}
    return found


def _mode(name: str) -> str:
    """The mode of a key that may name one preset of it."""
    return name.partition("/")[0]


def _ways(settings: Settings, environment: Mapping[str, str]) -> Mapping[str, Served] | None:
    """How the pool's weights draw the modes that want a task of them; None: nobody knows."""
    if DIFFUSION not in {*settings.mode_models.values(), settings.background_model}:
        return {}
    try:
        return served(DiffusionSettings.from_environment(environment))
    except (OSError, ValueError) as failure:
        # The model itself does not load then, and says why.
        log_failure(failure)
        return None
