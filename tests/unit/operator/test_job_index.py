"""The index of resources: found by uid and by job id, and written to by nobody else."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from imagerift_operator.job_index import JobIndex

from tests.unit.operator.builders import make_record
from tests.unit.operator.test_job_entry import body
from tests.unit.operator.test_job_watch import ended


def resource(name: str, uid: str, *, by_api: bool = True, **spec: Any) -> dict[str, Any]:
    made = body()
    made["metadata"] |= {"name": name, "uid": uid}
    made["spec"] = made["spec"] | spec
    if not by_api:
        made["metadata"]["labels"] = {}
    return made


def test_nobody_else_writes_to_an_entry() -> None:
    entry = JobIndex().observe(body()).entry
    with pytest.raises(FrozenInstanceError):
        entry.phase = "Succeeded"  # type: ignore[misc]


def test_who_holds_an_entry_sees_the_news_of_it() -> None:
    index = JobIndex()
    held = index.observe(body()).entry
    news = ended()
    news["metadata"]["resourceVersion"] = "7"
    assert index.observe(news).entry is held
    assert (held.phase, held.version, held.ended) == ("Succeeded", "7", True)
    index.reopen(held)
    assert not held.ended


def test_only_the_first_look_is_news_and_only_the_first_cancel() -> None:
    index = JobIndex()
    first = index.observe(body())
    assert (first.is_new, first.asks_cancel) == (True, False)
    asked = index.observe(resource("job-1", "uid-1", cancel=True))
    assert (asked.is_new, asked.asks_cancel) == (False, True)
    again = index.observe(body())
    assert (again.is_new, again.asks_cancel, again.entry.cancel) == (False, False, True)


def test_an_api_job_is_found_by_its_name_and_a_hand_made_one_by_its_uid() -> None:
    index = JobIndex()
    api = index.observe(resource("job-1", "uid-1")).entry
    hand_made = index.observe(resource("mine", "uid-2", by_api=False)).entry
    assert index.by_job_id("job-1") is api
    assert index.by_job_id("uid-2") is hand_made
    assert index.by_job_id("mine") is None
    # The uid of a resource of the API's is no job's id.
    assert index.by_job_id("uid-1") is None
    assert index.by_uid("uid-1") is api
    assert index.by_uid(None) is None


def test_a_late_deletion_does_not_hide_the_resource_that_took_the_name() -> None:
    index = JobIndex()
    index.observe(resource("job-1", "uid-old"))
    new = index.observe(resource("job-1", "uid-new")).entry
    index.remove("uid-old")
    assert index.by_job_id("job-1") is new
    index.remove("uid-new")
    assert index.by_job_id("job-1") is None
    assert len(index) == 0
    assert index.remove("uid-new") is None


def test_only_what_nobody_takes_back_counts_as_missed() -> None:
    index = JobIndex()
    asked = resource("job-1", "uid-1", cancel=True)
    assert index.has_missed(body())
    entry = index.observe(ended()).entry
    # A listing may be older than what the watch has told.
    assert not index.has_missed(body())
    assert not index.has_missed(ended())
    assert index.has_missed(asked)
    index.observe(asked)
    assert entry.cancel
    assert not index.has_missed(asked)
    assert index.has_missed(ended())


def test_the_operators_own_ttl_stands_before_the_resources() -> None:
    assert JobIndex(ttl_override=5).observe(body()).entry.ttl_seconds == 5


def test_a_record_whose_resource_was_not_seen_is_known_as_it_must_look() -> None:
    index = JobIndex()
    record = make_record(resource_uid="uid-1", band=3)
    made_up = index.entry_for(record)
    assert (made_up.job_id, made_up.uid, made_up.band) == ("job-1", "uid-1", 3)
    assert len(index) == 0
    seen = index.observe(body()).entry
    assert index.entry_for(record) is seen
