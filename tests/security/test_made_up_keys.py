"""Made-up keys: so many an address, without asking the store again and again."""

from __future__ import annotations

from imagerift_core.api_keys import new_api_key

from tests.integration.api.browsers import with_token
from tests.integration.api.harness import Answer, Api, settings_of

PATH = "/api/v1/modes"


async def ask(api: Api, token: str, address: str) -> Answer:
    headers = with_token(token)["headers"] | {"X-Forwarded-For": address}
    return await api.call("GET", PATH, headers=headers)


async def test_an_address_that_makes_up_keys_is_refused_before_the_store_is_asked(
    environment: dict[str, str],
) -> None:
    settings = settings_of(environment, unidentified_requests_per_minute=5, forwarded_hops=1)
    async with Api(settings) as api:
        await api.until_ready()
        tenant, late = await api.tenant(), await api.tenant()
        assert (await ask(api, tenant.token, "198.51.100.7")).status == 200

        answers = [await ask(api, new_api_key().token, "198.51.100.7") for _ in range(7)]

        assert [answer.status for answer in answers] == [401] * 5 + [429] * 2
        assert answers[-1].body["code"] == "rate_limited"
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        # A key that this replica knows works from there all the same, and all do from elsewhere.
        assert (await ask(api, tenant.token, "198.51.100.7")).status == 200
        assert (await ask(api, late.token, "198.51.100.8")).status == 200
        # Whoever uses an unknown one there waits for the next minute.
        other = await api.tenant()
        assert (await ask(api, other.token, "198.51.100.7")).status == 429
