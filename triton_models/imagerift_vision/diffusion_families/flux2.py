"""FLUX.2 of Black Forest Labs: dev, and the smaller klein."""

from imagerift_vision.diffusion_families.family import Defaults, Family, Folder, Way


def _distilled(folder: Folder) -> bool:
    return folder.index.get("is_distilled") is True


def _edit(name: str) -> Way:
    """A list here is so many references of one picture, never one a picture.

    What is smaller, or longer, than this is refused.
    """
    return Way(name, "references", most=4, least_side=64, longest=8)


FLUX2 = Family(
    name="flux2",
    ways={
        "generate": Way("Flux2Pipeline"),
        "edit": _edit("Flux2Pipeline"),
    },
    precision="bfloat16",
    defaults=Defaults(steps=50, guidance=4.0),
    licence="FLUX [dev] Non-Commercial: selling needs an agreement",
    negative=False,
)

FLUX2_KLEIN = Family(
    name="flux2-klein",
    ways={
        "generate": Way("Flux2KleinPipeline"),
        "edit": _edit("Flux2KleinPipeline"),
        "inpaint": Way(
            "Flux2KleinInpaintPipeline", "init", masked=True, strength=True, repeated=True
        ),
    },
    precision="bfloat16",
    defaults=Defaults(steps=50, guidance=4.0),
    licence="klein 4B: Apache-2.0; klein 9B: FLUX Non-Commercial",
    negative=False,
    distilled=Defaults(steps=4, guidance=1.0),
    is_distilled=_distilled,
)
