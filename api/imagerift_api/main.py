"""The API process: two listeners, and a stop that loses nothing in flight."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import structlog
import uvloop
from aiohttp import web
from imagerift_core import telemetry
from imagerift_core.garbage_collection import tune_garbage_collector
from pydantic import ValidationError

from imagerift_api.app import build_application, build_metrics_application
from imagerift_api.background import LOOPS
from imagerift_api.http.requests_in_flight import REQUESTS_IN_FLIGHT
from imagerift_api.http.security_headers import name_server
from imagerift_api.http.server import ProblemRunner
from imagerift_api.logs import configure_logs
from imagerift_api.metrics import Metrics
from imagerift_api.settings import ApiSettings

_DRAIN_SECONDS = 25
_SHUTDOWN_SECONDS = 5
_KEEPALIVE_SECONDS = 75
_LINGERING_SECONDS = 5
_log = structlog.get_logger()


def main() -> None:
    """Serves until SIGTERM or SIGINT. Exit code 2 where the settings are wrong."""
    try:
        settings = ApiSettings()
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in fault["loc"]).upper()
            name = name if name == "KUBECONFIG" else f"IMAGERIFT_{name}"
            why = fault["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"{name}: {why}\n")
        sys.exit(2)
    forget_settings()
    configure_logs(settings.log_level)
    with telemetry.exported("imagerift-api", endpoint=settings.otlp_endpoint):
        uvloop.run(serve(settings))


def forget_settings() -> None:
    """Whatever is started from here finds no secret in the environment."""
    for name in [name for name in os.environ if name.startswith("IMAGERIFT_")]:
        del os.environ[name]


async def serve(settings: ApiSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    application = build_application(settings, metrics)
    runners = [
        api_runner(application),
        web.AppRunner(build_metrics_application(metrics, application[LOOPS]), access_log=None),
    ]
    sites = []
    try:
        ports = (settings.api_port, settings.api_metrics_port)
        for runner, port in zip(runners, ports, strict=True):
            await runner.setup()
            sites.append(web.TCPSite(runner, settings.api_host, port))
            await sites[-1].start()
        tune_garbage_collector()
        _log.info("serving", host=settings.api_host, port=settings.api_port)
        await stop.wait()
        _log.info("stopping")
        await sites[0].stop()
        if not await application[REQUESTS_IN_FLIGHT].drain(seconds=_DRAIN_SECONDS):
            _log.warning("requests_cut_off")
    finally:
        for runner in runners:
            await runner.cleanup()
        metrics.close()


def api_runner(application: web.Application) -> web.AppRunner:
    """The runner of the API: bodies as they come, and time for what is in flight."""
    name_server()
    return ProblemRunner(
        application,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=_KEEPALIVE_SECONDS,
        lingering_time=_LINGERING_SECONDS,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
