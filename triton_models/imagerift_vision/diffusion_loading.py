"""A folder of weights, brought onto a device as the pool's options want it."""

import inspect
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import PipelineQuantizationConfig

from imagerift_vision.diffusion_families.catalogue import Weights
from imagerift_vision.diffusion_options import BITSANDBYTES, Lora, Options
from imagerift_vision.diffusion_text import readers

GIB = 1 << 30


def load(weights: Weights, options: Options, loras: Sequence[Lora], device: str) -> Any:
    """The pipeline of the family's first task, on `device` (`cpu` or `cuda:N`).

    Raises RuntimeError when the device is not there or not able, ValueError when an option cannot
    be had; both say which.
    """
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(torch.device(device))
        check_memory(options, device)
    elif options.offload != "none":
        raise ValueError(f"diffusion: offload {options.offload} wants a GPU")
    dtype = precision_of(weights, options, on_gpu)
    family = weights.family
    # Told that there is none, diffusers neither looks for their classes nor refuses ours.
    own = readers(family.name, weights.path)
    pipeline: Any = getattr(diffusers, family.ways[family.tasks[0]].pipeline).from_pretrained(
        weights.path,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype,
        variant=_variant(weights.path, family.denoiser),
        quantization_config=_quantized(weights, options, dtype),
        **dict.fromkeys(own),
    )
    pipeline.register_modules(**own)
    pipeline.set_progress_bar_config(disable=True)
    denoiser = getattr(pipeline, family.denoiser)
    for lora in dict.fromkeys(lora.weights for lora in loras):
        pipeline.load_lora_weights(
            str(lora.parent),
            weight_name=lora.name,
            adapter_name=adapter_name(lora),
            local_files_only=True,
            use_safetensors=True,
        )
    if options.quantization == "fp8":
        denoiser.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    if options.vae_tiling:
        pipeline.vae.enable_tiling()
    if options.vae_slicing:
        pipeline.vae.enable_slicing()
    if options.attention is not None:
        denoiser.set_attention_backend(options.attention)
    _place(pipeline, options, device)
    if options.compile:
        denoiser.compile_repeated_blocks(fullgraph=True)
    return pipeline


def load_controlnet(weights: Weights, options: Options, folder: Path, device: str) -> Any:
    """A ControlNet for these weights, in their precision."""
    kind: Any = getattr(diffusers, str(weights.family.controlnet))
    dtype = precision_of(weights, options, device.startswith("cuda"))
    net = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype)
    return net.to(device)


def sibling(pipeline: Any, name: str, **more: Any) -> Any:
    """The pipeline of that class on the same parts, and on more.

    Not `from_pipe`: that brings every part to one precision.
    """
    kind = getattr(diffusers, name)
    if type(pipeline) is kind and not more:
        return pipeline
    held = {**pipeline.config, **pipeline.components, **more}
    wanted = inspect.signature(kind.__init__).parameters
    made = kind(**{part: held[part] for part in wanted if part in held})
    made.set_progress_bar_config(disable=True)
    return made


def adapter_name(lora: Path) -> str:
    """What a LoRA is called inside the pipeline; PyTorch takes no dots."""
    return lora.stem.replace(".", "-")


def check_memory(options: Options, device: str) -> None:
    """Raises RuntimeError when less of the GPU is free than the options say is needed."""
    if options.vram_gib is None:
        return
    free = torch.cuda.mem_get_info(torch.device(device))[0] / GIB
    if free < options.vram_gib:
        raise RuntimeError(
            f"{device} has {free:.1f} GiB free, and these weights want {options.vram_gib:g} "
            "(vramGiB): take a larger GPU, quantization or offload"
        )


def precision_of(weights: Weights, options: Options, on_gpu: bool) -> torch.dtype:
    """What is computed in.

    Raises RuntimeError when the GPU has not what the family wants.
    """
    named = options.precision or (weights.family.precision if on_gpu else "float32")
    if named == "bfloat16" and on_gpu and not torch.cuda.is_bf16_supported(False):
        raise RuntimeError(
            f"this GPU has no bfloat16, which {weights.family.name} is drawn in: "
            "take a newer one, or precision float32"
        )
    dtype: torch.dtype = getattr(torch, named)
    return dtype


def _variant(path: Path, denoiser: str) -> str | None:
    """`fp16` where the denoiser is there in no other way."""
    files = [file.name for file in (path / denoiser).glob("*.safetensors")]
    return "fp16" if files and all(".fp16" in name for name in files) else None


def _quantized(
    weights: Weights, options: Options, dtype: torch.dtype
) -> PipelineQuantizationConfig | None:
    if options.quantization not in BITSANDBYTES:
        return None
    if find_spec("bitsandbytes") is None:
        raise ValueError(
            f"diffusion: quantization {options.quantization} wants bitsandbytes, "
            "which is not installed; fp8 needs nothing"
        )
    four: dict[str, str | float | int | dict[str, Any]] = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": dtype,
    }
    bits, kwargs = ("4bit", four) if options.quantization == "nf4" else (
        "8bit", {"load_in_8bit": True},
    )  # fmt: skip
    return PipelineQuantizationConfig(
        quant_backend=f"bitsandbytes_{bits}",
        quant_kwargs=kwargs,
        components_to_quantize=list(weights.family.heavy),
    )


def _place(pipeline: Any, options: Options, device: str) -> None:
    if options.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif options.offload == "group":
        pipeline.enable_group_offload(
            onload_device=torch.device(device),
            offload_device=torch.device("cpu"),
            offload_type="leaf_level",
            use_stream=True,
        )
    else:
        pipeline.to(device)
