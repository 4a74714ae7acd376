"""What people do at the pages, done in a real browser."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from imagerift_core import clock
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import NAME, PASSWORD
from tests.browser.visitor import (
    DESKTOP,
    PHONE,
    Scheme,
    finish_job,
    home_of,
    screenshot,
    sign_in,
    tab,
)
from tests.integration.api.harness import Api
from tests.support.pictures import picture


async def curl(*arguments: str) -> tuple[int, str]:
    """Status and body, from the real program."""
    process = await asyncio.create_subprocess_exec(
        "curl",
        "--silent",
        "--write-out",
        "\n%{http_code}",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    body, _, status = output.decode().rpartition("\n")
    return int(status), body


async def create_key(page: Page, name: str) -> str:
    """Creates a key and copies its token as a person would."""
    form = page.locator("#key-form")
    await form.get_by_label("Name").fill(name)
    await form.get_by_role("button", name="Create key").click()
    await expect(page.locator("#new-key")).to_be_visible()
    await page.locator("#copy-token").click()
    await expect(page.locator("#copy-token")).to_have_text("Copied")
    token: str = await page.evaluate("navigator.clipboard.readText()")
    return token


async def test_a_key_is_created_copied_used_revoked_and_then_refused(
    chromium: Browser, site: Api
) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        token = await create_key(page, "from the browser")
        call = (f"{site.base_url}/api/v1/jobs", "-H", f"Authorization: Bearer {token}")
        status, body = await curl(*call)
        assert status == 200, body

        row = page.locator("#key-table tr", has_text="from the browser")
        await row.get_by_role("button", name="Revoke").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        await expect(row.get_by_text("revoked")).to_be_visible()
        revoked_at = time.monotonic()
        while (await curl(*call))[0] == 200:
            assert time.monotonic() - revoked_at < 60
            await asyncio.sleep(0.1)

        status, body = await curl(*call)
        assert (status, json.loads(body)["code"]) == (401, "revoked_api_key")


async def test_a_token_is_gone_once_it_was_put_away(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        token = await create_key(page, "secret")
        await page.get_by_role("button", name="Done").click()
        assert token not in await page.content()
        await page.reload()
        await expect(page.locator("#key-table tr", has_text="secret")).to_be_visible()
        assert token not in await page.content()


async def test_rotating_gives_a_new_token_under_the_same_key(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        old = await create_key(page, "rotating")
        row = page.locator("#key-table tr", has_text="rotating")
        await row.get_by_role("button", name="Rotate").click()
        await page.get_by_label("The old token keeps working for").select_option("1")
        await page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
        await expect(page.locator("#token")).not_to_have_text(old)
        await expect(row.get_by_text("old token ends")).to_be_visible()


@pytest.mark.parametrize("plan", ["free", "starter"])
async def test_keys_are_shown_locked_with_the_reason(
    chromium: Browser, site: Api, plan: str
) -> None:
    await home_of(site, NAME, plan=plan)
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await expect(page.get_by_text("API keys are locked on this plan.")).to_be_visible()
        await expect(page.locator("#locked-plan")).to_have_text(plan)
        await expect(page.locator("#key-form")).to_be_hidden()
        await screenshot(page, f"account-{plan}")


async def test_the_playground_generates_within_the_same_quota(
    chromium: Browser, site: Api, tmp_path: Path
) -> None:
    workspace = await home_of(site, NAME, plan="free")
    source = tmp_path / "cup.png"
    source.write_bytes(picture())
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        before = int(await page.locator("#charged").inner_text())
        await expect(page.locator("option[value='2k']")).to_be_disabled()
        await page.get_by_role("radio", name="golden hour").check()
        await page.locator("input[name=image]").set_input_files(source)
        await expect(page.locator("#preview")).to_be_visible()
        async with page.expect_response("**/api/v1/generate") as sent:
            await page.get_by_role("button", name="Generate").click()
        answer = await sent.value
        assert answer.status == 202
        job_id = (await answer.json())["jobId"]
        await finish_job(site, job_id)

        await expect(page.locator("#play-status")).to_have_text("Done.")
        width = await page.locator("#result-image").evaluate(
            "async (image) => { await image.decode(); return image.naturalWidth; }"
        )
        assert width > 0
        await expect(page.locator("#charged")).to_have_text(str(before + 1))
        await expect(page.locator("#recent img").first).to_be_visible()
    record = await site.database.jobs.find_one({"_id": job_id})
    assert record is not None
    assert record["workspace"] == workspace
    assert record["spec"]["preset"] == "golden_hour"
    assert record["quota"]["state"] == "charged"


async def test_a_wrong_password_is_told_and_signing_out_ends_it(
    chromium: Browser, site: Api
) -> None:
    await home_of(site, NAME, plan="free")
    async with tab(chromium, site) as page:
        await page.goto("/account")
        await page.get_by_label("Name", exact=True).first.fill(NAME)
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
        await sign_in(page, NAME, PASSWORD)
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        cookies = await page.context.cookies()
        assert [cookie for cookie in cookies if cookie["name"] == "imagerift_session"] == []


async def test_the_session_cookie_is_out_of_reach_of_scripts(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="free")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        assert await page.evaluate("document.cookie") == ""
        cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
        assert cookies["imagerift_session"]["httpOnly"] is True
        assert cookies["imagerift_session"]["sameSite"] == "Lax"


async def test_names_are_shown_as_text_and_never_run(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        name = "<img src=x onerror=alert(1)>"
        await create_key(page, name)
        await expect(page.locator("#key-table th", has_text=name)).to_be_visible()
        assert await page.locator("#key-table img").count() == 0


async def test_members_are_invited_and_webhooks_added(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await page.get_by_role("button", name="Make an invitation").click()
        await expect(page.locator("#invitation-url")).to_contain_text("/account#invitation=")
        await page.get_by_label("Address").fill(f"{site.base_url}/hook")
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator("#webhook-secret")).to_contain_text("whsec_")
        await expect(page.locator("#log")).to_contain_text("signed in")


async def test_the_developer_page_shows_this_installation_and_its_live_plans(
    chromium: Browser, site: Api
) -> None:
    async with tab(chromium, site) as page:
        await page.goto("/developers")
        await expect(page.locator("#quick")).to_contain_text(
            f"curl -X POST {site.base_url}/api/v1/generate"
        )
        for name, plan in site.plans.items():
            row = page.locator(".plans tr", has_text=name.capitalize())
            await expect(row).to_contain_text(f"{plan.units_per_month:,}")
            await expect(row).to_contain_text("Included" if plan.api_access else "Locked")
        await page.locator("[data-copy=quick]").click()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("curl -X POST")


@pytest.mark.parametrize("path", ["/developers", "/account"])
async def test_the_policy_lets_nothing_else_in(chromium: Browser, site: Api, path: str) -> None:
    answer = await site.call("GET", path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert f"img-src 'self' blob: {site.settings.s3_public_url}" in policy
    assert "frame-ancestors 'none'" in policy
    async with tab(chromium, site) as page:
        await page.goto(path)
        await page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_fit_every_screen(
    chromium: Browser, site: Api, scheme: Scheme, size: dict[str, int]
) -> None:
    """Nothing scrolls sideways, every control has a name, and text stands out from its ground."""
    workspace = await home_of(site, NAME, plan="business")
    await fill(site, workspace)
    label = f"{scheme}-{'phone' if size is PHONE else 'desktop'}"
    async with tab(chromium, site, scheme=scheme, size=size) as page:
        pages = (("/developers", "developers"), ("/docs", "reference"), ("/account", "sign-in"))
        for path, name in pages:
            await page.goto(path)
            await page.wait_for_load_state("networkidle")
            await assert_accessible(page)
            await screenshot(page, f"{name}-{label}")
        await sign_in(page, NAME, PASSWORD)
        await page.wait_for_load_state("networkidle")
        await assert_accessible(page)
        await screenshot(page, f"account-{label}")


async def fill(site: Api, workspace: str) -> None:
    """A month of use, so that there is something to look at."""
    at = clock.now()
    rows = [
        {
            "_id": f"{workspace}:{day}",
            "workspace": workspace,
            "counter": f"chart:{workspace}",
            "units": 1 + (day * 7) % 11,
            "at": at - timedelta(days=day),
        }
        for day in range(28)
        if day % 6
    ]
    for row in rows:
        await site.database.ledger.replace_one({"_id": row["_id"]}, row, upsert=True)
    assert await site.stores.workspaces.get(workspace) is not None


async def assert_accessible(page: Page) -> None:
    assert await page.evaluate((Path(__file__).parent / "accessibility.js").read_text()) == []
