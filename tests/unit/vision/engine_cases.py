"""What the tests of engines have drawn, and by what."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from imagerift_vision.decoding_process import DecodingProcess
from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.engines.network import EngineNetwork
from imagerift_vision.engines.settings import EngineSettings
from odd_images import scene

PROMPT = "SECRETPROMPT of a mug"
TOKEN = "SECRETTOKEN-0123456789"


def settings(origin: str, /, **members: Any) -> EngineSettings:
    """What the models read of a pool that has this engine."""
    document = {"kind": "openai-images", "origin": origin} | members
    return EngineSettings.from_environment({"IMAGERIFT_ENGINE": json.dumps(document)})


@contextmanager
def network(decoding: DecodingProcess, origin: str, **members: Any) -> Iterator[EngineNetwork]:
    """What draws by it."""
    made = EngineNetwork(settings(origin, **members), decoding)
    try:
        yield made
    finally:
        made._loop.close()


def drawing(task: str = "edit", size: tuple[int, int] = (96, 64), **more: Any) -> Drawing:
    """A drawing of the test scene, but for `generate`, which has no picture."""
    picture = None
    if task != "generate":
        picture = np.asarray(scene().convert("RGB").resize(size))
    return Drawing(task, PROMPT, *size, picture, **more)
