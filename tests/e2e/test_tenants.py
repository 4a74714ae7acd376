"""Tenants as code: applied with kubectl, kept by the operator, used by their keys."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.e2e.account import ACCOUNT, sign_in
from tests.e2e.resources import made
from tests.platform_under_test import PlatformUnderTest, wait_until

MANIFEST = """
apiVersion: imagerift.dev/v1
kind: Plan
metadata: {{name: {name}}}
spec:
  apiAccess: true
  requestsPerMinute: 600
  unitsPerMonth: 1000
  maxExport: base
  band: 1
  quotaScope: team
  retentionDays: 1
---
apiVersion: imagerift.dev/v1
kind: Workspace
metadata: {{name: {name}}}
spec: {{name: Acme, plan: {name}}}
---
apiVersion: imagerift.dev/v1
kind: WebhookEndpoint
metadata: {{name: {name}-hook}}
spec:
  workspaceRef: {{name: {name}}}
  url: https://93.184.216.34/hook
  events: [job.canceled]
---
apiVersion: imagerift.dev/v1
kind: ApiKey
metadata: {{name: {name}-ci}}
spec:
  workspaceRef: {{name: {name}}}
"""


def resource(platform: PlatformUnderTest, what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(platform.kubectl("get", what, "-o", "json").stdout)
    return found


def has(platform: PlatformUnderTest, what: str, kind: str, status: str) -> dict[str, Any]:
    """The resource, once that condition has that status."""

    def met() -> dict[str, Any] | None:
        found = resource(platform, what)
        conditions = found.get("status", {}).get("conditions", [])
        return found if (kind, status) in {(c["type"], c["status"]) for c in conditions} else None

    found: dict[str, Any] = wait_until(met, seconds=90, what=f"{what} {kind} {status}")
    return found


def is_gone(platform: PlatformUnderTest, what: str) -> None:
    def met() -> bool:
        return "NotFound" in platform.kubectl("get", what, check=False).stderr

    wait_until(met, seconds=90, what=f"{what} is gone")


@pytest.fixture
def acme(platform: PlatformUnderTest) -> Iterator[str]:
    """The name of a Workspace, on a Plan of that name, with a key and a webhook, all ready."""
    name = f"acme-{secrets.token_hex(4)}"
    platform.kubectl("apply", "-f", "-", stdin=MANIFEST.format(name=name))
    platform.kubectl(
        "wait", "--for=condition=Ready", "--timeout=90s",
        f"plan/{name}", f"workspace/{name}", f"apikey/{name}-ci", f"webhookendpoint/{name}-hook",
    )  # fmt: skip
    yield name
    gone = (f"apikey/{name}-ci", f"webhookendpoint/{name}-hook", f"workspace/{name}")
    platform.kubectl("delete", *gone, "--ignore-not-found")
    # It goes once every process knows.
    platform.kubectl("delete", f"plan/{name}", "--wait=false")


def caller(platform: PlatformUnderTest, name: str) -> httpx.Client:
    """Whoever has the token of the ApiKey's Secret."""
    secret = resource(platform, f"secret/{name}-ci")
    token = base64.b64decode(secret["data"]["token"]).decode()
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=platform.api_url, headers=headers, trust_env=False, timeout=60)


