"""Pictures as files: whole or not there at all, and never outside the folder that was named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from imagerift.client import ImageRift
from imagerift.jobs import Job

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
}


def prepare(folder: Path) -> None:
    """Makes the folder, and sees that a file can be made in it. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        pass


def save_pictures(api: ImageRift, job: Job, folder: Path) -> list[Path]:
    """Downloads all pictures of a job as `JOB_ID-INDEX.EXTENSION`; the files, in their order.

    The id is a UUID and the index a number, so that no answer names another place. Raises
    `OSError` and what `download` raises; the pictures before stay.
    """
    saved = []
    for output in job.outputs:
        extension = _EXTENSIONS.get(output.content_type, "bin")
        path = folder / f"{output.job_id}-{output.index}.{extension}"
        _write_whole(path, api.download(output))
        saved.append(path)
    return saved


def _write_whole(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".imagerift-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
