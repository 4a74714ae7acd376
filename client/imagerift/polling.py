"""How long to wait between two looks at a job."""

from __future__ import annotations

import time

from imagerift.errors import WaitTimeout
from imagerift.jobs import Job

_DEFAULT_PAUSE_SECONDS = 2.0


class Patience:
    """Somebody's readiness to wait, for so many seconds from now on; None is for ever."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    def pause(self, job: Job) -> float:
        """The pause that the server asks for. Raises `WaitTimeout` where it would take too long."""
        pause = job.retry_after_seconds or _DEFAULT_PAUSE_SECONDS
        if self._end is not None and time.monotonic() + pause > self._end:
            raise WaitTimeout(f"Job {job.job_id} is still {job.status}.")
        return pause
