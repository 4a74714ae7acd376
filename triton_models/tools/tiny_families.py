"""Tiny pipelines with random weights, one for each class of weights that the diffusion model knows.

Every class is diffusers' own, and its weights are random: what is drawn is noise of the right size.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import diffusers
import torch
import transformers
from tiny_tokenizers import (
    CHAT,
    PIXTRAL_WORDS,
    byte_tokenizer,
    clip_tokenizer,
    picture_processor,
    t5_tokenizer,
)

WIDTH = 32
# Of the transformers: heads of 16 channels, split among a position's axes.
HEADS = 2
HEAD = 16


def clip(words: int, projection: int | None = None) -> Any:
    """Two layers of attention; with a projection as SDXL's second text encoder has."""
    config = transformers.CLIPTextConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=77,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=words - 1,
        projection_dim=projection or WIDTH,
        hidden_act="gelu",
    )
    return (
        transformers.CLIPTextModelWithProjection(config)
        if projection
        else transformers.CLIPTextModel(config)
    )


def unet(*, xl: bool) -> diffusers.UNet2DConditionModel:
    """One level with attention to the text."""
    added = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "transformer_layers_per_block": (1, 1),
        # Six numbers about size and crop, and the second text encoder's pooled output.
        "projection_class_embeddings_input_dim": 6 * 8 + WIDTH,
        "use_linear_projection": True,
    }
    return diffusers.UNet2DConditionModel(
        block_out_channels=(WIDTH, 2 * WIDTH),
        layers_per_block=1,
        sample_size=32,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * WIDTH if xl else WIDTH,
        norm_num_groups=8,
        attention_head_dim=8,
        **(added if xl else {}),
    )


def autoencoder(latents: int = 4, **more: Any) -> diffusers.AutoencoderKL:
    """An eighth of the pixels a side, as in the large ones."""
    return diffusers.AutoencoderKL(
        block_out_channels=[16, WIDTH, WIDTH, WIDTH],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=latents,
        norm_num_groups=8,
        layers_per_block=1,
        **more,
    )


def ddim() -> diffusers.DDIMScheduler:
    """Stable Diffusion's noise."""
    return diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def flow(**more: Any) -> diffusers.FlowMatchEulerDiscreteScheduler:
    """The noise of all that follow a flow."""
    return diffusers.FlowMatchEulerDiscreteScheduler(**more)


def stable_diffusion() -> Any:
    """Stable Diffusion 1.5's parts."""
    words = clip_tokenizer()
    return diffusers.StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=clip(len(words)),
        tokenizer=words,
        unet=unet(xl=False),
        scheduler=ddim(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def stable_diffusion_xl() -> Any:
    """Stable Diffusion XL's parts: two text encoders."""
    words = clip_tokenizer()
    return diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=clip(len(words)),
        text_encoder_2=clip(len(words), projection=WIDTH),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet(xl=True),
        scheduler=ddim(),
    )


def flux(name: str = "FluxPipeline", *, guided: bool = True, inputs: int = 16) -> Any:
    """FLUX.1's parts; of the transformer's `inputs`, Fill's has some for mask and picture."""
    words, pieces = clip_tokenizer(), t5_tokenizer()
    config = transformers.T5Config(
        vocab_size=len(pieces), d_model=WIDTH, d_ff=37, d_kv=8, num_heads=4, num_layers=1
    )
    return getattr(diffusers, name)(
        scheduler=flow(use_dynamic_shifting=True),
        vae=autoencoder(
            4,
            shift_factor=0.0609,
            scaling_factor=1.5035,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        text_encoder=clip(len(words)),
        tokenizer=words,
        text_encoder_2=transformers.T5EncoderModel(config),
        tokenizer_2=pieces,
        transformer=diffusers.FluxTransformer2DModel(
            in_channels=inputs,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=HEAD,
            num_attention_heads=HEADS,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            guidance_embeds=guided,
            axes_dims_rope=(4, 4, 8),
        ),
    )


def flux2(*, klein: bool) -> Any:
    """FLUX.2's parts: three layers of a language model are the text."""
    hidden = 16
    layers = {"vocab_size": 512, "hidden_size": hidden, "intermediate_size": 16}
    attention = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8}
    words: Any
    encoder: Any
    if klein:
        words = byte_tokenizer(chat=CHAT)
        encoder = transformers.Qwen3ForCausalLM(
            transformers.Qwen3Config(**layers, **attention, num_hidden_layers=28)
        )
    else:
        words = byte_tokenizer(PIXTRAL_WORDS, chat=CHAT)
        encoder = transformers.Mistral3ForConditionalGeneration(
            transformers.Mistral3Config(
                text_config={
                    "model_type": "mistral",
                    **layers,
                    **attention,
                    "num_hidden_layers": 31,
                },
                vision_config={
                    "model_type": "pixtral",
                    "hidden_size": hidden,
                    "intermediate_size": 16,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                    "head_dim": 8,
                    "image_size": 32,
                    "patch_size": 16,
                },
            )
        )
    more = {"is_distilled": False} if klein else {}
    return getattr(diffusers, "Flux2KleinPipeline" if klein else "Flux2Pipeline")(
        scheduler=flow(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLFlux2(
            block_out_channels=(16, WIDTH, WIDTH, WIDTH),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
        ),
        text_encoder=encoder,
        tokenizer=words,
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=HEAD,
            num_attention_heads=HEADS,
            joint_attention_dim=3 * hidden,
            timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=not klein,
        ),
        **more,
    )


