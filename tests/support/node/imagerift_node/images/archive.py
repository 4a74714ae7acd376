"""Writing images as one docker-archive, the format that `ctr images import` reads."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from imagerift_node.images.layers import Layer


@dataclass(frozen=True)
class Image:
    """What one image is: its name with tag, its layers from the lowest up, and how it runs."""

    name: str
    layers: Sequence[Layer]
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    folder: str = "/"


def image_config(image: Image) -> dict[str, Any]:
    """The image's configuration document."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": [f"{name}={value}" for name, value in image.environment.items()],
            "User": image.user,
            "WorkingDir": image.folder,
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{layer.digest}" for layer in image.layers],
        },
        "history": [{"created_by": "imagerift"} for _ in image.layers],
    }


def write_archive(stream: IO[bytes], images: Sequence[Image]) -> None:
    """Writes the images into one archive; a layer that several share is written once.

    `stream` need not be able to seek.
    """
    manifest = []
    written = set()
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for image in images:
            config = json.dumps(image_config(image)).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            if config_name not in written:
                _add_bytes(archive, config_name, config)
                written.add(config_name)
            for layer in image.layers:
                if layer.digest in written:
                    continue
                written.add(layer.digest)
                entry = tarfile.TarInfo(f"{layer.digest}/layer.tar")
                entry.size = layer.tar.stat().st_size
                with layer.tar.open("rb") as content:
                    archive.addfile(entry, content)
            manifest.append(
                {
                    "Config": config_name,
                    "RepoTags": [image.name],
                    "Layers": [f"{layer.digest}/layer.tar" for layer in image.layers],
                }
            )
        _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
