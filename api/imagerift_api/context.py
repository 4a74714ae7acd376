"""Every client and service of the process, made in one place and closed there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

import aiohttp
import stamina
import structlog
from aiohttp import web
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.job_pods import load_job_pods
from imagerift_core.kube import connect_kube
from imagerift_core.modes import Modes, load_modes
from imagerift_core.mongo.database import Database, connect
from imagerift_core.mongo.polls import Polls
from imagerift_core.plans import Plans, load_plans
from imagerift_core.s3 import open_store
from imagerift_core.sealing import Sealer

from imagerift_api import app_keys
from imagerift_api.authentication import Authenticator
from imagerift_api.background import Background
from imagerift_api.body_reading import BodyBudget
from imagerift_api.key_usage import KeyUsage
from imagerift_api.services.account_overview import AccountOverview
from imagerift_api.services.batches import Batches
from imagerift_api.services.cancellations import Cancellations
from imagerift_api.services.deletions import Deletions
from imagerift_api.services.job_changes import JobChanges
from imagerift_api.services.job_following import JobFollowing
from imagerift_api.services.job_reads import JobReads
from imagerift_api.services.job_resources import CALL_SECONDS, JobResources
from imagerift_api.services.key_creation import KeyCreation
from imagerift_api.services.members import Members
from imagerift_api.services.queue_view import QueueView
from imagerift_api.services.readiness import Readiness
from imagerift_api.services.resource_notes import ResourceNotes
from imagerift_api.services.sign_ins import SignIns
from imagerift_api.services.sources import Sources
from imagerift_api.services.stream_places import StreamPlaces
from imagerift_api.services.submissions import Submissions
from imagerift_api.services.upload_places import UploadPlaces
from imagerift_api.services.webhooks import Webhooks
from imagerift_api.settings import ApiSettings
from imagerift_api.sign_in.built_in import BuiltInIssuer
from imagerift_api.sign_in.oidc import OidcIssuer
from imagerift_api.sign_in.sessions import Sessions
from imagerift_api.webhooks.egress import Egress
from imagerift_api.webhooks.secrets import WebhookSecrets
from imagerift_api.webhooks.worker import WebhookWorker

_DRAIN_SECONDS = 20
_ISSUER_SECONDS = 10
CALLBACK_PATH = "/account/sign-in/callback"
_log = structlog.get_logger()


@dataclass(frozen=True)
class ProcessContext:
    """What handlers work with."""

    database: Database
    modes: Modes
    authenticator: Authenticator
    key_usage: KeyUsage
    body_budget: BodyBudget
    submissions: Submissions
    polls: Polls
    job_reads: JobReads
    cancellations: Cancellations
    deletions: Deletions
    batches: Batches
    upload_places: UploadPlaces
    stream_places: StreamPlaces
    job_following: JobFollowing
    readiness: Readiness
    sessions: Sessions
    sign_ins: SignIns
    key_creation: KeyCreation
    members: Members
    webhooks: Webhooks
    account_overview: AccountOverview
    plans: Plans


async def open_context(application: web.Application) -> AsyncIterator[None]:
    """Opens everything at the start of the process; closes it, last first, at its end."""
    settings = application[app_keys.SETTINGS]
    metrics = application[app_keys.METRICS]
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connect(settings.mongo_url.get_secret_value(), settings.mongo_database)
        )
        store = await stack.enter_async_context(open_store(settings))
        kube = await stack.enter_async_context(
            connect_kube(settings.kubeconfig, settings.namespace, timeout_seconds=CALL_SECONDS)
        )
        sources = Sources(database, store)
        stack.callback(sources.close)
        key_usage = KeyUsage(database)
        stack.push_async_callback(key_usage.flush)
        background = Background()
        stack.push_async_callback(background.drain, seconds=_DRAIN_SECONDS)
        readiness = Readiness(database, store)
        resource_notes = ResourceNotes(database)
        stack.push_async_callback(resource_notes.flush)
        for work in (
            key_usage.run(),
            resource_notes.run(),
            _prepare_database(database, readiness),
        ):
            stack.push_async_callback(_stop, asyncio.create_task(work))
        modes = load_modes(settings.modes_file)
        plans = load_plans(settings.plans_file)
        resources = JobResources(kube, metrics)
        cancellations = Cancellations(database, resources, background)
        job_reads = JobReads(database, store, QueueView(database, settings.namespace))
        egress = Egress(
            allowed_hosts=settings.allowed_webhook_hosts(),
            refused_networks=settings.refused_webhook_networks(),
        )
        webhook_secrets = WebhookSecrets(Sealer(settings.webhook_secret()))
        worker = WebhookWorker(database, webhook_secrets, egress, metrics)
        stack.push_async_callback(_stop, asyncio.create_task(worker.run()))
        oidc_http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ISSUER_SECONDS))
        )
        application[app_keys.CONTEXT] = ProcessContext(
            database=database,
            modes=modes,
            authenticator=Authenticator(database, plans, settings.pepper()),
            key_usage=key_usage,
            body_budget=BodyBudget(),
            submissions=Submissions(
                database=database,
                modes=modes,
                job_pods=load_job_pods(settings.job_pods_file),
                namespace=settings.namespace,
                sources=sources,
                resources=resources,
                resource_notes=resource_notes,
                background=background,
                crash_points=CrashPoints(settings.crash_dir),
                metrics=metrics,
                egress=egress,
            ),
            polls=Polls(database),
            job_reads=job_reads,
            cancellations=cancellations,
            deletions=Deletions(database, store, resources),
            batches=Batches(database, cancellations),
            stream_places=StreamPlaces(database, background),
            job_following=JobFollowing(job_reads, JobChanges(database)),
            upload_places=UploadPlaces(database, store, settings.namespace),
            readiness=readiness,
            sessions=Sessions(database, plans, settings),
            sign_ins=_sign_ins(settings, database, oidc_http),
            key_creation=KeyCreation(database, plans, settings.pepper()),
            members=Members(database),
            webhooks=Webhooks(database, webhook_secrets, egress),
            account_overview=AccountOverview(database, store),
            plans=plans,
        )
        yield


def _sign_ins(settings: ApiSettings, database: Database, http: aiohttp.ClientSession) -> SignIns:
    oidc, built_in, secret = None, None, settings.oidc_client_secret
    if settings.oidc_issuer is not None:
        oidc = OidcIssuer(
            http,
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id or "",
            client_secret=secret.get_secret_value() if secret else None,
            redirect_uri=f"{settings.public_url}{CALLBACK_PATH}",
        )
    if settings.sign_in_users_file is not None:
        built_in = BuiltInIssuer(
            database,
            settings.sign_in_users_file,
            tries_per_minute=settings.sign_in_tries_per_minute,
        )
    return SignIns(database, oidc=oidc, built_in=built_in)


async def _prepare_database(database: Database, readiness: Readiness) -> None:
    """Ensures the indexes, for as long as MongoDB takes to come up and to know who we are."""
    async for attempt in stamina.retry_context(
        on=CapacityUnavailable, attempts=None, timeout=None, wait_max=5
    ):
        with attempt:
            try:
                await database.ensure_indexes()
            except CapacityUnavailable:
                raise
            except Exception as error:
                # Such as a user that is not made yet, or a replica set that is just forming.
                _log.error("database_refuses", exc_info=error)
                raise CapacityUnavailable("The job store refuses us.") from error
    readiness.database_is_prepared()
    _log.info("database_prepared")


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
