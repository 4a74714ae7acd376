"""Plan and Mode resources on a real API server and a real database, look by look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from imagerift_core import clock
from imagerift_core.generation import GenerationSpec
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import ADMIN_COMMAND, INSTALLATION
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot, ServedMode
from imagerift_core.plans import Plan, load_plans
from imagerift_core.quota import period_end
from imagerift_core.tenant_resources import MODES, PLANS, WORKSPACES

from tests.integration.operator.tenants.cluster import (
    Body,
    Cluster,
    conditions,
    message,
)
from tests.support.cel_cases import MODE, PLAN
from tests.support.job_records import make_record


@pytest.fixture(autouse=True)
def known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagerift_core.catalogue.KNOWN_AFTER", timedelta(0))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is retired is known to be so everywhere right away."""
    monkeypatch.setattr("imagerift_core.catalogue.KNOWN_EVERYWHERE_AFTER", timedelta(0))


async def change_elsewhere(cluster: Cluster, name: str, **fields: Any) -> None:
    plan = Plan.model_validate(PLAN | fields).model_dump(mode="json", by_alias=True)
    await cluster.stores.catalogue.put("plan", name, plan, actor=ADMIN_COMMAND, at=clock.now())


async def ready(cluster: Cluster, plural: str, name: str, **spec: Any) -> Body:
    await cluster.apply(plural, name, **spec)
    body = await cluster.seen(plural, name)
    assert conditions(body)["Ready"] == ("True", "Offered"), body
    return body


async def test_a_plan_is_offered_beside_those_of_the_files(cluster: Cluster) -> None:
    # The workspace comes first, and waits for it.
    workspace = await cluster.apply(WORKSPACES, name="Acme", plan="gold")
    refused = await cluster.seen(WORKSPACES, workspace)
    assert conditions(refused) == {"Ready": ("False", "InvalidRequest")}
    body = await ready(cluster, PLANS, "gold", **PLAN)
    assert conditions(body)["OverridesFile"] == ("False", "NameNotInFiles")
    assert conditions(await cluster.seen(WORKSPACES, workspace))["Ready"] == ("True", "Open")
    assert await cluster.seen(PLANS, "gold") == body
    entries = await cluster.stores.account_log.page(INSTALLATION, before=None, limit=1)
    assert [(one.action, one.target, one.actor.name) for one in entries] == [
        ("plan.set", "gold", f"Plan {cluster.kube.namespace}/gold")
    ]


async def test_a_plan_is_ready_once_every_process_knows_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerift_core.catalogue.KNOWN_AFTER", timedelta(seconds=4))
    await cluster.apply(PLANS, "gold", **PLAN)
    added = await cluster.seen(PLANS, "gold")
    assert conditions(added)["Ready"] == ("False", "NotKnownYet")
    later = clock.now() + timedelta(seconds=4)
    monkeypatch.setattr("imagerift_operator.tenants.offers.now", lambda: later)
    assert conditions(await cluster.seen(PLANS, "gold"))["Ready"] == ("True", "Offered")
    # A change is no reason to say otherwise.
    await change_elsewhere(cluster, "gold", unitsPerMonth=5)
    monkeypatch.undo()
    assert conditions(await cluster.seen(PLANS, "gold"))["Ready"] == ("True", "Offered")


async def test_a_plan_that_was_changed_elsewhere_is_shown_or_reverted(cluster: Cluster) -> None:
    await ready(cluster, PLANS, "gold", **PLAN)
    await change_elsewhere(cluster, "gold", unitsPerMonth=5, keyDays=9)
    shown = await cluster.seen(PLANS, "gold")
    assert conditions(shown)["Drifted"] == ("True", "ChangedElsewhere")
    assert message(shown, "Drifted") == (
        "unitsPerMonth is 5, and 1000 in the spec; keyDays is 9, and none in the spec"
    )
    await cluster.apply(PLANS, "gold", onDrift="Revert")
    assert conditions(await cluster.seen(PLANS, "gold"))["Drifted"][0] == "False"
    await change_elsewhere(cluster, "gold", unitsPerMonth=6)
    assert conditions(await cluster.seen(PLANS, "gold"))["Drifted"][0] == "False"
    entry = await cluster.stores.catalogue.get("plan", "gold")
    assert entry is not None and entry.content["unitsPerMonth"] == 1000


async def test_one_in_the_place_of_the_files_says_so_and_goes_at_once(cluster: Cluster) -> None:
    workspace, _ = await cluster.workspace(plan="pro")
    body = await ready(cluster, PLANS, "pro", **PLAN | {"apiAccess": False})
    assert conditions(body)["OverridesFile"] == ("True", "NameInFiles")
    assert conditions(await cluster.seen(WORKSPACES, workspace))["Ready"][0] == "True"
    await cluster.delete(PLANS, "pro")
    await cluster.look()
    assert await cluster.found(PLANS, "pro") is None
    assert await cluster.stores.catalogue.get("plan", "pro") is None
    assert load_plans()["pro"].api_access
    assert conditions(await cluster.seen(WORKSPACES, workspace))["Ready"][0] == "True"