def test_what_is_applied_is_ready_and_its_token_works(
    platform: PlatformUnderTest, acme: str, small_photo: bytes
) -> None:
    with caller(platform, acme) as http:
        body = {"mode": "noop", "imageBase64": base64.b64encode(small_photo).decode()}
        assert http.post("/api/v1/generate", json=body).status_code == 202
    table = platform.kubectl("get", "iws", acme).stdout.split()
    assert table[:6] == ["NAME", "READY", "PLAN", "WORKSPACE", "DRIFTED", "AGE"]
    assert table[6:9] == [acme, "True", acme]
    plans = platform.kubectl("get", "ipl", acme).stdout.split()
    assert plans[:6] == ["NAME", "READY", "UNITS", "EXPORT", "API", "DRIFTED"]
    assert plans[7:12] == [acme, "True", "1000", "base", "true"]
    hook = resource(platform, f"secret/{acme}-hook")["data"]["secret"]
    assert base64.b64decode(hook).startswith(b"whsec_")
    keys = platform.kubectl("get", "iak", f"{acme}-ci").stdout.split()
    assert keys[:5] == ["NAME", "READY", "WORKSPACE", "SECRET", "EXPIRES"]
    explained = platform.kubectl("explain", "apikey.spec.secretName").stdout
    assert "must not exist" in " ".join(explained.split())
    assert "ir_live_" not in platform.kubectl("get", "iak,iws", "-o", "yaml").stdout.replace(
        "prefix: ir_live_", ""
    )
    assert "whsec_" not in platform.kubectl("get", "iwh", "-o", "yaml").stdout


def test_what_is_changed_by_the_admin_api_and_on_the_account_page_is_shown(
    platform: PlatformUnderTest, acme: str
) -> None:
    workspace = resource(platform, f"workspace/{acme}")["status"]["workspaceId"]
    platform.admin("workspace", "set-plan", "--workspace", workspace, "--plan", "business")
    drifted = has(platform, f"workspace/{acme}", "Drifted", "True")
    assert drifted["status"]["plan"] == "business"
    key_id = resource(platform, f"apikey/{acme}-ci")["status"]["keyId"]
    who = ("--issuer", "imagerift-built-in", "--subject", "demo", "--role", "owner")
    platform.admin("member", "add", "--workspace", workspace, *who)
    with httpx.Client(base_url=platform.api_url, trust_env=False, timeout=60) as http:
        account = sign_in(platform, http)
        chosen = account.request("POST", f"{ACCOUNT}/workspace", json={"workspaceId": workspace})
        assert chosen.is_success, chosen.text
        there = replace(account, csrf=http.get(ACCOUNT).json()["csrfToken"])
        revoked = there.request("DELETE", f"{ACCOUNT}/keys/{key_id}")
        assert revoked.status_code == 200, revoked.text
    assert has(platform, f"apikey/{acme}-ci", "Drifted", "True")["status"]["keyId"] == key_id


def test_a_deleted_key_opens_nothing_and_its_secret_is_gone(
    platform: PlatformUnderTest, acme: str
) -> None:
    with caller(platform, acme) as http:
        assert http.get("/api/v1/jobs").status_code == 200
        platform.kubectl("delete", f"apikey/{acme}-ci", "--timeout=90s")
        wait_until(
            lambda: http.get("/api/v1/jobs").json().get("code") == "revoked_api_key",
            seconds=30,
            what="revoked",
        )
    is_gone(platform, f"secret/{acme}-ci")


def test_a_workspace_with_a_job_stays_until_it_has_ended(
    platform: PlatformUnderTest, acme: str, small_photo: bytes
) -> None:
    with caller(platform, acme) as http:
        body = {
            "mode": "puppet",
            "prompt": json.dumps({"hold": 50}),
            "imageBase64": base64.b64encode(small_photo).decode(),
        }
        answer = http.post("/api/v1/generate", json=body)
        assert answer.status_code == 202, answer.text
        job_id = made(platform, answer.json()["jobId"])
    platform.kubectl("delete", f"workspace/{acme}", "--wait=false")
    waiting = has(platform, f"workspace/{acme}", "Ready", "False")
    assert waiting["status"]["conditions"][0]["reason"] == "JobsRunning"
    platform.kubectl("delete", f"gj/{job_id}", "--wait=false")
    is_gone(platform, f"workspace/{acme}")
    environment = platform.environment
    with MongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as client:
        workspaces = client[environment["IMAGERIFT_MONGO_DATABASE"]].workspaces
        kept = workspaces.find_one({"_id": waiting["status"]["workspaceId"]})
    assert kept is not None and kept["suspended_at"] is not None
