"""What Triton says of models that it cannot load, told to whoever asks why their pod ended.

Kubernetes shows a container's end with the text of its termination log, a file that the kubelet
puts there and keeps to 4,096 bytes; the operator shows that text as a condition of the pool.
"""

import asyncio
import re
import sys
from pathlib import Path

# Triton's log of model_lifecycle.cc; the same in 2.51 (to its line) and 2.68 (in quotes).
_FAILED = re.compile(r"failed to load '([^']{1,128})' version \d+: ([^\"\n]*)")
_LONGEST_LINE = 64 * 1024
_WORDS = 300
_MODELS = 8


class LastWords:
    """Hands Triton's standard error on as it is, and keeps why models did not load."""

    def __init__(self) -> None:
        self._failed: dict[str, str] = {}

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Read until the stream ends."""
        rest = b""
        while data := await stream.read(_LONGEST_LINE):
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._keep(line.decode(errors="replace"))
            rest = rest[-_LONGEST_LINE:]

    def _keep(self, line: str) -> None:
        found = _FAILED.search(line)
        if found is not None and (found[1] in self._failed or len(self._failed) < _MODELS):
            self._failed[found[1]] = found[2].strip()[:_WORDS]

    def text(self) -> str:
        """A line a model that did not load, "" where all did."""
        return "\n".join(f"{model}: {why}" for model, why in self._failed.items())

    def leave(self, log: Path) -> None:
        """Write them to a termination log, where there is one."""
        if self._failed and log.is_file():
            log.write_text(self.text() + "\n")
