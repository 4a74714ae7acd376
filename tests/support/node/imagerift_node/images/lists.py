"""The lists in `images/`: which layers there are, and which image is made of which."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from imagerift_local.settings import CHECKOUT
from pydantic import BaseModel, ConfigDict, Field

FOLDER = CHECKOUT / "images"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DebianLayer(_Entry):
    """A Debian 12 root with packages, or packages added over such a layer."""

    kind: Literal["debian"]
    packages: str
    over: str | None = None

    def names(self) -> list[str]:
        """The packages."""
        return (FOLDER / "packages" / self.packages).read_text().split()


class EnvironmentLayer(_Entry):
    """A Python environment of one lock file, with these parts of the project in it."""

    kind: Literal["environment"]
    lock: str
    target: str
    parts: tuple[str, ...]


class ModelsLayer(_Entry):
    """The models' Python packages with Triton among them."""

    kind: Literal["models"]
    target: str


class FilesLayer(_Entry):
    """Files and folders of the checkout: path in it to path in the image."""

    kind: Literal["files"]
    files: dict[str, str]


class ProgramLayer(_Entry):
    """One program that the embedded platform runs too."""

    kind: Literal["program"]
    program: str
    target: str


AnyLayer = Annotated[
    DebianLayer | EnvironmentLayer | ModelsLayer | FilesLayer | ProgramLayer,
    Field(discriminator="kind"),
]


class ImageEntry(_Entry):
    """One image: layers from the lowest up, and how it runs."""

    layers: tuple[str, ...]
    entrypoint: tuple[str, ...]
    environment: dict[str, str]


class ImageLists(_Entry):
    """The whole of images.toml."""

    user: str
    layers: dict[str, AnyLayer]
    images: dict[str, ImageEntry]


def read_lists(path: Path = FOLDER / "images.toml") -> ImageLists:
    """The lists of the checkout.

    Raises:
        ValueError: the file is damaged.
    """
    return ImageLists.model_validate(tomllib.loads(path.read_text()))
