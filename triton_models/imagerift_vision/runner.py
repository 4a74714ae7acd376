"""One job without a server: `python3 -m imagerift_vision.runner REQUEST_FILE RESULT_FILE`.

A job pod runs it with the REQUEST mounted from its Secret, and with the container's termination
message as RESULT_FILE. It answers what the `generate` model answers, by the same models, weights
and safety gate as a pool of the same file (IMAGERIFT_POOL); it holds no credential but the
REQUEST's signed URLs. `--check RESULT_FILE` says, without a job and without a GPU, whether jobs
could be run (`runner_check`).
"""

import os
import signal
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from imagerift_vision import pool_file
from imagerift_vision.control import CancelFlags, Guard
from imagerift_vision.entry_model import answer
from imagerift_vision.errors import VisionError
from imagerift_vision.generate import Pipeline
from imagerift_vision.moderation import Gate
from imagerift_vision.python_models import PythonModels
from imagerift_vision.requests import GenerateRequest, Result, parse_request
from imagerift_vision.runner_check import check_all, check_models, check_result, models_of
from imagerift_vision.runtime import limit_threads
from imagerift_vision.settings import Settings
from imagerift_vision.storage import OriginClient

# Kubernetes cuts a termination message at this length.
MAX_RESULT_BYTES = 4096
POOL = "IMAGERIFT_POOL"


def read_pool(environment: MutableMapping[str, str] = os.environ) -> str:
    """Set the variables of the pool's file that are not set yet; returns the pool's kind.

    Raises OSError or ValueError where IMAGERIFT_POOL names no pool.
    """
    if not environment.get(POOL):
        return "KIND_CPU"
    pool: Mapping[str, Any] = pool_file.read(environment[POOL])
    for name, value in pool_file.variables(pool).items():
        if not environment.get(name):
            environment[name] = value
    return str(pool["kind"])


def run(raw: bytes, settings: Settings, models: PythonModels) -> Result:
    """Run the attempt of a REQUEST, from fetch to the last upload; always returns a RESULT."""
    flags = CancelFlags(settings.control_dir)
    _stop_on_sigterm(raw, flags)
    models.install()
    # Here, not above: they import Triton's API, which is installed only now.
    tensors = import_module("imagerift_vision.tensors")
    named = settings.moderation_model
    gate: Gate | None = tensors.BlsGate(named) if named else None
    client = OriginClient(settings.s3_origin)
    pipeline = Pipeline(
        client, tensors.BlsModes(), settings.mode_models, gate, at_once=settings.at_once
    )

    def work(request: GenerateRequest, guard: Guard, result: Result) -> None:
        """Refuse what cannot be kept before anything is fetched or loaded."""
        check_models(models, models_of(settings, request))
        pipeline.run(request, guard, result)

    try:
        return answer(raw, flags, work)
    finally:
        pipeline.close()
        models.close()


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
    """Reads the REQUEST, runs it, writes the RESULT; or writes what `--check` finds."""
    asked, result_file = arguments[0], Path(arguments[1])
    if asked == "--check":
        result_file.write_bytes(check_result(lambda: check_all(read_pool())))
        return
    kind = read_pool()
    settings = Settings.from_environment()
    limit_threads(settings.threads)
    models = PythonModels.from_environment(kind)
    result = run(Path(asked).read_bytes(), settings, models)
    result_file.write_bytes(result_document(result))
    if result.error is not None and result.error.code == "canceled":
        # Told to stop. A Job whose pod ends well is complete, and has no other pod.
        sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
