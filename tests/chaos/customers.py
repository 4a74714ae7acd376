"""Tenants that go on submitting, polling and canceling whatever answers they get."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.tenant import TERMINAL, Tenant

WISHES: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (5, "noop", {}),
    (3, "puppet", {"hold": 0.3}),
    (1, "puppet", {"hold": 2.5}),
    (1, "puppet", {"fail": "no_face_found"}),
    (1, "puppet", {"fail": "out_of_memory", "retryable": True, "attempts": 1}),
)


@dataclass
class Customer:
    """One tenant's client. It keeps what it was told: which jobs were accepted, and canceled."""

    tenant: Tenant
    urls: list[str]
    seed: int
    jobs: int
    photo: str
    accepted: dict[str, str] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)
    refusals: Counter[str] = field(default_factory=Counter)
    doubted: int = 0
    _statuses: dict[str, str | None] = field(default_factory=dict)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        drawn = random.Random(self.seed)
        for number in range(self.jobs):
            _, mode, told = drawn.choices(WISHES, [wish[0] for wish in WISHES])[0]
            body = {
                "mode": mode,
                "imageBase64": self.photo,
                "prompt": json.dumps(told),
                "seed": number,
                "variations": drawn.choice([1, 1, 2, 3]),
            }
            # With a key a client may send again what was not answered; some have none.
            key = str(uuid.UUID(int=drawn.getrandbits(128))) if drawn.random() < 0.7 else None
            cancel = drawn.random() < 0.12
            pause = drawn.uniform(0, 0.3) if cancel else 0.0
            job_id = self._submit(body, key)
            if job_id is not None:
                self.accepted[job_id] = mode
                if cancel:
                    time.sleep(pause)
                    self._cancel(job_id)

    def _submit(self, body: dict[str, Any], key: str | None) -> str | None:
        """The id of the job once it was accepted; None where that is not known or was refused."""
        headers = {"Idempotency-Key": key} if key else {}
        for _ in range(200):
            answer = self._ask("POST", "/api/v1/generate", json=body, headers=headers)
            if answer is None:
                if key is None:
                    self.doubted += 1
                    return None
            elif answer.status_code == 202:
                return str(answer.json()["jobId"])
            else:
                code = str(answer.json().get("code", answer.status_code))
                self.refusals[code] += 1
                if answer.status_code in {402, 422, 403}:
                    return None
            time.sleep(0.25)
        raise AssertionError("the API took no job for a minute")

    def _cancel(self, job_id: str) -> None:
        answer = self._ask("POST", f"/api/v1/jobs/{job_id}/cancel")
        if answer is not None and answer.status_code == 200:
            self.canceled.add(job_id)

    def statuses(self) -> dict[str, str | None]:
        """What the API says of each accepted job; None where it does not answer."""
        for job_id in self.accepted:
            if self._statuses.get(job_id) not in TERMINAL:
                answer = self._ask("GET", f"/api/v1/jobs/{job_id}")
                self._statuses[job_id] = answer.json().get("status") if answer else None
        return self._statuses

    def _ask(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response | None:
        """The answer, or None where there was none; asks another replica each time."""
        self.urls.append(self.urls.pop(0))
        all_headers = {"Authorization": f"Bearer {self.tenant.token}", **(headers or {})}
        try:
            return self.tenant.http.request(
                method, self.urls[0] + path, headers=all_headers, **more
            )
        except httpx.TransportError:
            return None


def all_terminal(statuses: dict[str, str | None]) -> bool:
    return all(status in TERMINAL for status in statuses.values())
