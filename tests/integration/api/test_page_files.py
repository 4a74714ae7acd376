"""The pages as they are served."""

from __future__ import annotations

import re

import pytest

from tests.integration.api.browsers import signed_in
from tests.integration.api.harness import Api, settings_of


@pytest.mark.parametrize("path", ["/developers", "/account"])
async def test_a_page_loads_nothing_from_elsewhere(api: Api, path: str) -> None:
    page = await api.call("GET", path)
    assert page.status == 200
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.body):
        assert address.startswith(("/", "#")), address
        if address.startswith("/static/"):
            async with api.http.get(address) as asset:
                assert asset.status == 200, address
    assert "style=" not in page.body
    assert "{{" not in page.body


async def test_files_are_checked_by_their_etag(api: Api) -> None:
    first = await api.call("GET", "/static/base.css")
    again = await api.call(
        "GET", "/static/base.css", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (first.status, again.status) == (200, 304)
    assert first.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["developers.html", "..%2Fdocuments.py", "%252e%252e", "none.css", "documents.py"]
)
async def test_nothing_else_is_served(api: Api, name: str) -> None:
    assert (await api.call("GET", f"/static/{name}")).status == 404


async def test_a_host_that_somebody_sends_is_only_ever_text(api: Api) -> None:
    page = await api.call("GET", "/developers", headers={"Host": 'x"><script>alert(1)</script>'})
    assert "<script>alert" not in page.body


async def test_the_public_address_is_the_one_shown(environment: dict[str, str]) -> None:
    async with Api(settings_of(environment, public_url="https://images.example.com")) as site:
        await site.until_ready()
        page = await site.call("GET", "/developers")
        assert "https://images.example.com/api/v1/generate" in page.body
        assert site.base_url not in page.body


async def test_the_overview_is_of_ones_own_workspace(api: Api) -> None:
    ada = await signed_in(api, plan="free")
    overview = await ada.call("GET", "/api/v1/account/overview")
    assert overview.status == 200
    assert overview.body["quota"]["limit"] == api.plans["free"].units_per_month
    assert len(overview.body["days"]) == 30
    assert overview.body["generations"] == []
