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

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    PyMongoError,
    WriteError,
)

from imagerift_core.errors import CapacityUnavailable

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


def _translation(error: PyMongoError) -> Exception:
    if is_passing(error):
        return CapacityUnavailable("The job store does not answer.")
    return StoreRefused(f"the job store refused a command: {type(error).__name__}")


def is_of_the_data(error: Exception) -> bool:
    """Whether the error is about what was written, so that the same write can never succeed.

    False for what the store refuses everybody: rights taken away, a disk that is full.
    """
    if isinstance(error, PyMongoError):
        return isinstance(error, WriteError | BulkWriteError | DocumentTooLarge)
    return True


def is_passing(error: Exception) -> bool:
    """Whether the error is the store's own trouble, which says nothing of what was asked."""
    if not isinstance(error, PyMongoError):
        return False
    return (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or error.has_error_label("TransientTransactionError")
    )
