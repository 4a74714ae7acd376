"""Runs a body in one transaction, by the steps of the drivers' convenient API.

Motor's own `with_transaction` commits when its inner block ends, outside of its retries, so a
commit that a failover leaves without an answer is never asked about again.
Source: MongoDB specifications, "Convenient API for Transactions".
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from imagerift_core.mongo.driver_errors import COMMIT_UNKNOWN

Result = TypeVar("Result")
# What the driver knows a transaction by.
Session = AsyncIOMotorClientSession

MAJORITY = WriteConcern(w="majority", j=True)
# How long a store that takes no transaction is tried.
RETRY_SECONDS = 10.0
# How long a commit without an answer is asked about, since nobody knows its outcome.
COMMIT_SECONDS = 30.0
# How long the server keeps a transaction whose client is gone (transactionLifetimeLimitSeconds).
_LIFETIME_SECONDS = 60.0
# So long after `run_transaction` began, what it writes is there or never will be.
DOUBT_SECONDS = RETRY_SECONDS + _LIFETIME_SECONDS + 20.0
# What a step meets in whose midst its session was ended, as if it were abandoned.
_INTERRUPTED = 11601
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.3


class ReadAlready(Exception):
    """What a body raises that has only read, for a reason that it read.

    The transaction is committed first, so that a majority has what was read: a snapshot may hold
    what a failover still takes back.
    """


async def run_transaction(session: Session, body: Callable[[Session], Awaitable[Result]]) -> Result:
    """The result of `body(session)`, committed by majority; conflicts and failovers are retried.

    `body` may run several times. Raises what `body` raises, after the transaction is undone,
    and `PyMongoError` where the store takes none in time. Only one that `is_in_doubt` leaves open
    whether the body's writes are there; `DOUBT_SECONDS` after the call they are or never will be.
    """
    give_up = time.monotonic() + RETRY_SECONDS
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await _once(session, body)
        except PyMongoError as error:
            if not _is_transient(error) or time.monotonic() > give_up:
                raise
        # Jitter parts those that met.
        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


async def _once(session: Session, body: Callable[[Session], Awaitable[Result]]) -> Result:
    session.start_transaction(
        read_concern=ReadConcern("snapshot"),
        write_concern=MAJORITY,
        read_preference=ReadPreference.PRIMARY,
    )
    try:
        result = await body(session)
    except ReadAlready:
        await _commit(session)
        raise
    except BaseException:
        # Also when canceled: left open, the session's end would abort it and block the loop.
        if session.delegate.in_transaction:
            await session.abort_transaction()
        raise
    await _commit(session)
    return result


async def _commit(session: Session) -> None:
    give_up = time.monotonic() + COMMIT_SECONDS
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not _is_open(error) or time.monotonic() > give_up:
                raise
            await asyncio.sleep(_FIRST_PAUSE_SECONDS)
            continue
        return


def _is_transient(error: PyMongoError) -> bool:
    return error.has_error_label("TransientTransactionError") or _was_interrupted(error)


def _is_open(error: PyMongoError) -> bool:
    """Whether the commit may have been made; asking for it again tells."""
    return error.has_error_label(COMMIT_UNKNOWN) or _was_interrupted(error)


def _was_interrupted(error: PyMongoError) -> bool:
    return isinstance(error, OperationFailure) and error.code == _INTERRUPTED
