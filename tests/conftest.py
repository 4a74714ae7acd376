"""What every kind of test shares."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

LOG_LINES = 40

# Reproducible in CI; a developer's own runs go on looking for new examples.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("default", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# Programs write JSON; the default of what runs within a test draws every local variable of a
# traceback, which takes seconds on a busy machine.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ],
    # Not to what a test has put in the place of standard output.
    logger_factory=lambda *_: structlog.PrintLogger(sys.__stderr__),
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds to a failed test what the shared platform's programs said last."""
    report = yield
    given = os.environ.get("IMAGERIFT_TEST_ENV")
    if report.failed and given:
        for name in ("operator", "api", "triton"):
            log = Path(given).parent / "logs" / f"{name}.log"
            if log.exists():
                lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
                report.sections.append((f"the last lines of {log.name}", "\n".join(lines)))
    return report
