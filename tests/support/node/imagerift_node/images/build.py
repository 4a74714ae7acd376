"""Building images from Dockerfiles: each instruction once, cached by what it works on."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from textwrap import shorten
from typing import IO

from imagerift_local.errors import PlatformError, RouteUnavailableError
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import SUITE
from imagerift_local.provision.programs import PROGRAMS, provision
from imagerift_local.settings import CHECKOUT

from imagerift_node.images.archive import Image, write_archive
from imagerift_node.images.dockerfile import Instruction, Stage, parse
from imagerift_node.images.layers import Layer, seal_layer
from imagerift_node.images.root import bootstrap, copy_from, run_in

REGISTRY = "docker.io/imagerift"
DOCKERFILES = (CHECKOUT / "images" / "Dockerfile", Path(__file__).with_name("Dockerfile"))
# Programs in the build context `programs`, and the parts that they belong to.
SERVERS = {"mongod": "mongod", "weed": "seaweedfs"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def project_version() -> str:
    """The version of every part, which is the tag of the images."""
    return (CHECKOUT / "VERSION").read_text().strip()


def image_name(name: str) -> str:
    """The full name of one of the images."""
    return f"{REGISTRY}/{name}:{project_version()}"


def read_stages() -> dict[str, Stage]:
    """The stages of all images, by name."""
    return parse("\n".join(path.read_text() for path in DOCKERFILES))


def images_for_a_node(stages: Mapping[str, Stage]) -> list[str]:
    """The images that a node here runs: those on Debian. NVIDIA's base is not to be had here."""

    def base(name: str) -> str:
        below = stages[name].base
        return base(below) if below in stages else below

    return [name for name, stage in stages.items() if stage.is_image and "debian:" in base(name)]


def build_images(workshop: Workshop, names: Sequence[str], stream: IO[bytes]) -> list[str]:
    """Writes the named images (all that run here, when none is named) into one docker-archive.

    Returns the images' full names.

    Raises:
        PlatformError: there is no image of that name, or an instruction fails.
    """
    stages = read_stages()
    known = images_for_a_node(stages)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise PlatformError(f"no such image: {', '.join(unknown)} (there are {', '.join(known)})")
    builder = Builder(workshop, stages)
    images = [builder.image(name) for name in names or known]
    write_archive(stream, images)
    return [image.name for image in images]


@dataclass(frozen=True)
class Built:
    """A stage as far as it is built: folders, the lowest first, and how commands run in it."""

    layers: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = ""
    entrypoint: tuple[str, ...] = ()


