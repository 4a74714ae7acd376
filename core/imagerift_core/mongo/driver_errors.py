"""The driver's errors, in the words of the domain: none of them leaves this package.

What callers may use is `translated`. What takes a session, or another of the driver's own
objects, runs inside of something that is, and lets the driver's errors pass: a transaction has to
see them, to run again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar, cast

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteError,
)

from imagerift_core.errors import CapacityUnavailable, OutcomeUnknown

# The driver's labels of what may be tried again, and of a commit that nobody answered.
COMMIT_UNKNOWN = "UnknownTransactionCommitResult"
_PASSING_LABELS = ("TransientTransactionError", "RetryableWriteError", COMMIT_UNKNOWN)
# What `marked` collections put on a write that may have been taken.
_WRITE_UNKNOWN = "ImageRiftWriteUnknown"
# Codes of a store that is in trouble, not of what was asked. Source: MongoDB specifications,
# "Retryable Writes" and "Server Discovery and Monitoring".
_AWAY = frozenset({6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
# Interrupted, a majority that does not come in time, no disk left.
_IN_TROUBLE = frozenset({11601, 64, 14031})
# Rights and accounts that a store does not have for a while, as when it is put up anew.
_NO_RIGHTS = frozenset({13, 18})
_PASSING_CODES = _AWAY | _IN_TROUBLE | _NO_RIGHTS
_WRITES = (
    "insert_one",
    "insert_many",
    "replace_one",
    "update_one",
    "update_many",
    "delete_one",
    "delete_many",
    "find_one_and_update",
    "find_one_and_replace",
    "find_one_and_delete",
    "bulk_write",
)

Function = TypeVar("Function", bound=Callable[..., Any])


class StoreRefused(Exception):
    """The store answers and refuses: a mistake of ours, or rights or room that it lacks.

    No domain error, since nobody who asks can act on it. The driver's error is its cause.
    """


@contextmanager
def translating() -> Iterator[None]:
    """Turns the driver's errors into `CapacityUnavailable`, where trying again may mend them,
    and into `StoreRefused`."""
    try:
        yield
    except PyMongoError as error:
        raise _translation(error) from error


def translated(function: Function) -> Function:
    """Decorates a coroutine function or an asynchronous generator, which then raises
    `CapacityUnavailable` or `StoreRefused` in the place of the driver's errors."""
    call: Callable[..., Any]
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with translating():
                async with aclosing(function(*args, **kwargs)) as items:
                    async for item in items:
                        yield item

    elif inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            with translating():
                return await function(*args, **kwargs)

    else:
        raise TypeError(f"{function.__qualname__} is no asynchronous function")
    return cast(Function, call)


def marked(
    collection: AsyncIOMotorCollection[dict[str, Any]],
) -> AsyncIOMotorCollection[dict[str, Any]]:
    """The collection, whose writes outside of transactions mark errors that leave open whether
    they were taken: only where a write is sent it is known to be one."""
    for name in _WRITES:
        setattr(collection, name, _marking(getattr(collection, name)))
    return collection


def _marking(call: Callable[..., Any]) -> Callable[..., Any]:
    async def write(*args: Any, session: Any = None, **kwargs: Any) -> Any:
        try:
            return await call(*args, session=session, **kwargs)
        except PyMongoError as error:
            # In a transaction it is the commit that decides.
            if session is None and _was_sent(error) and is_passing(error):
                error._add_error_label(_WRITE_UNKNOWN)
            raise

    return write


def _was_sent(error: PyMongoError) -> bool:
    return not isinstance(error, ServerSelectionTimeoutError | WaitQueueTimeoutError)


def _translation(error: PyMongoError) -> Exception:
    if is_in_doubt(error):
        return OutcomeUnknown()
    if _codes(error) & _NO_RIGHTS:
        return CapacityUnavailable("The job store refuses us.")
    if is_passing(error):
        return CapacityUnavailable("The job store does not answer.")
    return StoreRefused(f"the job store refused a command: {type(error).__name__}")


def is_of_the_data(error: Exception) -> bool:
    """Whether the error is about what was written, so that the same write can never succeed.

    False for what the store refuses everybody: rights taken away, a disk that is full.
    """
    if isinstance(error, PyMongoError):
        of_a_write = isinstance(error, WriteError | BulkWriteError | DocumentTooLarge)
        return of_a_write and not is_passing(error)
    return True


def is_passing(error: Exception) -> bool:
    """Whether the error is the store's own trouble, which says nothing of what was asked."""
    if not isinstance(error, PyMongoError):
        return False
    return (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or any(error.has_error_label(label) for label in _PASSING_LABELS)
        or bool(_codes(error) & _PASSING_CODES)
    )


def is_in_doubt(error: Exception) -> bool:
    """Whether the error leaves open if a write was taken."""
    if isinstance(error, PyMongoError):
        return error.has_error_label(COMMIT_UNKNOWN) or error.has_error_label(_WRITE_UNKNOWN)
    return isinstance(error, OutcomeUnknown)


def _codes(error: PyMongoError) -> frozenset[int]:
    """Every code that the server gave: the command's, and those of its write concerns.

    A bulk write that was refused for what was written has no passing one.
    """
    if not isinstance(error, OperationFailure):
        return frozenset()
    details = error.details or {}
    concerns = [details.get("writeConcernError"), *details.get("writeConcernErrors", [])]
    refused = [item.get("code") for item in details.get("writeErrors", [])]
    found = refused or [error.code, *(item.get("code") for item in concerns if item)]
    return frozenset(code for code in found if code is not None)
