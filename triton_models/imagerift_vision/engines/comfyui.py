"""ComfyUI's own server: a workflow is queued, looked for in the history, and its picture viewed.

Its routes are those of `server.py` at https://github.com/Comfy-Org/ComfyUI: `POST /upload/image`,
`POST /prompt`, `GET /history/{id}`, `GET /view`, `GET` and `POST /queue`, `POST /interrupt`. What a
job has left there is taken away when it ends, as far as ComfyUI lets anybody.
"""

import asyncio
import io
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

from imagerift_vision.diffusion_drawing import Drawing
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.engines.client import MOST_PICTURE_BYTES, EngineClient
from imagerift_vision.engines.pictures import mask_png, png
from imagerift_vision.engines.refusals import cleaned, is_out_of_memory
from imagerift_vision.engines.workflow import Workflow
from imagerift_vision.errors import VisionError

POLL_SECONDS = 0.25
# The queue says in how long the history has not: a server that was started again knows neither.
POLLS_PER_LOOK = 20
TIDY_SECONDS = 5.0
FOLDER = "imagerift"
BLANK = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class FileThere:
    """A file of ComfyUI's, by the words that its routes have for it."""

    filename: str
    subfolder: str
    type: str

    @property
    def annotated(self) -> str:
        """As a node that loads pictures names it."""
        path = f"{self.subfolder}/{self.filename}" if self.subfolder else self.filename
        return f"{path} [{self.type}]"

    def query(self) -> dict[str, str]:
        """As `GET /view` wants it."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


async def draw(
    client: EngineClient, workflow: Workflow, drawing: Drawing, recipe: Recipe, seed: int
) -> bytes:
    """The file of the workflow's first picture.

    However it ends, the job is taken off ComfyUI's queue and out of its history, and its files in
    the folder for passing ones are overwritten. Raises VisionError as the client does, and for a
    workflow that fails, or is no longer there.
    """
    # One of our own, so that it can be called off whether or not the answer came.
    job = _Job(client, str(uuid.uuid4()), [])
    try:
        values = await _values(job, workflow, drawing, recipe, seed)
        await job.queue(workflow.filled(values))
        entry = await job.ended()
        file = _picture_of(entry, workflow.output, (drawing.prompt, recipe.negative_prompt))
        if file.type == "temp":
            job.files.append(file)
        return await client.call("GET", "/view", query=file.query(), most_bytes=MOST_PICTURE_BYTES)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(TIDY_SECONDS):
                await job.tidy()


async def _values(
    job: "_Job", workflow: Workflow, drawing: Drawing, recipe: Recipe, seed: int
) -> dict[str, Any]:
    """By name, what goes into the workflow; what nobody says stays as it was exported."""
    told: dict[str, Any] = {
        "prompt": drawing.prompt,
        "negativePrompt": recipe.negative_prompt or None,
        "seed": seed,
        "width": drawing.width,
        "height": drawing.height,
        "steps": recipe.steps,
        "guidanceScale": recipe.guidance_scale,
        "strength": recipe.strength,
    }
    if "image" in workflow.inputs and drawing.picture is not None:
        told["image"] = await job.upload("source", png(drawing.picture))
    if "mask" in workflow.inputs and drawing.mask is not None:
        told["mask"] = await job.upload("mask", mask_png(drawing.mask))
    return {name: value for name, value in told.items() if value is not None}


class _Job:
    """One workflow that is run once."""

    def __init__(self, client: EngineClient, job_id: str, files: list[FileThere]) -> None:
        self._client = client
        self._client_id = job_id
        self._id = job_id
        self._queued = False
        self._ended = False
        self.files = files

    async def upload(self, what: str, data: bytes) -> str:
        """Leave a picture where passing ones lie; returns its name for a node."""
        wanted = FileThere(f"{self._id}-{what}.png", FOLDER, "temp")
        # Before it is there: a call that breaks off may have left it.
        self.files.append(wanted)
        answer = _object(await self._put(wanted, data))
        told = (answer.get("name"), answer.get("subfolder"), answer.get("type"))
        if told != (wanted.filename, wanted.subfolder, wanted.type):
            raise VisionError("model_error", "the engine has put the picture elsewhere")
        return wanted.annotated

    async def _put(self, file: FileThere, data: bytes) -> bytes:
        def form() -> aiohttp.FormData:
            made = aiohttp.FormData(default_to_multipart=True)
            content = io.BytesIO(data)
            made.add_field("image", content, filename=file.filename, content_type="image/png")
            made.add_field("type", file.type)
            made.add_field("subfolder", file.subfolder)
            made.add_field("overwrite", "true")
            return made

        return await self._client.call("POST", "/upload/image", form=form)

    async def queue(self, nodes: Mapping[str, Any]) -> None:
        self._queued = True
        document = {"prompt": nodes, "client_id": self._client_id, "prompt_id": self._id}
        answer = _object(await self._client.call("POST", "/prompt", document=document))
        if not isinstance(answer.get("prompt_id"), str):
            raise VisionError("model_error", "the engine's answer is not what ComfyUI answers")
        # Versions that choose the id themselves say it here.
        self._id = answer["prompt_id"]

    async def ended(self) -> Mapping[str, Any]:
        """The job's entry in the history, once it is there."""
        polls = 0
        while True:
            entry = await self._entry()
            if entry is not None:
                return entry
            polls += 1
            if polls % POLLS_PER_LOOK == 0 and not any(await self._places()):
                entry = await self._entry()  # it may have ended between the two looks
                if entry is not None:
                    return entry
                raise VisionError("model_error", "the engine has lost the job", retryable=True)
            await asyncio.sleep(POLL_SECONDS)

    async def _entry(self) -> Mapping[str, Any] | None:
        answer = _object(await self._client.call("GET", f"/history/{self._id}"))
        entry = answer.get(self._id)
        if entry is None:
            return None
        self._ended = True
        return entry if isinstance(entry, dict) else {}

    async def _places(self) -> tuple[bool, bool]:
        """Whether it runs, and whether it waits."""
        queue = _object(await self._client.call("GET", "/queue"))
        running, waiting = (
            [item[1] for item in queue.get(name, ()) if self._is_ours(item)]
            for name in ("queue_running", "queue_pending")
        )
        # Its answer may have been lost, with the id that the server chose.
        self._id = next(iter([*running, *waiting]), self._id)
        return bool(running), bool(waiting)

    def _is_ours(self, item: Any) -> bool:
        """Of the queue: `[number, id, nodes, extra data, …]`."""
        if not isinstance(item, list) or len(item) < 4 or not isinstance(item[1], str):
            return False
        more = item[3] if isinstance(item[3], dict) else {}
        return item[1] == self._id or more.get("client_id") == self._client_id

    async def tidy(self) -> None:
        """Call the job off where it has not ended; leave nothing of it that can be taken away.

        What fails of it is no failure of the job's.
        """
        if self._queued and not self._ended:
            with suppress(VisionError):
                await self._call_off()
        if self._queued:
            with suppress(VisionError):
                await self._client.call("POST", "/history", document={"delete": [self._id]})
        for file in self.files:
            with suppress(VisionError):
                await self._put(file, png(BLANK))

    async def _call_off(self) -> None:
        if not any(await self._places()):
            return
        await self._client.call("POST", "/queue", document={"delete": [self._id]})
        # Versions that look at no id would interrupt whatever runs.
        if (await self._places())[0]:
            await self._client.call("POST", "/interrupt", document={"prompt_id": self._id})
            # Its entry in the history, which holds the prompt, comes when it has stopped.
            while True:
                if await self._entry() is not None or not (await self._places())[0]:
                    return
                await asyncio.sleep(POLL_SECONDS)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise VisionError("model_error", "the engine's answer is not what ComfyUI answers")
    return document


