"""Z-Image and Z-Image-Turbo of Tongyi Lab."""

from imagerift_vision.diffusion_families.family import Defaults, Family, Folder, Way


def _turbo(folder: Folder) -> bool:
    """Turbo's schedule is shifted by 3, that of the whole one by 6."""
    return folder.scheduler.get("shift") == 3.0


Z_IMAGE = Family(
    name="z-image",
    ways={
        "generate": Way("ZImagePipeline"),
        "img2img": Way("ZImageImg2ImgPipeline", "init", strength=True, repeated=True),
        "inpaint": Way("ZImageInpaintPipeline", "init", masked=True, strength=True, repeated=True),
    },
    # Pictures come out black in float16.
    precision="bfloat16",
    defaults=Defaults(steps=50, guidance=5.0),
    licence="Apache-2.0",
    distilled=Defaults(steps=9, guidance=0.0),
    is_distilled=_turbo,
)
