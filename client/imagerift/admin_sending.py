"""How `imagerift admin` calls the admin REST API; refusals on standard error end the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from imagerift.admin_calls import Content
from imagerift.calls import Call
from imagerift.client import CALL_SECONDS, RETRIES
from imagerift.connection import admin_connection
from imagerift.console import EXIT_FAILED, EXIT_USAGE, say
from imagerift.errors import ApiError, ConfigurationError, ImageRiftError, InvalidRequestError
from imagerift.sending import Sender


def sent(url: str, call: Call[Content]) -> Content:
    """What the call is answered; where it is refused the process ends."""
    with _connected(url) as sender:
        return sender.send(call)


def listed(url: str, page_after: Callable[[str | None], Call[Content]]) -> list[Content]:
    """All that a list has, page by page."""
    found: list[Content] = []
    with _connected(url) as sender:
        cursor = None
        while True:
            page: dict[str, Any] = sender.send(page_after(cursor))
            found += page["data"]
            cursor = page["nextCursor"]
            if cursor is None:
                return sorted(found, key=lambda one: str(one["createdAt"]))


@contextmanager
def _connected(url: str) -> Iterator[Sender]:
    try:
        given = admin_connection(url)
        sender = Sender(given, timeout_seconds=CALL_SECONDS, retries=RETRIES, sleep=time.sleep)
        try:
            yield sender
        finally:
            sender.close()
    except ApiError as error:
        code = EXIT_USAGE if isinstance(error, InvalidRequestError) else EXIT_FAILED
        refuse(f"{error.code}: {error.detail}", code)
    except ConfigurationError as error:
        refuse(f"settings_invalid: {error}", EXIT_USAGE)
    except ImageRiftError as error:
        refuse(f"error: {error}", EXIT_FAILED)


def refuse(text: str, exit_code: int) -> NoReturn:
    say(text)
    raise typer.Exit(exit_code)
