"""The operator process: `python -m imagerift_operator`."""

from __future__ import annotations

import asyncio
import logging

import kopf
import structlog
import uvloop
from imagerift_core import telemetry
from imagerift_core.collector import relax_collector

from imagerift_operator.context import OperatorContext
from imagerift_operator.handlers import register
from imagerift_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)


def main() -> None:
    settings = OperatorSettings()
    configure_logs(settings.log_level)
    with telemetry.exported("imagerift-operator", endpoint=settings.otlp_endpoint):
        uvloop.run(run(settings))


async def run(settings: OperatorSettings) -> None:
    """Runs until SIGTERM or SIGINT, or until a part that must not die has died."""
    stop = asyncio.Event()
    async with OperatorContext(settings) as context:
        registry = kopf.OperatorRegistry()
        register(registry, context)
        relax_collector()
        context.follow()
        health = f"http://{settings.operator_host}:{settings.operator_health_port}/healthz"
        # Kopf handles the signals: its task ends by itself on SIGTERM and SIGINT.
        watch = asyncio.create_task(
            kopf.operator(
                registry=registry,
                namespaces=[settings.namespace],
                standalone=True,
                liveness_endpoint=health,
                stop_flag=stop,
            )
        )
        failed = asyncio.create_task(context.failed.wait())
        await asyncio.wait([watch, failed], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        failed.cancel()
        await watch
    if context.failed.is_set():
        raise SystemExit("A part of the operator died; see the log above.")


def configure_logs(level: str) -> None:
    """JSON lines on standard error; Kopf's own only from WARNING on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            telemetry.add_trace_id,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("kopf").setLevel(logging.WARNING)
