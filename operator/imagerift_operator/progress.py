"""How far running attempts are: asked of their model servers each second, kept in memory."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import datetime, timedelta
from functools import partial

import structlog
from imagerift_core.clock import now
from imagerift_core.isolation import Isolation
from imagerift_core.model_documents import AttemptProgress
from imagerift_core.mongo.scheduler_snapshot import JobProgress
from imagerift_core.stored import STORED
from imagerift_core.triton import ModelServer, TritonRefused, TritonUnavailable

from imagerift_operator.attempt_codec import attempt_id
from imagerift_operator.in_flight import InFlight, RunningAttempt

log = structlog.get_logger(__name__)

# Of shorter attempts nobody is asked: most jobs have ended by then.
PATIENCE = timedelta(seconds=1)
WAITING = "waiting"
# How much of a picture's time its drawing takes; the rest is encoding and upload.
DRAWING = 0.95


class ProgressWatch:
    """Asks each server once for all its attempts. Nobody depends on an answer."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight

    async def look(self, isolated: Isolation) -> None:
        """Takes what the servers tell now; of one that does not answer, what it told stays."""
        at = now()
        by_server: defaultdict[ModelServer, dict[str, RunningAttempt]] = defaultdict(dict)
        for attempt in self._in_flight:
            server = attempt.replica.server
            # A pod of its own has no control model.
            if isinstance(server, ModelServer) and _is_long(attempt, at):
                name = attempt_id(attempt.entry.job_id, attempt.number or 0)
                by_server[server][name] = attempt
        await isolated.at_once(
            (server.address, partial(self._ask, server, attempts))
            for server, attempts in by_server.items()
        )

    async def _ask(self, server: ModelServer, attempts: dict[str, RunningAttempt]) -> None:
        try:
            answer = await server.progress(list(attempts))
        except (TritonRefused, TritonUnavailable) as error:
            log.info("progress_not_told", error=type(error).__name__)
            return
        at = now()
        for name, told in answer.progress.items():
            if name in attempts:
                attempts[name].progress = told
                if told.stage == WAITING:
                    attempts[name].waits(at)


def _is_long(attempt: RunningAttempt, at: datetime) -> bool:
    return attempt.number is not None and not attempt.answered and at - attempt.since >= PATIENCE


def job_progress(
    told: AttemptProgress, *, attempt: int, pictures: int, expected_seconds: float
) -> JobProgress:
    """How far a job of so many pictures is, by what its attempt told.

    `expected_seconds` is how much longer such jobs take by what was seen of others, infinite where
    none was: it counts where the model measures no steps of its own.
    """
    steps = told.steps if told.step is not None and told.steps else None
    step = None if steps is None or told.step is None else min(told.step, steps)
    drawn = float(min(told.drawn, pictures))
    if told.stage == "model" and step is not None and steps is not None:
        drawn += min(told.together, pictures - drawn) * step / steps
    share = DRAWING * drawn + (1 - DRAWING) * min(told.finished, pictures)
    eta = _drawing_seconds(told, step, steps, pictures)
    if eta is None and math.isfinite(expected_seconds):
        eta = expected_seconds
    return JobProgress.model_validate(
        {
            "attempt": attempt,
            "stage": told.stage,
            "step": step,
            "steps": steps,
            "variation": told.variation,
            "share": round(share / pictures, 3),
            "eta_seconds": None if eta is None else round(eta, 1),
            "shown": sorted({index for index in told.shown if index < pictures}),
        },
        context=STORED,
    )


def _drawing_seconds(
    told: AttemptProgress, step: int | None, steps: int | None, pictures: int
) -> float | None:
    """How long the steps take that are left, of this and of all further drawings."""
    if told.stage != "model" or not step or steps is None or told.step_seconds is None:
        return None
    left = max(0, pictures - told.drawn - told.together)
    further = math.ceil(left / max(1, told.together)) * steps
    return (steps - step + further) * told.step_seconds
