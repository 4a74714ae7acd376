"""Building images from the lists: each layer once, kept in the cache by what it is made of."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import IO

from imagerift_local.errors import PlatformError, RouteUnavailableError
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.programs import MONGOD, SEAWEEDFS, provision
from imagerift_local.provision.python import PYTHON, provision_python
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.triton import provision_triton
from imagerift_local.provision.wheels import REQUIREMENTS, create_environment, uv_environment
from imagerift_local.settings import CHECKOUT

from imagerift_node.images.archive import Image, Layer, write_archive
from imagerift_node.images.debian_root import add_packages, bootstrap
from imagerift_node.images.layers import files_layer, read_layer
from imagerift_node.images.lists import (
    DebianLayer,
    EnvironmentLayer,
    FilesLayer,
    ImageLists,
    ModelsLayer,
    ProgramLayer,
    read_lists,
)
from imagerift_node.images.project import LEFT_BY_BUILDS, build_wheels, project_version

REGISTRY = "docker.io/imagerift"
PART = "image-layers"
# Where Debian's own Python is inside every image.
IMAGE_PYTHON = f"/usr/bin/python{PYTHON}"
PROGRAMS: dict[str, Callable[[Workshop], Provision]] = {
    "mongod": partial(provision, MONGOD),
    "seaweedfs": partial(provision, SEAWEEDFS),
}
PROGRAM_FILES = {"mongod": "mongod", "seaweedfs": "weed"}


def image_name(name: str, tag: str) -> str:
    """The full name of one of the project's images."""
    return f"{REGISTRY}/{name}:{tag}"


def build_images(
    workshop: Workshop, names: Sequence[str], stream: IO[bytes], tag: str = ""
) -> list[str]:
    """Writes the named images (all, when none is named) into one docker-archive.

    Returns the images' full names.

    Raises:
        PlatformError: there is no image of that name, or a layer cannot be made.
    """
    lists = read_lists()
    unknown = sorted(set(names) - set(lists.images))
    if unknown:
        raise PlatformError(
            f"no such image: {', '.join(unknown)} (there are {', '.join(lists.images)})"
        )
    builder = Builder(workshop, lists)
    images = []
    for name in names or lists.images:
        entry = lists.images[name]
        images.append(
            Image(
                name=image_name(name, tag or project_version()),
                layers=tuple(builder.layer(layer) for layer in entry.layers),
                entrypoint=entry.entrypoint,
                environment=entry.environment,
                user=lists.user,
            )
        )
    write_archive(stream, images)
    return [image.name for image in images]


class Builder:
    """Makes layers, each in a folder of the cache whose name says what went into it."""

    def __init__(self, workshop: Workshop, lists: ImageLists) -> None:
        self._workshop = workshop
        self._lists = lists

    def layer(self, name: str) -> Layer:
        """The layer of that name.

        Raises:
            PlatformError: it cannot be made.
        """
        try:
            return read_layer(self._folder(name))
        except RouteUnavailableError as error:
            raise PlatformError(f"the layer {name} cannot be made: {error}") from error

    def _folder(self, name: str) -> Path:
        entry = self._lists.layers[name]
        if isinstance(entry, DebianLayer):
            return self._debian(name, entry)
        if isinstance(entry, EnvironmentLayer):
            return self._environment(name, entry)
        if isinstance(entry, ModelsLayer):
            return self._models(name, entry)
        if isinstance(entry, FilesLayer):
            return self._files(name, entry)
        return self._program(name, entry)

    def _made(self, name: str, key: str, build: Callable[[Path], None]) -> Path:
        def announced(target: Path) -> None:
            self._workshop.report(f"making the layer {name}")
            build(target)

        return self._workshop.cache.ensure(PART, f"{name}-{key}", announced)

    def _debian(self, name: str, entry: DebianLayer) -> Path:
        packages = entry.names()
        if entry.over is None:
            return self._made(
                name,
                _digest(*packages),
                lambda target: bootstrap(self._workshop, packages, target),
            )
        below = self._folder(entry.over)
        return self._made(
            name,
            _digest(below.name, *packages),
            lambda target: add_packages(self._workshop, below, packages, target),
        )

    def _environment(self, name: str, entry: EnvironmentLayer) -> Path:
        lock = REQUIREMENTS / entry.lock
        sources = [CHECKOUT / part for part in entry.parts]
        key = _digest(lock.read_text(), entry.target, *_tree_texts(sources))

        def build(target: Path) -> None:
            environment = target / "environment"
            log = self._workshop.log("images")
            uv = self._workshop.uv
            python = provision_python(self._workshop)
            create_environment(uv, python, [["-r", str(lock)]], environment, log)
            wheels = build_wheels(uv, entry.parts, target / "wheels", log)
            run_logged(
                [
                    *(str(uv), "pip", "install", "--quiet", "--no-deps"),
                    *("--python", str(environment / "bin" / "python"), *map(str, wheels)),
                ],
                log=log,
                environment=uv_environment(),
            )
            shutil.rmtree(target / "wheels")
            run_logged(
                [
                    *(str(target / "python"), "-m", "compileall", "-q", "-j2"),
                    # Sources in an image never change, so nothing has to be compared.
                    *("--invalidation-mode", "unchecked-hash", str(environment / "lib")),
                ],
                log=log,
            )
            (environment / "pyvenv.cfg").write_text("home = /usr/bin\n")
            files_layer(
                {entry.target: environment},
                target,
                rewrites={f"{entry.target}/bin/python": IMAGE_PYTHON},
                compiled=True,
            )
            shutil.rmtree(environment)

        return self._made(name, key, build)

    def _models(self, name: str, entry: ModelsLayer) -> Path:
        triton = provision_triton(self._workshop)
        site, backends = triton.files["site"].resolve(), triton.files["backends"]

        def build(target: Path) -> None:
            programs, settings = target / "bin", target / "pyvenv.cfg"
            programs.mkdir()
            (programs / "python3").symlink_to(IMAGE_PYTHON)
            settings.write_text("home = /usr/bin\n")
            files_layer(
                {
                    f"{entry.target}/bin": programs,
                    f"{entry.target}/pyvenv.cfg": settings,
                    f"{entry.target}/lib/python{PYTHON}/site-packages": site,
                    f"{entry.target}/backends": backends,
                },
                target,
            )

        return self._made(name, _digest("venv", entry.target, backends.parent.name), build)

    def _files(self, name: str, entry: FilesLayer) -> Path:
        files = {inside: CHECKOUT / path for path, inside in entry.files.items()}
        key = _digest(*files, *_tree_texts(list(files.values())))
        return self._made(name, key, lambda target: _discard(files_layer(files, target)))

    def _program(self, name: str, entry: ProgramLayer) -> Path:
        provision = PROGRAMS[entry.program](self._workshop)
        program = provision.files[PROGRAM_FILES[entry.program]]
        return self._made(
            name,
            _digest(entry.target, str(program), provision.version),
            lambda target: _discard(files_layer({entry.target: program}, target)),
        )


def _discard(layer: Layer) -> None:
    del layer


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _tree_texts(sources: Sequence[Path]) -> Iterator[str]:
    """Names and digests of all files, in an order that does not change."""
    for source in sources:
        paths = [source] if source.is_file() else sorted(source.rglob("*"))
        for path in paths:
            inside = path.relative_to(CHECKOUT)
            left = any(fnmatch(part, name) for part in inside.parts for name in LEFT_BY_BUILDS)
            if path.is_file() and not left:
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                yield f"{inside} {path.stat().st_mode & 0o111:o} {content}"
