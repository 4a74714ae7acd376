"""Stable Diffusion 1.5 and XL: a U-Net on latents, guided by what the prompt is not as well."""

from imagerift_vision.diffusion_families.family import Defaults, Family, Folder, Task, Way


def _trailing(folder: Folder) -> bool:
    """SDXL-Turbo and Lightning say so by where their few steps lie in the schedule."""
    return folder.scheduler.get("timestep_spacing") == "trailing"


def _ways(name: str) -> dict[Task, Way]:
    held = f"{name}ControlNet"
    return {
        "generate": Way(
            f"{name}Pipeline", repeated=True, controlled=f"{held}Pipeline", sees="image"
        ),
        "img2img": Way(
            f"{name}Img2ImgPipeline", "init", strength=True, sized=False, repeated=True,
            controlled=f"{held}Img2ImgPipeline",
        ),
        "inpaint": Way(
            f"{name}InpaintPipeline", "init", masked=True, strength=True, repeated=True,
            controlled=f"{held}InpaintPipeline",
        ),
    }  # fmt: skip


STABLE_DIFFUSION = Family(
    name="stable-diffusion",
    ways=_ways("StableDiffusion"),
    precision="float16",
    defaults=Defaults(steps=30, guidance=7.0),
    licence="CreativeML Open RAIL-M: uses are restricted",
    denoiser="unet",
    controlnet="ControlNetModel",
    heavy=("unet",),
)

STABLE_DIFFUSION_XL = Family(
    name="stable-diffusion-xl",
    ways=_ways("StableDiffusionXL"),
    # Its VAE overflows in float16: diffusers decodes in float32 where `force_upcast` is set, as it
    # is in the weights of Stability AI; the network sets it back where a decoding broke off.
    precision="float16",
    defaults=Defaults(steps=30, guidance=7.0),
    licence="base: CreativeML Open RAIL++-M; Turbo: non-commercial without an agreement",
    denoiser="unet",
    controlnet="ControlNetModel",
    heavy=("unet",),
    distilled=Defaults(steps=4, guidance=0.0),
    is_distilled=_trailing,
)
