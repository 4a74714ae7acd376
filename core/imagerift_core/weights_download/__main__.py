"""Runs one download: `python -m imagerift_core.weights_download`; ends with 1 where it failed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys

import structlog

from imagerift_core.weights_download.download import Download
from imagerift_core.weights_download.progress_port import told_at
from imagerift_core.weights_download.report import MAX_REPORT, DownloadSettings

log = structlog.get_logger("imagerift_core.weights_download")


def main() -> int:
    settings = DownloadSettings()
    # botocore's debug lines spell out every signature.
    logging.getLogger("botocore").setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    download = Download(settings)
    with told_at(settings.host, settings.port, lambda: download.progress):
        ended = asyncio.run(download.run())
    log.info("ended", **ended.model_dump(exclude_none=True))
    # A volume of a container; without one, as beside a test, there is nobody to tell.
    with contextlib.suppress(FileNotFoundError):
        settings.report.write_text(ended.model_dump_json(exclude_none=True)[:MAX_REPORT])
    return 0 if ended.error is None else 1


if __name__ == "__main__":
    raise SystemExit(main())
