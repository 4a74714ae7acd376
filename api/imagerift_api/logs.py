"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import asyncio
import atexit
import logging
import sys
import threading
import traceback
from typing import Any, TextIO, cast

import orjson
import structlog
from imagerift_core.telemetry import add_trace_id
from structlog.typing import EventDict, WrappedLogger

_LINES_SECONDS = 0.05


def configure_logs(level: str) -> None:
    """Sends our own lines and those of every library through one JSON form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        add_trace_id,
        without_exception_text,
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Lines(sys.stdout))),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dumps),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


class _Lines:
    """A file that writes lines together, some hundredths of a second later.

    Each request leaves a line, and a write of its own for each costs more than making it.
    What waits is written before a clean end; a killed process loses its last moment's lines.
    """

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._waiting: list[str] = []
        self._due = False
        self._lock = threading.Lock()
        atexit.register(self._write)

    def write(self, text: str) -> int:
        with self._lock:
            self._waiting.append(text)
        return len(text)

    def flush(self) -> None:
        """Has what waits written soon, or now where no loop is running."""
        if self._due:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write()
            return
        self._due = True
        loop.call_later(_LINES_SECONDS, self._write)

    def _write(self) -> None:
        with self._lock:
            self._due = False
            text, self._waiting = "".join(self._waiting), []
        if text:
            self._target.write(text)
            self._target.flush()


def without_exception_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keeps an exception's type and frames, and drops its text.

    The text of a library's exception can quote what it was given: a signed URL, a connection
    string, a prompt.
    """
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = type(error).__qualname__
        event["frames"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def _dumps(value: Any, **_options: Any) -> str:
    return orjson.dumps(value, default=str).decode()
