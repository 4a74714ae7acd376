"""Layers from folders and files: everything belongs to root and is readable by all."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

from imagerift_node.images.archive import Layer

CHUNK = 1 << 20
TAR_NAME = "layer.tar"
DIGEST_NAME = "layer.sha256"
SKIPPED_FOLDERS = frozenset({"__pycache__"})
# How an overlay file system marks what an upper folder deletes, and how an image's layer does.
WHITEOUT_PREFIX = ".wh."


def read_layer(folder: Path) -> Layer:
    """The layer that was written into a folder of the cache."""
    return Layer(folder / TAR_NAME, (folder / DIGEST_NAME).read_text().strip())


def seal_layer(folder: Path) -> Layer:
    """Writes the digest beside a layer's tar."""
    digest = hashlib.sha256()
    with (folder / TAR_NAME).open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    (folder / DIGEST_NAME).write_text(digest.hexdigest())
    return read_layer(folder)


def single_file_layer(source: Path, target: str, folder: Path) -> Layer:
    """A layer, written into `folder`, with one program at the absolute path `target`."""
    return files_layer({target: source}, folder)


def files_layer(
    files: Mapping[str, Path],
    folder: Path,
    rewrites: Mapping[str, str] | None = None,
    *,
    compiled: bool = False,
) -> Layer:
    """A layer with files and folders (absolute path inside: path here).

    `rewrites` replaces symbolic links: path inside to new target. Compiled Python is left out
    unless `compiled`.
    """
    skipped: frozenset[str] = frozenset() if compiled else SKIPPED_FOLDERS
    with tarfile.open(folder / TAR_NAME, "w", format=tarfile.PAX_FORMAT) as archive:
        for parent in sorted({str(up) for path in files for up in Path(path).parents} - {"/"}):
            entry = tarfile.TarInfo(parent.lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for target, source in sorted(files.items()):
            _add(archive, source, target.lstrip("/"), rewrites or {}, skipped)
    return seal_layer(folder)


def overlay_layer(upper: Path, folder: Path) -> Layer:
    """A layer with what the upper folder of an overlay holds: owners kept, deletions marked."""
    with tarfile.open(folder / TAR_NAME, "w", format=tarfile.PAX_FORMAT) as archive:
        for root, folders, files in os.walk(upper):
            place = Path(root)
            for name in sorted([*folders, *files]):
                path = place / name
                inside = str(path.relative_to(upper))
                mode = path.lstat().st_mode
                if stat.S_ISCHR(mode):
                    marker = str(Path(inside).with_name(f"{WHITEOUT_PREFIX}{name}"))
                    archive.addfile(tarfile.TarInfo(marker))
                elif not stat.S_ISSOCK(mode):
                    archive.add(path, inside, recursive=False)
    return seal_layer(folder)


def _add(
    archive: tarfile.TarFile,
    source: Path,
    name: str,
    rewrites: Mapping[str, str],
    skipped: frozenset[str],
) -> None:
    entry = archive.gettarinfo(source, name)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    if entry.islnk():
        # A file of the package cache, seen twice: its content is written each time.
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", source.stat().st_size
    if entry.issym():
        entry.linkname = rewrites.get(f"/{name}", entry.linkname)
    # Whatever user a pod runs as must be able to read and run it.
    entry.mode |= 0o555 if entry.isdir() or entry.mode & 0o100 else 0o444
    if entry.isreg():
        with source.open("rb") as content:
            archive.addfile(entry, content)
        return
    archive.addfile(entry)
    if entry.isdir():
        for child in sorted(source.iterdir()):
            if child.name not in skipped:
                _add(archive, child, f"{name}/{child.name}", rewrites, skipped)
