"""The public developer page, sentence by sentence: each test quotes the one that it holds us to.

Its calls run in real curl; only host, key, id and image differ.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from pymongo import MongoClient

from tests.e2e.account import ACCOUNT, Account, sign_in
from tests.e2e.pools import held_pool
from tests.e2e.printed_calls import GENERATE, POLL, POLL_ANY, SAMPLE_ANSWER, shell, types_of
from tests.e2e.tenant import Tenant
from tests.platform_under_test import CHECKOUT, PlatformUnderTest, wait_until

KEYS = f"{ACCOUNT}/keys"
AVATARS = ("anime", "cartoon3d", "oilpaint")


@pytest.fixture
def account(platform: PlatformUnderTest) -> Iterator[Account]:
    with httpx.Client(base_url=platform.api_url, timeout=120, trust_env=False) as http:
        yield sign_in(platform, http)


def usage(tenant: Tenant) -> dict[str, Any]:
    answer = tenant.request("GET", "/api/v1/usage")
    assert answer.status_code == 200, answer.text
    quota: dict[str, Any] = answer.json()["quota"]
    return quota


def stored_text(platform: PlatformUnderTest) -> str:
    """Everything in the database."""
    environment = platform.administrator
    with MongoClient[dict[str, Any]](environment["IMAGERIFT_MONGO_URL"]) as client:
        database = client[environment["IMAGERIFT_MONGO_DATABASE"]]
        names = database.list_collection_names()
        return "".join(str(document) for name in names for document in database[name].find())


def test_the_two_printed_calls_turn_a_photo_into_a_styled_picture(
    make_tenant: Callable[[str], Tenant], tmp_path: Path, photo: bytes
) -> None:
    """ "Quick call"; "Read the queued job response"; "Poll job status": "When the job succeeds,
    the status endpoint includes a temporary `downloadUrl`"."""
    tenant = make_tenant("business")
    values = {"host": tenant.platform.api_url, "key": tenant.token}
    image = base64.b64encode(photo).decode()
    queued = json.loads(shell(GENERATE.format(image=image, **values), tmp_path))

    types_of(SAMPLE_ANSWER, queued)
    assert queued["status"] == "queued"
    assert queued["statusUrl"] == f"/api/v1/jobs/{queued['jobId']}"
    assert queued["requestId"].startswith("req_")
    assert queued["quota"]["source"] == "plan"
    assert queued["quota"]["scope"] == "team"
    assert queued["quota"]["remaining"] == queued["quota"]["remainingAfterQueue"] == 3000
    assert (queued["quota"]["charged"], queued["quota"]["chargedOnSuccess"]) == (False, True)
    assert queued["rateLimit"] == {"remainingThisMinute": 119}

    def done() -> dict[str, object] | None:
        polled = json.loads(shell(POLL.format(job=queued["jobId"], **values), tmp_path))
        types_of(SAMPLE_ANSWER, polled)
        return polled if polled["status"] in {"succeeded", "failed", "canceled"} else None

    # A second apart, as the plan's 120 requests a minute allow.
    job = wait_until(done, seconds=60, every=1, what="the job is over")
    assert job["status"] == "succeeded", job["error"]
    assert job["quota"]["charged"] is True
    assert job["quota"]["remaining"] == 2999
    stages = job["metrics"]["stages"]
    assert all(value is not None and value >= 0 for value in stages.values()), stages
    assert 0 < stages["modelMs"] < sum(stages.values()) <= job["metrics"]["executionMs"]
    picture = subprocess.run(
        ["curl", "-sS", job["downloadUrl"]], capture_output=True, check=True, timeout=120
    ).stdout
    source, made = Image.open(io.BytesIO(photo)), Image.open(io.BytesIO(picture))
    assert made.format == "PNG"
    assert max(made.size) == 1024
    assert f'imagerift:seed="{job["seed"]}"' in made.info["XML:com.adobe.xmp"]
    assert f'imagerift:preset="{job["preset"]}"' in made.info["XML:com.adobe.xmp"]
    assert made.width / made.height == pytest.approx(source.width / source.height, rel=0.01)
    before = np.asarray(source.convert("RGB").resize((64, 64)), float)
    after = np.asarray(made.convert("RGB").resize((64, 64)), float)
    assert np.abs(before - after).mean() > 10

    assert job["thumbnailUrl"] == job["outputs"][0]["thumbnailUrl"]
    answer = tenant.http.get(job["thumbnailUrl"])
    assert answer.headers["content-type"] == "image/webp"
    assert max(Image.open(io.BytesIO(answer.content)).size) == 320
    assert tenant.request("DELETE", f"/api/v1/jobs/{job['jobId']}").status_code == 204
    assert tenant.http.get(job["thumbnailUrl"]).status_code == 404
    assert tenant.http.get(job["downloadUrl"]).status_code == 404


