"""What the status of a tenant's resource says, and when it is written."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from imagerift_core.api_keys import key_id_of, new_token_of
from imagerift_core.errors import WorkspaceNotFound
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.tenant_resources import (
    WorkspaceSpec,
    is_same_moment,
    key_id_of_resource,
    workspace_id_of,
)
from imagerift_core.tenants import WorkspaceWish
from imagerift_operator.settings import OperatorSettings
from imagerift_operator.tenants.status import Outcome, as_applied, ready, refused, status_of
from pydantic import ValidationError

UID = "2b9a2f6e-6a0e-4d4f-9d0d-0f6a3d0a4c11"


def body(status: dict[str, Any] | None = None, generation: int = 1) -> dict[str, Any]:
    metadata = {"uid": UID, "generation": generation}
    return {"metadata": metadata} | ({"status": status} if status else {})


def test_what_the_object_says_already_is_not_written() -> None:
    outcome = Outcome([ready("Open", "words"), as_applied()], {"plan": "pro", "gone": None})
    first = status_of(body(), outcome)
    assert first is not None
    assert (first["plan"], first["observedGeneration"], "gone" in first) == ("pro", 1, False)
    later = Outcome([ready("Open", "words"), as_applied()], {"plan": "pro"})
    assert status_of(body(first), later) is None
    changed = status_of(body(first, generation=2), later)
    assert changed is not None and changed["observedGeneration"] == 2


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    long_ago = ready("Open", "before") | {"lastTransitionTime": "2020-01-01T00:00:00Z"}
    said = body({"conditions": [long_ago]})
    same = status_of(said, Outcome([ready("Open", "after")]))
    assert same is not None
    assert same["conditions"][0]["lastTransitionTime"] == "2020-01-01T00:00:00Z"
    other = status_of(said, refused(WorkspaceNotFound("There is none.")))
    assert other is not None
    (condition,) = other["conditions"]
    assert condition["reason"] == "WorkspaceNotFound"
    assert condition["lastTransitionTime"] != "2020-01-01T00:00:00Z"


def test_a_refusal_keeps_what_was_said_of_the_rest() -> None:
    status = status_of(body({"workspaceId": "ws_a"}), refused(WorkspaceNotFound("None.")))
    assert status is not None and status["workspaceId"] == "ws_a"


def test_ids_follow_from_uids_and_are_told_apart() -> None:
    uids = [UID, *(str(uuid.UUID(int=number)) for number in (0, 1, 2**128 - 1))]
    for made in (workspace_id_of, key_id_of_resource):
        assert len({made(uid) for uid in uids}) == len(uids)
        assert made(UID) == made(UID)
    WorkspaceSpec.model_validate({"workspaceId": workspace_id_of(UID), "name": "n", "plan": "p"})
    # A token of that key is one that the API takes.
    assert key_id_of(new_token_of(key_id_of_resource(UID)).token) == key_id_of_resource(UID)


def test_a_wish_differs_in_what_it_names_alone() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    workspace = Workspace(_id="ws_a", name="A", plan="pro", created_at=moment)
    assert WorkspaceWish().differences(workspace) == {}
    assert WorkspaceWish("A", "pro", False).differences(workspace) == {}
    assert WorkspaceWish("B", suspended=True).differences(workspace) == {
        "name": ("B", "A"),
        "suspended": (True, False),
    }


def test_times_are_compared_as_the_store_keeps_them() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert is_same_moment(moment, moment.replace(microsecond=999))
    assert not is_same_moment(moment, moment.replace(microsecond=1000))
    assert is_same_moment(None, None) and not is_same_moment(moment, None)


def test_tenants_are_followed_only_with_the_pepper() -> None:
    needed: dict[str, Any] = {
        "mongo_url": "mongodb://h/",
        "s3_internal_url": "http://s3",
        "s3_public_url": "http://s3",
    }
    with pytest.raises(ValidationError, match="TENANTS needs KEY_PEPPER"):
        OperatorSettings(**needed, tenants=True)
    assert OperatorSettings(**needed, tenants=True, key_pepper="5e" * 32).tenants
    assert not OperatorSettings(**needed).tenants
