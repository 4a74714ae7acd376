"""A family's diffusers pipelines on one device. With what it loads by, the only PyTorch there is.

Weights come from a folder, never from the network, and never as pickles: only safetensors are read.
"""

import gc
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Set before the libraries read them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from imagerift_vision.control import Guard
from imagerift_vision.diffusion_drawing import Drawing, finished, shown
from imagerift_vision.diffusion_families.family import Task
from imagerift_vision.diffusion_loading import adapter_name, load, load_controlnet, sibling
from imagerift_vision.diffusion_settings import DiffusionSettings, Recipe
from imagerift_vision.errors import VisionError
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]

EDGE_BYTES = 1 << 20


class DiffusersNetwork:
    """One set of weights, loaded once."""

    def __init__(self, settings: DiffusionSettings, device: str, threads: int) -> None:
        """Load the weights, and draw one step with them.

        `device` is `cpu` or `cuda:N`. Raises FileNotFoundError when the folder holds no pipeline,
        ValueError when its family is not known or cannot do what the settings want, RuntimeError
        when the device is not there, is too small, or draws nothing.
        """
        self._weights = settings.checked()
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        self._loras = [lora for recipe in settings.recipes for lora in recipe.loras]
        self._offloads = settings.options.offload == "model" and device
        pipeline = load(self._weights, settings.options, self._loras, device)
        self._pipelines: dict[tuple[str, Path | None], Any] = {
            (type(pipeline).__name__, None): pipeline
        }
        self._controlnets = {
            folder: load_controlnet(self._weights, settings.options, folder, device)
            for folder in {one.controlnet.weights for one in settings.recipes if one.controlnet}
        }
        self._last = pipeline
        self._vae_dtype = pipeline.vae.dtype
        self._version = ModelVersion(settings.weights.resolve().name, fingerprint(settings.weights))
        self._warm(settings.base)

    def task_of(self, recipe: Recipe) -> Task:
        """The recipe's, or the first that the weights can do."""
        return recipe.task or self._weights.family.tasks[0]

    def tasks_of(self, _recipe: Recipe) -> tuple[Task, ...]:
        """What the weights can do."""
        return self._weights.family.tasks

    def versions(self, recipe: Recipe) -> tuple[ModelVersion, ...]:
        """The weights by their folder's name and fingerprint, LoRAs, and the pipeline that runs."""
        worn = [
            ModelVersion(f"lora {lora.weights.stem}", fingerprint(lora.weights))
            for lora in recipe.loras
        ]
        name, folder = self._way(self.task_of(recipe), recipe)
        if folder is not None:
            worn.append(ModelVersion(f"controlnet {folder.resolve().name}", fingerprint(folder)))
        return (self._version, *worn, ModelVersion(f"diffusers {name}", version("diffusers")))

    def draw(
        self, drawing: Drawing, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """As `draw_all`, one drawing for all seeds."""
        return self.draw_all([drawing] * len(seeds), recipe, seeds, guard)

    def draw_all(
        self, drawings: Sequence[Drawing], recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | VisionError]:
        """One picture of the drawings' size a seed, or what is wrong with it.

        The drawings have one task and one size. What is wrong is `content_filtered` where the
        weights' own checker refused it, `model_error` where it is flat or no numbers. Raises
        VisionError `canceled` or `timeout` before each step, and whatever PyTorch raises.
        """

        steps = recipe.completed(self._weights.defaults, drawings[0].task).steps or 0

        def check(pipeline: Any, step: int, _time: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
            # Of a schedule only a share is taken where the source is drawn over.
            guard.tell(step=step + 1, steps=getattr(pipeline, "num_timesteps", None) or steps)
            guard.check()
            return kwargs

        guard.check()
        guard.tell(step=0, steps=steps)
        return self._drawn(drawings, recipe, seeds, check)

    def close(self) -> None:
        """Let the parts go, and give the GPU's memory back."""
        del self._pipelines, self._last, self._controlnets
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _drawn(
        self,
        drawings: Sequence[Drawing],
        recipe: Recipe,
        seeds: Sequence[int],
        check: Callable[..., Any],
    ) -> list[Pixels | VisionError]:
        pipeline = self._pipeline(drawings[0].task, recipe)
        self._wear(pipeline, recipe)
        if pipeline.vae.dtype != self._vae_dtype:
            # A decoding in float32 broke off, as for want of memory.
            pipeline.vae.to(self._vae_dtype)
        try:
            with torch.inference_mode():
                result = pipeline(
                    **self._arguments(drawings, recipe, seeds), callback_on_step_end=check
                )
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        refused = getattr(result, "nsfw_content_detected", None) or [False] * len(seeds)
        return [
            VisionError("content_filtered", "the weights' own checker refused it")
            if bad
            else finished(one, drawing)
            for one, bad, drawing in zip(result.images, refused, drawings, strict=True)
        ]

    def _arguments(
        self, drawings: Sequence[Drawing], recipe: Recipe, seeds: Sequence[int]
    ) -> dict[str, Any]:
        family, count, drawing = self._weights.family, len(seeds), drawings[0]
        recipe = recipe.completed(self._weights.defaults, drawing.task)
        way = family.ways[drawing.task]
        # On the CPU, whatever the device: a seed's noise is the same everywhere.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]

        def each(of: Callable[[Drawing], Any]) -> Any:
            return [of(one) for one in drawings] if way.repeated else of(drawing)

        wanted: dict[str, Any] = {
            "prompt": each(lambda one: one.prompt),
            "num_inference_steps": recipe.steps,
            "num_images_per_prompt": 1 if way.repeated else count,
            family.guidance: recipe.guidance_scale,
            "generator": generators,
            "output_type": "np",
        }
        if family.negative:
            # Guided by true_cfg_scale, without any there is no guidance at all.
            wanted["negative_prompt"] = each(lambda _one: recipe.negative_prompt or " ")
        if way.picture != "none" and drawing.picture is not None:
            if way.picture == "references":
                pictures = (drawing.picture, *drawing.references[: way.most - 1])
                wanted["image"] = [Image.fromarray(shown(one, way)) for one in pictures]
            else:
                wanted["image"] = each(lambda one: Image.fromarray(one.picture))
        if way.masked and drawing.mask is not None:
            wanted["mask_image"] = each(lambda one: Image.fromarray(one.mask))
        if recipe.controlnet is not None and drawing.control is not None:
            wanted[way.sees] = each(lambda one: Image.fromarray(one.control))
            wanted["controlnet_conditioning_scale"] = recipe.controlnet.scale
        if way.strength:
            wanted["strength"] = recipe.strength
        if way.sized:
            wanted |= {"width": drawing.width, "height": drawing.height}
        if way.further is not None:
            wanted |= way.further(drawing.width, drawing.height)
        return wanted

    def _way(self, task: Task, recipe: Recipe) -> tuple[str, Path | None]:
        """The class in diffusers that draws so, and the folder of its ControlNet."""
        way = self._weights.family.ways[task]
        if recipe.controlnet is None or way.controlled is None:
            return way.pipeline, None
        return way.controlled, recipe.controlnet.weights

    def _pipeline(self, task: Task, recipe: Recipe) -> Any:
        way = name, folder = self._way(task, recipe)
        if way not in self._pipelines:
            more = {} if folder is None else {"controlnet": self._controlnets[folder]}
            self._pipelines[way] = sibling(self._last, name, **more)
        pipeline = self._pipelines[way]
        if self._offloads and pipeline is not self._last:
            # The hooks that bring parts onto the GPU belong to one pipeline.
            self._last.remove_all_hooks()
            pipeline.enable_model_cpu_offload(device=self._offloads)
        self._last = pipeline
        return pipeline

    def _wear(self, pipeline: Any, recipe: Recipe) -> None:
        if not self._loras:
            return
        if not recipe.loras:
            pipeline.disable_lora()
            return
        pipeline.enable_lora()
        pipeline.set_adapters(
            [adapter_name(lora.weights) for lora in recipe.loras],
            [lora.scale for lora in recipe.loras],
        )

    def _warm(self, recipe: Recipe) -> None:
        """Draw one picture of as few steps as there can be: kernels are chosen and compiled.

        Raises RuntimeError when it is none.
        """
        edge, task = max(64, recipe.edge // 16 * 16), self.task_of(recipe)
        grey = np.linspace(0, 255, edge, dtype=np.uint8)
        picture = np.broadcast_to(grey[:, None, None], (edge, edge, 3)).copy()
        mask = np.full((edge, edge), 255, np.uint8)
        drawing = Drawing(task, "", edge, edge, picture, mask, control=picture)
        strength = recipe.completed(self._weights.defaults, task).strength or 1.0
        few = replace(recipe, steps=math.floor(1 / strength) + 1, strength=strength)
        (drawn,) = self._drawn([drawing], few, [0], lambda _pipeline, _step, _time, kwargs: kwargs)
        if isinstance(drawn, VisionError) and drawn.code == "model_error":
            raise RuntimeError(f"these weights do not draw: {drawn.message}")


def fingerprint(weights: Path) -> str:
    """Twelve hex digits that change with the weights: of small files all, of large ones the ends.

    Reading gigabytes twice at every start would only make it slower.
    """
    digest = hashlib.sha256()
    files = [weights] if weights.is_file() else weights.rglob("*")
    for path in sorted(path for path in files if path.is_file()):
        size = path.stat().st_size
        name = path.name if path == weights else path.relative_to(weights)
        digest.update(f"{name}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(EDGE_BYTES))
            if size > 2 * EDGE_BYTES:
                file.seek(-EDGE_BYTES, os.SEEK_END)
            digest.update(file.read(EDGE_BYTES))
    return digest.hexdigest()[:12]
