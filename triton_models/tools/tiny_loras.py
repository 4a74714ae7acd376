"""Two LoRAs for a family's tiny weights: random, and far from nothing."""

from pathlib import Path

import peft
import torch
from tiny_families import FAMILIES

# A name with a dot too: PyTorch takes none.
NAMES = ("ink.v1", "gold")
STRENGTH = 4


def save_loras(family: str, folder: Path) -> list[Path]:
    """Write them, the same each time; give their files back.

    Raises KeyError where there is no such family.
    """
    pipeline = FAMILIES[family]()
    part = "unet" if hasattr(pipeline, "unet") else "transformer"
    denoiser, made = getattr(pipeline, part), []
    for seed, name in enumerate(NAMES):
        torch.manual_seed(seed)
        config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
        adapter = f"lora{seed}"
        denoiser.add_adapter(config, adapter_name=adapter)
        layers = peft.get_peft_model_state_dict(denoiser, adapter_name=adapter)
        file = f"{name}.safetensors"
        pipeline.save_lora_weights(
            folder,
            weight_name=file,
            **{f"{part}_lora_layers": {key: STRENGTH * value for key, value in layers.items()}},
        )
        denoiser.delete_adapters(adapter)
        made.append(folder / file)
    return made
