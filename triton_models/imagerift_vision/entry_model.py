"""What every entry model does around its work: parse, guard, and turn failures into RESULT."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from imagerift_vision.control import AttemptGuard, CancelFlags, Guard, RunningAttempts
from imagerift_vision.errors import from_exception
from imagerift_vision.requests import GenerateRequest, Metrics, Result, parse_request

log = logging.getLogger(__name__)

Work = Callable[[GenerateRequest, Guard, Result], None]


def answer(raw: bytes | str, flags: CancelFlags, work: Work) -> Result:
    """Run `work` on a REQUEST document; always return a RESULT, whatever it raises.

    `work` fills the result it is given. When it raises, nothing counts as delivered.
    """
    result = Result()
    try:
        request = parse_request(raw)
        guard = AttemptGuard.begun(
            flags, request.attempt_id, request.seconds_left, request.wait_seconds
        )
        guard.check()
        with RunningAttempts(flags.folder).running(request.attempt_id) as guard.teller:
            work(request, guard, result)
    except Exception as failure:  # noqa: BLE001 - a model process answers, it never dies
        log_failure(failure)
        result.error = from_exception(failure)
        result.outputs = []
        result.omitted = []
    return result


def log_failure(failure: BaseException) -> None:
    """Log where something failed, without its text: that may quote a URL or a prompt."""
    frames = traceback.extract_tb(failure.__traceback__)
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    log.error("%s at %s", type(failure).__name__, where)


@contextmanager
def timed(metrics: Metrics, stage: str) -> Iterator[None]:
    """Add the block's milliseconds to a stage of the metrics, also when it raises."""
    started = time.perf_counter()
    try:
        yield
    finally:
        elapsed = (time.perf_counter() - started) * 1000
        setattr(metrics, stage, getattr(metrics, stage) + elapsed)