def test_a_download_link_is_short_lived_and_useless_without_its_signature(
    tenant: Tenant, small_photo: bytes
) -> None:
    """ "a short-lived download URL instead of exposing user R2 objects"."""
    job = tenant.wait_for(tenant.submitted(small_photo, mode="noop"))
    url = job["downloadUrl"]
    assert "X-Amz-Expires=600" in url
    assert tenant.http.get(url).status_code == 200
    assert tenant.http.get(url.split("?")[0]).status_code == 403
    assert tenant.http.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    bucket = url.split("/workspaces/")[0]
    for open_to_all in (
        bucket,
        f"{bucket}/workspaces/{tenant.workspace}/jobs/{job['jobId']}/source",
    ):
        assert tenant.http.get(open_to_all).status_code == 403


def test_a_full_token_is_shown_only_once(account: Account, tmp_path: Path) -> None:
    """ "Create and revoke API keys from Account. The full token is shown only once."."""
    account.set_plan("pro")
    made = account.request("POST", KEYS, json={"name": "shop"}).json()
    token, key_id = made["token"], made["key"]["keyId"]
    call = POLL_ANY.format(host=account.platform.api_url, key=token)
    assert shell(call, tmp_path).endswith(" 200")

    listed = account.request("GET", KEYS).text
    assert key_id in listed
    assert token not in listed + account.request("GET", f"{ACCOUNT}/log").text
    assert stored_text(account.platform).count(token) == 0

    assert account.request("DELETE", f"{KEYS}/{key_id}").status_code == 200
    wait_until(lambda: shell(call, tmp_path).endswith(" 401"), seconds=5, what="the key is refused")


@pytest.mark.parametrize(("plan", "limit"), [("pro", 30), ("business", 120)])
def test_a_minute_has_room_for_as_many_requests_as_the_plan_says(
    make_tenant: Callable[[str], Tenant], plan: str, limit: int
) -> None:
    """ "Pro: 30/min. Business: 120/min."."""

    def one_minute() -> list[int]:
        """The statuses of a new workspace's requests; none of them if another minute began."""
        tenant = make_tenant(plan)
        answers = [tenant.request("GET", "/api/v1/modes") for _ in range(limit + 2)]
        left = [int(answer.headers["RateLimit"].rpartition("t=")[2]) for answer in answers]
        whole = left == sorted(left, reverse=True)
        return [answer.status_code for answer in answers] if whole else []

    statuses = wait_until(one_minute, seconds=90, what="requests within one minute")
    assert statuses == [200] * limit + [429] * 2


def test_generations_count_and_polling_does_not(
    make_tenant: Callable[[str], Tenant], small_photo: bytes
) -> None:
    """ "Successful API generations count against Account quota."; "Polling a job consumes API
    rate limit only."."""
    tenant = make_tenant("pro")
    before = usage(tenant)
    assert (before["scope"], before["remaining"]) == ("account", 1000)
    job = tenant.wait_for(tenant.submitted(small_photo, mode="noop", variations=2))
    assert job["quota"]["scope"] == "account"
    polls = [tenant.request("GET", job["statusUrl"]) for _ in range(3)]
    left = [poll.json()["rateLimit"]["remainingThisMinute"] for poll in polls]
    assert left[0] - left[2] == 2 or left[2] >= 28, left
    after = usage(tenant)
    assert (after["charged"], after["reserved"], after["remaining"]) == (2, 0, 998)


def test_a_business_workspace_shares_one_quota(
    make_tenant: Callable[[str], Tenant], small_photo: bytes
) -> None:
    """ "Business workspace keys use shared team quota"."""
    first = make_tenant("business")
    key = first.platform.admin("key", "create", "--workspace", first.workspace, "--name", "b")
    second = replace(first, key_id=key["keyId"], token=key["token"])
    for colleague in (first, second):
        job = colleague.follow(colleague.submitted(small_photo, mode="noop"))
        assert job["quota"]["scope"] == "team"
    assert usage(first) == usage(second)
    assert usage(first)["charged"] == 2
    by_key = second.request("GET", "/api/v1/usage").json()["keys"]
    assert {row["keyId"]: row["units"] for row in by_key} == {first.key_id: 1, second.key_id: 1}


