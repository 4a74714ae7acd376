"""A diffusers image-to-image pipeline on one device. The only module that needs PyTorch.

Weights come from a folder (SD 1.5, SDXL and SDXL-Turbo, FLUX and their like), never from the
network, and never as pickles: only safetensors are read.
"""

import hashlib
import inspect
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Set before the libraries read them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import torch
from diffusers import AutoPipelineForImage2Image
from numpy.typing import NDArray
from PIL import Image

from imagerift_vision.control import Guard
from imagerift_vision.diffusion_settings import Recipe
from imagerift_vision.requests import ModelVersion

Pixels = NDArray[np.uint8]

EDGE_BYTES = 1 << 20


class DiffusersNetwork:
    """One pipeline, loaded once."""

    def __init__(self, weights: Path, device: str, threads: int) -> None:
        """Load the weights in half precision on CUDA, in full precision on the CPU.

        `device` is `cpu` or `cuda:N`. Raises FileNotFoundError when the folder holds no pipeline,
        RuntimeError when the device is not there.
        """
        if not (weights / "model_index.json").is_file():
            raise FileNotFoundError(f"{weights} holds no model_index.json")
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        half = device.startswith("cuda")
        only_half = not any(weights.glob("unet/*model.safetensors"))
        pipeline: Any = AutoPipelineForImage2Image.from_pretrained(
            weights,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float16 if half else torch.float32,
            variant="fp16" if only_half and any(weights.rglob("*.fp16.safetensors")) else None,
        )
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline = pipeline.to(device)
        self._accepts = frozenset(inspect.signature(pipeline.__call__).parameters)
        self._versions = (
            ModelVersion(weights.resolve().name, fingerprint(weights)),
            ModelVersion(f"diffusers {type(pipeline).__name__}", version("diffusers")),
        )

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """The weights by their folder's name and fingerprint, and the pipeline that runs them."""
        return self._versions

    def draw(
        self, picture: Pixels, prompt: str, recipe: Recipe, seeds: Sequence[int], guard: Guard
    ) -> list[Pixels | None]:
        """One picture of `picture`'s size a seed; None where the weights' own checker refused it.

        Raises VisionError `canceled` or `timeout` before each step, and whatever PyTorch raises.
        """

        def check(_pipeline: Any, _step: int, _time: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
            guard.check()
            return kwargs

        height, width = picture.shape[:2]
        wanted: dict[str, Any] = {
            "prompt": [prompt] * len(seeds),
            "negative_prompt": [recipe.negative_prompt] * len(seeds),
            "image": [Image.fromarray(picture)] * len(seeds),
            "width": width,
            "height": height,
            "strength": recipe.strength,
            "num_inference_steps": recipe.steps,
            "guidance_scale": recipe.guidance_scale,
            # On the CPU, whatever the device: a seed's noise is the same everywhere.
            "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
            "callback_on_step_end": check,
            "output_type": "np",
        }
        try:
            with torch.inference_mode():
                result = self._pipeline(
                    **{name: value for name, value in wanted.items() if name in self._accepts}
                )
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        refused = getattr(result, "nsfw_content_detected", None) or [False] * len(seeds)
        pixels = (np.clip(result.images, 0, 1) * 255 + 0.5).astype(np.uint8)
        return [None if bad else one for one, bad in zip(pixels, refused, strict=True)]


def fingerprint(weights: Path) -> str:
    """Twelve hex digits that change with the weights: of small files all, of large ones the ends.

    Reading gigabytes twice at every start would only make it slower.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in weights.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(weights)}\0{size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(EDGE_BYTES))
            if size > 2 * EDGE_BYTES:
                file.seek(-EDGE_BYTES, os.SEEK_END)
            digest.update(file.read(EDGE_BYTES))
    return digest.hexdigest()[:12]
