"""Make a tiny random diffusion pipeline (5 MB): real code paths without real weights.

    MODELS_PYTHON triton_models/tools/tiny_diffusion.py FOLDER

Needs the environment of a pool with the diffusion model. What it draws is noise of the right size.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionImg2ImgPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 32


def byte_names() -> list[str]:
    """The 256 characters that stand for bytes in GPT-2's vocabulary (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]


def tokenizer(folder: Path) -> CLIPTokenizer:
    """One token a byte: 256, 256 at a word's end, start and end of text; no merges."""
    names = byte_names()
    words = [*names, *(f"{name}</w>" for name in names), "<|startoftext|>", "<|endoftext|>"]
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({word: number for number, word in enumerate(words)}))
    merges.write_text("#version: 0.2\n")
    return CLIPTokenizer(str(vocabulary), str(merges), model_max_length=77)


def text_encoder(words: int) -> CLIPTextModel:
    """Two layers of attention."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=WIDTH,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=2,
            max_position_embeddings=77,
            bos_token_id=words - 2,
            eos_token_id=words - 1,
            pad_token_id=words - 1,
        )
    )


def unet() -> UNet2DConditionModel:
    """One level with attention to the text."""
    return UNet2DConditionModel(
        block_out_channels=(WIDTH, 2 * WIDTH),
        layers_per_block=1,
        sample_size=32,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        norm_num_groups=8,
        attention_head_dim=8,
    )


def autoencoder() -> AutoencoderKL:
    """An eighth of the pixels a side, as in the large ones."""
    return AutoencoderKL(
        block_out_channels=[16, WIDTH, WIDTH, WIDTH],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        norm_num_groups=8,
        layers_per_block=1,
    )


def main() -> None:
    """Write the pipeline."""
    torch.manual_seed(0)
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        words = tokenizer(Path(folder))
        pipeline = StableDiffusionImg2ImgPipeline(
            vae=autoencoder(),
            text_encoder=text_encoder(len(words)),
            tokenizer=words,
            unet=unet(),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(sys.argv[1], safe_serialization=True)


if __name__ == "__main__":
    main()
