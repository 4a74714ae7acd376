"""PyTorch and diffusers, for pools with the `diffusion` model; no other start fetches them.

Everything but PyTorch comes from `requirements/models-diffusion.txt`. PyTorch is installed by pip,
which takes the build that the machine's own pip settings lead to: with CUDA, or for the CPU.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.commands import run_logged
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.python import PYTHON, provision_environment
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.wheels import REQUIREMENTS, create_environment, pinned_version

PACKAGES = REQUIREMENTS / "models-diffusion.txt"
TORCH = REQUIREMENTS / "models-torch.txt"
NAMES = ("environment", "python", "site")
# The longest import there is: it proves the environment, and leaves its bytecode there.
PROOF = "from diffusers import AutoPipelineForImage2Image"


def provision_diffusion(workshop: Workshop) -> Provision:
    """Finds or makes the environment; its files are itself, its Python and its site-packages."""
    return provision_environment(
        workshop,
        "diffusion",
        version=pinned_version(TORCH, "torch"),
        locks=(PACKAGES, TORCH),
        names=NAMES,
        build=_from_wheels,
    )


def _from_wheels(workshop: Workshop, interpreter: Provision, target: Path) -> None:
    environment, log = target / "environment", workshop.log("diffusion")
    workshop.report("fetching the diffusion model's Python packages")
    locks = [["--no-deps", "-r", str(PACKAGES)]]
    create_environment(workshop.uv, interpreter, locks, environment, log)
    python = str(target / "python")
    install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    workshop.report("fetching PyTorch (200 MB for the CPU, gigabytes with CUDA)")
    torch = f"torch=={pinned_version(TORCH, 'torch')}"
    wheels = target / "wheels"
    fetch = [python, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    run_logged([*fetch, "--dest", str(wheels), torch], log=log)
    run_logged([*install, "--no-deps", str(_checked(wheels))], log=log)
    shutil.rmtree(wheels)
    # What the build that was taken needs beside the common packages: CUDA's libraries, or nothing.
    run_logged([*install, torch], log=log)
    workshop.report("trying the packages out")
    run_logged([python, "-c", PROOF], log=log)
    (target / "site").symlink_to(Path("environment", "lib", f"python{PYTHON}", "site-packages"))


def _checked(wheels: Path) -> Path:
    """The one wheel in the folder, its hash among those of the lock.

    pip itself, told of hashes, would pass over a build in a plain folder: its listing has none.
    """
    wheel = next(wheels.iterdir())
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if f"sha256:{digest}" not in TORCH.read_text():
        raise RouteUnavailableError(f"{wheel.name} is none of the builds in {TORCH.name}")
    return wheel
