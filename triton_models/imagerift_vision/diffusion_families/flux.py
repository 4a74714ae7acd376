"""FLUX.1 of Black Forest Labs: dev and schnell, Fill (masks), Kontext (instructions)."""

from imagerift_vision.diffusion_families.family import Defaults, Family, Folder, Way

HEAVY = ("transformer", "text_encoder_2")
NON_COMMERCIAL = "FLUX.1 [dev] Non-Commercial: selling needs an agreement"


def _unguided(folder: Folder) -> bool:
    """The schnell weights have no input for the guidance."""
    return folder.denoiser.get("guidance_embeds") is False


def _at_this_size(width: int, height: int) -> dict[str, int | bool]:
    """Kontext would bring picture and result to about a megapixel, whatever is asked for."""
    return {"max_area": width * height, "_auto_resize": False}


FLUX = Family(
    name="flux",
    ways={
        "generate": Way("FluxPipeline", controlled="FluxControlNetPipeline"),
        "img2img": Way(
            "FluxImg2ImgPipeline",
            "init",
            strength=True,
            repeated=True,
            controlled="FluxControlNetImg2ImgPipeline",
        ),
        "inpaint": Way(
            "FluxInpaintPipeline",
            "init",
            masked=True,
            strength=True,
            repeated=True,
            controlled="FluxControlNetInpaintPipeline",
        ),
    },
    precision="bfloat16",
    defaults=Defaults(steps=28, guidance=3.5),
    licence=f"dev: {NON_COMMERCIAL}; schnell: Apache-2.0",
    negative=False,
    controlnet="FluxControlNetModel",
    heavy=HEAVY,
    distilled=Defaults(steps=4, guidance=0.0),
    is_distilled=_unguided,
)

FLUX_FILL = Family(
    name="flux-fill",
    ways={
        "inpaint": Way("FluxFillPipeline", "init", masked=True, strength=True, repeated=True),
    },
    precision="bfloat16",
    defaults=Defaults(steps=50, guidance=30.0),
    licence=NON_COMMERCIAL,
    negative=False,
    heavy=HEAVY,
)

FLUX_KONTEXT = Family(
    name="flux-kontext",
    ways={
        "generate": Way("FluxKontextPipeline", further=_at_this_size),
        "edit": Way("FluxKontextPipeline", "references", further=_at_this_size),
        "inpaint": Way(
            "FluxKontextInpaintPipeline",
            "init",
            masked=True,
            strength=True,
            repeated=True,
            further=_at_this_size,
        ),
    },
    precision="bfloat16",
    defaults=Defaults(steps=28, guidance=2.5),
    licence=NON_COMMERCIAL,
    negative=False,
    heavy=HEAVY,
)
