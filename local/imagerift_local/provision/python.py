"""The Python that environments beside `.venv` are made of: the models', PyTorch's, the scanner's.

One version everywhere, whatever Python the machine itself has: the one that the images have and
that the locks of those environments are made for (numpy below 2 has no build for 3.13).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import ask, run_logged
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.debian import SUITE
from imagerift_local.provision.libraries import complete_libraries
from imagerift_local.provision.routes import Provision, Route
from imagerift_local.provision.wheels import lock_digest, uv_environment

PYTHON = "3.11"
LIBRARY = f"libpython{PYTHON}.so.1.0"
# The newest that the pinned uv knows, with the checksum that it holds.
OFFICIAL = "3.11.18"
OFFICIAL_KEY = f"{OFFICIAL}-official"
DEBIAN_KEY = f"{PYTHON}-debian12"
NAMES = ("python", "libraries")
# Where a Python says that it, and its shared library, are; and whether it has what ours needs.
QUESTION = """
import json, sys, sysconfig
import bz2, ctypes, lzma, sqlite3, ssl, zlib
places = [sysconfig.get_config_var("LIBDIR") or "", sys.base_prefix + "/lib"]
places += [f"{place}/{sysconfig.get_config_var('MULTIARCH')}" for place in places]
print(json.dumps([sys.version.split()[0], sys.executable, places]))
"""
# Enough for uv to see that an archive is out of reach.
FETCH_LIMITS = {"UV_PYTHON_DOWNLOADS": "manual", "UV_HTTP_TIMEOUT": "10", "UV_HTTP_RETRIES": "0"}


def provision_python(workshop: Workshop) -> Provision:
    """Finds or makes the interpreter; its files are itself and the folder of its library.

    That folder goes onto the LD_LIBRARY_PATH of whatever runs it or embeds it.
    """
    ways = [
        ("official build", OFFICIAL_KEY, OFFICIAL, _official),
        ("Debian package", DEBIAN_KEY, PYTHON, _from_debian),
    ]
    # What is there already is taken before anything is fetched.
    ways.sort(key=lambda way: not workshop.cache.has("python", way[1]))
    routes = [
        workshop.built_route(
            name,
            part="python",
            key=key,
            version=version,
            names=NAMES,
            build=partial(build, workshop),
            complete=partial(_complete, workshop),
        )
        for name, key, version, build in ways
    ]
    found = workshop.first_found(f"Python {PYTHON}", [Route("PATH", _found_on_path), *routes])
    # A Python finds its modules from where it lies, also through the link of an environment.
    return replace(found, files={**found.files, "python": found.files["python"].resolve()})


def provision_environment(
    workshop: Workshop,
    part: str,
    *,
    version: str,
    locks: Sequence[Path],
    names: tuple[str, ...],
    build: Callable[[Workshop, Provision, Path], None],
    complete: Callable[[Provision], None] | None = None,
) -> Provision:
    """Finds or makes what is installed for that Python, anew when it or a lock file changes.

    `build` gets the interpreter and the folder to put files of those names into.
    """
    python = provision_python(workshop)
    route = workshop.built_route(
        "Python packages",
        part=part,
        key=f"{version}-{lock_digest(locks, python)}",
        version=version,
        names=names,
        build=partial(build, workshop, python),
        complete=complete,
    )
    return workshop.first_found(part, [route])


def _found_on_path() -> Provision:
    refusals = []
    for candidate in _candidates():
        try:
            return inspect(candidate)
        except RouteUnavailableError as refusal:
            refusals.append(str(refusal))
    raise RouteUnavailableError("; ".join(refusals) or f"no python{PYTHON}")


def _candidates() -> Iterator[Path]:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if own == PYTHON:
        # The one that .venv is made of.
        yield Path(sys.base_prefix) / "bin" / f"python{PYTHON}"
    for folder in os.get_exec_path():
        candidate = Path(folder) / f"python{PYTHON}"
        if candidate.exists() and not candidate.resolve().is_relative_to(sys.prefix):
            yield candidate


def inspect(python: Path) -> Provision:
    """An interpreter that is there, with the folder that holds its shared library.

    Raises:
        RouteUnavailableError: it does not run, lacks a module, or has no shared library.
    """
    answer = ask([str(python), "-I", "-c", QUESTION])
    try:
        version, executable, places = json.loads(answer.stdout)
    except ValueError as error:
        raise RouteUnavailableError(f"{python} does not do: {answer.stderr.strip()}") from error
    for place in map(Path, places):
        if (place / LIBRARY).exists():
            return Provision({"python": Path(executable), "libraries": place}, version, "PATH")
    raise RouteUnavailableError(f"{python} comes without {LIBRARY}")


def _official(workshop: Workshop, target: Path) -> None:
    workshop.report(f"trying the official build {OFFICIAL}")
    run_logged(
        [
            *(str(workshop.uv), "python", "install", "--no-bin"),
            *("--install-dir", str(target / "installed"), OFFICIAL),
        ],
        log=workshop.log("python"),
        environment={**uv_environment(), **FETCH_LIMITS},
    )
    for entry in (target / "installed").glob(f"cpython-{OFFICIAL}-*"):
        entry.rename(target / "root")
    shutil.rmtree(target / "installed")
    (target / "python").symlink_to(Path("root", "bin", f"python{PYTHON}"))
    (target / "libraries").symlink_to(Path("root", "lib"))


def _from_debian(workshop: Workshop, target: Path) -> None:
    workshop.report(f"unpacking Python {PYTHON} of Debian {SUITE}")
    root, unpacked = target / "root", target / "unpacked"
    packages = [f"python{PYTHON}", f"python{PYTHON}-minimal", f"libpython{PYTHON}"]
    packages += [f"libpython{PYTHON}-stdlib", f"libpython{PYTHON}-minimal"]
    workshop.debian.unpack(packages, unpacked)
    program, modules = Path("usr", "bin", f"python{PYTHON}"), Path("usr", "lib", f"python{PYTHON}")
    for path in (program, modules):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / path).rename(root / path)
    libraries = target / "libraries"
    libraries.mkdir()
    library = unpacked / "usr" / "lib" / "x86_64-linux-gnu" / LIBRARY
    shutil.copyfile(library, libraries / LIBRARY)
    shutil.rmtree(unpacked)
    (target / "python").symlink_to(Path(root.name) / program)


def _complete(workshop: Workshop, found: Provision) -> None:
    python, libraries = found.files["python"].resolve(), found.files["libraries"]
    modules = python.parents[1] / "lib" / f"python{PYTHON}" / "lib-dynload"
    programs = [python, libraries / LIBRARY, *sorted(modules.glob("*.so"))]
    complete_libraries(workshop.debian, programs, libraries)
