"""The operator process: `python -m imagerift_operator`."""

from __future__ import annotations

import asyncio
import logging
import signal

import kopf
import structlog
import uvloop
from imagerift_core import telemetry
from imagerift_core.garbage_collection import tune_garbage_collector

from imagerift_operator.context import OperatorContext
from imagerift_operator.handlers import register
from imagerift_operator.server_name import name_servers
from imagerift_operator.settings import OperatorSettings

log = structlog.get_logger(__name__)


def main() -> None:
    settings = OperatorSettings()
    configure_logs(settings.log_level)
    with telemetry.exported("imagerift-operator", endpoint=settings.otlp_endpoint):
        uvloop.run(run(settings))


async def run(settings: OperatorSettings) -> None:
    """Runs until SIGTERM or SIGINT, or until Kopf's watch has ended."""
    asked, stop = asyncio.Event(), asyncio.Event()
    name_servers()
    async with OperatorContext(settings) as context:
        registry = kopf.OperatorRegistry()
        register(registry, context)
        tune_garbage_collector()
        context.follow()
        ours = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry,
            namespaces=[settings.namespace],
            standalone=True,
            liveness_endpoint=(
                f"http://{settings.operator_host}:{settings.operator_health_port}/healthz"
            ),
            stop_flag=stop,
        )
        handle_signals(asked)
        watch = asyncio.create_task(kopf.run_tasks(tasks, ignored=ours))
        end = asyncio.create_task(asked.wait())
        await asyncio.wait([watch, end], return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        # Before Kopf is told: it cancels every task that began after it, hence every attempt.
        await context.hand_over()
        stop.set()
        await watch


def handle_signals(asked: asyncio.Event) -> None:
    """Has SIGTERM and SIGINT set `asked`, in place of the handlers that Kopf has installed."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)


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
