"""Dockerfiles of the images, from the same lists: `python -m imagerift_node.images.dockerfiles`.

Two stages each: hash-pinned locks alone, no installer and no compiler in the result, a numeric
user, and nothing that has to write to the root file system.
"""

from __future__ import annotations

import json

from imagerift_node.images.lists import (
    FOLDER,
    DebianLayer,
    EnvironmentLayer,
    FilesLayer,
    ImageEntry,
    ImageLists,
    ModelsLayer,
    ProgramLayer,
    read_lists,
)

# Debian 12, whose Python the locks are for.
BASE = "docker.io/library/debian:bookworm-slim"
PYTHON = "python3.11"
HEAD = f"""\
# Written by `make images` from images/images.toml; change it there.
# At the root of the checkout: docker build -f images/{{name}}/Dockerfile -t imagerift/{{name}} .
# Pin the base by the digest that your registry tells: --build-arg BASE={BASE}@sha256:…
ARG BASE={BASE}

FROM ${{{{BASE}}}} AS build
RUN apt-get -q update \\
 && apt-get -qy --no-install-recommends install python3 python3-venv
WORKDIR /source
ENV UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_LINK_MODE=copy
COPY requirements/bootstrap.txt requirements/build.txt requirements/
RUN python3 -m venv /installer \\
 && /installer/bin/pip install --no-cache-dir --require-hashes \\
      -r requirements/bootstrap.txt -r requirements/build.txt
"""
MODELS = """\
RUN mkdir -p {target}/backends/python \\
 && cp {server}/backends/python/libtriton_python.so \\
      {server}/backends/python/triton_python_backend_utils.py \\
      {server}/python_backend_stubs/3.11/triton_python_backend_stub {target}/backends/python/ \\
 && chmod 0755 {server}/bin/tritonserver {target}/backends/python/triton_python_backend_stub
"""


def dockerfiles() -> dict[str, str]:
    """Image to the text of its Dockerfile; programs of other projects have images of their own."""
    lists = read_lists()
    return {
        name: _dockerfile(name, entry, lists)
        for name, entry in lists.images.items()
        if not any(isinstance(lists.layers[layer], ProgramLayer) for layer in entry.layers)
    }


def write() -> None:
    for name, text in dockerfiles().items():
        (FOLDER / name).mkdir(exist_ok=True)
        (FOLDER / name / "Dockerfile").write_text(text)


def _dockerfile(name: str, image: ImageEntry, lists: ImageLists) -> str:
    building, final, packages = [HEAD.format(name=name)], [], []
    for layer in (lists.layers[each] for each in image.layers):
        if isinstance(layer, DebianLayer):
            packages += layer.names()
        elif isinstance(layer, EnvironmentLayer):
            building.append(_environment(layer))
            final.append(f"COPY --from=build {layer.target} {layer.target}")
        elif isinstance(layer, ModelsLayer):
            building.append(_models(layer))
            final.append(f"COPY --from=build {layer.target} {layer.target}")
        elif isinstance(layer, FilesLayer):
            final += [f"COPY {_mode(path)}{path} {to}" for path, to in layer.files.items()]
    variables = " ".join(f"{key}={value}" for key, value in image.environment.items())
    head = [
        "FROM ${BASE}",
        "RUN apt-get -q update \\",
        f" && apt-get -qy --no-install-recommends install {' '.join(packages)} \\",
        " && rm -rf /var/lib/apt/lists/*",
    ]
    tail = [
        f"ENV {variables}",
        f"USER {lists.user}",
        f"ENTRYPOINT {json.dumps(list(image.entrypoint))}",
    ]
    return "\n".join([*building, "\n".join([*head, *final, *tail])]) + "\n"


def _environment(layer: EnvironmentLayer) -> str:
    lines = [
        *_venv(layer.target, [layer.lock]),
        # Which every part links to.
        "COPY VERSION LICENSE ./",
        *(f"COPY {part} {part}" for part in layer.parts),
        "RUN /installer/bin/pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation \\",
        f"      --wheel-dir /wheels {' '.join(f'./{part}' for part in layer.parts)} \\",
        f" && /installer/bin/uv pip install --python {layer.target}/bin/python \\",
        "      --no-deps /wheels/*.whl \\",
        # Sources in an image never change, so nothing has to be compared.
        " && python3 -m compileall -q --invalidation-mode unchecked-hash \\",
        f"      {layer.target}/lib",
    ]
    return "\n".join(lines) + "\n"


def _models(layer: ModelsLayer) -> str:
    server = f"{layer.target}/lib/{PYTHON}/site-packages/pytriton/tritonserver"
    lines = _venv(layer.target, ["models.txt", "models-nodeps.txt"])
    return "\n".join(lines) + "\n" + MODELS.format(target=layer.target, server=server)


def _venv(target: str, locks: list[str]) -> list[str]:
    named = " ".join(f"requirements/{lock}" for lock in locks)
    lines = [f"COPY {named} requirements/", f"RUN python3 -m venv --without-pip {target}"]
    for number, lock in enumerate(locks):
        # Of a second list only the packages themselves are wanted.
        options = "--no-deps " if number else ""
        lines[-1] += " \\"
        lines.append(f" && /installer/bin/uv pip install --python {target}/bin/python \\")
        lines.append(f"      --require-hashes {options}-r requirements/{lock}")
    return lines


def _mode(path: str) -> str:
    return "--chmod=0755 " if path.endswith(".sh") else ""


if __name__ == "__main__":
    write()
