"""An engine that speaks OpenAI's images API as SGLang-Diffusion and vLLM-Omni serve it.

By `image_api.py` of sglang (python/sglang/multimodal_gen/runtime/entrypoints/openai), and
`protocol/images.py` and docs/serving/image_edit_api.md of vllm-omni: fields, their bounds, and how
what is wrong is answered (FastAPI's `detail`). It draws colours by the seed, over the source where
there is one.
"""

from __future__ import annotations

import asyncio
import base64
import io
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from PIL import Image, ImageChops

from tests.support.engines.serving import serving

SIZE = re.compile(r"([0-9]+)x([0-9]+)")
# By field: its type, least and most.
NUMBERS: Mapping[str, tuple[type, float, float]] = {
    "n": (int, 1, 10),
    "seed": (int, -(2**63), 2**63 - 1),
    "num_inference_steps": (int, 1, 200),
    "guidance_scale": (float, 0, 20),
    "true_cfg_scale": (float, 0, 20),
}


@dataclass
class Asked:
    """A call that came."""

    path: str
    headers: Mapping[str, str]
    fields: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Reply:
    """What is answered in place of a picture."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ImagesEngine:
    """`url` is there while it runs; `token`, where set, is wanted of callers."""

    token: str = ""
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    """The next answers, each once."""
    file: bytes | None = None
    """Answered in place of what would be drawn."""
    holds: bool = False
    """Whether pictures take for ever."""
    came: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    """Whether a caller has gone before its answer."""

    @contextmanager
    def running(self) -> Iterator[ImagesEngine]:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/v1/images/generations", self._generations)
        application.router.add_post("/v1/images/edits", self._edits)
        with serving(application) as self.url:
            yield self

    async def _generations(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return _unauthorized()
        fields = await request.json()
        return await self._answer(Asked(request.path, dict(request.headers), fields))

    async def _edits(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return _unauthorized()
        fields: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                with value.file as file:
                    files[name] = file.read()
            else:
                fields[name] = value
        if not {"image", "image[]"} & set(files):
            return _detail(422, "Field 'image' or 'url' is required")
        return await self._answer(Asked(request.path, dict(request.headers), fields, files))

    def _knows(self, request: web.Request) -> bool:
        return not self.token or request.headers.get("Authorization") == f"Bearer {self.token}"

    async def _answer(self, asked: Asked) -> web.Response:
        self.asked.append(asked)
        self.came.set()
        if self.replies:
            reply = self.replies.pop(0)
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        if self.holds:
            try:
                await asyncio.Event().wait()
            finally:
                self.left.set()
        fields = asked.fields
        if "prompt" not in fields:
            return _invalid("prompt", "missing", "Field required")
        for name, (kind, least, most) in NUMBERS.items():
            if name in fields:
                try:
                    fields[name] = kind(fields[name])
                except ValueError:
                    words = f"Input should be a valid {'integer' if kind is int else 'number'}"
                    return _invalid(name, f"{kind.__name__}_parsing", words)
                if not least <= fields[name] <= most:
                    words = f"Input should be less than or equal to {most:g}"
                    return _invalid(name, "less_than_equal", words)
        size = SIZE.fullmatch(str(fields.get("size", "1024x1024")))
        if size is None:
            words = "Expected format: 'WIDTHxHEIGHT' (e.g., '1024x1024')."
            return _detail(400, f"Invalid size format: '{fields['size']}'. {words}")
        if fields.get("response_format", "b64_json") != "b64_json":
            return _detail(400, "response_format='url' requires cloud storage to be configured.")
        wide, high = map(int, size.groups())
        file = self.file or drawn(
            int(fields.get("seed", 0)), (wide, high), asked.files.get("image")
        )
        picture = {"b64_json": base64.b64encode(file).decode(), "url": None, "revised_prompt": None}
        return web.json_response(
            {
                "created": int(time.time()),
                "data": [picture] * int(fields.get("n", 1)),
                "output_format": fields.get("output_format"),
                "size": f"{wide}x{high}",
            }
        )


def drawn(seed: int, size: tuple[int, int], source: bytes | None = None) -> bytes:
    """A PNG of that size: shades in the seed's colours, over the source where there is one."""
    shade = Image.linear_gradient("L").resize(size)
    colours = Image.merge(
        "RGB", [ImageChops.offset(shade, seed * 37 % size[0], seed * 11 * n) for n in (1, 2, 3)]
    )
    if source is not None:
        below = Image.open(io.BytesIO(source)).convert("RGB").resize(size)
        colours = Image.blend(below, colours, 0.25)
    target = io.BytesIO()
    colours.save(target, "PNG")
    return target.getvalue()


def _unauthorized() -> web.Response:
    return web.json_response({"error": "Unauthorized"}, status=401)


def _detail(status: int, words: str) -> web.Response:
    return web.json_response({"detail": words}, status=status)


def _invalid(name: str, kind: str, words: str) -> web.Response:
    fault = {"type": kind, "loc": ["body", name], "msg": words, "input": "SECRETINPUT"}
    return web.json_response({"detail": [fault]}, status=422)
