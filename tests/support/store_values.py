"""A value of each type that the store's functions ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from io import BytesIO
from typing import IO, Any

from imagerift_core import object_keys
from imagerift_core.ids import new_job_id
from imagerift_core.jobs import JobRecord, QuotaReservation
from imagerift_core.managed_by import ManagedBy
from imagerift_core.mongo.account_log import ADMIN_COMMAND, Actor, LogEntry
from imagerift_core.mongo.administrators import Administrator
from imagerift_core.mongo.catalogue import Entry, Kind
from imagerift_core.mongo.claims import Claim
from imagerift_core.mongo.deliveries import Delivery, DeliveryState, Try
from imagerift_core.mongo.invitations import Invitation
from imagerift_core.mongo.job_lists import JobFilter
from imagerift_core.mongo.keys import ApiKey, NewSecret
from imagerift_core.mongo.members import Member
from imagerift_core.mongo.people import Person
from imagerift_core.mongo.rate_limited_reads import Poll
from imagerift_core.mongo.scheduler_snapshot import SchedulerSnapshot
from imagerift_core.mongo.sessions import AccountSession
from imagerift_core.mongo.uploads import Upload
from imagerift_core.mongo.webhooks import Webhook
from imagerift_core.mongo.workspaces import Workspace
from imagerift_core.roles import Role
from imagerift_core.settlement_rules import Settlement

from tests.support.job_records import ACCEPTED_AT as AT
from tests.support.job_records import WORKSPACE, broken, make_record

RECORD = make_record()
PERSON = Person(
    _id="person_1", issuer="https://id", subject="ada", name="Ada", created_at=AT, home=WORKSPACE
)
DELIVERY = Delivery(
    _id="msg_1",
    workspace=WORKSPACE,
    job=RECORD.id,
    event="job.succeeded",
    target="wh_1",
    url="https://there/",
    created_at=AT,
    next_at=AT,
)
VALUES: dict[Any, Any] = {
    JobFilter: JobFilter(workspace=WORKSPACE),
    str: "x",
    str | None: "x",
    int | None: 1,
    int: 1,
    bool: True,
    bytes: b"x",
    IO[bytes]: BytesIO(),
    datetime: AT,
    date: AT.date(),
    list[str]: ["x"],
    Sequence[str]: ["x"],
    Mapping[str, str]: {RECORD.id: "uid"},
    datetime | None: AT,
    tuple[datetime, str] | None: (AT, "x"),
    Role: "owner",
    Actor: ADMIN_COMMAND,
    LogEntry: LogEntry(workspace=WORKSPACE, at=AT, actor=ADMIN_COMMAND, action="key.created"),
    Workspace: Workspace(_id=WORKSPACE, name="W", plan="free", created_at=AT),
    ApiKey: ApiKey(
        _id="key_1",
        workspace=WORKSPACE,
        name="K",
        token_hash="h",
        prefix="p",
        last_four="1234",
        scopes=[],
        created_at=AT,
    ),
    ManagedBy: ManagedBy(namespace="n", name="w", uid="u"),
    Kind: "plan",
    dict[str, Any]: {},
    Entry: Entry(_id="plan/x", kind="plan", name="x", content={}, changed_at=AT),
    Administrator: Administrator(
        _id="adm_1", name="A", token_hash="h", last_four="1234", created_at=AT, created_by="x"
    ),
    Collection[str]: ["x"],
    NewSecret: NewSecret(token_hash="h", last_four="1234"),
    Person: PERSON,
    Member: Member(workspace=WORKSPACE, person=PERSON.id, role="owner", added_at=AT),
    Invitation: Invitation(
        _id="inv_1",
        workspace=WORKSPACE,
        role="member",
        token_hash="h",
        invited_by=PERSON.id,
        created_at=AT,
        expires_at=AT,
    ),
    AccountSession: AccountSession(
        _id="ses_1", person="usr_1", created_at=AT, expires_at=AT, last_used_at=AT
    ),
    Webhook: Webhook(
        _id="wh_1", workspace=WORKSPACE, url="https://there/", events=[], secret=b"s", created_at=AT
    ),
    Delivery: DELIVERY,
    Sequence[Delivery]: [DELIVERY],
    DeliveryState: "pending",
    DeliveryState | None: "pending",
    Try: Try(at=AT, status=200, latency_ms=1),
    Upload: Upload(
        _id="upl_1",
        workspace=WORKSPACE,
        namespace="n",
        key="k",
        content_type="image/png",
        size_bytes=1,
        created_at=AT,
        expires_at=AT,
    ),
    SchedulerSnapshot: SchedulerSnapshot(_id="n", at=AT, places={}),
    QuotaReservation: RECORD.quota,
    JobRecord: RECORD,
    Sequence[JobRecord]: [RECORD],
    Sequence[Settlement]: [broken(RECORD)],
    Sequence[Claim]: [Claim(RECORD.id, 0, "owner", "pool", "uid", AT, AT)],
    Poll: Poll(subject=WORKSPACE, limit=1, at=AT, job_id=RECORD.id, workspace=WORKSPACE),
}
# Where only a certain one gets as far as the store.
SPECIAL_VALUES = {
    "database.connect": {"url": "mongodb://"},
    "jobs.JobStore.source_of": {"key": object_keys.source_key("x", new_job_id())},
}
