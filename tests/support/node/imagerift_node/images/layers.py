"""Layers of images: folders as tars, what an overlay deletes in the words of an image."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TAR_NAME = "layer.tar"
DIGEST_NAME = "layer.sha256"
# How an image's layer marks what it deletes of the layers below, and a folder that hides theirs.
WHITEOUT_PREFIX = ".wh."
OPAQUE = ".wh..wh..opq"
OPAQUE_ATTRIBUTE = "trusted.overlay.opaque"


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar of files, and the SHA-256 of the tar."""

    tar: Path
    digest: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The layer that was written into the folder."""
        return cls(folder / TAR_NAME, (folder / DIGEST_NAME).read_text())


def seal_layer(files: Path, folder: Path) -> None:
    """Writes a layer into `folder` with what the upper folder of an overlay holds."""
    with tarfile.open(folder / TAR_NAME, "w", format=tarfile.PAX_FORMAT) as archive:
        for root, folders, names in os.walk(files):
            place = Path(root)
            if place != files and OPAQUE_ATTRIBUTE in os.listxattr(place):
                archive.addfile(tarfile.TarInfo(str(place.relative_to(files) / OPAQUE)))
            for name in sorted([*folders, *names]):
                path = place / name
                inside = path.relative_to(files)
                mode = path.lstat().st_mode
                if stat.S_ISCHR(mode):
                    marker = inside.with_name(f"{WHITEOUT_PREFIX}{name}")
                    archive.addfile(tarfile.TarInfo(str(marker)))
                elif not stat.S_ISSOCK(mode):
                    archive.add(path, str(inside), recursive=False)
    with (folder / TAR_NAME).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (folder / DIGEST_NAME).write_text(digest)
