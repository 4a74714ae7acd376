"""What the feed believes of a resource, and what only the record may tell."""

from __future__ import annotations

from typing import Any

import pytest
from imagerift_operator.entries import Entry
from imagerift_operator.job_feed import JobFeed
from imagerift_operator.scheduler import Scheduler

from tests.unit.operator.test_entries import body

NOTHING: Any = None


class Deletions:
    """Keeps which resources are due to be deleted."""

    def __init__(self) -> None:
        self.due: list[str] = []

    def delete_later(self, entry: Entry) -> None:
        self.due.append(entry.uid)


class Follower:
    leading = False


@pytest.fixture
def deletions() -> Deletions:
    return Deletions()


@pytest.fixture
def feed(deletions: Deletions) -> JobFeed:
    writer: Any = deletions
    follower: Any = Follower()
    return JobFeed(
        database=NOTHING,
        scheduler=Scheduler(),
        dispatcher=NOTHING,
        writer=writer,
        admission=NOTHING,
        terms=NOTHING,
        leadership=follower,
        ttl_override=None,
    )


def ended(**changes: Any) -> dict[str, Any]:
    status = {"phase": "Succeeded", "finishedAt": "2026-11-22T12:00:05Z"}
    return body(status=status, **changes)


def test_an_end_that_only_the_resource_tells_of_does_not_have_it_deleted(
    feed: JobFeed, deletions: Deletions
) -> None:
    feed.observe("MODIFIED", ended())
    assert deletions.due == []
    (entry,) = feed.entries.values()
    assert entry.ended and not entry.verified


def test_an_end_that_the_operator_wrote_does(feed: JobFeed, deletions: Deletions) -> None:
    feed.observe("MODIFIED", ended())
    (entry,) = feed.entries.values()
    entry.verified = True
    feed.observe("MODIFIED", ended())
    assert deletions.due == [entry.uid]


def test_only_what_nobody_takes_back_counts_as_missed(feed: JobFeed) -> None:
    asked = body()
    asked["spec"] = asked["spec"] | {"cancel": True}
    assert feed.has_missed(body())
    feed.observe("MODIFIED", ended())
    # A listing may be older than what the watch has told.
    assert not feed.has_missed(body())
    assert not feed.has_missed(ended())
    assert feed.has_missed(asked)
    (entry,) = feed.entries.values()
    entry.phase, entry.cancel = "Queued", True
    assert not feed.has_missed(asked)
    assert feed.has_missed(ended())
