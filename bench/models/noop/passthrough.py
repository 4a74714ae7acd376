"""The work of the benchmark models: storage to storage, without decoding a pixel."""

import hashlib
import time
from dataclasses import dataclass

from imagerift_vision.control import Guard
from imagerift_vision.decoding import open_source
from imagerift_vision.entry_model import timed
from imagerift_vision.requests import GenerateRequest, Output, Result
from imagerift_vision.storage import OriginClient

POLL_SECONDS = 0.005


@dataclass
class Passthrough:
    """Puts the source's own bytes to each target."""

    client: OriginClient
    hold_seconds: float = 0.0
    """Time spent between fetch and upload, in place of a model; cancel ends it early."""

    def run(self, request: GenerateRequest, guard: Guard, result: Result) -> None:
        """Fill the result as `generate` does. Raises VisionError like it."""
        with timed(result.metrics, "fetchMs"):
            body = self.client.fetch(request.source_url, guard)
        width, height = open_source(body).image.size
        with timed(result.metrics, "modelMs"):
            self._hold(guard)
        digest = hashlib.sha256(body).hexdigest()
        for target in request.targets:
            with timed(result.metrics, "uploadMs"):
                self.client.put(target.url, body, target.content_type, guard)
            result.outputs.append(
                Output(
                    index=target.index,
                    seed=request.seed_of(target.index),
                    width=width,
                    height=height,
                    content_type=target.content_type,
                    size_bytes=len(body),
                    sha256=digest,
                )
            )

    def _hold(self, guard: Guard) -> None:
        until = time.monotonic() + self.hold_seconds
        while (left := until - time.monotonic()) > 0:
            guard.check()
            time.sleep(min(POLL_SECONDS, left))
