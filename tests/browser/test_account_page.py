"""The account page under real hands: nothing gets lost, and a fault is said where it happened."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from imagerift_core import clock
from imagerift_core.mongo.scheduler_snapshot import JobProgress, SchedulerSnapshot
from imagerift_core.object_keys import thumbnail_key
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import NAME, PASSWORD
from tests.browser.test_pages import assert_accessible, create_key
from tests.browser.visitor import DESKTOP, PHONE, finish_job, home_of, screenshot, sign_in, tab
from tests.integration.api.harness import Api
from tests.support import job_states
from tests.support.pictures import picture


async def focused(page: Page) -> str:
    """The id or name of what has the focus."""
    name: str = await page.evaluate(
        "(({ id, name, className }) => id || name || className)(document.activeElement)"
    )
    return name


async def choose(page: Page, path: Path) -> None:
    await page.locator("input[name=image]").set_input_files(path)


@asynccontextmanager
async def playground(
    chromium: Browser, site: Api, photo: Path, *, size: dict[str, int] = DESKTOP
) -> AsyncIterator[Page]:
    """A page whose person, on `business`, has signed in and chosen a photo."""
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site, size=size) as page:
        await sign_in(page, NAME, PASSWORD)
        await choose(page, photo)
        yield page


async def test_two_keys_are_created_one_after_the_other(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        first = await create_key(page, "the first")
        assert await focused(page) in {"token", "copy-token"}
        boxes = page.locator("#scopes input")
        assert all([await boxes.nth(i).is_checked() for i in range(await boxes.count())])
        second = await create_key(page, "the second")
        assert second != first
        assert await page.locator("#token").inner_text() == second


async def test_a_refused_key_shows_no_token_and_says_why_beside_the_form(
    chromium: Browser, site: Api
) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await create_key(page, "one")
        await page.get_by_text("Scopes", exact=True).click()
        boxes = page.locator("#scopes input")
        for index in range(await boxes.count()):
            await boxes.nth(index).uncheck()
        await page.locator("#key-form").get_by_label("Name").fill("two")
        await page.get_by_role("button", name="Create key").click()
        await expect(page.locator("#key-form + .problem")).to_contain_text("at least one scope")
        await expect(page.locator("#new-key")).to_be_hidden()
        assert await focused(page) == "scope"


async def test_a_refusal_stands_beside_its_form_and_the_focus_is_on_the_field(
    chromium: Browser, site: Api
) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await page.get_by_label("Address").fill("http://example.com/hook")
        add = page.get_by_role("button", name="Add", exact=True)
        await add.focus()
        async with page.expect_response("**/webhooks"):
            await page.keyboard.press("Enter")
        problem = page.locator("#webhook-form + .problem")
        await expect(problem).to_contain_text("https")
        await expect(problem).to_be_in_viewport()
        assert await focused(page) == "url"
        await expect(page.locator("#problem")).to_be_hidden()

        await page.get_by_label("Address").fill(f"{site.base_url}/hook")
        await add.click()
        await expect(page.locator("#webhook-secret")).to_contain_text("whsec_")
        await expect(problem).to_be_hidden()


async def test_a_wrong_password_keeps_the_focus_in_the_form(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="free")
    async with tab(chromium, site) as page:
        await page.goto("/account")
        await page.get_by_label("Name", exact=True).first.fill(NAME)
        await page.get_by_label("Password").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.locator("#sign-in-form + .problem")).to_have_text(
            "Name or password is wrong."
        )
        assert "problem" in await focused(page)


async def test_a_picture_that_is_none_is_said_so_before_anything_is_sent(
    chromium: Browser, site: Api, tmp_path: Path, photo: Path
) -> None:
    await home_of(site, NAME, plan="business")
    broken, large, text = tmp_path / "broken.jpg", tmp_path / "large.png", tmp_path / "notes.txt"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture at all")
    large.write_bytes(picture() + bytes(20 * 2**20))
    text.write_text("no picture")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        for path, words in ((broken, "is broken"), (large, "20 MiB"), (text, "is no picture")):
            await choose(page, path)
            await expect(page.locator("#play + .problem")).to_contain_text(words)
            await expect(page.locator("#preview")).to_be_hidden()
            await page.get_by_role("button", name="Generate").click()
        assert [url for url in sent if url.endswith("/generate")] == []
        await screenshot(page, "account-broken-picture")
        await choose(page, photo)
        await expect(page.locator("#preview")).to_be_visible()
        await expect(page.locator("#play + .problem")).to_be_hidden()


async def sent_by(page: Page, site: Api) -> dict[str, Any]:
    async with page.expect_response("**/api/v1/generate") as sent:
        await page.get_by_role("button", name="Generate").click()
    answer = await sent.value
    assert answer.status == 202, await answer.text()
    await finish_job(site, (await answer.json())["jobId"])
    body: dict[str, Any] | None = answer.request.post_data_json
    assert body is not None
    await expect(page.locator("#play-status")).to_have_text(re.compile("^Done"))
    return body


async def test_what_was_written_for_one_mode_is_not_sent_for_another(
    chromium: Browser, site: Api, photo: Path
) -> None:
    async with playground(chromium, site, photo) as page:
        prompt, mode = page.locator("textarea"), page.get_by_label("Mode")
        await prompt.fill("on a clean studio background")
        await mode.select_option("avatar")
        await expect(prompt).to_have_value("")
        assert "prompt" not in await sent_by(page, site)
        await mode.select_option("style")
        await expect(prompt).to_have_value("on a clean studio background")
        assert (await sent_by(page, site))["prompt"] == "on a clean studio background"


async def test_a_running_job_is_followed_after_a_reload(
    chromium: Browser, site: Api, photo: Path
) -> None:
    async with playground(chromium, site, photo) as page:
        async with page.expect_response("**/api/v1/generate") as sent:
            await page.get_by_role("button", name="Generate").click()
        job_id = (await (await sent.value).json())["jobId"]
        await page.reload()
        newest = page.locator("#recent li").first
        await expect(newest.get_by_text("queued")).to_be_visible()
        await finish_job(site, job_id)
        await expect(newest.locator("img")).to_be_visible()
        await expect(newest.get_by_text("queued")).to_have_count(0)


async def test_a_bar_shows_how_far_a_running_job_is(
    chromium: Browser, site: Api, photo: Path
) -> None:
    async with playground(chromium, site, photo) as page:
        await page.get_by_role("combobox", name="Pictures").select_option("2")
        bar, status = page.locator("#play-progress"), page.locator("#play-status")
        early = page.locator("#play-pictures img")
        async with page.expect_response("**/api/v1/generate") as sent:
            await page.get_by_role("button", name="Generate").click()
        job_id = (await (await sent.value).json())["jobId"]
        await expect(status).to_have_text("Queued…")
        await expect(bar).to_be_hidden()
        claimed = await job_states.begin(site.stores.jobs, job_id)
        key = thumbnail_key(claimed.workspace, job_id, claimed.attempt, 0)
        await site.store.put(key, picture("WEBP", (320, 213)), content_type="image/webp")
        for step, share, shown in ((12, 0.38, []), (24, 0.76, [0])):
            await site.stores.snapshots.write(at_step(site, job_id, step, share, shown))
            await expect(status).to_have_text(
                f"Processing, step {step} of 30, variation 1 of 2, about {30 - step} s left…"
            )
            await expect(bar).to_be_visible()
            assert await bar.evaluate("bar => bar.value") == share
            await expect(early).to_have_count(len(shown))
        # It is there, and not only named.
        assert await early.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320
        await assert_accessible(page)
        await screenshot(page, "account-progress")
        await finish_job(site, job_id, claimed)
        await expect(status).to_have_text(re.compile("^Done"))
        await expect(bar).to_be_hidden()
        links = page.locator("#play-pictures a")
        await expect(links).to_have_count(2)
        await expect(links.last).to_have_attribute("href", re.compile("output-1"))
        await screenshot(page, "account-pictures")


def at_step(site: Api, job_id: str, step: int, share: float, shown: list[int]) -> SchedulerSnapshot:
    """What an operator writes each second, of a time at which it is not stale for a while."""
    progress = JobProgress(
        attempt=1, stage="model", step=step, steps=30, variation=0, share=share,
        eta_seconds=30.0 - step, shown=shown,
    )  # fmt: skip
    return SchedulerSnapshot(
        _id=site.settings.namespace,
        at=clock.now() + timedelta(minutes=5),
        places={},
        progress={job_id: progress},
    )


async def test_links_are_renewed_before_they_end(chromium: Browser, site: Api, photo: Path) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await page.clock.install()
        await sign_in(page, NAME, PASSWORD)
        await choose(page, photo)
        async with page.expect_response("**/api/v1/generate") as sent:
            await page.get_by_role("button", name="Generate").click()
        job_id = (await (await sent.value).json())["jobId"]
        await finish_job(site, job_id)
        await page.clock.run_for("00:30")
        await expect(page.locator("#result")).to_be_visible()
        # Given back when the list below has been asked for too: nothing is on its way any more.
        await expect(page.get_by_role("button", name="Generate")).to_be_enabled()
        newest, result = page.locator("#recent a").first, page.locator("#result")
        await expect(newest).to_have_attribute("href", re.compile("output-0"))

        async def marked(route: Route) -> None:
            """The server's answer, its links told apart from those of the same second."""
            answer = await route.fetch()
            link = r'("(?:pictureUrl|downloadUrl)": *"[^"]+)"'
            text = re.sub(link, r'\1#renewed"', await answer.text())
            await route.fulfill(response=answer, body=text)

        await page.route("**/account/overview", marked)
        await page.route(f"**/api/v1/jobs/{job_id}", marked)
        await page.clock.run_for("09:00")
        for link in (newest, result):
            await expect(link).to_have_attribute("href", re.compile("output-0.*#renewed$"))