class Builder:
    """Follows the instructions of stages."""

    def __init__(self, workshop: Workshop, stages: Mapping[str, Stage]) -> None:
        self._workshop = workshop
        self._stages = stages
        self._built: dict[str, Built] = {}

    def image(self, name: str) -> Image:
        """The image of that name.

        Raises:
            PlatformError: an instruction fails, or is not known here.
        """
        try:
            built = self._stage(name)
        except RouteUnavailableError as error:
            raise PlatformError(f"the image {name} cannot be made: {error}") from error
        return Image(
            name=image_name(name),
            layers=[self._layer(folder) for folder in built.layers],
            entrypoint=built.entrypoint,
            environment=built.environment,
            user=built.user,
            folder=built.folder,
        )

    def _stage(self, name: str) -> Built:
        if name not in self._built:
            stage = self._stages[name]
            known = stage.base in self._stages
            built = self._stage(stage.base) if known else Built((self._debian(stage.base),))
            for instruction in stage.instructions:
                built = self._follow(built, instruction)
            self._built[name] = built
        return self._built[name]

    def _follow(self, built: Built, instruction: Instruction) -> Built:
        text = instruction.text
        match instruction.word:
            case "ENV":
                pairs = dict(pair.split("=", 1) for pair in shlex.split(text))
                return replace(built, environment={**built.environment, **pairs})
            case "WORKDIR":
                return replace(built, folder=text)
            case "USER":
                return replace(built, user=text)
            case "ENTRYPOINT":
                return replace(built, entrypoint=tuple(json.loads(text)))
            case "RUN":
                return replace(built, layers=(*built.layers, self._run(built, text)))
            case "COPY":
                return replace(built, layers=(*built.layers, self._copy(built, instruction)))
            case word:
                raise PlatformError(f"the Dockerfile's instruction {word} is not known here")

    def _debian(self, image: str) -> Path:
        if f"debian:{SUITE}" not in image:
            raise PlatformError(f"{image} is no Debian {SUITE}, which alone can be made here")
        return self._made(
            f"FROM {image}", (SUITE,), lambda target: bootstrap(self._workshop, target)
        )

    def _run(self, built: Built, command: str) -> Path:
        def run(target: Path) -> None:
            run_in(
                built.layers,
                command,
                target,
                self._workshop.log("images"),
                environment=built.environment,
                folder=built.folder,
                user=built.user,
            )

        keys = [layer.parent.name for layer in built.layers]
        settings = [json.dumps(dict(built.environment)), built.folder, built.user]
        return self._made(f"RUN {command}", (*keys, *settings), run)

    def _copy(self, built: Built, instruction: Instruction) -> Path:
        *sources, target = instruction.text.split()
        origin, mode = (instruction.options.get(name, "") for name in ("from", "chmod"))
        inside = f"{built.folder}/{target}" if target[0] != "/" else target
        title = f"COPY {instruction.text}"
        if origin in self._stages:
            (source,) = sources
            layers = self._stage(origin).layers

            def copy(files: Path) -> None:
                copy_from(layers, source, files, inside, self._workshop.log("images"))

            return self._made(title, tuple(layer.parent.name for layer in layers), copy)
        paths = [self._path(origin, source) for source in sources]
        return self._made(
            title,
            (inside, mode, *_contents(paths)),
            lambda files: _copy_files(paths, files, inside, mode),
        )

    def _path(self, origin: str, source: str) -> Path:
        if origin == "programs":
            return provision(PROGRAMS[SERVERS[source]], self._workshop).files[source]
        if origin:
            raise PlatformError(f"no such stage: {origin}")
        return CHECKOUT / source

    def _made(self, title: str, keys: Sequence[str], make: Callable[[Path], None]) -> Path:
        """The folder with what an instruction makes of what `keys` stand for."""

        def build(target: Path) -> None:
            self._workshop.report(shorten(title, 80, placeholder=" ..."))
            (target / "files").mkdir()
            make(target / "files")

        key = hashlib.sha256("\0".join((title, *keys)).encode()).hexdigest()[:16]
        return self._workshop.cache.ensure("image-files", key, build) / "files"

    def _layer(self, files: Path) -> Layer:
        seal = self._workshop.cache.ensure(
            "image-layers", files.parent.name, lambda target: seal_layer(files, target)
        )
        return Layer.read(seal)


def ignored() -> list[str]:
    """Names that are in no build's context, wherever they are."""
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    return [line.removeprefix("**/") for line in lines if line.startswith("**/")]


def _copy_files(paths: Sequence[Path], files: Path, inside: str, mode: str) -> None:
    for path in paths:
        target = files / inside.strip("/")
        if path.is_dir():
            ignore = shutil.ignore_patterns(*ignored())
            shutil.copytree(path, target, symlinks=True, ignore=ignore, dirs_exist_ok=True)
            continue
        target = target / path.name if inside.endswith("/") else target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
        if mode:
            target.chmod(int(mode, 8))


def _contents(sources: Sequence[Path]) -> Iterator[str]:
    """Names, modes and digests of all files, in an order that does not change."""
    names = ignored()
    for source in sources:
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            inside = path.relative_to(source.parent)
            left = any(fnmatch(part, name) for part in inside.parts for name in names)
            if path.is_file() and not left:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                yield f"{inside} {path.stat().st_mode:o} {content}"
