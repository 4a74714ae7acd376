"""Planted secrets, every failure that can be forced, and then a search of all that was left."""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import traces_left
from tests.e2e.account import ACCOUNT, Account, sign_in
from tests.e2e.hook_receiver import HookReceiver, receiving_hooks
from tests.e2e.pools import held_pool
from tests.e2e.tenant import Tenant
from tests.platform_under_test import PlatformUnderTest, wait_until
from tests.support.server_processes import s3_client

WEBHOOKS = "/api/v1/webhooks"
# Whatever has one of these forms is a secret, whoever made it: signatures of URLs, tokens of keys,
# secrets of webhooks, session tokens.
FORMS = re.compile(
    r"X-Amz-(Signature|Credential)|ir_live_[0-9A-Za-z]{54}|whsec_[0-9A-Za-z+/]{16}"
    r"|eyJ[0-9A-Za-z_-]{10,}\.eyJ"
)
# The only places of what people wrote, by its path in records and resources.
HOMES = {
    "prompt": {"jobs.spec.prompt", "GenerationJob.spec.prompt"},
    "hook": {"jobs.webhook_url", "webhooks.url", "webhook_deliveries.url"},
}


class Canary:
    """The secrets, and everything that goes wrong with them."""

    def __init__(
        self, tenant: Tenant, account: Account, photo: bytes, receiver: HookReceiver
    ) -> None:
        self.tenant, self.account, self.photo = tenant, account, photo
        self.platform = tenant.platform
        mark = secrets.token_hex(6)
        self.prompt = f"prompt-{mark}"
        self.file_name = f"file-{mark}.jpg"
        self.hook_path = f"hook-{mark}"
        self.hook = f"{receiver.url}/{self.hook_path}"
        self.secrets = {
            "token": tenant.token,
            "session": str(account.http.cookies["imagerift_session"]),
            "csrf": account.csrf,
            "file name": self.file_name,
        }

    def submit(self, **fields: Any) -> httpx.Response:
        body = {"mode": "noop", "prompt": self.prompt, "webhookUrl": self.hook} | fields
        return self.tenant.submit(self.photo, **body)

    def ends(self, answer: httpx.Response, status: str, code: str | None = None) -> None:
        assert answer.status_code == 202, answer.text
        job = self.tenant.wait_for(answer.json()["jobId"])
        assert job["status"] == status, job
        assert (job["error"] or {}).get("code") == code, job

    def plant(self) -> None:
        webhook = self.tenant.request("POST", WEBHOOKS, json={"url": self.hook})
        assert webhook.status_code == 201, webhook.text
        self.secrets["webhook secret"] = webhook.json()["secret"]
        own = self.tenant.request("GET", f"{WEBHOOKS}/secret").json()["secret"]
        self.secrets["workspace secret"] = own
        place = {"sizeBytes": len(self.photo), "contentType": "image/jpeg"}
        form = self.tenant.request("POST", "/api/v1/uploads", json=place).json()
        files = {"file": (self.file_name, self.photo, "image/jpeg")}
        sent = self.tenant.http.post(form["url"], data=form["fields"], files=files)
        assert sent.status_code < 300
        self.image_key = form["imageKey"]

    def refusals(self) -> None:
        """What is refused at the door, with the prompt in hand."""
        bad: list[dict[str, Any]] = [
            {"imageBase64": base64.b64encode(b"no picture").decode()},
            {"imageBase64": base64.b64encode(self.photo[:200]).decode()},
            {"imageBase64": None, "imageKey": f"img_{self.file_name}"},
            {"metadata": {self.prompt: "x" * 600}},
            {self.prompt: self.prompt},
            {"exportSize": self.prompt},
            {"webhookUrl": f"https://127.0.0.1/{self.hook_path}"},
            {"seed": -1},
        ]
        for fields in bad:
            assert 400 <= self.submit(**fields).status_code < 500, fields
        token = self.tenant.token
        for wrong in (token[:-1], token[:-1] + ("a" if token[-1] != "a" else "b")):
            answer = self.tenant.http.get(
                "/api/v1/jobs", headers={"Authorization": f"Bearer {wrong}"}
            )
            assert answer.status_code == 401
        path = f"/api/v1/jobs?prompt={self.prompt}&token={token}"
        assert self.tenant.request("GET", path).status_code == 400

    def failures(self) -> None:
        """Jobs that are accepted and then go wrong, each in its own way."""
        self.ends(self.submit(), "succeeded")
        self.ends(self.submit(mode="avatar", preset="anime"), "failed", "no_face_found")
        self.ends(self.submit(mode="raising"), "failed", "model_error")
        running = self.submit(mode="delay", variations=8)
        self.tenant.cancel(running.json()["jobId"])
        self.ends(running, "canceled")

    def without_a_pool(self) -> None:
        """Jobs that wait while their pool is held: one expires, one loses its source."""
        with held_pool(self.platform) as let_go:
            expired = self.submit(deadlineSeconds=10)
            lost = self.submit(imageBase64=None, imageKey=self.image_key)
            key = self.tenant.job(lost.json()["jobId"])["source"]["imageKey"]
            bucket = self.platform.environment["IMAGERIFT_S3_BUCKET"]
            s3_client(self.platform.environment).delete_object(Bucket=bucket, Key=key)
            self.ends(expired, "failed", "timeout")
            let_go()
            self.ends(lost, "failed", "input_unavailable")

    def outages(self) -> None:
        """Submits and polls while a store is away, and what runs through it."""
        for store in ("seaweedfs", "mongod"):
            running = self.submit(mode="delay", variations=8)
            wait_until(
                partial(self._refused_without, store),
                seconds=90,
                what=f"a refusal without {store}",
            )
            self.platform.wait_ready(store)
            self.platform.wait_ready("api", "operator")
            assert self.tenant.wait_for(running.json()["jobId"])["status"] in {
                "succeeded",
                "failed",
            }

    def _refused_without(self, store: str) -> bool:
        """Whether a submit is refused; a store that was back in time for it goes once more."""
        with contextlib.suppress(ProcessLookupError, TypeError):
            self.platform.kill(store)
        return self._status() == 503

    def _refused_with(self, headers: dict[str, str]) -> bool:
        return self.tenant.http.get("/api/v1/jobs", headers=headers).status_code == 401

    def _status(self) -> int:
        try:
            return self.submit().status_code
        except httpx.TransportError:
            return 0

    def keys_that_end(self) -> None:
        """An expired, a rotated and a revoked key, and a session that was ended."""
        account = self.account
        account.set_plan("pro")
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        made = [
            account.request("POST", f"{ACCOUNT}/keys", json={"name": "k"} | fields).json()
            for fields in ({"expiresAt": soon}, {}, {})
        ]
        rotated = account.request(
            "POST", f"{ACCOUNT}/keys/{made[1]['key']['keyId']}/rotate", json={"overlapDays": 0}
        ).json()
        account.request("DELETE", f"{ACCOUNT}/keys/{made[2]['key']['keyId']}")
        for number, token in enumerate([*(item["token"] for item in made), rotated["token"]]):
            self.secrets[f"token {number}"] = token
        for item in made:
            headers = {"Authorization": f"Bearer {item['token']}"}
            wait_until(partial(self._refused_with, headers), seconds=8, what="the key has ended")
        forged = {"imagerift_session": self.secrets["session"][:-2] + "xx"}
        with httpx.Client(base_url=self.platform.api_url, trust_env=False, cookies=forged) as http:
            assert http.get(ACCOUNT).status_code == 401
        assert account.request("DELETE", f"{ACCOUNT}/session").status_code == 204


