"""Webhooks, sent to a real receiver on loopback and verified with the public library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from imagerift_core import clock
from standardwebhooks.webhooks import WebhookVerificationError

from tests.integration.api.browsers import joined, signed_in
from tests.integration.api.harness import Answer, Api, Tenant, settings_of
from tests.integration.api.receiver import Receiver

WEBHOOKS = "/api/v1/webhooks"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@pytest.fixture
async def site(
    environment: dict[str, str], receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """A replica that may reach the receiver, and pauses shortly between tries."""
    monkeypatch.setattr(
        "imagerift_api.webhooks.worker.pause_after",
        lambda tries: timedelta(milliseconds=50) if tries < 5 else None,
    )
    # A database of its own: the workers of other replicas may not reach the receiver.
    name = f"{environment['IMAGERIFT_MONGO_DATABASE']}_hooks"
    settings = settings_of(environment, webhook_allowed_hosts=receiver.host, mongo_database=name)
    async with Api(settings) as replica:
        await replica.until_ready()
        yield replica
        await replica.database.jobs.database.client.drop_database(name)


async def call(site: Api, tenant: Tenant, method: str, path: str, **arguments: Any) -> Answer:
    return await site.call(method, path, headers=tenant.headers, **arguments)


async def webhook(site: Api, tenant: Tenant, url: str, **fields: Any) -> Any:
    answer = await call(site, tenant, "POST", WEBHOOKS, json={"url": url} | fields)
    assert answer.status == 201, answer.body
    return answer.body


async def ended_job(site: Api, tenant: Tenant, **fields: Any) -> str:
    """A job that ended canceled, which needs no operator."""
    accepted = await site.generate(tenant, **fields)
    assert accepted.status == 202, accepted.body
    job_id: str = accepted.body["jobId"]
    await site.stores.jobs.cancel(job_id, workspace=tenant.workspace, reason="r", at=clock.now())
    return job_id


async def log_of(site: Api, tenant: Tenant, state: str, count: int = 1) -> list[Any]:
    """The delivery log once it has `count` entries of `state`."""
    end = time.monotonic() + 100
    while True:
        answer = await call(site, tenant, "GET", f"{WEBHOOKS}/deliveries?state={state}")
        assert answer.status == 200, answer.body
        if len(answer.body["data"]) >= count:
            found: list[Any] = answer.body["data"]
            return found
        assert time.monotonic() < end, answer.body
        await asyncio.sleep(0.05)


async def test_a_webhook_hears_of_a_jobs_end_and_can_verify_it(
    site: Api, receiver: Receiver
) -> None:
    tenant = await site.tenant()
    made = await webhook(site, tenant, receiver.url())
    job_id = await ended_job(site, tenant, metadata={"order": "17"})

    (got,) = await receiver.until(1)

    content = got.verified_by(made["secret"])
    assert content["type"] == "job.canceled"
    assert content["data"]["jobId"] == job_id
    assert content["data"]["metadata"] == {"order": "17"}
    assert content["data"]["downloadUrl"] is None
    with pytest.raises(WebhookVerificationError):
        got.verified_by("whsec_" + "A" * 43 + "=")
    (entry,) = await log_of(site, tenant, "delivered")
    assert entry["deliveryId"] == got.headers["webhook-id"]
    assert entry["webhookId"] == made["webhook"]["webhookId"]
    assert [item["status"] for item in entry["tries"]] == [200]
    assert "receiver's own words" not in str(await site.database.deliveries.find().to_list(None))


async def test_a_jobs_own_address_is_signed_with_the_workspaces_secret(
    site: Api, receiver: Receiver
) -> None:
    tenant = await site.tenant()
    secret = (await call(site, tenant, "GET", f"{WEBHOOKS}/secret")).body["secret"]
    assert (await call(site, tenant, "GET", f"{WEBHOOKS}/secret")).body["secret"] == secret

    await ended_job(site, tenant, webhookUrl=receiver.url())
    (first,) = await receiver.until(1)
    assert first.verified_by(secret)["type"] == "job.canceled"

    fresh = (await call(site, tenant, "POST", f"{WEBHOOKS}/secret/rotate")).body["secret"]
    await ended_job(site, tenant, webhookUrl=receiver.url())
    second = (await receiver.until(2))[1]
    second.verified_by(fresh)
    with pytest.raises(WebhookVerificationError):
        second.verified_by(secret)


async def test_secrets_are_sealed_at_rest_and_only_shown_once(
    site: Api, receiver: Receiver
) -> None:
    tenant = await site.tenant()
    made = await webhook(site, tenant, receiver.url())
    secret = (await call(site, tenant, "GET", f"{WEBHOOKS}/secret")).body["secret"]

    listed = await call(site, tenant, "GET", WEBHOOKS)

    assert made["secret"] not in str(listed.body)
    for collection in (site.database.webhooks, site.database.webhook_secrets):
        text = str(await collection.find().to_list(None))
        assert made["secret"][6:] not in text
        assert secret[6:] not in text


async def test_a_failing_receiver_is_tried_again_under_the_same_id(
    site: Api, receiver: Receiver
) -> None:
    receiver.statuses = [500, 503, 204]
    tenant = await site.tenant()
    made = await webhook(site, tenant, receiver.url())
    await ended_job(site, tenant)

    got = await receiver.until(3)

    assert len({item.headers["webhook-id"] for item in got}) == 1
    for item in got:
        item.verified_by(made["secret"])
    (entry,) = await log_of(site, tenant, "delivered")
    assert [item["status"] for item in entry["tries"]] == [500, 503, 204]
    assert all(item["latencyMs"] >= 0 for item in entry["tries"])


async def test_after_the_last_try_a_delivery_has_failed_and_can_be_replayed(
    site: Api, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    tenant = await site.tenant()
    await webhook(site, tenant, receiver.url())
    await ended_job(site, tenant)
    (entry,) = await log_of(site, tenant, "failed")
    assert len(entry["tries"]) == 5
    assert entry["nextTryAt"] is None

    receiver.statuses = [200]
    path = f"{WEBHOOKS}/deliveries/{entry['deliveryId']}/replay"
    replayed = await call(site, tenant, "POST", path)

    assert (replayed.status, replayed.body["state"]) == (202, "pending")
    got = await receiver.until(6)
    assert got[-1].headers["webhook-id"] == entry["deliveryId"]
    await log_of(site, tenant, "delivered")


async def test_redirects_are_not_followed(site: Api, receiver: Receiver) -> None:
    receiver.statuses = [302, 307, 200]
    tenant = await site.tenant()
    await webhook(site, tenant, receiver.url())
    await ended_job(site, tenant)

    (entry,) = await log_of(site, tenant, "delivered")

    assert [item["status"] for item in entry["tries"]] == [302, 307, 200]
    assert {item.path for item in receiver.got} == {"/hook"}


async def test_410_turns_the_webhook_off(site: Api, receiver: Receiver) -> None:
    receiver.statuses = [410]
    tenant = await site.tenant()
    await webhook(site, tenant, receiver.url())
    await ended_job(site, tenant)
    await log_of(site, tenant, "failed")

    await ended_job(site, tenant)

    (listed,) = (await call(site, tenant, "GET", WEBHOOKS)).body["data"]
    assert listed["disabledReason"] == "gone"
    assert len(receiver.got) == 1
    assert len((await call(site, tenant, "GET", f"{WEBHOOKS}/deliveries")).body["data"]) == 1


async def test_a_silent_receiver_times_out(
    site: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerift_api.webhooks.worker.TRY_SECONDS", 0.2)
    await site.stop()
    receiver.hold = asyncio.Event()
    async with Api(site.settings) as hasty:
        await hasty.until_ready()
        tenant = await hasty.tenant()
        await webhook(hasty, tenant, receiver.url())
        await ended_job(hasty, tenant)
        (entry,) = await log_of(hasty, tenant, "failed")
    receiver.hold.set()
    assert {item["error"] for item in entry["tries"]} == {"timeout"}
    assert all(item["latencyMs"] >= 200 for item in entry["tries"])


async def test_a_delivery_outlives_the_process_that_tried_it(
    environment: dict[str, str], site: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replica stops in the middle of a try; another one takes over when the lease ends."""
    monkeypatch.setattr("imagerift_core.mongo.delivery_queue.LEASE_SECONDS", 1)
    receiver.hold = asyncio.Event()
    tenant = await site.tenant()
    made = await webhook(site, tenant, receiver.url())
    await ended_job(site, tenant)
    await receiver.until(1)
    await site.stop()
    receiver.hold.set()
    receiver.hold = None

    async with Api(site.settings) as heir:
        await heir.until_ready()
        got = await receiver.until(2)
        got[1].verified_by(made["secret"])
        (entry,) = await log_of(heir, tenant, "delivered")
        assert entry["deliveryId"] == got[0].headers["webhook-id"]


