"""A workspace as its developers see it, and its counters as an administrator does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import MongoClient

from tests.platform_under_test import PlatformUnderTest, wait_until

TERMINAL = {"succeeded", "failed", "canceled"}


@dataclass(frozen=True)
class Tenant:
    platform: PlatformUnderTest
    http: httpx.Client
    workspace: str
    key_id: str
    token: str

    def request(
        self, method: str, path: str, *, more_headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **(more_headers or {})}
        return self.http.request(method, path, headers=headers, **more)

    def submit(
        self, photo: bytes, *, more_headers: Mapping[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        body = {
            "mode": "style",
            "imageBase64": base64.b64encode(photo).decode(),
            "prompt": "cinematic product photo on a clean studio background",
        }
        return self.request(
            "POST", "/api/v1/generate", json=body | fields, more_headers=more_headers
        )

    def submitted(self, photo: bytes, **fields: Any) -> str:
        """The id of an accepted job."""
        answer = self.submit(photo, **fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobId"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.request("GET", f"/api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def cancel(self, job_id: str) -> httpx.Response:
        return self.request("POST", f"/api/v1/jobs/{job_id}/cancel")

    def wait_for(self, job_id: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """The job once it has one of the statuses (any terminal one, where none is named)."""
        wanted = set(statuses) or TERMINAL

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in wanted else None

        found: dict[str, Any] = wait_until(
            reached, seconds=seconds, what=f"job {job_id} {' or '.join(sorted(wanted))}"
        )
        return found

    def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        """All events of a job, with their names, until it has ended."""
        headers = {"Authorization": f"Bearer {self.token}"}
        found, name = [], ""
        path = f"/api/v1/jobs/{job_id}/events"
        with self.http.stream("GET", path, headers=headers, timeout=180) as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ").strip()
                if line.startswith("data: "):
                    found.append((name, json.loads(line.removeprefix("data: "))))
        return found

    def follow(self, job_id: str) -> dict[str, Any]:
        """The job once it is over, at the price of one request however long it takes."""
        headers = {"Authorization": f"Bearer {self.token}"}
        path = f"/api/v1/jobs/{job_id}/events"
        with self.http.stream("GET", path, headers=headers, timeout=180) as events:
            assert events.status_code == 200
            told = [line for line in events.iter_lines() if line.startswith("data: ")]
        job: dict[str, Any] = json.loads(told[-1].removeprefix("data: "))
        return job

    def counters(self) -> dict[str, int]:
        """What is charged and reserved in all, and rows in the ledger, straight from the store."""
        environment = self.platform.environment
        with MongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as client:
            database = client[environment["IMAGERIFT_MONGO_DATABASE"]]
            rows = list(database.quota_counters.find({"workspace": self.workspace}))
            ledger = database.ledger.count_documents({"workspace": self.workspace})
        return {
            "charged": sum(row["charged"] for row in rows),
            "reserved": sum(row["reserved"] for row in rows),
            "ledger": ledger,
        }


def new_tenant(
    platform: PlatformUnderTest, http: httpx.Client, plan: str, *, name: str = "test", at: str = ""
) -> Tenant:
    """A workspace with a key, made by the API that is `at`, which is the platform's by default."""
    headers = {"Authorization": f"Bearer {platform.environment['IMAGERIFT_ADMIN_TOKEN']}"}

    def made(path: str, **body: str) -> Any:
        url = f"{at or platform.api_url}/admin/v1/workspaces{path}"
        return http.post(url, json=body, headers=headers).raise_for_status().json()

    workspace = made("", name=name, plan=plan)["workspaceId"]
    created = made(f"/{workspace}/keys", name=name)
    return Tenant(platform, http, workspace, created["key"]["keyId"], created["token"])
