"""One job without a server: `python3 -m imagerift_vision.runner REQUEST_FILE RESULT_FILE`.

A job pod runs it with the REQUEST mounted from its Secret, and with the container's termination
message as RESULT_FILE. It answers what the `generate` model answers; it holds no credential but
the REQUEST's signed URLs.
"""

import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

from imagerift_vision.control import CancelFlags
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import Pipeline
from imagerift_vision.local_modes import LocalModes
from imagerift_vision.requests import GenerateRequest, Result, parse_request
from imagerift_vision.runtime import limit_threads
from imagerift_vision.settings import Settings
from imagerift_vision.storage import OriginClient

# Kubernetes cuts a termination message at this length.
MAX_RESULT_BYTES = 4096


def run(raw: bytes, settings: Settings) -> Result:
    """Run the attempt of a REQUEST, from fetch to the last upload; always returns a RESULT."""
    flags = CancelFlags(settings.control_dir)
    _stop_on_sigterm(raw, flags)
    client = OriginClient(settings.s3_origin)
    pipeline = Pipeline(client, LocalModes(settings), settings.mode_models)
    try:
        return answer(raw, flags, pipeline.run)
    finally:
        pipeline.close()


def result_document(result: Result) -> bytes:
    """The RESULT document, short enough for a termination message: without a long analysis."""
    document = result.to_json().encode()
    if len(document) > MAX_RESULT_BYTES:
        document = replace(result, analysis=None).to_json().encode()
    if len(document) > MAX_RESULT_BYTES:
        # Cannot happen with eight outputs of the shipped modes; never a cut-off document.
        error = VisionError("model_error", "the result does not fit the pod's message")
        document = Result(error=error).to_json().encode()
    return document


def _stop_on_sigterm(raw: bytes, flags: CancelFlags) -> None:
    """Have SIGTERM cancel the attempt, which stops at the next tile or step."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        try:
            request: GenerateRequest = parse_request(raw)
        except VisionError:
            return
        flags.raise_flag(request.attempt_id)

    signal.signal(signal.SIGTERM, stop)


def main(arguments: list[str]) -> None:
    """Reads the REQUEST, runs it, writes the RESULT."""
    request_file, result_file = map(Path, arguments)
    settings = Settings.from_environment()
    limit_threads(settings.threads)
    result_file.write_bytes(result_document(run(request_file.read_bytes(), settings)))


if __name__ == "__main__":
    main(sys.argv[1:])
