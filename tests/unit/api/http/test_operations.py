"""What operations declare, and that nothing is served which declares too little."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from imagerift_api.app import build_application
from imagerift_api.http.answers import Reply
from imagerift_api.http.calls import Call
from imagerift_api.http.operations import OPERATIONS, Operation
from imagerift_api.jobs.schemas import JobPath
from imagerift_api.metrics import Metrics
from imagerift_api.settings import ApiSettings

# What the contract says, beside what the code declares: `test_access.py` holds the declared and
# the enforced together, and would go along with a declaration that is wrong.
CONTRACT = {
    "generate": "either jobs:write",
    "listJobs": "either jobs:read",
    "getJob": "either jobs:read",
    "cancelJob": "either jobs:cancel",
    "deleteJob": "either jobs:cancel",
    "jobEvents": "either jobs:read",
    "makeBatch": "either jobs:write",
    "getBatch": "either jobs:read",
    "cancelBatch": "either jobs:cancel",
    "makeUpload": "either uploads:write",
    "readUsage": "either usage:read",
    "listModes": "either",
    "openapi": "open",
    "docs": "open",
    "healthz": "open",
    "readyz": "open",
    "listSignInWays": "open",
    "signInWithPassword": "open",
    "signOut": "session",
    "getAccount": "session",
    "chooseWorkspace": "session",
    "listSessions": "session",
    "endOtherSessions": "session",
    "endSession": "session",
    "readAccountLog": "session log:read",
    "listKeys": "session",
    "createKey": "session keys:own",
    "rotateKey": "session keys:own",
    "revokeKey": "session",
    "listMembers": "session",
    "changeRole": "session",
    "removeMember": "session",
    "invite": "session",
    "acceptInvitation": "session",
    "withdrawInvitation": "session",
    "getOverview": "session",
    "listWebhooks": "either webhooks:manage",
    "createWebhook": "either webhooks:manage",
    "getWebhookSecret": "either webhooks:manage",
    "rotateWebhookSecret": "either webhooks:manage",
    "listDeliveries": "either webhooks:manage",
    "replayDelivery": "either webhooks:manage",
    "deleteWebhook": "either webhooks:manage",
    "adminListWorkspaces": "admin",
    "adminCreateWorkspace": "admin",
    "adminGetWorkspace": "admin",
    "adminChangeWorkspace": "admin",
    "adminListKeys": "admin",
    "adminCreateKey": "admin",
    "adminRevokeKey": "admin",
    "adminAddMember": "admin",
    "adminListPeople": "admin",
    "adminChangePerson": "admin",
    "adminEndSessions": "admin",
    "adminListWebhooks": "admin",
    "adminCreateWebhook": "admin",
    "adminDeleteWebhook": "admin",
    "adminPutPlan": "admin",
    "adminEndPlan": "admin",
    "adminReleasePlan": "admin",
    "adminPutMode": "admin",
    "adminEndMode": "admin",
    "adminReleaseMode": "admin",
    "adminListPlans": "admin",
    "adminListModes": "admin",
    "adminListAdministrators": "admin",
    "adminCreateAdministrator": "admin",
    "adminRevokeAdministrator": "admin",
    "adminReadLog": "admin",
}


def test_every_operation_declares_what_the_contract_says() -> None:
    metrics = Metrics()
    operations = build_application(ApiSettings.model_construct(), metrics)[OPERATIONS]
    metrics.close()

    declared = {
        operation.name: " ".join(
            filter(None, (operation.access, operation.scope, operation.permission))
        )
        for operation in operations
    }

    assert declared == CONTRACT


async def handler(_call: Call, path: JobPath) -> web.Response:
    return web.Response(text=path.job_id)


async def taking_too_much(_call: Call, path: JobPath, form: JobPath) -> web.Response:
    return web.Response(text=path.job_id + form.job_id)


async def taking_what_is_no_query(_call: Call, query: JobPath) -> web.Response:
    return web.Response(text=query.job_id)


async def taking_what_is_not_said(_call: Call, path) -> web.Response:  # type: ignore[no-untyped-def]
    return web.Response(text=path.job_id)


def operation(**declared: Any) -> Operation:
    about = {"name": "makeThing", "tag": "Things", "summary": "Make a thing"}
    served = {"method": "POST", "path": "/things/{job_id}", "handler": handler}
    return Operation(**{**about, **served, "replies": {204: Reply("Made.")}, **declared})


def test_an_operation_declares_who_may_call() -> None:
    assert operation(access="either", scope="jobs:write").path_model is JobPath
    with pytest.raises(TypeError, match="access"):
        operation(scope="jobs:write")


@pytest.mark.parametrize(
    "declared",
    [
        {"access": "anybody"},
        {"access": "open", "scope": "jobs:read"},
        {"access": "session", "scope": "jobs:read"},
        {"access": "either", "permission": "log:read"},
        {"access": "admin", "scope": "jobs:read"},
        {"access": "admin", "permission": "log:read"},
        {"access": "open", "handler": taking_too_much},
        {"access": "open", "handler": taking_what_is_no_query},
        {"access": "open", "handler": taking_what_is_not_said},
    ],
    ids=str,
)
def test_what_could_not_be_enforced_does_not_start(declared: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="makeThing"):
        operation(**declared)
