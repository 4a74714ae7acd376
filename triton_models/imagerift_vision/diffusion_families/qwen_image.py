"""Qwen-Image, and the two that edit: their text encoder is shown the picture as well."""

from imagerift_vision.diffusion_families.family import Defaults, Family, Way

DEFAULTS = Defaults(steps=50, guidance=4.0)
LICENCE = "Apache-2.0"

QWEN_IMAGE = Family(
    name="qwen-image",
    ways={
        "generate": Way("QwenImagePipeline", controlled="QwenImageControlNetPipeline"),
        "img2img": Way("QwenImageImg2ImgPipeline", "init", strength=True, repeated=True),
        "inpaint": Way(
            "QwenImageInpaintPipeline", "init", masked=True, strength=True, repeated=True
        ),
    },
    precision="bfloat16",
    defaults=DEFAULTS,
    licence=LICENCE,
    guidance="true_cfg_scale",
    controlnet="QwenImageControlNetModel",
)

QWEN_IMAGE_EDIT = Family(
    name="qwen-image-edit",
    ways={
        "edit": Way("QwenImageEditPipeline", "references"),
        # It draws at a megapixel, whatever it is told.
        "inpaint": Way(
            "QwenImageEditInpaintPipeline", "init", masked=True, strength=True, repeated=True
        ),
    },
    precision="bfloat16",
    defaults=DEFAULTS,
    licence=LICENCE,
    guidance="true_cfg_scale",
)

QWEN_IMAGE_EDIT_PLUS = Family(
    name="qwen-image-edit-plus",
    ways={"edit": Way("QwenImageEditPlusPipeline", "references", most=3)},
    precision="bfloat16",
    defaults=DEFAULTS,
    licence=LICENCE,
    guidance="true_cfg_scale",
)
