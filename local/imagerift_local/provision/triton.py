"""Triton and the models' Python environment, which is one with it.

The environment comes from `requirements/models.txt` and `requirements/models-nodeps.txt`; the
server is in a package of the second. A change of either file makes a new environment.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from imagerift_local.errors import RouteUnavailableError
from imagerift_local.provision.context import Workshop
from imagerift_local.provision.libraries import FOLDER, complete_libraries
from imagerift_local.provision.python import PYTHON, provision_environment
from imagerift_local.provision.routes import Provision
from imagerift_local.provision.wheels import REQUIREMENTS, create_environment, pinned_version

LOCKS = (REQUIREMENTS / "models.txt", REQUIREMENTS / "models-nodeps.txt")
# The version of the server inside the package of that version.
WHEEL_SERVER = {"0.7.0": "2.51.0"}
NAMES = ("tritonserver", "backends", "site", "environment", "python", "libraries", "interpreter")


def provision_triton(workshop: Workshop) -> Provision:
    """Finds or makes the models' environment with the server in it.

    The result's files are the program, the folder of backends, the environment's site-packages,
    the environment itself and the program that runs its Python, and two folders of libraries: the
    server's own and the interpreter's.
    """
    version = WHEEL_SERVER[pinned_version(LOCKS[1], "nvidia-pytriton")]
    return provision_environment(
        workshop,
        "triton",
        version=version,
        locks=LOCKS,
        names=NAMES,
        build=_from_wheels,
        complete=partial(_complete, workshop),
    )


def library_path(triton: Provision) -> str:
    """The LD_LIBRARY_PATH that Triton runs with: its own libraries, missing ones, Python's."""
    own = triton.files["libraries"]
    return f"{own}:{own.with_name(FOLDER)}:{triton.files['interpreter']}"


def _from_wheels(workshop: Workshop, python: Provision, target: Path) -> None:
    workshop.report("fetching Triton and the models' Python packages (some 600 MB)")
    environment = target / "environment"
    create_environment(
        workshop.uv,
        python,
        [["-r", str(LOCKS[0])], ["--no-deps", "-r", str(LOCKS[1])]],
        environment,
        workshop.log("triton"),
    )
    site = environment / "lib" / f"python{PYTHON}" / "site-packages"
    server = site / "pytriton" / "tritonserver"
    backend = target / "backends" / "python"
    backend.mkdir(parents=True)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        shutil.copy2(server / "backends" / "python" / name, backend / name)
    stub = server / "python_backend_stubs" / PYTHON / "triton_python_backend_stub"
    if not stub.exists():
        raise RouteUnavailableError(f"Triton's package has no stub for Python {PYTHON}")
    shutil.copy2(stub, backend / stub.name)
    program = server / "bin" / "tritonserver"
    for path in (backend / stub.name, program):
        path.chmod(0o755)
    # Relative, so that they still lead there when the folder is moved into the cache.
    for name, path in (
        ("tritonserver", program),
        ("site", site),
        ("libraries", site / "nvidia_pytriton.libs"),
    ):
        (target / name).symlink_to(path.relative_to(target))
    (target / "interpreter").symlink_to(python.files["libraries"])
    workshop.report("looking for shared libraries that are missing")
    made = Provision({name: target / name for name in NAMES}, "", "")
    _complete_extensions(workshop, made)


def _complete(workshop: Workshop, triton: Provision) -> None:
    stub = triton.files["backends"] / "python" / "triton_python_backend_stub"
    _add_libraries(workshop, triton, [stub, triton.files["tritonserver"].resolve()])


def _complete_extensions(workshop: Workshop, triton: Provision) -> None:
    for library in sorted(triton.files["site"].rglob("*.so")):
        # Folders of bundled libraries find each other by the extension that loads them.
        if "pytriton" in library.parts or library.parent.suffix == ".libs":
            continue
        try:
            # Extensions that need what no package brings (a GPU's driver) are optional ones.
            _add_libraries(workshop, triton, [library])
        except RouteUnavailableError as refusal:
            workshop.report(f"note: {refusal}")


def _add_libraries(workshop: Workshop, triton: Provision, programs: list[Path]) -> None:
    own, interpreter = triton.files["libraries"], triton.files["interpreter"]
    complete_libraries(
        workshop.debian, programs, own.with_name(FOLDER), search=f"{own}:{interpreter}"
    )
