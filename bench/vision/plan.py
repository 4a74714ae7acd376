"""What the bench is made of, as `pictures.toml` says. Plain Python: both environments read it."""

import hashlib
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAN = Path(__file__).with_name("pictures.toml")
# Of each kind, every third picture.
APART_EVERY = 3

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Photo:
    """A photograph of a package."""

    package: str
    file: str
    author: str
    licence: str
    crop: Box = (0.0, 0.0, 1.0, 1.0)
    """What of it serves as a ground: left, top, right, bottom in shares."""


@dataclass(frozen=True)
class Picture:
    """Cut-outs on a photograph; the photograph alone where there are none."""

    kind: str
    stamps: tuple[str, ...]
    on: str
    cut: str | None = None
    """The side of the frame that cuts the cut-out: left, right, bottom."""
    apart: bool = False
    """Whether nothing may be tuned on it."""

    @property
    def name(self) -> str:
        """Short, for tables and the sheet."""
        return " + ".join([*(Path(stamp).name for stamp in self.stamps), self.on])

    @property
    def seed(self) -> int:
        """Its own, whatever other pictures there are."""
        return zlib.crc32(f"{self.kind} {self.stamps} {self.on} {self.cut}".encode())


@dataclass(frozen=True)
class Person:
    """A person on a photograph, in its pixels."""

    face: Box
    """From hairline to chin, from cheek to cheek."""
    outline: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Place:
    """Where a person stands in a group."""

    who: str
    x: float
    bottom: float
    height: float
    mirrored: bool = False


@dataclass(frozen=True)
class Group:
    """People on a photograph."""

    name: str
    on: str
    size: tuple[int, int]
    people: tuple[Place, ...]


@dataclass(frozen=True)
class Plan:
    """All of it."""

    sha256: str
    folders: dict[str, str]
    """The pictures' folder in each package."""
    stamps_from: str
    photos: dict[str, Photo]
    pictures: tuple[Picture, ...]
    people: dict[str, Person]
    groups: tuple[Group, ...]

    def files(self) -> list[tuple[str, str]]:
        """Package and file below the package's folder of everything that is used, sorted."""
        stamps = {stamp for picture in self.pictures for stamp in picture.stamps}
        return sorted(
            {(self.stamps_from, f"{stamp}.png") for stamp in stamps}
            | {(photo.package, photo.file) for photo in self.photos.values()}
        )

    def checksum(self, root: Path) -> str:
        """SHA-256 over the files below a folder that the provisioning made."""
        digest = hashlib.sha256()
        for package, file in self.files():
            digest.update(f"{package}/{file}\n".encode())
            digest.update((root / package / file).read_bytes())
        return digest.hexdigest()


def read_plan(path: Path = PLAN) -> Plan:
    """The plan in a file.

    Raises:
        ValueError: it uses a folder of stamps that is kept for a later check, or a photograph or
            a person that it does not name.
    """
    document = tomllib.loads(path.read_text("utf-8"))
    plan = Plan(
        sha256=document["sha256"],
        folders=document["packages"],
        stamps_from=document["stamps"]["package"],
        photos={
            name: Photo(**{**photo, "crop": tuple(photo.get("crop", Photo.crop))})
            for name, photo in document["photos"].items()
        },
        pictures=tuple(_pictures(document["kind"])),
        people={
            name: Person(tuple(person["face"]), tuple(map(tuple, person["outline"])))
            for name, person in document["people"].items()
        },
        groups=tuple(
            Group(
                group["name"],
                group["on"],
                tuple(group["size"]),
                tuple(Place(**place) for place in group["people"]),
            )
            for group in document["group"]
        ),
    )
    _check(plan, set(document["stamps"]["folders"]))
    return plan


def _pictures(kinds: list[dict[str, Any]]) -> Iterator[Picture]:
    for kind in kinds:
        for index, picture in enumerate(kind["pictures"]):
            yield Picture(
                kind["name"],
                tuple(picture["stamps"]),
                picture["on"],
                picture.get("cut"),
                index % APART_EVERY == APART_EVERY - 1,
            )


def _check(plan: Plan, folders: set[str]) -> None:
    for picture in plan.pictures:
        for stamp in picture.stamps:
            if stamp.split("/")[0] not in folders:
                raise ValueError(f"{stamp} is of a folder that is kept for a later check")
    used = {picture.on for picture in plan.pictures} | {group.on for group in plan.groups}
    people = {place.who for group in plan.groups for place in group.people}
    unknown = (used | people) - set(plan.photos) | people - set(plan.people)
    if unknown:
        raise ValueError(f"not described: {', '.join(sorted(unknown))}")
