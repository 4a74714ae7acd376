"""Whoever the generated requests come from: an API key, or somebody who is signed in."""

from __future__ import annotations

from dataclasses import dataclass

from tests.integration.api.browsers import Browser
from tests.integration.api.harness import Tenant


@dataclass(frozen=True)
class FuzzCaller:
    """`credential` is `key` or `session`; `browser` is there for the latter."""

    credential: str
    workspace: str
    headers: dict[str, str]
    browser: Browser | None = None


def by_key(tenant: Tenant) -> FuzzCaller:
    return FuzzCaller("key", tenant.workspace, tenant.headers)


def by_session(browser: Browser) -> FuzzCaller:
    return FuzzCaller("session", browser.workspace, browser.headers, browser)
