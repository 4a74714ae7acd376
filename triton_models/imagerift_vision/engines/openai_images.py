"""OpenAI's images API, as SGLang-Diffusion, vLLM-Omni and NVIDIA NIM serve it.

`POST /v1/images/generations` (JSON) and `POST /v1/images/edits` (multipart/form-data), answered
with `{data: [{b64_json}]}`: https://platform.openai.com/docs/api-reference/images. A seed, steps,
guidance and a negative prompt are what SGLang and vLLM-Omni add, under names of their own.
"""

import base64
import binascii
import io
import json
from typing import Any

import aiohttp

from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.engines.client import MOST_PICTURE_BYTES, EngineClient
from imagerift_vision.engines.pictures import mask_png, png
from imagerift_vision.engines.settings import EngineSettings
from imagerift_vision.errors import VisionError

# Base64 has four letters for three bytes; around it stand small members alone.
MOST_ANSWER_BYTES = MOST_PICTURE_BYTES * 4 // 3 + 1024 * 1024


async def draw(
    client: EngineClient, settings: EngineSettings, drawing: Drawing, recipe: Recipe, seed: int
) -> bytes:
    """The file of the picture that the engine drew.

    Raises VisionError as the client does, and `model_error` for an answer without a picture.
    """
    fields = asked(settings, drawing, recipe, seed)
    if drawing.picture is None:
        body = await client.call(
            "POST",
            "/v1/images/generations",
            document=fields,
            most_bytes=MOST_ANSWER_BYTES,
        )
        return picture_in(body)
    picture = png(drawing.picture)
    mask = None if drawing.mask is None else mask_png(drawing.mask)

    def form() -> aiohttp.FormData:
        made = aiohttp.FormData(default_to_multipart=True)
        for name, value in fields.items():
            made.add_field(name, _text(value))
        made.add_field(
            "image", io.BytesIO(picture), filename="source.png", content_type="image/png"
        )
        field = settings.fields["mask"]
        if mask is not None and field is not None:
            made.add_field(field, io.BytesIO(mask), filename="mask.png", content_type="image/png")
        return made

    body = await client.call("POST", "/v1/images/edits", form=form, most_bytes=MOST_ANSWER_BYTES)
    return picture_in(body)


def asked(settings: EngineSettings, drawing: Drawing, recipe: Recipe, seed: int) -> dict[str, Any]:
    """The fields of the request, but for pictures."""
    wide, high = nearest_size(settings.sizes, drawing.width, drawing.height)
    values: dict[str, Any] = {
        "n": 1,
        "size": f"{wide}x{high}",
        "responseFormat": "b64_json",
        "outputFormat": "png",
        "seed": seed,
        "steps": recipe.steps,
        "guidanceScale": recipe.guidance_scale,
        "negativePrompt": recipe.negative_prompt or None,
        "strength": recipe.strength,
    }
    sent = {
        field: value
        for name, value in values.items()
        if (field := settings.fields[name]) is not None and value is not None
    }
    model = recipe.model or settings.model
    named = {} if model is None else {"model": model}
    return {**settings.parameters, **sent, **named, "prompt": drawing.prompt}


def nearest_size(sizes: tuple[tuple[int, int], ...], width: int, height: int) -> tuple[int, int]:
    """Of the sizes that an engine has, the one nearest in proportions; the wanted one without."""
    if not sizes:
        return width, height
    ratio = width / height

    def distance(size: tuple[int, int]) -> tuple[float, int]:
        own = size[0] / size[1]
        return max(own / ratio, ratio / own), abs(size[0] * size[1] - width * height)

    return min(sizes, key=distance)


def picture_in(body: bytes) -> bytes:
    """The file in an answer. An address in it is never called.

    Raises VisionError `model_error`.
    """
    try:
        return base64.b64decode(json.loads(body)["data"][0]["b64_json"], validate=True)
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        raise VisionError("model_error", "the engine answered without a picture") from None


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