def qwen_image(name: str = "QwenImagePipeline") -> Any:
    """Qwen-Image's parts; those that edit show their text encoder the picture too."""
    words = byte_tokenizer()
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [1, 1, 2],
                "rope_theta": 1e6,
            },
        },
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        image_token_id=words.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=words.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=words.convert_tokens_to_ids("<|vision_start|>"),
        vision_end_token_id=words.convert_tokens_to_ids("<|vision_end|>"),
    )
    # In its place: the true class is there beside torchvision alone.
    shown = {"processor": words} if "Edit" in name else {}
    return getattr(diffusers, name)(
        scheduler=flow(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=8,
            z_dim=4,
            dim_mult=[1, 2, 2, 2],
            num_res_blocks=1,
            latents_mean=[0.0] * 4,
            latents_std=[1.0] * 4,
        ),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=words,
        transformer=diffusers.QwenImageTransformer2DModel(
            in_channels=16,
            out_channels=4,
            num_layers=1,
            attention_head_dim=HEAD,
            num_attention_heads=HEADS,
            joint_attention_dim=16,
            axes_dims_rope=(4, 4, 8),
        ),
        **shown,
    )


def z_image() -> Any:
    """Z-Image's parts."""
    words = byte_tokenizer(chat=CHAT)
    return diffusers.ZImagePipeline(
        scheduler=flow(shift=3.0),
        vae=autoencoder(4, shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=transformers.Qwen3Model(
            transformers.Qwen3Config(
                vocab_size=512,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
            )
        ),
        tokenizer=words,
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=4,
            dim=WIDTH,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=HEADS,
            n_kv_heads=HEADS,
            cap_feat_dim=16,
            axes_dims=[4, 4, 8],
            axes_lens=[512, 64, 64],
        ),
    )


FAMILIES: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "stable-diffusion": stable_diffusion,
        "stable-diffusion-xl": stable_diffusion_xl,
        "flux": flux,
        "flux-schnell": lambda: flux(guided=False),
        "flux-fill": lambda: flux("FluxFillPipeline", inputs=16 + 16 + 256),
        "flux-kontext": lambda: flux("FluxKontextPipeline"),
        "flux2": lambda: flux2(klein=False),
        "flux2-klein": lambda: flux2(klein=True),
        "qwen-image": qwen_image,
        "qwen-image-edit": lambda: qwen_image("QwenImageEditPipeline"),
        "qwen-image-edit-plus": lambda: qwen_image("QwenImageEditPlusPipeline"),
        "z-image": z_image,
    }
)


# Named by the large weights' folders, and made beside torchvision alone.
TRUE_CLASSES = {
    "flux2": ("tokenizer", "PixtralProcessor"),
    "qwen-image-edit": ("processor", "Qwen2VLProcessor"),
    "qwen-image-edit-plus": ("processor", "Qwen2VLProcessor"),
}


def save(family: str, folder: Path) -> Path:
    """Write a family's folder, the same each time, as the large weights come; give it back.

    Raises KeyError where there is no such family.
    """
    torch.manual_seed(0)
    FAMILIES[family]().save_pretrained(folder, safe_serialization=True)
    if family in TRUE_CLASSES:
        part, name = TRUE_CLASSES[family]
        if part == "processor":
            picture_processor().save_pretrained(folder / part)
        index = json.loads((folder / "model_index.json").read_text())
        index[part] = ["transformers", name]
        (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def save_controlnet(family: str, denoiser: Any, folder: Path) -> Path:
    """Write one for a family's denoiser, the same each time; give its folder back.

    Raises KeyError where the family has none.
    """
    torch.manual_seed(0)
    net = CONTROLNETS[family](denoiser)
    for name, parameter in net.named_parameters():
        # Before it is trained it adds nothing; eight random layers let little of a picture through.
        if name.startswith("controlnet_") and parameter.dim() > 1 and not parameter.any():
            torch.nn.init.normal_(parameter, std=1000 if "cond_embedding" in name else 4)
    net.save_pretrained(folder, safe_serialization=True)
    return folder


def _of_transformer(name: str, **more: int) -> Callable[[Any], Any]:
    def made(transformer: Any) -> Any:
        heads = {"attention_head_dim": HEAD, "num_attention_heads": HEADS}
        return getattr(diffusers, name).from_transformer(transformer, num_layers=1, **heads, **more)

    return made


CONTROLNETS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "stable-diffusion": diffusers.ControlNetModel.from_unet,
        "stable-diffusion-xl": diffusers.ControlNetModel.from_unet,
        "flux": _of_transformer("FluxControlNetModel", num_single_layers=1),
        "qwen-image": _of_transformer("QwenImageControlNetModel"),
    }
)