async def test_deleted_jobs_are_told_by_id_alone(site: Api, receiver: Receiver) -> None:
    receiver.statuses = [500, 200]
    tenant = await site.tenant()
    await webhook(site, tenant, receiver.url())
    job_id = await ended_job(site, tenant)
    await site.database.jobs.delete_one({"_id": job_id})

    got = await receiver.until(2)

    assert got[1].content["data"]["jobId"] == job_id
    assert got[1].content["data"]["deleted"] is True


async def test_a_proxy_of_the_environment_is_not_asked(
    environment: dict[str, str], receiver: Receiver, monkeypatch: pytest.MonkeyPatch, site: Api
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    tenant = await site.tenant()
    await webhook(site, tenant, receiver.url())
    await ended_job(site, tenant)
    await receiver.until(1)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost/",
        "https://127.1/",
        "https://169.254.169.254/latest/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://2852039166/",
    ],
)
async def test_addresses_inside_are_refused_when_they_are_named(api: Api, url: str) -> None:
    tenant = await api.tenant()

    made = await call(api, tenant, "POST", WEBHOOKS, json={"url": url})
    submitted = await api.generate(tenant, webhookUrl=url)

    for answer, param in ((made, "url"), (submitted, "webhookUrl")):
        assert (answer.status, answer.body["code"]) == (400, "invalid_request")
        assert answer.body["param"] == param
    assert await api.jobs_of(tenant) == 0
    assert await api.stored(tenant) == []


