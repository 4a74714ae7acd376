"""ComfyUI's server, by `server.py` and `execution.py` of Comfy-Org/ComfyUI.

Uploads, the queue of one worker, validation, history, views and interruption have its routes,
members and statuses. It knows the nodes of the workflow that the tests have, and draws the source
under the seed's colours. `old` is a version that chooses ids itself and interrupts whatever runs.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.support.engines.images import drawn
from tests.support.engines.serving import serving

# By class: the inputs that it must have.
NODES = {
    "LoadImage": {"image"},
    "CLIPTextEncode": {"text"},
    "EmptyLatentImage": {"width", "height"},
    "KSampler": {"seed", "steps", "cfg", "denoise"},
    "PreviewImage": {"images"},
    "SaveImage": {"images", "filename_prefix"},
}
OUTPUTS = {"PreviewImage": "temp", "SaveImage": "output"}

Where = tuple[str, str, str]
"""Type, subfolder and name of a file."""


class Interrupted(Exception):
    """As `nodes.interrupt_processing` has it thrown."""


@dataclass
class Failure:
    """What a node throws."""

    node_type: str
    exception_type: str
    exception_message: str


@dataclass
class ComfyUI:
    """`url` is there while it runs."""

    old: bool = False
    url: str = ""
    files: dict[Where, bytes] = field(default_factory=dict)
    queued: list[list[Any]] = field(default_factory=list)
    running_item: list[Any] | None = None
    history: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    fails: Failure | None = None
    holds: bool = False
    """Whether what runs takes until it is interrupted."""
    started: threading.Event = field(default_factory=threading.Event)
    interrupted: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[ComfyUI]:
        application = web.Application(client_max_size=100 * 1024 * 1024, middlewares=[self._noted])
        application.router.add_post("/upload/image", self._upload)
        application.router.add_post("/prompt", self._prompt)
        application.router.add_get("/history/{prompt_id}", self._history_of)
        application.router.add_post("/history", self._edit_history)
        application.router.add_get("/queue", self._queue)
        application.router.add_post("/queue", self._edit_queue)
        application.router.add_post("/interrupt", self._interrupt)
        application.router.add_get("/view", self._view)
        application.cleanup_ctx.append(self._worker)
        with serving(application) as self.url:
            yield self

    def forget(self) -> None:
        """As after a restart: no queue, no history."""
        self.queued.clear()
        self.history.clear()
        self.running_item = None

    def put(self, prompt: dict[str, Any] | None = None) -> str:
        """Queue somebody else's job."""
        other = str(uuid.uuid4())
        self.queued.append([0, other, prompt or {}, {}, []])
        return other

    def interrupt_all(self) -> None:
        """As somebody does who interrupts by hand."""
        self._loop.call_soon_threadsafe(self._stop.set)

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _worker(self, _application: web.Application) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        task = asyncio.create_task(self._work())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _work(self) -> None:
        while True:
            if not self.queued:
                await asyncio.sleep(0.005)
                continue
            item = self.running_item = self.queued.pop(0)
            self._stop.clear()
            self.started.set()
            status, messages, outputs = "success", self._begun(item[1]), {}
            try:
                outputs = await self._execute(item)
                messages.append(["execution_success", self._moment(item[1])])
            except Interrupted:
                status = "error"
                told = {"node_id": "3", "node_type": "KSampler", "executed": []}
                messages.append(["execution_interrupted", self._moment(item[1]) | told])
            except RuntimeError:
                status = "error"
                messages.append(["execution_error", self._moment(item[1]) | self._thrown()])
            # What was forgotten meanwhile leaves nothing.
            if self.running_item is item:
                self.history[item[1]] = {
                    "prompt": item,
                    "outputs": outputs,
                    "status": {
                        "status_str": status,
                        "completed": status == "success",
                        "messages": messages,
                    },
                    "meta": {},
                }
                self.running_item = None

    def _begun(self, prompt_id: str) -> list[list[Any]]:
        cached = self._moment(prompt_id) | {"nodes": []}
        return [["execution_start", self._moment(prompt_id)], ["execution_cached", cached]]

    def _moment(self, prompt_id: str) -> dict[str, Any]:
        return {"prompt_id": prompt_id, "timestamp": int(time.time() * 1000)}

    def _thrown(self) -> dict[str, Any]:
        assert self.fails is not None
        return {
            "node_id": "3",
            "node_type": self.fails.node_type,
            "executed": [],
            "exception_message": self.fails.exception_message,
            "exception_type": self.fails.exception_type,
            "traceback": ['  File "/opt/comfy/execution.py", line 1, in execute\n'],
            "current_inputs": {"text": ["SECRETINPUT"]},
            "current_outputs": [],
        }

    async def _execute(self, item: list[Any]) -> dict[str, Any]:
        prompt: dict[str, Any] = item[2]
        if self.holds:
            await self._stop.wait()
            raise Interrupted
        if self.fails is not None:
            raise RuntimeError
        by_class = {node["class_type"]: node["inputs"] for node in prompt.values()}
        size = by_class.get("EmptyLatentImage", {"width": 64, "height": 64})
        source = by_class.get("LoadImage")
        outputs = {}
        for number, node in prompt.items():
            kind = OUTPUTS.get(node["class_type"])
            if kind is None:
                continue
            name = f"ComfyUI_{kind}_{uuid.uuid4().hex[:5]}_00001_.png"
            self.files[kind, "", name] = drawn(
                by_class["KSampler"]["seed"],
                (size["width"], size["height"]),
                self.files[_annotated(source["image"])] if source else None,
            )
            outputs[number] = {"images": [{"filename": name, "subfolder": "", "type": kind}]}
        return outputs

    async def _upload(self, request: web.Request) -> web.Response:
        post = await request.post()
        image = post.get("image")
        if not isinstance(image, web.FileField) or not image.filename:
            return web.Response(status=400)
        kind, subfolder = str(post.get("type", "input")), str(post.get("subfolder", ""))
        if ".." in subfolder or "/" in image.filename:
            return web.Response(status=400)
        with image.file as file:
            name, data = image.filename, file.read()
        if post.get("overwrite") not in ("true", "1"):
            stem, _, end = image.filename.rpartition(".")
            number = 1
            while self.files.get((kind, subfolder, name), data) != data:
                name = f"{stem} ({number}).{end}"
                number += 1
        self.files[kind, subfolder, name] = data
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})

    async def _prompt(self, request: web.Request) -> web.Response:
        document = await request.json()
        if "prompt" not in document:
            return _refused("no_prompt", "No prompt provided", {})
        prompt_id = document.get("prompt_id")
        if prompt_id is None or self.old:
            prompt_id = str(uuid.uuid4())
        elif not _is_uuid(prompt_id):
            return _refused("invalid_prompt_id", "prompt_id must be a valid UUID", {})
        prompt = document["prompt"]
        refused = self._validated(prompt)
        if refused is not None:
            return refused
        if any(item[1] == prompt_id for item in self.queued):
            return web.json_response({"error": "prompt_id already exists"}, status=409)
        self.prompts.append(prompt)
        extra = {"client_id": document.get("client_id")}
        number = len(self.prompts)
        self.queued.append([number, prompt_id, prompt, extra, []])
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": {}})

    def _validated(self, prompt: dict[str, Any]) -> web.Response | None:
        ends = [number for number, node in prompt.items() if node["class_type"] in OUTPUTS]
        if not ends:
            return _refused("prompt_no_outputs", "Prompt has no outputs", {})
        faults: dict[str, Any] = {}
        for number, node in prompt.items():
            kind, inputs = node["class_type"], node["inputs"]
            if kind not in NODES:
                return _refused("missing_node_type", f"Node '{kind}' not found.", {})
            errors = [
                _fault("required_input_missing", "Required input is missing", name)
                for name in sorted(NODES[kind] - set(inputs))
            ]
            if kind == "LoadImage" and _annotated(inputs["image"]) not in self.files:
                words = f"image - Invalid image file: {inputs['image']}"
                errors.append(
                    _fault("custom_validation_failed", "Custom validation failed for node", words)
                )
            if kind == "KSampler" and inputs["steps"] > 10000:
                words = "Value 10001 bigger than max of 10000"
                errors.append(_fault("value_bigger_than_max", words, "steps"))
            if errors:
                told = {"errors": errors, "dependent_outputs": ends, "class_type": kind}
                faults[number] = told
        if not faults:
            return None
        return _refused(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", faults
        )

    async def _history_of(self, request: web.Request) -> web.Response:
        wanted = request.match_info["prompt_id"]
        return web.json_response({wanted: self.history[wanted]} if wanted in self.history else {})

    async def _edit_history(self, request: web.Request) -> web.Response:
        document = await request.json()
        if document.get("clear"):
            self.history.clear()
        for wanted in document.get("delete", ()):
            self.history.pop(wanted, None)
        return web.Response(status=200)

    async def _queue(self, _request: web.Request) -> web.Response:
        running = [self.running_item] if self.running_item else []
        return web.json_response({"queue_running": running, "queue_pending": self.queued})

    async def _edit_queue(self, request: web.Request) -> web.Response:
        document = await request.json()
        if document.get("clear"):
            self.queued.clear()
        for wanted in document.get("delete", ()):
            self.queued[:] = [item for item in self.queued if item[1] != wanted]
        return web.Response(status=200)

    async def _interrupt(self, request: web.Request) -> web.Response:
        try:
            wanted = (await request.json()).get("prompt_id")
        except json.JSONDecodeError:
            wanted = None
        if self.old:
            wanted = None
        item = self.running_item
        if item is not None and wanted in (None, item[1]):
            self.interrupted.append(item[1])
            self._stop.set()
        return web.Response(status=200)

    async def _view(self, request: web.Request) -> web.Response:
        query = request.query
        if "filename" not in query:
            return web.Response(status=404)
        where = (query.get("type", "output"), query.get("subfolder", ""), query["filename"])
        if ".." in where[2] or where[2].startswith("/"):
            return web.Response(status=400)
        if where not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[where], content_type="image/png")


