"""A few minutes of a platform's life: customers that submit, poll, err and listen for webhooks."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e.hook_receiver import receiving_hooks
from tests.e2e.tenant import Tenant, new_tenant
from tests.platform_under_test import CHECKOUT, PlatformUnderTest
from tests.support.puppet_jobs import submit

SAMPLE = CHECKOUT / "docs/images/sample.jpg"
SMALL = CHECKOUT / "tests/data/small.jpg"


class Visitors:
    """Customers of two plans, each with things that they do every so many seconds."""

    def __init__(self, platform: PlatformUnderTest, http: httpx.Client) -> None:
        self._platform = platform
        self._http = http
        self._over = threading.Event()
        self._total = 1.0
        self.quick, self.slow = self._tenant("load"), self._tenant("small")

    def _tenant(self, plan: str) -> Tenant:
        return new_tenant(self._platform, self._http, plan, name=plan)

    def make_one_picture(self) -> str:
        """Returns the trace of a picture that is made before all else."""
        trace = secrets.token_hex(16)
        traced = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        answer = self.quick.submit(SAMPLE.read_bytes(), more_headers=traced, prompt="old polaroid")
        self.quick.wait_for(str(answer.json()["jobId"]), "succeeded", seconds=120)
        return trace

    def stay(self, seconds: float) -> None:
        """All that they do, for so long."""
        self._total = seconds
        small, sample = SMALL.read_bytes(), SAMPLE.read_bytes()
        hook = int((self._platform.data.parent / "webhook-port").read_text())
        webhook: dict[str, Any] = {"webhookUrl": f"http://127.0.0.1:{hook}/hook"}
        habits: dict[float, Callable[[], Any]] = {
            4: lambda: self.quick.submit(sample, mode="style", prompt="watercolor"),
            1: lambda: self.quick.submit(small, mode="noop", **webhook),
            2: self._poll,
            9: lambda: submit(self.quick, small, fail="no_face_found"),
            13: lambda: submit(self.quick, small, fail="model_error", retryable=True, attempts=1),
            15: lambda: self.quick.submit(small, mode="cutout"),
            # What its plan does not hold any more, and what is no picture.
            11: lambda: self.slow.submit(small, mode="noop"),
            17: lambda: self.quick.submit(b"no picture", mode="noop"),
            seconds / 3: self._rush,
        }
        threads = [threading.Thread(target=self._every, args=habit) for habit in habits.items()]
        threads.append(threading.Thread(target=self._listen))
        for thread in threads:
            thread.start()
        self._over.wait(seconds)
        self._over.set()
        for thread in threads:
            thread.join()

    def _every(self, seconds: float, habit: Callable[[], Any]) -> None:
        while not self._over.wait(seconds):
            habit()

    def _poll(self) -> None:
        self.quick.request("GET", "/api/v1/jobs", params={"limit": 5})
        self.quick.request("GET", f"/api/v1/jobs/{secrets.token_hex(16)}")

    def _rush(self) -> None:
        """More than the slots take at once, of both plans."""
        small = SMALL.read_bytes()
        for number in range(30):
            submit(self.quick, small, seed=number, hold=2)

    def _listen(self) -> None:
        """The customer's webhook host, which is away for the second third."""
        third = self._total / 3
        for listens in (True, False, True):
            if listens:
                with receiving_hooks(self._platform, failures=0):
                    self._over.wait(third)
            else:
                self._over.wait(third)
