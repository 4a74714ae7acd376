"""Python packages, installed by uv from the hash-pinned lists in `requirements/`."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from imagerift_local.errors import PlatformError
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.libraries import FOLDER
from imagerift_local.provision.routes import Provision
from imagerift_local.settings import CHECKOUT

REQUIREMENTS = CHECKOUT / "requirements"
RUNNER = Path(__file__).with_name("runner.sh").read_text().replace("FOLDER", FOLDER)


def find_uv(cache_root: Path) -> Path:
    """The `uv` that scripts/bootstrap.sh put into the cache, or else the one on PATH.

    Raises:
        PlatformError: there is none.
    """
    for candidate in sorted((cache_root / "bootstrap").glob("*/bin/uv"), reverse=True):
        return candidate
    found = shutil.which("uv")
    if found is None:
        raise PlatformError("uv is missing: run `make up`, which fetches it")
    return Path(found)


def pinned_version(lock: Path, package: str) -> str:
    """The version of `package` in a lock file.

    Raises:
        PlatformError: the lock file does not name the package.
    """
    match = re.search(rf"^{re.escape(package)}==(\S+)", lock.read_text(), re.MULTILINE)
    if match is None:
        raise PlatformError(f"{lock} does not pin {package}")
    return match.group(1)


def lock_digest(locks: Sequence[Path], python: Provision) -> str:
    """Twelve hex digits that change when a lock file or the interpreter changes."""
    digest = hashlib.sha256(f"{python.files['python']} {python.version}".encode())
    for lock in locks:
        digest.update(lock.read_bytes())
    return digest.hexdigest()[:12]


def install(
    uv: Path, python: Path, options: Sequence[str], log: Path, libraries: Path | None = None
) -> None:
    """Installs packages for an interpreter, whose own library may be in the folder `libraries`.

    `options` are those of `uv pip install`, among them the lock file.

    Raises:
        RouteUnavailableError: a package cannot be had, or its hash differs.
    """
    command = [str(uv), "pip", "install", "--quiet", "--require-hashes", f"--python={python}"]
    run_logged([*command, *options], log=log, environment=uv_environment(libraries))


def create_environment(
    uv: Path, python: Provision, locks: Sequence[Sequence[str]], target: Path, log: Path
) -> None:
    """Makes a virtual environment at `target` that can be moved, and installs lock files into it.

    Each entry of `locks` is the options of one `uv pip install`, the lock file last. Beside the
    environment comes a program `python`, which runs it with the shared libraries that it needs.

    Raises:
        RouteUnavailableError: a package cannot be had, or its hash differs.
    """
    libraries = python.files["libraries"]
    interpreter = f"--python={python.files['python']}"
    run_logged(
        [str(uv), "venv", "--quiet", "--relocatable", interpreter, str(target)],
        log=log,
        environment=uv_environment(libraries),
    )
    runner = target.with_name("python")
    runner.write_text(RUNNER.replace("LIBRARIES", shlex.quote(str(libraries))))
    runner.chmod(0o755)
    for options in locks:
        install(uv, target / "bin" / "python", options, log, libraries)


def uv_environment(libraries: Path | None = None) -> dict[str, str]:
    """The environment for uv: never another Python than the one it is told."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    if libraries is not None:
        environment["LD_LIBRARY_PATH"] = str(libraries)
    return {**environment, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
