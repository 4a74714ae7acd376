"""Somebody at the pages: a tab that fails the test on any script error or refused load."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from imagerift_core import clock
from imagerift_core.jobs import JobRecord
from playwright.async_api import Browser, ConsoleMessage, Page, Request, expect

from tests.integration.api.harness import Api
from tests.support import job_states
from tests.support.job_records import delivered
from tests.support.pictures import picture

Scheme = Literal["light", "dark"]
_REFUSED = re.compile(r"the server responded with a status of 4\d\d")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@asynccontextmanager
async def tab(
    chromium: Browser, site: Api, *, scheme: Scheme = "light", size: dict[str, int] = DESKTOP
) -> AsyncIterator[Page]:
    """A new window of its own cookies. What it loads must come from this installation."""
    context = await chromium.new_context(
        color_scheme=scheme,
        viewport={"width": size["width"], "height": size["height"]},
        permissions=["clipboard-read", "clipboard-write"],
        base_url=site.base_url,
        reduced_motion="reduce",
    )
    faults: list[str] = []
    page = await context.new_page()
    hosts = (site.base_url, site.settings.s3_public_url, "blob:", "data:")

    def on_console(message: ConsoleMessage) -> None:
        # The browser notes each refused call itself; the page's own faults say other things.
        if message.type == "error" and not _REFUSED.search(message.text):
            faults.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith(hosts):
            faults.append(f"loads {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", on_request)
    yield page
    await context.close()
    assert faults == []


async def sign_in(page: Page, name: str, password: str) -> None:
    await page.goto("/account")
    await page.get_by_label("Name", exact=True).first.fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Usage")).to_be_visible()
    await expect(page.locator("#charged")).not_to_be_empty()


async def home_of(site: Api, name: str, *, plan: str) -> str:
    """The workspace of whoever signs in as `name`, on `plan`."""
    person = await site.stores.people.sign_up(
        issuer="imagerift-built-in",
        subject=name,
        name=name,
        email=None,
        plan="free",
        address=None,
        at=clock.now(),
    )
    await site.stores.workspaces.set_plan(person.home, plan)
    # Tests come faster than people: each begins with a minute of its own.
    await site.database.rate_windows.delete_many({})
    return person.home


async def finish_job(site: Api, job_id: str, claimed: JobRecord | None = None) -> None:
    """Does what the operator would: the job succeeds with a picture that is really stored."""
    claimed = claimed or await job_states.begin(site.stores.jobs, job_id)
    settled: Any = delivered(claimed)
    for output in settled.outputs:
        await site.store.put(output.key, picture(), content_type="image/png")
        small = picture("WEBP", (320, 213))
        await site.store.put(output.thumbnail_key, small, content_type="image/webp")
    await site.stores.settlements.settle([settled], at=clock.now())


async def screenshot(page: Page, name: str) -> None:
    """Kept where `IMAGERIFT_TEST_SCREENSHOTS` says, for people to look at."""
    folder = os.environ.get("IMAGERIFT_TEST_SCREENSHOTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