@pytest.fixture
def account(platform: PlatformUnderTest) -> Iterator[Account]:
    with httpx.Client(base_url=platform.api_url, timeout=120, trust_env=False) as http:
        yield sign_in(platform, http)


def test_no_secret_is_left_anywhere_and_the_prompt_at_home_alone(
    tenant: Tenant, account: Account, small_photo: bytes, tmp_path: Path
) -> None:
    platform = tenant.platform
    with (
        receiving_hooks(platform, failures=1000) as receiver,
        traces_left.watched_jobs(platform, tmp_path / "jobs.json") as watched,
    ):
        canary = Canary(tenant, account, small_photo, receiver)
        canary.plant()
        canary.refusals()
        canary.failures()
        canary.without_a_pool()
        canary.outages()
        canary.keys_that_end()
        wait_until(lambda: len(receiver.got) > 3, seconds=30, what="webhooks were tried")
        jobs = watched()

    for name, text in [
        *traces_left.files(platform),
        *traces_left.metrics(platform),
        *traces_left.object_keys(platform),
        *(("webhook", message.body) for message in receiver.got),
    ]:
        shown = {"prompt"} if name == "webhook" else set()
        assert_clean(canary, name, text, shown=shown)
    at_home = set()
    documents = [*traces_left.records(platform), *traces_left.resources(platform), *jobs]
    for name, document in documents:
        kind = name.partition(" ")[0]
        for path, text in traces_left.leaves(document):
            shown = {what for what, homes in HOMES.items() if kind + path in homes}
            assert_clean(canary, name + path, text, shown=shown)
            if canary.prompt in text:
                at_home.add(kind + path)
    assert at_home == HOMES["prompt"]


def assert_clean(canary: Canary, place: str, text: str, *, shown: set[str]) -> None:
    """None of the planted texts but `shown`, and nothing of a secret's form."""
    planted = canary.secrets | {"prompt": canary.prompt, "hook": canary.hook_path}
    for what, value in planted.items():
        if what not in shown:
            assert value not in text, f"the {what} is in {place}"
    found = FORMS.search(text)
    assert found is None, f"{found and found[0][:12]}… is in {place}"


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    document = {"a": [{"b": b"whsec_0123456789abcdef"}, {"token=x": 1}]}
    found = dict(traces_left.leaves(document))
    assert FORMS.search(found[".a.b"])
    assert ".a.token=x" in found
    for text in ("?X-Amz-Signature=1", f"ir_live_{'a' * 54}", "eyJhbGciOiJIUzI.eyJ"):
        assert FORMS.search(text)