async def test_the_log_follows_what_one_does(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await create_key(page, "to be seen in the log")
        await expect(page.locator("#log li").first).to_contain_text("created a key")


async def test_one_sees_where_one_is_signed_in_and_ends_it_there(
    chromium: Browser, site: Api
) -> None:
    await home_of(site, NAME, plan="pro")
    async with tab(chromium, site) as desk, tab(chromium, site, size=PHONE) as phone:
        await sign_in(desk, NAME, PASSWORD)
        await sign_in(phone, NAME, PASSWORD)
        await desk.reload()
        sessions = desk.locator("#sessions li")
        await expect(sessions.filter(has_text="this one")).to_have_count(1)
        others = desk.get_by_role("button", name="End all others")
        await expect(others).to_be_visible()
        await screenshot(desk, "account-sessions")

        await others.click()

        await expect(sessions).to_have_count(1)
        await expect(others).to_be_hidden()
        await phone.reload()
        await expect(phone.get_by_role("button", name="Sign in")).to_be_visible()


async def test_every_preset_is_whole(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    for size in (DESKTOP, PHONE):
        async with tab(chromium, site, size=size) as page:
            await sign_in(page, NAME, PASSWORD)
            cut = await page.evaluate(
                """() => {
                  const panel = document.querySelector("#preset-list").getBoundingClientRect();
                  return [...document.querySelectorAll("#preset-list label")].filter((label) => {
                    const { left, right } = label.getBoundingClientRect();
                    return left < panel.left - 0.5 || right > panel.right + 0.5;
                  }).length;
                }"""
            )
            assert cut == 0
            assert await page.locator("#preset-list label").count() == 13


async def test_the_chart_has_an_axis_and_keeps_its_height(chromium: Browser, site: Api) -> None:
    workspace = await home_of(site, NAME, plan="business")
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        box = await page.locator("#chart").bounding_box()
        assert box is not None
        assert 120 <= box["height"] <= 220
        marks = [int(mark) for mark in await page.locator("#chart-axis span").all_inner_texts()]
        assert marks == sorted(marks, reverse=True)
        assert marks[-1] == 0
        await page.get_by_text("Day by day").click()
        rows = await page.locator("#chart-table tr").all_inner_texts()
        charged = await site.database.ledger.find({"workspace": workspace}).to_list(None)
        assert sum(int(row.split()[-1]) for row in rows) == sum(row["units"] for row in charged)


async def test_what_is_copied_without_a_clipboard_is_selected(chromium: Browser, site: Api) -> None:
    async with tab(chromium, site) as page:
        # As on plain http from another host.
        await page.add_init_script(
            "Object.defineProperty(navigator, 'clipboard', { value: undefined })"
        )
        await page.goto("/developers")
        await page.locator("[data-copy=quick]").click()
        selected = await page.evaluate("String(getSelection())")
        assert selected.startswith("curl -X POST")
        await expect(page.locator("[data-copy=quick]")).to_have_text(re.compile("Copied|Ctrl"))


async def test_text_stands_out_in_every_state(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")
    for scheme in ("light", "dark"):
        async with tab(chromium, site, scheme=scheme) as page:
            await sign_in(page, NAME, PASSWORD)
            await create_key(page, f"revoked {scheme}")
            row = page.locator("#key-table tr", has_text=f"revoked {scheme}")
            await row.get_by_role("button", name="Revoke").click()
            await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
            await expect(row.get_by_text("revoked", exact=True)).to_be_visible()
            await page.get_by_label("Address").fill("http://example.com/")
            await page.get_by_role("button", name="Add", exact=True).click()
            await expect(page.locator("#webhook-form + .problem")).to_be_visible()
            await assert_accessible(page)
            await screenshot(page, f"account-states-{scheme}")


async def test_on_the_phone_every_page_is_one_tap_away(chromium: Browser, site: Api) -> None:
    async with tab(chromium, site, size=PHONE) as page:
        await page.goto("/account")
        for name in ("Developers", "Reference", "Account"):
            await expect(page.locator(".bar").get_by_role("link", name=name)).to_be_in_viewport()


async def test_a_refused_job_is_said_beside_the_playground(
    chromium: Browser, site: Api, photo: Path
) -> None:
    await home_of(site, NAME, plan="business")

    async def refuse(route: Route) -> None:
        problem = {"detail": "prompt: too odd.", "param": "prompt", "code": "invalid_request"}
        await route.fulfill(status=400, body=json.dumps(problem), content_type="application/json")

    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await choose(page, photo)
        await page.route("**/api/v1/generate", refuse)
        await page.get_by_role("button", name="Generate").click()
        await expect(page.locator("#play + .problem")).to_have_text("prompt: too odd.")
        assert await focused(page) == "prompt"
