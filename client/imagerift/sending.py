"""Sends calls, with patience where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import httpx

from imagerift.answers import pause_after, pause_without_answer
from imagerift.calls import Call
from imagerift.connection import Connection

Answer = TypeVar("Answer")
# A proxy of the environment's cannot know what `this machine` means.
_THIS_MACHINE = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class Sender:
    """Sends calls to one address with one credential, each again up to `retries` times."""

    def __init__(
        self,
        given: Connection,
        *,
        timeout_seconds: float,
        retries: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._http = httpx.Client(
            base_url=given.url,
            headers={"Authorization": f"Bearer {given.api_key}"},
            timeout=timeout_seconds,
            mounts=dict.fromkeys(_THIS_MACHINE),
        )
        self._retries = retries
        self._was_there = False
        self._sleep = sleep

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[Answer], *, retries: int = 0) -> Answer:
        """What the call reads of its answer. Raises `ApiError` or `Unreachable`."""
        attempt, most = 0, max(retries, self._retries)
        while True:
            last = attempt >= most
            try:
                response = self._http.request(
                    call.method,
                    call.path,
                    json=call.json,
                    params=call.params,
                    headers=call.headers,
                )
            except httpx.HTTPError as error:
                given_up = last or not call.repeatable
                address = str(self._http.base_url)
                pause = pause_without_answer(
                    error, address, attempt=attempt, last=given_up, was_there=self._was_there
                )
            else:
                self._was_there = True
                if response.is_success:
                    return call.read(response)
                pause = pause_after(response, attempt=attempt, last=last)
            self._sleep(pause)
            attempt += 1
