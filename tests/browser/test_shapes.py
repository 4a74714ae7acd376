"""Several shapes of one result, asked for at the page by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import NAME, PASSWORD
from tests.browser.test_account_page import choose, focused, playground, sent_by
from tests.browser.test_pages import assert_accessible
from tests.browser.visitor import DESKTOP, PHONE, home_of, screenshot, sign_in, tab
from tests.integration.api.harness import Api


async def shapes_in(page: Page) -> list[str]:
    """What the added shapes are, as they stand in the form."""
    values: list[str] = await page.locator("#shapes select").evaluate_all(
        "selects => selects.map(({ value }) => value)"
    )
    return values


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_shapes_are_added_by_keyboard_and_their_cost_is_said_before_they_are_sent(
    chromium: Browser, site: Api, photo: Path, size: dict[str, int]
) -> None:
    async with playground(chromium, site, photo, size=size) as page:
        cost = page.get_by_role("status").filter(has_text="Costs")
        await expect(cost).to_have_text("Costs 1 unit.")
        await page.get_by_role("combobox", name="Shape", exact=True).select_option("1:1")
        add = page.get_by_role("button", name="Add another shape")
        for _ in range(2):
            await add.focus()
            await page.keyboard.press("Enter")
            assert await focused(page) == "shapeAspect"
        await page.get_by_role("combobox", name="Shape 3", exact=True).select_option("9:16")
        await page.get_by_role("combobox", name="Size of shape 3", exact=True).select_option("2k")
        await page.get_by_role("combobox", name="Format of shape 3", exact=True).select_option(
            "WebP"
        )
        await page.get_by_role("combobox", name="Pictures").select_option("2")
        await expect(cost).to_have_text("Costs 6 units: 2 pictures in each of 3 shapes.")
        await assert_accessible(page)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"]
        name = "phone" if size is PHONE else "desktop"
        await screenshot(page, f"account-shapes-{name}")

        second = (await shapes_in(page))[0]
        body = await sent_by(page, site)

        assert body["outputs"] == [
            {"aspect": "1:1", "size": "base", "format": "png"},
            {"aspect": second, "size": "base", "format": "png"},
            {"aspect": "9:16", "size": "2k", "format": "webp"},
        ]
        assert {"outputAspect", "exportSize", "outputFormat"}.isdisjoint(body)
        headings = page.locator("#play-pictures h3")
        await expect(headings).to_have_count(3)
        await expect(headings.last).to_have_text("9:16, 2K, 2,048 px, WebP")
        links = page.locator("#play-pictures h3:last-of-type + ul a")
        await expect(links).to_have_count(2)
        for link, index in ((links.first, 2), (links.last, 5)):
            await expect(link).to_have_attribute("href", re.compile(f"output-{index}"))
        await expect(links.last.locator("img")).to_have_attribute(
            "alt", "Picture 2, 9:16, 2K, 2,048 px, WebP"
        )
        await screenshot(page, f"account-shapes-made-{name}")


async def test_a_removed_shape_is_not_sent_and_one_alone_is_sent_as_ever(
    chromium: Browser, site: Api, photo: Path
) -> None:
    async with playground(chromium, site, photo) as page:
        add = page.get_by_role("button", name="Add another shape")
        await add.click()
        await add.click()
        kept = (await shapes_in(page))[3:]
        await page.get_by_role("button", name="Remove shape 2").click()
        assert await focused(page) == "add-shape"
        assert await shapes_in(page) == kept
        await expect(page.get_by_role("combobox", name="Shape 2", exact=True)).to_have_value(
            kept[0]
        )
        await page.get_by_role("button", name="Remove shape 2").click()
        body = await sent_by(page, site)
        assert "outputs" not in body
        assert (
            body["outputAspect"]
            == await page.get_by_role("combobox", name="Shape", exact=True).input_value()
        )


async def test_what_no_job_can_make_is_said_before_anything_is_sent(
    chromium: Browser, site: Api, photo: Path
) -> None:
    async with playground(chromium, site, photo) as page:
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        generate = page.get_by_role("button", name="Generate")
        add = page.get_by_role("button", name="Add another shape")
        await add.click()
        first = await page.get_by_role("combobox", name="Shape", exact=True).input_value()
        await page.get_by_role("combobox", name="Shape 2", exact=True).select_option(first)
        assert await fault_of(page, "shapeSize") == "Shape 2 is the same as shape 1."
        await generate.click()
        await page.get_by_role("combobox", name="Size of shape 2", exact=True).select_option("2k")
        assert await fault_of(page, "shapeSize") == ""

        while await add.is_visible():
            await add.click()
        assert await page.locator("#shapes li").count() == 7
        await page.get_by_role("combobox", name="Pictures").select_option("4")
        assert "24 at most" in await fault_of(page, "variations")
        await generate.click()
        assert [url for url in sent if url.endswith("/generate")] == []


async def test_a_shape_may_come_in_several_formats(
    chromium: Browser, site: Api, photo: Path
) -> None:
    async with playground(chromium, site, photo) as page:
        await page.get_by_role("combobox", name="Format", exact=True).select_option("AVIF")
        await page.get_by_role("button", name="Add another shape").click()
        await page.get_by_role("combobox", name="Shape 2", exact=True).select_option("source")
        second = page.get_by_role("combobox", name="Format of shape 2", exact=True)
        await expect(second).to_have_value("avif")
        assert await fault_of(page, "shapeSize") == "Shape 2 is the same as shape 1."
        await second.select_option("JPEG")
        assert await fault_of(page, "shapeSize") == ""
        body = await sent_by(page, site)
        assert body["outputs"] == [
            {"aspect": "source", "size": "base", "format": "avif"},
            {"aspect": "source", "size": "base", "format": "jpeg"},
        ]


async def test_the_format_is_one_of_the_mode_s_and_stays_where_another_mode_has_it(
    chromium: Browser, site: Api, photo: Path
) -> None:
    await home_of(site, NAME, plan="business")

    async def restricted(route: Route) -> None:
        """The server's answer, with a mode that makes drawings of one kind."""
        answer = await route.fetch()
        content = await answer.json()
        for mode in content["data"]:
            if mode["mode"] == "avatar":
                mode["outputFormats"] = ["png", "webp"]
        await route.fulfill(response=answer, body=json.dumps(content))

    async with tab(chromium, site) as page:
        await page.route("**/api/v1/modes", restricted)
        await sign_in(page, NAME, PASSWORD)
        await choose(page, photo)
        formats = page.get_by_role("combobox", name="Format", exact=True)
        assert await formats.locator("option").all_inner_texts() == ["PNG", "JPEG", "WebP", "AVIF"]
        await formats.select_option("WebP")
        mode = page.get_by_label("Mode")
        await mode.select_option("avatar")
        assert await formats.locator("option").all_inner_texts() == ["PNG", "WebP"]
        await expect(formats).to_have_value("webp")
        await mode.select_option("enhance")
        await formats.select_option("JPEG")
        await mode.select_option("avatar")
        await expect(formats).to_have_value("png")
        await mode.select_option("enhance")
        await formats.select_option("AVIF")

        assert (await sent_by(page, site))["outputFormat"] == "avif"


