"""Make the gallery's sheets of many things and people, good and bad, by the real modes.

    MODELS_PYTHON triton_models/tools/collection.py --photographs FOLDER [--only things people]

`collection.toml` lists the photographs; FOLDER is what `bench.vision.photographs` prints.
"""

import argparse
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from gallery import AVATARS, PERSON, PRODUCT, Labelled, answered, on_checks, original, page, write
from imagerift_vision.errors import VisionError

LISTED: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
SAMPLES = {"cup": PRODUCT, "collins": PERSON}
THING_ROW, PERSON_ROW = 150, 210
NO_PICTURE = np.full((64, 64, 3), 236, np.uint8)


def labelled(mode: str, photo: Path, preset: str | None, aspect: str = "1:1") -> Labelled:
    """A picture of a photo, with what the answer says of it."""
    name = preset or (mode if aspect == "1:1" else f"{mode} {aspect}")
    try:
        answer = answered(mode, photo, preset, aspect=aspect)
    except VisionError as error:
        return f"{name}: {error.code}", NO_PICTURE
    found = answer.analysis.subject if answer.analysis else None
    said = ""
    if found and found.treatment == "graded":
        said = ", whole"
    elif mode == "cutout" and found and found.confidence is not None:
        said = f" {found.confidence:.2f}"
    return name + said, on_checks(answer.images[0])


def things(photos: dict[str, Path]) -> None:
    """Each thing as it is, cut out, and in two looks."""
    looks = {name: thing["look"] for name, thing in LISTED["things"].items()} | {"cup": "oil"}
    rows = [
        [
            (name, original(photos[name])),
            labelled("cutout", photos[name], None),
            labelled("style", photos[name], "studio"),
            labelled("style", photos[name], look),
        ]
        for name, look in looks.items()
    ]
    half = -(-len(rows) // 2)
    second = [*rows[half:], []][:half]
    write(
        page([left + right for left, right in zip(rows, second, strict=False)], THING_ROW), "things"
    )


def people(photos: dict[str, Path]) -> None:
    """Each person as photographed, as avatars, reframed and cut out: a sheet a licence."""
    shared = [
        name
        for name, person in LISTED["people"].items()
        if person["licence"].startswith("CC-BY-SA")
    ]
    free = ["collins", *(name for name in LISTED["people"] if name not in shared)]
    for sheet, names in (("people", free), ("people-shared", shared)):
        rows = [
            [
                (name, original(photos[name])),
                *(labelled("avatar", photos[name], look) for look in AVATARS),
                labelled("enhance", photos[name], None, "4:5"),
                labelled("cutout", photos[name], None),
            ]
            for name in names
        ]
        write(page(rows, PERSON_ROW), sheet)


PARTS = {"things": things, "people": people}


def main() -> None:
    """Make all sheets, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    photos = SAMPLES | {file.stem: file for file in options.photographs.iterdir()}
    for part in options.only:
        PARTS[part](photos)


if __name__ == "__main__":
    main()
