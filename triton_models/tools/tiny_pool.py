"""Make tiny random weights of every family, with LoRAs and ControlNets: what one pool can hold.

    MODELS_PYTHON triton_models/tools/tiny_pool.py FOLDER

Needs the environment of a pool with the diffusion model. A family's weights are in FOLDER/FAMILY,
its two LoRAs in FOLDER/loras/FAMILY, its ControlNet in FOLDER/controlnets/FAMILY where diffusers
has them: random, and far from nothing.
"""

import json
import sys
from pathlib import Path
from typing import Any

import diffusers
import peft
import torch
from tiny_families import CONTROLNETS, FAMILIES, save, save_controlnet

# A name with a dot too: PyTorch takes none.
LORAS = ("ink.v1", "gold")
STRENGTH = 4


def read(weights: Path) -> tuple[str, str, Any]:
    """The class of a folder's pipeline, which part of it draws, and that."""
    index = json.loads((weights / "model_index.json").read_text())
    part = "unet" if "unet" in index else "transformer"
    denoiser = getattr(diffusers, index[part][1]).from_pretrained(weights / part)
    return index["_class_name"], part, denoiser


def save_loras(weights: Path, folder: Path) -> None:
    """Write two for a folder of weights, the same each time."""
    pipeline, part, denoiser = read(weights)
    for seed, name in enumerate(LORAS):
        torch.manual_seed(seed)
        config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
        adapter = f"lora{seed}"
        denoiser.add_adapter(config, adapter_name=adapter)
        layers = peft.get_peft_model_state_dict(denoiser, adapter_name=adapter)
        getattr(diffusers, pipeline).save_lora_weights(
            folder,
            weight_name=f"{name}.safetensors",
            **{f"{part}_lora_layers": {key: STRENGTH * value for key, value in layers.items()}},
        )
        denoiser.delete_adapters(adapter)


def main() -> None:
    """Write them all."""
    folder = Path(sys.argv[1])
    for family in FAMILIES:
        weights = save(family, folder / family)
        save_loras(weights, folder / "loras" / family)
        if family in CONTROLNETS:
            _, _, denoiser = read(weights)
            save_controlnet(family, denoiser, folder / "controlnets" / family)


if __name__ == "__main__":
    main()