def _annotated(name: str) -> Where:
    """As `folder_paths.annotated_filepath` reads it: `subfolder/name [type]`."""
    kind = "input"
    for known in ("input", "output", "temp"):
        if name.endswith(f" [{known}]"):
            name, kind = name.removesuffix(f" [{known}]"), known
    subfolder, _, file = name.rpartition("/")
    return kind, subfolder, file


def _is_uuid(text: Any) -> bool:
    try:
        return bool(str(uuid.UUID(text)) == text)
    except (ValueError, AttributeError, TypeError):
        return False


def _fault(kind: str, words: str, details: str) -> dict[str, Any]:
    return {"type": kind, "message": words, "details": details, "extra_info": {}}


def _refused(kind: str, words: str, node_errors: dict[str, Any]) -> web.Response:
    error = _fault(kind, words, "")
    return web.json_response({"error": error, "node_errors": node_errors}, status=400)


def workflow(*, output: str = "PreviewImage") -> dict[str, Any]:
    """A picture to picture, in ComfyUI's API format, and where a job's values go."""
    nodes = {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1, "steps": 20, "cfg": 7.0, "denoise": 0.6,
                "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
            },
        },
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ""}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry"}},
        "9": {"class_type": output, "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
        "10": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    }  # fmt: skip
    return {
        "workflow": nodes,
        "inputs": {
            "image": "10.image",
            "prompt": "6.text",
            "negativePrompt": "7.text",
            "seed": "3.seed",
            "steps": "3.steps",
            "guidanceScale": "3.cfg",
            "strength": "3.denoise",
            "width": "5.width",
            "height": "5.height",
        },
        "output": "9",
    }