def _picture_of(entry: Mapping[str, Any], node: str, private: Sequence[str]) -> FileThere:
    """The first picture that a node has left. Raises VisionError for a job that failed."""
    status = entry.get("status")
    if isinstance(status, dict) and status.get("status_str") == "error":
        raise _failure(status.get("messages"), private)
    try:
        picture = entry["outputs"][node]["images"][0]
        told = [picture["filename"], picture["subfolder"], picture["type"]]
    except (LookupError, TypeError):
        told = []
    if len(told) != 3 or not all(isinstance(one, str) for one in told):
        raise VisionError("model_error", "the workflow's output node has left no picture")
    return FileThere(*told)


def _failure(messages: Any, private: Sequence[str]) -> VisionError:
    """Why a job failed, by the events that its history tells."""
    events = {
        message[0]: message[1]
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, list) and len(message) == 2 and isinstance(message[1], dict)
    }
    if "execution_interrupted" in events:
        return VisionError("model_error", "the engine's job was interrupted", retryable=True)
    told = events.get("execution_error", {})
    node, kind, words = (
        str(told.get(name) or "") for name in ("node_type", "exception_type", "exception_message")
    )
    if is_out_of_memory(f"{kind} {words}"):
        return VisionError("out_of_memory", "the engine ran out of memory", retryable=True)
    shown = ": ".join(one for one in (cleaned(node, private), cleaned(words, private)) if one)
    return VisionError("model_error", f"the engine's workflow failed{shown and f' ({shown})'}")
