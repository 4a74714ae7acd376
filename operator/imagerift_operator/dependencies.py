"""What the parts of one operator process are made from."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from imagerift_core.catalogue import Catalogue
from imagerift_core.clock_watch import ClockWatch, watched_clocks
from imagerift_core.crashpoints import CrashPoints
from imagerift_core.ids import random_base62
from imagerift_core.isolation import Isolations
from imagerift_core.job_pods import JobPods, load_job_pods
from imagerift_core.kube import Kube, connect_kube
from imagerift_core.loops import Loops
from imagerift_core.modes import Modes, load_modes
from imagerift_core.mongo import Stores, connect
from imagerift_core.mongo.migrations import Migrations
from imagerift_core.plans import Plans, load_plans
from imagerift_core.refused_writes import show_refused_writes
from imagerift_core.s3 import ObjectStore, open_store

from imagerift_operator.in_flight import InFlight
from imagerift_operator.job_index import JobIndex
from imagerift_operator.leadership import Leadership
from imagerift_operator.memory import Memory
from imagerift_operator.metrics import Metrics, serve_metrics
from imagerift_operator.refusals import make_isolations
from imagerift_operator.scheduler import Scheduler
from imagerift_operator.settings import OperatorSettings

LEASE_NAME = "imagerift-operator"


@dataclass(frozen=True)
class Dependencies:
    """Settings, files, connections, the lease and the process's memory of jobs."""

    settings: OperatorSettings
    catalogue: Catalogue
    job_pods: JobPods | None
    stores: Stores
    store: ObjectStore
    kube: Kube
    metrics: Metrics
    clocks: ClockWatch
    loops: Loops
    isolations: Isolations
    crash: CrashPoints
    memory: Memory
    leadership: Leadership
    migrations: Migrations

    @property
    def plans(self) -> Plans:
        return self.catalogue.plans

    @property
    def modes(self) -> Modes:
        return self.catalogue.modes


@asynccontextmanager
async def opened_dependencies(settings: OperatorSettings) -> AsyncIterator[Dependencies]:
    """Reads the files and opens the connections, which are closed at the block's end."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        url = settings.mongo_url.get_secret_value()
        database = await enter(connect(url, settings.mongo_database, settings.mongo_tls))
        store = await enter(open_store(settings))
        kube = await enter(connect_kube(settings.kubeconfig, settings.namespace))
        meter = await enter(serve_metrics(settings.operator_host, settings.operator_metrics_port))
        loops = Loops()
        stack.push_async_callback(loops.close)
        clocks = await watched_clocks(
            {"mongodb": database.time, "kubernetes": kube.time, "s3": store.time}, loops
        )
        isolations = make_isolations()
        for shown in (clocks, loops, isolations):
            shown.show(meter)
        show_refused_writes(meter)
        stores = Stores(database)
        index = JobIndex(ttl_override=settings.job_ttl_seconds)
        yield Dependencies(
            settings=settings,
            catalogue=Catalogue(
                stores.catalogue, load_plans(settings.plans_file), load_modes(settings.modes_file)
            ),
            job_pods=load_job_pods(settings.job_pods_file),
            stores=stores,
            migrations=Migrations(database),
            store=store,
            kube=kube,
            metrics=Metrics(meter),
            clocks=clocks,
            loops=loops,
            isolations=isolations,
            crash=CrashPoints(settings.crash_dir),
            memory=Memory(index, Scheduler(), InFlight()),
            leadership=Leadership(
                kube,
                name=LEASE_NAME,
                identity=f"{socket.gethostname()}-{os.getpid()}-{random_base62(8)}",
                lease_seconds=settings.lease_seconds,
            ),
        )
