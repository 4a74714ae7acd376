"""Files that only their owner may read, replaced in one step."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replaces `path` by `text` with mode 0600; a reader sees the old or the new text whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp gives mode 0600 from the first moment on.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
