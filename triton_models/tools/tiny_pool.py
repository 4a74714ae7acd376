"""Make tiny random weights of every family, and two LoRAs for each: what one pool can hold.

    MODELS_PYTHON triton_models/tools/tiny_pool.py FOLDER

Needs the environment of a pool with the diffusion model. A family's weights are in FOLDER/FAMILY,
its LoRAs in FOLDER/loras/FAMILY: random, and far from nothing.
"""

import json
import sys
from pathlib import Path

import diffusers
import peft
import torch
from tiny_families import FAMILIES, save

# A name with a dot too: PyTorch takes none.
LORAS = ("ink.v1", "gold")
STRENGTH = 4


def save_loras(weights: Path, folder: Path) -> None:
    """Write two for a folder of weights, the same each time."""
    index = json.loads((weights / "model_index.json").read_text())
    part = "unet" if "unet" in index else "transformer"
    denoiser = getattr(diffusers, index[part][1]).from_pretrained(weights / part)
    for seed, name in enumerate(LORAS):
        torch.manual_seed(seed)
        config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
        adapter = f"lora{seed}"
        denoiser.add_adapter(config, adapter_name=adapter)
        layers = peft.get_peft_model_state_dict(denoiser, adapter_name=adapter)
        getattr(diffusers, index["_class_name"]).save_lora_weights(
            folder,
            weight_name=f"{name}.safetensors",
            **{f"{part}_lora_layers": {key: STRENGTH * value for key, value in layers.items()}},
        )
        denoiser.delete_adapters(adapter)


def main() -> None:
    """Write them all."""
    folder = Path(sys.argv[1])
    for family in FAMILIES:
        save_loras(save(family, folder / family), folder / "loras" / family)


if __name__ == "__main__":
    main()