def test_a_failed_job_is_not_charged(tenant: Tenant, photo: bytes) -> None:
    """ "Failed jobs do not consume generation quota."."""
    body = {"mode": "avatar", "preset": "oilpaint", "prompt": ""}
    failed = tenant.wait_for(tenant.submitted(photo, **body))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "no_face_found")
    assert (failed["quota"]["charged"], failed["quota"]["reserved"]) == (False, 0)
    assert tenant.counters() == {"charged": 0, "reserved": 0, "ledger": 0}


@pytest.fixture(scope="module")
def works(make_tenant: Callable[[str], Tenant], photo: bytes) -> dict[str, tuple[Tenant, str]]:
    """The page's use cases and export sizes as jobs, all at once: models take their time."""
    shop, pro, business = (make_tenant(plan) for plan in ("load", "pro", "business"))
    selfie = (CHECKOUT / "docs/images/portrait.jpg").read_bytes()
    place = {"sizeBytes": len(selfie), "contentType": "image/jpeg"}
    form = shop.request("POST", "/api/v1/uploads", json=place).json()
    files = {"file": ("selfie.jpg", selfie, "image/jpeg")}
    assert shop.http.post(form["url"], data=form["fields"], files=files).status_code < 300
    source = {"mode": "avatar", "imageKey": form["imageKey"]}
    bodies = [source | {"preset": preset} for preset in AVATARS]
    batch = shop.request("POST", "/api/v1/batches", json={"jobs": bodies})
    assert batch.status_code == 202, batch.text
    square = {"mode": "enhance", "prompt": "", "outputAspect": "1:1"}
    return {
        name: (shop, job) for name, job in zip(AVATARS, batch.json()["jobIds"], strict=True)
    } | {
        "4k": (business, business.submitted(photo, exportSize="4k")),
        "2k": (pro, pro.submitted(photo, exportSize="2k")),
        "bulk": (shop, shop.submitted(photo, variations=5)),
        "enhance": (shop, shop.submitted(photo, **square)),
    }


def succeeded(works: dict[str, tuple[Tenant, str]], name: str) -> tuple[Tenant, dict[str, Any]]:
    tenant, job_id = works[name]
    job = tenant.follow(job_id)
    assert job["status"] == "succeeded", job["error"]
    return tenant, job


def test_five_pictures_come_of_one_product_photo(works: dict[str, tuple[Tenant, str]]) -> None:
    """ "Generate 5 styled variations from one product photo"."""
    tenant, job = succeeded(works, "bulk")
    pictures = [tenant.http.get(output["downloadUrl"]).content for output in job["outputs"]]
    assert len(set(pictures)) == job["quota"]["units"] == 5


def test_a_selfie_becomes_each_kind_of_avatar(works: dict[str, tuple[Tenant, str]]) -> None:
    """ "Turn user-uploaded selfies into anime, soft 3D cartoon, or oil-paint avatars"."""
    jobs = [succeeded(works, preset)[1] for preset in AVATARS]
    assert len({job["outputs"][0]["sha256"] for job in jobs}) == len(AVATARS)


def test_a_picture_is_enhanced_and_reframed(works: dict[str, tuple[Tenant, str]]) -> None:
    """ "Sharpen and reframe your CMS images on publish with the same source"."""
    _, job = succeeded(works, "enhance")
    assert (job["outputs"][0]["width"], job["outputs"][0]["height"]) == (1024, 1024)


def test_a_source_is_sent_or_named_and_the_answer_does_not_wait(
    tenant: Tenant, small_photo: bytes
) -> None:
    """ "or reuse a previously stored `imageKey` or `sourceGenerationId` from your account. The
    response is asynchronous."."""
    done = tenant.wait_for(tenant.submitted(small_photo, mode="noop"))
    again = {"mode": "noop", "prompt": "p"}
    for source in (
        {"imageKey": done["source"]["imageKey"]},
        {"sourceGenerationId": done["outputs"][0]["generationId"]},
        {"sourceGenerationId": done["jobId"]},
    ):
        answer = tenant.request("POST", "/api/v1/generate", json=again | source)
        assert (answer.status_code, answer.json()["status"]) == (202, "queued"), answer.text
        assert tenant.wait_for(answer.json()["jobId"])["status"] == "succeeded"