async def test_an_address_that_turned_bad_is_refused_when_it_is_sent_to(
    site: Api, environment: dict[str, str], receiver: Receiver
) -> None:
    """The exception was taken back: what was accepted under it goes nowhere any more."""
    tenant = await site.tenant()
    receiver.statuses = [500]
    await webhook(site, tenant, receiver.url())
    await site.stop()
    strict = settings_of(environment, mongo_database=site.settings.mongo_database)
    async with Api(strict) as replica:
        await replica.until_ready()
        await ended_job(replica, tenant)
        (entry,) = await log_of(replica, tenant, "failed")
    assert [item["error"] for item in entry["tries"]] == ["refused"]
    assert receiver.got == []


async def test_a_workspace_sees_and_touches_its_own_webhooks_alone(
    site: Api, receiver: Receiver
) -> None:
    ada, eve = await site.tenant(), await site.tenant()
    made = await webhook(site, ada, receiver.url())
    await ended_job(site, ada)
    (entry,) = await log_of(site, ada, "delivered")

    webhook_path = f"{WEBHOOKS}/{made['webhook']['webhookId']}"
    replay_path = f"{WEBHOOKS}/deliveries/{entry['deliveryId']}/replay"
    deleted = await call(site, eve, "DELETE", webhook_path)
    replayed = await call(site, eve, "POST", replay_path)

    assert (deleted.status, deleted.body["code"]) == (404, "webhook_not_found")
    assert (replayed.status, replayed.body["code"]) == (404, "delivery_not_found")
    assert (await call(site, eve, "GET", WEBHOOKS)).body["data"] == []
    assert (await call(site, eve, "GET", f"{WEBHOOKS}/deliveries")).body["data"] == []
    await ended_job(site, eve)
    assert (await call(site, ada, "DELETE", webhook_path)).status == 204
    assert (await call(site, ada, "GET", WEBHOOKS)).body["data"] == []
    assert len(receiver.got) == 1


async def test_webhooks_need_their_scope_and_their_role(site: Api, receiver: Receiver) -> None:
    tenant = await site.tenant(scopes=("jobs:read", "jobs:write"))
    refused = await call(site, tenant, "GET", WEBHOOKS)
    assert (refused.status, refused.body["code"]) == (403, "insufficient_scope")
    owner = await signed_in(site)
    member = await joined(site, owner, "member")
    assert (await member.call("GET", WEBHOOKS)).status == 403
    body = {"url": receiver.url(), "events": ["job.failed"]}
    assert (await owner.call("POST", WEBHOOKS, json=body)).status == 201
    assert (await owner.log())[0]["action"] == "webhook.created"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "https://e.example/" + "x" * 2048}, "url"),
        ({"url": "https://1.1.1.1/", "events": []}, "events"),
        ({"url": "https://1.1.1.1/", "events": ["job.started"]}, "events.0"),
        ({"url": "https://1.1.1.1/", "secret": "mine"}, "secret"),
    ],
    ids=str,
)
async def test_a_webhook_that_is_asked_for_wrongly_is_refused(
    api: Api, tenant: Tenant, body: dict[str, Any], param: str
) -> None:
    answer = await call(api, tenant, "POST", WEBHOOKS, json=body)
    assert (answer.status, answer.body["param"]) == (400, param)


async def test_a_workspace_has_at_most_twenty_webhooks(api: Api, tenant: Tenant) -> None:
    answers = await asyncio.gather(
        *(
            call(api, tenant, "POST", WEBHOOKS, json={"url": f"https://1.1.1.1/{n}"})
            for n in range(23)
        )
    )
    assert sorted(answer.status for answer in answers) == [201] * 20 + [400] * 3


async def test_no_secret_and_no_address_of_a_webhook_is_in_any_log(
    site: Api, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.statuses = [500, 200]
    owner = await signed_in(site)
    key = await owner.create_key()
    tenant = await site.tenant()
    made = await webhook(site, tenant, receiver.url("/canary-path"))
    await call(site, tenant, "POST", WEBHOOKS, json={"url": "https://127.0.0.1/canary-path"})
    await ended_job(site, tenant, prompt="canary-prompt")
    await log_of(site, tenant, "delivered")

    logs = "".join(capfd.readouterr())

    assert "webhook_tried" in logs
    assert "webhook_url_refused" in logs
    secrets = (made["secret"], key["token"], tenant.token, owner.cookie, owner.csrf)
    for canary in (*secrets, "canary-path", "canary-prompt"):
        assert canary not in logs
