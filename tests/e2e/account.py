"""The account page's calls, as somebody who signed in with a password makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
from pymongo import MongoClient

from tests.platform_under_test import PlatformUnderTest

ACCOUNT = "/api/v1/account"


@dataclass(frozen=True)
class Account:
    """The demo person of the platform, signed in at their own workspace."""

    platform: PlatformUnderTest
    http: httpx.Client
    workspace: str
    csrf: str

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Origin": self.platform.api_url, "X-CSRF-Token": self.csrf}
        return self.http.request(method, path, headers=headers, **more)

    def set_plan(self, plan: str) -> None:
        self.platform.admin("workspace", "set-plan", "--workspace", self.workspace, "--plan", plan)


def sign_in(platform: PlatformUnderTest, http: httpx.Client) -> Account:
    """`http` keeps the session's cookie from here on."""
    secrets = json.loads((platform.data / "secrets.json").read_text())
    person = {"name": "demo", "password": secrets["demo_password"]}
    signed_in = http.post(f"{ACCOUNT}/session", json=person, headers={"Origin": platform.api_url})
    assert signed_in.status_code == 204, signed_in.text
    account = http.get(ACCOUNT).json()
    workspace = account["workspace"]["workspaceId"]
    _forget_requests(platform, workspace)
    return Account(platform, http, workspace, account["csrfToken"])


def _forget_requests(platform: PlatformUnderTest, workspace: str) -> None:
    """Tests come faster than people and share this person: each begins with a minute of its own."""
    environment = platform.environment
    with MongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as client:
        windows = client[environment["IMAGERIFT_MONGO_DATABASE"]].rate_windows
        windows.delete_many({"_id": {"$regex": workspace}})