@pytest.mark.parametrize(("size", "edge"), [("2k", 2048), ("4k", 4096)])
def test_a_plan_exports_up_to_its_size(
    works: dict[str, tuple[Tenant, str]], small_photo: bytes, size: str, edge: int
) -> None:
    """ "Pro supports API access, priority queue, and 2K export permissions."; "Business supports
    higher API limits, team workspace, and 4K-class export permissions."."""
    tenant, job = succeeded(works, size)
    assert max(job["outputs"][0]["width"], job["outputs"][0]["height"]) == edge
    if size == "2k":
        refused = tenant.submit(small_photo, exportSize="4k")
        assert (refused.status_code, refused.json()["code"]) == (403, "export_not_permitted")
        assert usage(tenant)["charged"] == 1


def test_pro_and_business_go_first(
    make_tenant: Callable[[str], Tenant], account: Account, small_photo: bytes
) -> None:
    """ "Pro supports API access, priority queue"."""
    account.set_plan("free")
    pro, business = make_tenant("pro"), make_tenant("business")
    body = {"mode": "noop", "prompt": "p", "imageBase64": base64.b64encode(small_photo).decode()}
    with held_pool(account.platform) as let_one_at_a_time:
        queued = account.request("POST", "/api/v1/generate", json=body)
        assert queued.status_code == 202, queued.text
        path = queued.json()["statusUrl"]
        jobs = [(pro, pro.submitted(small_photo, mode="noop"))]
        jobs.append((business, business.submitted(small_photo, mode="noop")))
        wait_until(
            lambda: (
                all(tenant.job(job)["queue"]["reason"] for tenant, job in jobs)
                and account.request("GET", path).json()["queue"]["reason"]
            ),
            seconds=15,
            every=1,
            what="the scheduler knows of all three",
        )
        let_one_at_a_time()
        pro_at, business_at = (tenant.follow(job)["startedAt"] for tenant, job in jobs)
        wait_until(
            lambda: account.request("GET", path).json()["status"] == "succeeded",
            seconds=60,
            every=3,
            what="the free job is done",
        )
    free_at = account.request("GET", path).json()["startedAt"]
    assert business_at < pro_at < free_at, (business_at, pro_at, free_at)


@pytest.mark.parametrize("plan", ["free", "starter"])
def test_key_creation_is_locked(account: Account, tmp_path: Path, plan: str) -> None:
    """ "Free and Starter users can view this page, but API key creation is locked in Account."."""
    account.set_plan("pro")
    token = account.request("POST", KEYS, json={"name": "before"}).json()["token"]
    account.set_plan(plan)

    refused = account.request("POST", KEYS, json={"name": "k"})

    assert (refused.status_code, refused.json()["code"]) == (403, "api_access_locked")
    assert httpx.get(f"{account.platform.api_url}/developers", trust_env=False).status_code == 200
    assert account.request("GET", "/developers").status_code == 200
    call = POLL_ANY.format(host=account.platform.api_url, key=token)
    wait_until(lambda: shell(call, tmp_path).endswith(" 403"), seconds=5, what="keys are locked")


def test_the_pages_and_the_api_share_storage_quota_and_permissions(
    account: Account, small_photo: bytes
) -> None:
    """ "the same private storage, quotas, and plan permissions as the web app"."""
    account.set_plan("pro")
    token = account.request("POST", KEYS, json={"name": "program"}).json()["token"]
    program = Tenant(account.platform, account.http, account.workspace, "", token)
    image = base64.b64encode(small_photo).decode()
    body = {"mode": "noop", "prompt": "p", "imageBase64": image}
    charged = usage(program)["charged"]

    by_page = account.request("POST", "/api/v1/generate", json=body).json()["jobId"]
    by_program = program.submitted(small_photo, mode="noop")

    jobs = [program.follow(job_id) for job_id in (by_page, by_program)]
    assert usage(program)["charged"] == charged + 2
    shown = account.request("GET", f"{ACCOUNT}/overview").json()
    assert {by_page, by_program} <= {job["jobId"] for job in shown["generations"]}
    prefix = f"/workspaces/{account.workspace}/jobs/"
    assert all(prefix in job["downloadUrl"] for job in jobs)
    both = [
        account.request("POST", "/api/v1/generate", json=body | {"exportSize": "4k"}),
        program.submit(small_photo, mode="noop", exportSize="4k"),
    ]
    assert [answer.json()["code"] for answer in both] == ["export_not_permitted"] * 2
