"""What the operator reads from a resource as the watch delivers it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from imagerift_core.resources import build_generation_job
from imagerift_operator.job_entry import entry_of

from tests.unit.operator.builders import START, make_record


def body(**changes: Any) -> dict[str, Any]:
    resource = build_generation_job(make_record())
    resource["metadata"] |= {"uid": "uid-1", "creationTimestamp": "2026-11-22T12:00:00Z"}
    return resource | changes


def test_an_api_resource_is_known_by_its_name() -> None:
    entry = entry_of(body())
    assert (entry.job_id, entry.uid, entry.by_api) == ("job-1", "uid-1", True)
    assert entry.target == "*/style/base"
    assert entry.created_at == START
    assert not entry.ended and entry.delete_at is None


def test_a_hand_made_resource_is_known_by_its_uid() -> None:
    resource = body()
    resource["metadata"]["labels"] = {}
    entry = entry_of(resource)
    assert (entry.job_id, entry.name, entry.by_api) == ("uid-1", "job-1", False)


def test_an_ended_resource_is_due_after_its_ttl() -> None:
    status = {"phase": "Succeeded", "finishedAt": "2026-11-22T12:00:10.500Z"}
    entry = entry_of(body(status=status))
    assert entry.ended
    assert entry.delete_at == START + timedelta(seconds=310.5)


@pytest.mark.parametrize("finished", ["soon", "", "2026-13-01T00:00:00Z", 7, None, {}])
def test_a_time_that_is_none_is_not_there(finished: Any) -> None:
    entry = entry_of(body(status={"phase": "Succeeded", "finishedAt": finished}))
    assert (entry.ended, entry.finished_at) == (True, None)
    assert entry.delete_at == START + timedelta(seconds=300)


@pytest.mark.parametrize(
    ("finished", "year"),
    [
        ("9999-12-31T23:59:59Z", 2200),
        ("9999-12-31T23:59:59-12:00", None),
        ("0001-01-01T00:00:00Z", 1970),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-11-22T12:00:00", 2026),
    ],
)
def test_a_time_beyond_all_bounds_breaks_nothing(finished: str, year: int | None) -> None:
    entry = entry_of(body(status={"phase": "Succeeded", "finishedAt": finished}))
    assert (entry.finished_at.year if entry.finished_at else None) == year
    assert entry.delete_at is not None


def test_a_record_of_another_workspace_or_resource_is_not_its_own() -> None:
    entry = entry_of(body())
    assert entry.matches(make_record())
    assert entry.matches(make_record(resource_uid="uid-1"))
    assert not entry.matches(make_record(resource_uid="uid-2"))
    assert not entry.matches(make_record(workspace="ws_other"))


def test_a_ttl_of_another_version_does_not_overflow() -> None:
    resource = body(status={"phase": "Succeeded", "finishedAt": "2199-12-31T23:59:59Z"})
    resource["spec"]["ttlSecondsAfterFinished"] = 2**62
    assert entry_of(resource).delete_at is not None


def test_a_phase_of_another_version_is_no_end() -> None:
    entry = entry_of(body(status={"phase": "Paused", "later": {"a": 1}}))
    assert not entry.ended and entry.delete_at is None


def test_a_job_of_several_outputs_counts_each_picture_and_wants_the_largest_size() -> None:
    resource = body()
    resource["spec"] |= {"variations": 2}
    resource["spec"]["outputs"] = [{"aspect": "1:1"}, {"size": "4k"}, {"size": "2k"}]
    entry = entry_of(resource)
    assert (entry.units, entry.target, entry.of_one_size) == (6, "*/style/4k/aspects", False)
    resource["spec"]["outputs"] = [{"size": "2k", "aspect": "1:1"}, {"size": "2k"}]
    entry = entry_of(resource)
    assert (entry.units, entry.target, entry.of_one_size) == (4, "*/style/2k/aspects", True)
