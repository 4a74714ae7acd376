"""What a person sees who went to an address that there is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from tests.browser.visitor import DESKTOP, PHONE, Scheme, tab
from tests.integration.api.harness import Api


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_a_wrong_address_shows_a_page_that_leads_on(
    chromium: Browser, site: Api, scheme: Scheme, size: dict[str, int]
) -> None:
    async with tab(chromium, site, scheme=scheme, size=size) as page:
        answer = await page.goto("/no-such-page")
        assert answer is not None
        assert answer.status == 404
        await assert_readable(page)

        await page.get_by_role("link", name="not_found").click()
        await page.wait_for_url("**/problems/not_found")
        await assert_readable(page)

        await page.get_by_role("link", name="To the start").click()
        await page.wait_for_url("**/developers")


async def assert_readable(page: Page) -> None:
    sideways = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await page.evaluate(sideways)
    assert await page.evaluate((Path(__file__).parent / "accessibility.js").read_text()) == []
