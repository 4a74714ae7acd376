"""Every client and service of the process, made in one place and closed there."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial

import aiohttp
import stamina
import structlog
from aiohttp import web
from imagerift_core.catalogue import Catalogue
from imagerift_core.clock_watch import watched_clocks
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.errors import CapacityUnavailable
from imagerift_core.ids import random_base62
from imagerift_core.job_pods import load_job_pods
from imagerift_core.kube import connect_kube
from imagerift_core.modes import load_modes
from imagerift_core.mongo import Database, Stores, connect
from imagerift_core.mongo.keys import KeyStore
from imagerift_core.mongo.migrations import Migrations, Presence
from imagerift_core.plans import load_plans
from imagerift_core.s3 import open_store
from imagerift_core.sealing import Sealer
from imagerift_core.tenants import KeyMaker, WorkspaceRules
from imagerift_core.webhook_maker import WebhookMaker
from imagerift_core.webhook_secrets import WebhookSecrets

from imagerift_api.account.service import ACCOUNTS, Accounts
from imagerift_api.administration.service import ADMINISTRATION, Administration
from imagerift_api.administrators.service import ROSTER, Roster
from imagerift_api.api_keys.service import API_KEYS, ApiKeys
from imagerift_api.auth.address_limit import AddressLimit
from imagerift_api.auth.administrators import ADMINISTRATORS, Administrators
from imagerift_api.auth.callers import KEY_USAGE, RATE_WINDOWS
from imagerift_api.auth.keys import AUTHENTICATOR, Authenticator
from imagerift_api.auth.sessions import SESSIONS, Sessions
from imagerift_api.background import LOOPS, Background
from imagerift_api.batches.service import BATCHES, Batches
from imagerift_api.catalogue.service import CATALOGUE
from imagerift_api.debounced_writer import DebouncedWriter
from imagerift_api.health.service import READINESS, Readiness
from imagerift_api.http.body_reading import BODY_BUDGET, BodyBudget
from imagerift_api.jobs.drafts import Drafts
from imagerift_api.jobs.following import FOLLOWING, JobFollowing
from imagerift_api.jobs.offers import OFFERS, Offers
from imagerift_api.jobs.queue_view import QueueView
from imagerift_api.jobs.resources import CALL_SECONDS, JobResources
from imagerift_api.jobs.service import JOBS, RATE_LIMITED_READS, Jobs
from imagerift_api.jobs.sources import Sources
from imagerift_api.jobs.stream_limit import STREAM_LIMIT, StreamLimit
from imagerift_api.jobs.submissions import SUBMISSIONS, Submissions
from imagerift_api.members.service import MEMBERS, Members
from imagerift_api.metrics import METRICS
from imagerift_api.overview.service import OVERVIEWS, Overviews
from imagerift_api.settings import MODES, PLANS, SETTINGS, ApiSettings
from imagerift_api.sign_in.built_in import BuiltInIssuer
from imagerift_api.sign_in.devices import KNOWN_DEVICES, KnownDevices
from imagerift_api.sign_in.oidc import OidcIssuer
from imagerift_api.sign_in.service import CALLBACK_PATH, SIGN_INS, SignIns
from imagerift_api.sign_in.sign_up import SignUpRule
from imagerift_api.sign_in.under_way import SignInCookies
from imagerift_api.uploads.service import UPLOADS, Uploads
from imagerift_api.usage.service import USAGES, Usages
from imagerift_api.webhooks.backlog import BacklogWatch
from imagerift_api.webhooks.service import WEBHOOKS, Webhooks
from imagerift_api.webhooks.worker import WebhookWorker

_DRAIN_SECONDS = 20
_ISSUER_SECONDS = 10
_log = structlog.get_logger()


async def open_context(application: web.Application) -> AsyncIterator[None]:
    """Opens everything at the start of the process; closes it, last first, at its end."""
    settings = application[SETTINGS]
    metrics, loops = application[METRICS], application[LOOPS]
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            connect(
                settings.mongo_url.get_secret_value(),
                settings.mongo_database,
                settings.mongo_tls,
            )
        )
        stores = Stores(database)
        store = await stack.enter_async_context(open_store(settings))
        kube = await stack.enter_async_context(
            connect_kube(settings.kubeconfig, settings.namespace, timeout_seconds=CALL_SECONDS)
        )
        stack.push_async_callback(loops.close)
        clocks = await watched_clocks(
            {"mongodb": database.time, "kubernetes": kube.time, "s3": store.time}, loops
        )
        metrics.show(clocks, loops)
        sources = Sources(stores.jobs, stores.uploads, store)
        stack.push_async_callback(sources.close)
        key_usage = DebouncedWriter("key_usage", _mark_used(stores.keys), seconds=5)
        stack.push_async_callback(key_usage.flush)
        background = Background()
        stack.push_async_callback(background.drain, seconds=_DRAIN_SECONDS)
        readiness = Readiness(database, store, clocks)
        # A job that was claimed meanwhile has its uid from the operator; of one whose uid is lost
        # with this process the operator's sweep finds the resource.
        resource_uids = DebouncedWriter("resource_uids", stores.jobs.set_resource_uids, seconds=1)
        stack.push_async_callback(resource_uids.flush)
        egress = settings.egress()
        secrets = WebhookSecrets(Sealer(settings.webhook_secret()))
        catalogue = Catalogue(
            stores.catalogue, load_plans(settings.plans_file), load_modes(settings.modes_file)
        )
        webhooks = WebhookWorker(
            queue=stores.delivery_queue,
            webhooks=stores.webhooks,
            jobs=stores.jobs,
            webhook_secrets=secrets,
            egress=egress,
            metrics=metrics,
        )
        started: dict[str, Callable[[], Awaitable[None]]] = {
            "key_usage": key_usage.run,
            "resource_uids": resource_uids.run,
            "indexes": partial(_prepare_database, database, catalogue, readiness),
            "catalogue": catalogue.run,
            "presence": Presence(Migrations(database), _process_id(), "api").run,
            "webhooks": webhooks.run,
            "webhook_backlog": BacklogWatch(stores.deliveries, metrics).run,
        }
        for name, run in started.items():
            loops.start(name, run)
        # Before what they leave is written.
        stack.push_async_callback(loops.close)
        oidc_http = await stack.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ISSUER_SECONDS))
        )
        application[MODES], application[PLANS] = catalogue.open_modes, catalogue.plans
        resources = JobResources(kube, resource_uids, metrics)
        application[OFFERS] = offers = Offers(
            catalogue.open_modes, stores.snapshots, settings.namespace
        )
        application[JOBS] = jobs = Jobs(
            stores.jobs,
            store,
            QueueView(stores.snapshots, settings.namespace),
            resources,
            background,
            previews=settings.previews,
        )
        application[RATE_WINDOWS] = stores.rate_windows
        application[KEY_USAGE] = key_usage
        application[BODY_BUDGET] = BodyBudget()
        application[RATE_LIMITED_READS] = stores.rate_limited_reads
        application[FOLLOWING] = JobFollowing(jobs, stores.job_changes)
        application[STREAM_LIMIT] = StreamLimit(stores.stream_leases, background)
        application[SUBMISSIONS] = Submissions(
            stores=stores,
            drafts=Drafts(
                offers, load_job_pods(settings.job_pods_file), settings.namespace, egress
            ),
            sources=sources,
            resources=resources,
            background=background,
            crash_points=CrashPoints(settings.crash_dir),
            metrics=metrics,
        )
        application[BATCHES] = Batches(stores.batches, jobs)
        application[UPLOADS] = Uploads(
            stores.uploads, stores.idempotency_keys, store, settings.namespace
        )
        application[USAGES] = Usages(stores.usage)
        application[READINESS] = readiness
        maker = WebhookMaker(stores.webhooks, secrets, egress)
        _open_accounts(application, stores, oidc_http, catalogue, maker)
        application[OVERVIEWS] = Overviews(stores.jobs, stores.usage, store)
        application[WEBHOOKS] = Webhooks(
            stores.webhooks, stores.deliveries, stores.account_log, secrets, maker
        )
        yield


def _open_accounts(
    application: web.Application,
    stores: Stores,
    http: aiohttp.ClientSession,
    catalogue: Catalogue,
    webhook_maker: WebhookMaker,
) -> None:
    """Who calls, and what people do about keys, members and sessions."""
    settings, plans = application[SETTINGS], application[PLANS]
    application[AUTHENTICATOR] = Authenticator(
        stores,
        plans,
        settings.pepper(),
        limit=AddressLimit(settings.unidentified_requests_per_minute),
    )
    application[SESSIONS] = Sessions(
        sessions=stores.sessions,
        people=stores.people,
        members=stores.members,
        workspaces=stores.workspaces,
        plans=plans,
        settings=settings,
    )
    application[KNOWN_DEVICES] = devices = KnownDevices(settings.device_secret())
    application[SIGN_INS] = _sign_ins(settings, stores, http, devices)
    application[ACCOUNTS] = accounts = Accounts(
        stores.workspaces, stores.members, stores.sessions, stores.account_log
    )
    maker = KeyMaker(stores.keys, stores.workspaces, plans, settings.pepper())
    application[API_KEYS] = ApiKeys(stores.keys, stores.members, maker)
    application[ADMINISTRATORS] = Administrators(
        settings.admin_token,
        stores.administrators,
        settings.pepper(),
        limit=AddressLimit(settings.unidentified_requests_per_minute),
    )
    rules = WorkspaceRules(stores.workspaces, catalogue.open_plans)
    application[ADMINISTRATION] = Administration(stores, rules, maker, webhook_maker)
    application[CATALOGUE] = catalogue
    application[ROSTER] = Roster(stores.administrators, accounts, settings.pepper())
    application[MEMBERS] = Members(stores.members, stores.people, stores.invitations)


def _sign_ins(
    settings: ApiSettings, stores: Stores, http: aiohttp.ClientSession, devices: KnownDevices
) -> SignIns:
    oidc, built_in, secret = None, None, settings.oidc_client_secret
    if settings.oidc_issuer is not None:
        oidc = OidcIssuer(
            http,
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id or "",
            client_secret=secret.get_secret_value() if secret else None,
            redirect_uri=f"{settings.public_url}{CALLBACK_PATH}",
            sign_up=SignUpRule(
                open=settings.oidc_open,
                email_domains=settings.sign_up_domains(),
                claims=settings.sign_up_claims(),
            ),
        )
    if settings.sign_in_users_file is not None:
        built_in = BuiltInIssuer(
            stores.rate_windows,
            settings.sign_in_users_file,
            devices,
            tries_per_minute=settings.sign_in_tries_per_minute,
        )
    return SignIns(
        stores,
        SignInCookies(settings.sign_in_secret()),
        AddressLimit(settings.unidentified_requests_per_minute),
        oidc=oidc,
        built_in=built_in,
    )


async def _prepare_database(database: Database, catalogue: Catalogue, readiness: Readiness) -> None:
    """Gives the database this release's form, for as long as MongoDB takes to come up and to know
    who we are, or an administrator to go back to a form that it knows."""
    migrations = Migrations(database)
    async for attempt in stamina.retry_context(
        on=CapacityUnavailable, attempts=None, timeout=None, wait_max=5
    ):
        with attempt:
            try:
                await migrations.expand()
                await catalogue.refresh()
            except CapacityUnavailable:
                raise
            except Exception as error:
                # Such as a user that is not made yet, or a replica set that is just forming.
                _log.error("database_refuses", exc_info=error)
                raise CapacityUnavailable("The job store refuses us.") from error
    readiness.database_is_prepared()
    _log.info("database_prepared")


def _process_id() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{random_base62(8)}"


def _mark_used(keys: KeyStore) -> Callable[[Mapping[str, datetime]], Awaitable[None]]:
    async def write(used: Mapping[str, datetime]) -> None:
        await keys.mark_used(sorted(used), at=max(used.values()))

    return write
