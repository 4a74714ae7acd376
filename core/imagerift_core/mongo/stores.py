"""The stores of one database, each made once for a process."""

from __future__ import annotations

from imagerift_core.mongo.abandoned import AbandonedTransactions
from imagerift_core.mongo.account_log import AccountLogStore
from imagerift_core.mongo.administrators import AdministratorStore
from imagerift_core.mongo.admission import Admissions
from imagerift_core.mongo.audit import QuotaAudit
from imagerift_core.mongo.batches import BatchStore
from imagerift_core.mongo.catalogue import CatalogueStore
from imagerift_core.mongo.database import Database
from imagerift_core.mongo.deliveries import DeliveryStore
from imagerift_core.mongo.delivery_queue import DeliveryQueue
from imagerift_core.mongo.idempotency import IdempotencyKeyStore
from imagerift_core.mongo.invitations import InvitationStore
from imagerift_core.mongo.job_changes import JobChangeStream
from imagerift_core.mongo.jobs import JobStore
from imagerift_core.mongo.keys import KeyStore
from imagerift_core.mongo.members import MemberStore
from imagerift_core.mongo.people import PersonStore
from imagerift_core.mongo.rate_limit import RateWindowStore
from imagerift_core.mongo.rate_limited_reads import RateLimitedReads
from imagerift_core.mongo.scheduler_snapshot import SnapshotStore
from imagerift_core.mongo.sessions import SessionStore
from imagerift_core.mongo.settlement import Settlements
from imagerift_core.mongo.stream_leases import StreamLeaseStore
from imagerift_core.mongo.uploads import UploadStore
from imagerift_core.mongo.usage import UsageStore
from imagerift_core.mongo.webhooks import WebhookStore
from imagerift_core.mongo.workspaces import WorkspaceStore


class Stores:
    """Whoever needs one is handed that one; only what goes through many is handed all."""

    def __init__(self, database: Database) -> None:
        self.abandoned = AbandonedTransactions(database)
        self.account_log = AccountLogStore(database)
        self.administrators = AdministratorStore(database)
        self.admissions = Admissions(database)
        self.audit = QuotaAudit(database)
        self.batches = BatchStore(database)
        self.catalogue = CatalogueStore(database)
        self.deliveries = DeliveryStore(database)
        self.delivery_queue = DeliveryQueue(database)
        self.idempotency_keys = IdempotencyKeyStore(database)
        self.invitations = InvitationStore(database)
        self.job_changes = JobChangeStream(database)
        self.jobs = JobStore(database)
        self.keys = KeyStore(database)
        self.members = MemberStore(database)
        self.people = PersonStore(database)
        self.rate_limited_reads = RateLimitedReads(database)
        self.rate_windows = RateWindowStore(database)
        self.sessions = SessionStore(database)
        self.settlements = Settlements(database)
        self.snapshots = SnapshotStore(database)
        self.stream_leases = StreamLeaseStore(database)
        self.uploads = UploadStore(database)
        self.usage = UsageStore(database)
        self.webhooks = WebhookStore(database)
        self.workspaces = WorkspaceStore(database)