async def test_a_plan_stays_for_those_who_are_on_it_and_takes_nobody_more(
    cluster: Cluster, at_once: None
) -> None:
    await ready(cluster, PLANS, "gold", **PLAN)
    workspace, workspace_id = await cluster.workspace(plan="gold")
    await cluster.delete(PLANS, "gold")
    waiting = await cluster.seen(PLANS, "gold")
    assert conditions(waiting) == {"Ready": ("False", "InUse")}
    assert "1 workspace is on it" in message(waiting, "Ready")
    # Who is on it stays on it, as it was.
    cluster.controller.look_at_all()
    assert conditions(await cluster.seen(WORKSPACES, workspace))["Ready"] == ("True", "Open")
    late = await cluster.apply(WORKSPACES, name="Late", plan="gold")
    refused = await cluster.seen(WORKSPACES, late)
    assert conditions(refused) == {"Ready": ("False", "InvalidRequest")}
    await cluster.apply(WORKSPACES, workspace, plan="pro")
    await cluster.look()
    assert await cluster.found(PLANS, "gold") is None
    left = await cluster.stores.workspaces.get(workspace_id)
    assert left is not None and left.plan == "pro"


async def test_one_that_nothing_uses_goes_once_everybody_knows(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(cluster, PLANS, "gold", **PLAN)
    await cluster.delete(PLANS, "gold")
    waiting = await cluster.seen(PLANS, "gold")
    assert conditions(waiting) == {"Ready": ("False", "InUse")}
    later = clock.now() + timedelta(seconds=15)
    monkeypatch.setattr("imagerift_core.catalogue.now", lambda: later)
    await cluster.look()
    assert await cluster.found(PLANS, "gold") is None


async def test_a_plan_that_another_resource_holds_is_not_taken(cluster: Cluster) -> None:
    await change_elsewhere(cluster, "gold", unitsPerMonth=7)
    other = ManagedBy(namespace="elsewhere", name="gold", uid="u-1")
    assert await cluster.stores.catalogue.claim("plan", "gold", other, others=[])
    await cluster.apply(PLANS, "gold", **PLAN)
    refused = await cluster.seen(PLANS, "gold")
    assert conditions(refused) == {"Ready": ("False", "ManagedElsewhere")}
    assert "elsewhere/gold" in message(refused, "Ready")
    entry = await cluster.stores.catalogue.get("plan", "gold")
    assert entry is not None and entry.content["unitsPerMonth"] == 7
    # Who holds nothing takes nothing away.
    await cluster.delete(PLANS, "gold")
    await cluster.look()
    assert await cluster.stores.catalogue.get("plan", "gold") == entry


async def test_one_that_was_taken_away_elsewhere_comes_back(cluster: Cluster) -> None:
    await ready(cluster, PLANS, "gold", **PLAN)
    await cluster.stores.catalogue.retire("plan", "gold", actor=ADMIN_COMMAND, at=clock.now())
    await cluster.seen(PLANS, "gold")
    entry = await cluster.stores.catalogue.get("plan", "gold")
    assert entry is not None and entry.retired_at is None


async def test_a_name_that_no_job_could_give_is_refused(cluster: Cluster) -> None:
    await cluster.apply(MODES, "my.mode", **MODE)
    refused = await cluster.seen(MODES, "my.mode")
    assert conditions(refused) == {"Ready": ("False", "InvalidRequest")}
    await cluster.apply(MODES, "bare", **MODE | {"presetRequired": True, "presets": []})
    assert "needs presets" in message(await cluster.seen(MODES, "bare"), "Ready")


async def test_a_mode_stays_until_no_pool_serves_it_and_its_jobs_have_ended(
    cluster: Cluster, at_once: None
) -> None:
    await ready(cluster, MODES, "poster", **MODE)
    record = make_record(spec=GenerationSpec(mode="poster", prompt="a lighthouse"))
    await cluster.stores.admissions.admit(record, resets_at=period_end(record.created_at))
    served = SchedulerSnapshot(_id="shard-1", at=clock.now(), modes={"poster": ServedMode()})
    await cluster.stores.snapshots.write(served)

    await cluster.delete(MODES, "poster")
    waiting = await cluster.seen(MODES, "poster")
    assert conditions(waiting) == {"Ready": ("False", "InUse")}
    assert "pools in shard-1 serve it" in message(waiting, "Ready")
    await cluster.stores.snapshots.write(SchedulerSnapshot(_id="shard-1", at=clock.now()))
    assert "jobs of it have not ended" in message(await cluster.seen(MODES, "poster"), "Ready")
    await cluster.stores.jobs.cancel_queued(
        record.id, workspace=record.workspace, reason="canceled_by_user", at=clock.now()
    )
    await cluster.look()
    assert await cluster.found(MODES, "poster") is None
    assert await cluster.stores.catalogue.get("mode", "poster") is None