async def test_a_transparent_cutout_is_no_jpeg_before_it_has_a_background(
    chromium: Browser, site: Api, photo: Path
) -> None:
    await home_of(site, NAME, plan="business")
    told = "JPEG cannot be transparent: choose a background, or another format."
    async with tab(chromium, site) as page:
        await sign_in(page, NAME, PASSWORD)
        await choose(page, photo)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url))
        generate = page.get_by_role("button", name="Generate")
        formats = page.get_by_role("combobox", name="Format", exact=True)
        await page.get_by_label("Mode").select_option("cutout")
        assert await fault_of(page, "outputFormat") == ""
        await formats.select_option("JPEG")
        background = page.get_by_role("combobox", name="Background")
        for preset, ground, fault in (
            ("default", "by preset", told),
            ("transparent", "by preset", told),
            ("marketplace", "by preset", ""),
            ("marketplace", "transparent", told),
            ("transparent", "light grey", ""),
        ):
            await page.locator("#preset-list label", has_text=preset).click()
            await background.select_option(ground)
            assert await fault_of(page, "outputFormat") == fault, (preset, ground)
        await background.select_option("transparent")
        await generate.click()
        assert await focused(page) == "outputFormat"
        assert [url for url in sent if url.endswith("/generate")] == []

        await formats.select_option("WebP")
        await page.get_by_role("button", name="Add another shape").click()
        await page.get_by_role("combobox", name="Format of shape 2", exact=True).select_option(
            "JPEG"
        )
        assert await fault_of(page, "outputFormat") == ""
        assert await fault_of(page, "shapeFormat") == told
        await background.select_option("white")
        assert await fault_of(page, "shapeFormat") == ""

        body = await sent_by(page, site)

        assert [shape["format"] for shape in body["outputs"]] == ["webp", "jpeg"]
        assert body["cutout"] == {"background": "#ffffff"}


async def fault_of(page: Page, name: str) -> str:
    """What the browser says of the first field of that name when the form is sent."""
    message: str = await page.locator(f"[name={name}]").first.evaluate(
        "field => field.validationMessage"
    )
    return message


async def test_only_what_the_mode_can_is_offered(chromium: Browser, site: Api) -> None:
    await home_of(site, NAME, plan="business")

    async def restricted(route: Route) -> None:
        """The server's answer, as with models of an installation's own."""
        answer = await route.fetch()
        content = await answer.json()
        for mode in content["data"]:
            mode["oneAspect"] = mode["mode"] == "style"
            if mode["mode"] == "avatar":
                mode["maxOutputs"] = 0
        await route.fulfill(response=answer, body=json.dumps(content))

    async with tab(chromium, site) as page:
        await page.route("**/api/v1/modes", restricted)
        await sign_in(page, NAME, PASSWORD)
        add = page.get_by_role("button", name="Add another shape")
        await add.click()
        await page.get_by_role("combobox", name="Shape", exact=True).select_option("16:9")
        second = page.get_by_role("combobox", name="Shape 2", exact=True)
        await expect(second).to_be_disabled()
        await expect(second).to_have_value("16:9")
        await expect(
            page.get_by_role("combobox", name="Size of shape 2", exact=True)
        ).to_have_value("2k")

        await page.get_by_label("Mode").select_option("avatar")

        await expect(add).to_be_hidden()
        await expect(page.locator("#shapes li")).to_have_count(0)
