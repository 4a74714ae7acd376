"""Tenants that go on submitting, polling, canceling and downloading whatever answers they get."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from tests.chaos.history import TERMINAL, Answer, Asked, History
from tests.e2e.tenant import Tenant

WISHES: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (5, "noop", {}),
    (3, "puppet", {"hold": 0.3}),
    (1, "puppet", {"hold": 2.5}),
    (1, "puppet", {"fail": "no_face_found"}),
    (1, "puppet", {"fail": "out_of_memory", "retryable": True, "attempts": 1}),
)
_FOR_GOOD = {400, 402, 403, 422}
_POLLED_AT_ONCE = 3
# Between two jobs of a customer, so that the jobs of a run meet more disturbances than a few.
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass
class Customer:
    """One tenant's client. It writes down every answer, and asks another replica each time."""

    tenant: Tenant
    urls: list[str]
    seed: int
    jobs: int
    photo: str
    hook_url: str
    history: History
    accepted: set[str] = field(default_factory=set)
    doubted: dict[str, float] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    ended: set[str] = field(default_factory=set)
    gave_up: str = ""
    longest_pause: float = _LONGEST_PAUSE_SECONDS

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def poll_all(self) -> bool:
        """Asks for every job that has not ended yet; whether all have, the doubtful ones too."""
        for job_id in sorted((self.accepted | set(self.doubted)) - self.ended):
            answer = self._poll(job_id)
            settled = self.doubted.get(job_id)
            if answer.status == 404 and settled is not None and answer.sent > settled:
                self.ended.add(job_id)
        return self.ended >= self.accepted | set(self.doubted)

    def _run(self) -> None:
        try:
            self._submit_all()
        except Exception as error:  # noqa: BLE001 - of a thread; whoever started it tells
            self.gave_up = f"a customer gave up: {error!r}"

    def _submit_all(self) -> None:
        drawn = random.Random(self.seed)
        for number in range(self.jobs):
            _, mode, told = drawn.choices(WISHES, [wish[0] for wish in WISHES])[0]
            mark = str(uuid.UUID(int=drawn.getrandbits(128)))
            body = {
                "mode": mode,
                "imageBase64": self.photo,
                "prompt": json.dumps(told),
                "seed": number,
                "variations": drawn.choice([1, 1, 2, 3]),
                "metadata": {"mark": mark},
            }
            if drawn.random() < 0.5:
                body["webhookUrl"] = self.hook_url
            # With a key a client may send again what was not answered; some have none.
            keyed = drawn.random() < 0.7
            cancel = drawn.random() < 0.12
            pause = drawn.uniform(0, 0.3) if cancel else 0.0
            polled = drawn.random()
            job_id = self._submit(body, mark, keyed=keyed)
            if job_id is not None and cancel:
                time.sleep(pause)
                self._cancel(job_id)
            self._poll_some(polled)
            time.sleep(polled * self.longest_pause)

    def _submit(self, body: dict[str, Any], mark: str, *, keyed: bool) -> str | None:
        """The id of the job once it was accepted; None where that is not known or was refused."""
        for again in range(200):
            # Without a key each request is one of its own, and so is its mark.
            own = mark if keyed else f"{mark}-{again}"
            body["metadata"] = {"mark": own}
            headers = {"Idempotency-Key": mark} if keyed else {}
            answer, response = self._ask(
                "submit", "POST", "/api/v1/generate", mark=own, keyed=keyed, json=body, head=headers
            )
            if answer.well:
                self.accepted.add(answer.job)
                return answer.job
            if response is None:
                self.unanswered += 1
            else:
                self.refusals[answer.code or str(answer.status)] += 1
            if answer.settled_by is not None and not keyed:
                self.doubted[answer.job] = answer.settled_by
            if answer.status in _FOR_GOOD or (answer.in_doubt and not keyed):
                return None
            time.sleep(0.25)
        raise TimeoutError("the API took no job for a minute")

    def _cancel(self, job_id: str) -> None:
        self._ask("cancel", "POST", f"/api/v1/jobs/{job_id}/cancel", job=job_id)

    def _poll_some(self, drawn: float) -> None:
        """A few jobs, which may have ended long ago."""
        known = sorted(self.accepted)
        for number in range(min(_POLLED_AT_ONCE, len(known))):
            self._poll(known[int(drawn * len(known) + number) % len(known)])

    def _poll(self, job_id: str) -> Answer:
        answer, response = self._ask("poll", "GET", f"/api/v1/jobs/{job_id}", job=job_id)
        if answer.well and answer.told in TERMINAL and job_id not in self.ended:
            self.ended.add(job_id)
            if answer.told == "succeeded" and response is not None:
                for output in response.json()["outputs"]:
                    self._download(job_id, output["downloadUrl"])
        return answer

    def _download(self, job_id: str, url: str | None) -> None:
        sent = time.time()
        question = Answer("download", self.tenant.workspace, sent, sent, None, job=job_id)
        if url is None:
            self.history.add(_received(question, status=404))
            return
        try:
            response = self.tenant.http.get(url)
        except httpx.TransportError:
            self.history.add(_received(question))
            return
        digest = hashlib.sha256(response.content).hexdigest() if response.is_success else ""
        self.history.add(_received(question, status=response.status_code, digest=digest))

    def _ask(
        self,
        asked: Asked,
        method: str,
        path: str,
        *,
        job: str = "",
        mark: str = "",
        keyed: bool = False,
        head: dict[str, str] | None = None,
        **more: Any,
    ) -> tuple[Answer, httpx.Response | None]:
        """What was answered, written down, and the response itself where there was one."""
        self.urls.append(self.urls.pop(0))
        headers = {"Authorization": f"Bearer {self.tenant.token}", **(head or {})}
        sent = time.time()
        question = Answer(
            asked, self.tenant.workspace, sent, sent, None, job, mark=mark, keyed=keyed
        )
        try:
            response = self.tenant.http.request(
                method, self.urls[0] + path, headers=headers, **more
            )
        except httpx.TransportError:
            answer = _received(question)
            self.history.add(answer)
            return answer, None
        answer = _received(question, status=response.status_code, **_said(response, job))
        self.history.add(answer)
        return answer, response


def _received(asked: Answer, /, **said: Any) -> Answer:
    """The answer that came now; without a status none came."""
    return dataclasses.replace(asked, received=time.time(), **said)


def _said(response: httpx.Response, job: str) -> dict[str, Any]:
    """What the body says; one that is no JSON object says nothing."""
    try:
        body = response.json()
    except ValueError:
        return {}
    settled = body.get("settledBy")
    return {
        "job": body.get("jobId") or job,
        "told": str(body["status"]) if response.is_success and "status" in body else "",
        "code": body.get("code", ""),
        "settled_by": datetime.fromisoformat(settled).timestamp() if settled else None,
    }
